"""``train`` and ``export`` as processes."""

import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from command import COMMAND, bot, clean_environment, empty_folder

from bot.artifact.precision import int8_works
from bot.cli import main
from bot.errors import UsageError
from bot.training import checkpoint
from bot.training.run import HELD_OUT, RunConfig, read_held_out, read_splits

SMALL = (
    "--hidden=32",
    "--embedding=16",
    "--decoder-layers=1",
    "--vocabulary=400",
    "--batch-size=16",
    "--max-reply-count=1000",
)


def test_a_model_is_trained_exported_and_talked_to(corpus: Path, tmp_path: Path) -> None:
    run, store = tmp_path / "a run", tmp_path / "the store"
    trained = bot("train", f"--run={run}", f"--corpus={corpus}", "--steps=20", *SMALL)
    assert trained.returncode == 0, trained.stderr.decode()
    assert f"python -m bot export '{run}' --name NAME" in trained.stderr.decode()
    log = log_of(run)
    assert [line["step"] for line in log] == list(range(1, 21)), "twenty, also of a short run"
    last = log[-1]
    loss, perplexity = last["valid_nats_per_token"], last["valid_perplexity"]
    said = trained.stderr.decode()
    assert "\nstep 20: loss " in said, "the last step is told of"
    assert re.search(r"\nThe run ends in about .*, at step 20 or so\.\n", said)
    assert re.search(r"\nstep 20: held-out loss .*(\n> .*\n= .*\n< .*){3}\n", said)
    assert (
        f"at step 20 is {loss:.3f} nats a token, a perplexity of {perplexity:.2f}.\n"
        in trained.stderr.decode()
    )
    tuned = bot(
        "train", f"--run={tmp_path / 'tuned'}", f"--base={run}", f"--corpus={corpus}", "--steps=2"
    )
    assert tuned.returncode == 0, tuned.stderr.decode()
    # Twenty steps leave replies so close that eight bits might choose others.
    exported = bot("export", run, "--name=mine", f"--store={store}", "--no-int8")
    assert exported.returncode == 0, exported.stderr.decode()
    told = f"Talk to it with: MODEL_STORE='{store}' python -m bot chat --model mine"
    assert told in exported.stderr.decode()
    card = (store / "mine" / "1" / "MODEL_CARD.md").read_text()
    assert "perplexity" in card
    assert card.count("\n| ") > 30, "the card shows thirty prompts with their replies"
    note = "There is no int8 variant: it was left out with --no-int8."
    assert f"\n{note}\n" in card
    assert f"{note}\n" in exported.stderr.decode()
    chat = bot("chat", "--model=mine", stdin=b"hello\n", MODEL_STORE=str(store))
    assert len(chat.stdout.splitlines()) == 1


@pytest.mark.skipif(not int8_works(), reason="int8 does not work on this machine")
def test_export_publishes_int8_and_tells_how_well_it_agrees(
    trained_run: Path, tmp_path: Path
) -> None:
    exported = bot("export", trained_run, "--name=mine", f"--store={tmp_path}")
    told = exported.stderr.decode()
    assert exported.returncode == 0, told
    note = re.search(
        r"^The int8 variant answers .+ of 875 training prompts as fp32 .+$", told, re.M
    )
    assert note
    assert f"\n{note[0]}\n" in (tmp_path / "mine" / "1" / "MODEL_CARD.md").read_text()
    prompt = b"Please, number 3, tell me about the cat.\n"
    for precision in ("int8", "fp32"):
        chat = bot("chat", f"--precision={precision}", stdin=prompt, MODEL_STORE=str(tmp_path))
        assert chat.stdout == b"The cat says meow.\n", chat.stderr.decode()


def test_ctrl_c_saves_and_says_how_to_resume(corpus: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = [f"--run={run}", f"--corpus={corpus}", "--steps=100000", *SMALL]
    with subprocess.Popen(
        [*COMMAND, "train", *options],
        cwd=empty_folder(),
        env=clean_environment(),
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if line.startswith("step 100"):
                break
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    saved = re.search(r"^Saved at step (\d+)\. Go on with: .* --resume$", rest, re.M)
    assert saved
    assert int(saved[1]) == checkpoint.load(run / checkpoint.CHECKPOINT_FILE)["step"]
    changed = bot("train", f"--run={run}", "--resume", "--batch-size=7")
    assert changed.returncode == 2
    assert b"leave --batch-size out" in changed.stderr
    resumed = bot("train", f"--run={run}", "--resume", "--steps=110")
    assert resumed.returncode == 0, resumed.stderr.decode()
    assert "Done." in resumed.stderr.decode()


# The command, killed at a step as a machine that loses power would.
KILLED = """
import os, signal

from bot.cli import main
from bot.training.trainer import Trainer

take_step = Trainer._step


def step(self, indices):
    if self.step == 44:
        os.kill(os.getpid(), signal.SIGKILL)
    return take_step(self, indices)


Trainer._step = step
main()
"""


def test_a_run_that_is_killed_and_resumed_ends_with_the_same_loss_curve_and_weights(
    corpus: Path, tmp_path: Path
) -> None:
    options = [f"--corpus={corpus}", "--steps=60", "--evaluate-every=10", "--save-every=15", *SMALL]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert bot("train", f"--run={whole}", *options).returncode == 0
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, "train", f"--run={parts}", *options],
        cwd=empty_folder(),
        env=clean_environment(),
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    # The step of the checkpoint is behind that of the last evaluation.
    assert checkpoint.load(parts / checkpoint.CHECKPOINT_FILE)["step"] == 30
    assert [line["step"] for line in log_of(parts)] == [10, 20, 30, 40]
    resumed = bot("train", f"--run={parts}", "--resume")
    assert resumed.returncode == 0, resumed.stderr.decode()
    assert log_of(parts) == log_of(whole)
    assert [line["step"] for line in log_of(parts)] == [10, 20, 30, 40, 50, 60]
    weights = checkpoint.load(parts / checkpoint.CHECKPOINT_FILE)["model"]
    for name, expected in checkpoint.load(whole / checkpoint.CHECKPOINT_FILE)["model"].items():
        assert torch.equal(weights[name], expected), name


def log_of(run: Path) -> list[dict[str, float]]:
    """The loss curve, all but the times."""
    lines = [json.loads(line) for line in (run / checkpoint.LOG_FILE).read_text().splitlines()]
    return [{key: value for key, value in line.items() if key != "minutes"} for line in lines]


def test_a_recipe_sets_what_was_not_given(corpus: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = bot(
        "train", f"--run={run}", f"--corpus={corpus}", "--recipe=tutorial", "--steps=1", *SMALL
    )
    assert result.returncode == 0, result.stderr.decode()
    config = RunConfig.read(run)
    assert config.training.steps == 1
    assert config.training.batch_size == 16
    assert config.training.decoder_learning_ratio == 5.0
    assert config.training.loss == "steps"
    assert config.model.hidden_size == 32
    assert config.model.encoder_layers == 2
    assert not config.model.tie_embeddings


def test_a_wrong_option_is_a_usage_error(tmp_path: Path) -> None:
    for option in (
        "--attention=cosine",
        "--clip=0",
        "--drop=(",
        "--decoder-layers=9",
        "--corpus=a.docx",
    ):
        result = bot("train", f"--run={tmp_path / 'run'}", option)
        assert result.returncode == 2, option
        assert b"Traceback" not in result.stderr
    assert not (tmp_path / "run").exists()


def test_exporting_a_folder_without_a_run_is_an_error(tmp_path: Path) -> None:
    result = bot("export", tmp_path, "--name=mine")
    assert result.returncode == 1
    assert result.stderr.decode().startswith("error: ")


def test_a_small_corpus_is_trained_on_and_exported_without_held_out_replies(
    tmp_path: Path,
) -> None:
    source, run, store = tmp_path / "few.tsv", tmp_path / "run", tmp_path / "store"
    source.write_text("".join(f"What is number {n}?\tThat is number {n}.\n" for n in range(5)))
    options = (f"--run={run}", f"--corpus={source}", "--steps=2", "--evaluate-every=1", *SMALL)
    patient = bot("train", *options, "--patience=1")
    assert patient.returncode == 2
    assert b"--patience has no held-out loss" in patient.stderr
    trained = bot("train", *options)
    said = trained.stderr.decode()
    assert trained.returncode == 0, said
    assert f"{source}: 5 examples (5 train, 0 valid, 0 test) from 5 conversations" in said
    assert said.count("warning: the validation split is empty: ") == 1
    assert said.count("warning: the test split is empty: ") == 1
    assert "undefined" in (run / "report.html").read_text("utf-8")
    patient = bot("train", f"--run={run}", "--resume", "--steps=4", "--patience=1")
    assert patient.returncode == 2
    assert RunConfig.read(run).training.steps == 2
    exported = bot("export", run, "--name=few", f"--store={store}", "--no-int8")
    assert exported.returncode == 0, exported.stderr.decode()
    assert "No held-out replies" in (store / "few" / "1" / "MODEL_CARD.md").read_text()
    again = bot("train", *options)
    assert again.returncode == 2
    assert b"already holds a run" in again.stderr


def test_train_says_what_it_left_out_and_longer_replies_are_learnt_if_asked_for(
    tmp_path: Path,
) -> None:
    source = tmp_path / "long.tsv"
    reply = "That was " + "so " * 40 + "good"
    lines = [f"How was number {n}?\t{reply} on day {n}.\n" for n in range(50)]
    one_word = "".join(chr(0x1401 + 3 * i) for i in range(200))  # no two letters are alike
    source.write_text("".join([*lines, "What a bitch!\tNo.\n", f"Hm?\t{one_word}\n"]), "utf-8")
    options = (f"--corpus={source}", "--steps=1", "--max-reply-words=60", "--no-clean", *SMALL)
    long = bot("train", f"--run={tmp_path / 'long'}", *options)
    said = long.stderr.decode()
    assert long.returncode == 0, said
    assert "dropped 1 (offensive)" in said
    assert said.count("left out ") == 1
    assert "left out 1 with a reply of more than 111 tokens" in said
    assert RunConfig.read(tmp_path / "long").max_target_tokens == 112


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--recipe=tutorial", "--vocabulary-kind=bpe"],
            [
                *("--vocabulary-kind bpe", "--min-count 3 of --recipe tutorial"),
                *("--drop-unknown of --recipe tutorial", "--min-count 1 and --no-drop-unknown"),
            ],
        ),
        (["--drop-unknown"], ["--vocabulary-kind bpe", "with --drop-unknown;"]),
        (["--decoder-layers=3"], ["--encoder-layers 1 and --decoder-layers 3"]),
        (["--steps=5", "--minutes=3"], ["--steps 5 and --minutes 3 ", "one of them"]),
        # Of all that follow the corpus does not exist, and nobody notices.
        (["--resume", "--corpus=none.tsv"], ["runs/latest holds no run to resume"]),
        (["--run=RUN", "--corpus=none.tsv"], ["already holds a run"]),
        (
            ["--run=RUN", "--resume", "--corpus=none.tsv", "--no-clean", "--clip=2"],
            ["leave --no-clean, --clip and --corpus out", "--steps, --minutes and --patience"],
        ),
        (
            ["--base=RUN", "--hidden=3", "--no-tie-embeddings", "--corpus=none.tsv"],
            ["leave --hidden and --no-tie-embeddings out"],
        ),
    ],
)
def test_options_that_clash_are_named_before_anything_is_read(
    arguments: list[str],
    words: list[str],
    trained_run: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)  # without a developer's .env
    given = [argument.replace("RUN", str(trained_run)) for argument in arguments]
    monkeypatch.setattr(sys, "argv", ["bot", "train", *given])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    assert all(word in sentence for word in words), sentence
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "budget"),
    [
        ([], (20_000, 60.0)),
        (["--steps=7"], (7, None)),
        (["--minutes=90"], (None, 90.0)),
        (["--recipe=tutorial"], (4000, None)),
        (["--recipe=tutorial", "--minutes=30"], (None, 30.0)),
    ],
    ids=str,
)
def test_a_run_ends_after_the_steps_or_the_minutes_that_were_asked_for(
    arguments: list[str],
    budget: tuple[int | None, float | None],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configs = []

    def prepare(run: Path, config: RunConfig, *_: object, **__: object) -> None:
        configs.append(config)
        raise UsageError("enough")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bot.training.run.prepare", prepare)
    monkeypatch.setattr(sys, "argv", ["bot", "train", *arguments])
    with pytest.raises(SystemExit):
        main()
    assert (configs[0].training.steps, configs[0].training.minutes) == budget


def test_what_is_announced_is_what_is_measured_on(corpus: Path, tmp_path: Path) -> None:
    """Of the held-out pairs, too, those with an unknown word are dropped."""
    source, run = tmp_path / "rare.jsonl", tmp_path / "run"
    lines = corpus.read_text().splitlines()
    rare = [
        json.dumps({"turns": [f"What is {word}?", "I do not know."]})
        for word in ("".join(chr(97 + int(digit)) for digit in f"{n:04}") for n in range(900))
    ]
    source.write_text("\n".join(lines + rare))
    options = ("--recipe=tutorial", "--steps=1", "--hidden=32", "--embedding=16")
    result = bot("train", f"--run={run}", f"--corpus={source}", *options)
    said = result.stderr.decode()
    assert result.returncode == 0, said
    used = {name: len(pairs) for name, pairs in read_splits(run).items()}
    held_out = {name: len(read_held_out(run, name)) for name in HELD_OUT}
    assert held_out == {"valid": used["valid"], "test": used["test"]}
    assert f" {used['valid']} to validate on, {used['test']} to test on; " in said
    of_corpus = re.search(r"(\d+) valid, (\d+) test", said)
    assert of_corpus
    assert int(of_corpus[1]) > used["valid"] > 0
