"""``evaluate``, ``compare``, ``judge`` and ``attention`` as processes."""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from command import ROOT, bot, clean_environment, empty_folder
from rich.console import Console

from bot.artifact.artifact import Artifact
from bot.artifact.manifest import SEARCHER_FILE, TOKENIZER_FILE
from bot.artifact.store import ModelStore
from bot.cli import main
from bot.cli.evaluation import write_training_report
from bot.errors import CheckpointError
from bot.evaluation.artifact_evaluation import EvaluationConfig, held_out_examples
from bot.evaluation.metrics import likelihood
from bot.publishing.export import TrainedRun
from bot.training.held_out import held_out_loss
from bot.training.run import read_splits

CAT = "Please, number 3, tell me about the cat."


class OldSearcher(torch.nn.Module):
    """One that was exported before searchers could score: it says nothing."""

    def forward(
        self, source_ids: torch.Tensor, source_lengths: torch.Tensor, max_length: int
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        ends = torch.full_like(source_ids[:, :1], 2)
        return ends, torch.zeros_like(ends).float(), torch.zeros_like(source_lengths)


@pytest.fixture(scope="module")
def store(animal_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The animals, and a model that an older Causerie exported."""
    root = tmp_path_factory.mktemp("evaluated") / "store"
    shutil.copytree(animal_store, root)
    torch.jit.save(torch.jit.script(OldSearcher()), root / "old.pt")
    ModelStore(root).publish(
        "old",
        {
            SEARCHER_FILE: (root / "old.pt").read_bytes(),
            TOKENIZER_FILE: (root / "animals" / "1" / "tokenizer.json").read_bytes(),
        },
        torch_version=torch.__version__,
        language="en",
        description="Older.",
        model={},
        max_source_tokens=16,
    )
    (root / "old.pt").unlink()
    return root


def test_evaluate_prints_a_table_and_writes_all_numbers_and_a_report(
    store: Path, corpus: Path, trained_run: Path, tmp_path: Path
) -> None:
    result = bot(
        *("evaluate", "animals", f"--store={store}", f"--corpus={corpus}", "--split=valid"),
        *(f"--json={tmp_path / 'out.json'}", f"--report={tmp_path / 'report.html'}"),
        f"--run={trained_run}",
    )
    assert result.returncode == 0, result.stderr.decode()
    values = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert values["config"]["split"] == "valid"
    bits = values["likelihood"]["every_target"]["bits_per_character"]
    table = result.stdout.decode()
    assert f"{bits:.4g}" in table
    assert "distinct-2" in table
    assert "raw text" in table
    report = (tmp_path / "report.html").read_text("utf-8")
    assert f"{bits:.4g}" in report
    assert "data:image/svg+xml" in report
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.json", "report.html"]


def test_two_models_are_compared_blindly_and_judged(store: Path, tmp_path: Path) -> None:
    prompts = tmp_path / "prompts.txt"
    prompts.write_text(f"{CAT}\nHello.\tHi.\t{CAT}\n", "utf-8")
    sheet, key = tmp_path / "sheet.tsv", tmp_path / "key.json"
    files = f"--prompts={prompts}", f"--out={sheet}", f"--key={key}"
    compared = bot("compare", "animals", "old", *files, f"--store={store}", f"--store-b={store}")
    assert compared.returncode == 0, compared.stderr.decode()
    assert f"judge {sheet} --key {key}" in compared.stdout.decode()
    head, *rows = sheet.read_text("utf-8").splitlines()
    filled = [row + ("1" if row.split("\t")[2] else "2") for row in rows]
    sheet.write_text("\n".join([head, *filled]) + "\n", "utf-8")
    judged = bot("judge", sheet, f"--key={key}", f"--markdown={tmp_path / 'table.md'}")
    assert judged.returncode == 0, judged.stderr.decode()
    counts = {line.split("  ")[0].strip(): line.split()[-1] for line in _lines(judged)}
    assert counts["A, animals/1, is better"] == "2"
    assert counts["B, old/1, is better"] == "0"
    assert "| animals/1 | old/1 | verdict |" in (tmp_path / "table.md").read_text("utf-8")


def _lines(result: subprocess.CompletedProcess[bytes]) -> list[str]:
    return result.stdout.decode().splitlines()


def test_attention_draws_a_picture(store: Path, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    drawn = bot(
        "attention", "Hi. 😀", CAT, f"--out={picture}", "--model=animals", f"--store={store}"
    )
    assert drawn.returncode == 0, drawn.stderr.decode()
    assert drawn.stderr == b""
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_picture_says_what_to_install_for_what_it_cannot_write(
    store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bot.evaluation.fonts._choose", lambda missing, families: None)
    monkeypatch.setattr("matplotlib.font_manager.findSystemFonts", list)
    options = ("--out=a.svg", "--model=animals", f"--store={store}", "--reply=Hi.")
    monkeypatch.setattr(sys, "argv", ["bot", "attention", "你好", *options])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    output, errors = capsys.readouterr()
    assert output == "a.svg\n"
    (line,) = errors.splitlines()
    assert line.endswith("sudo apt-get install fonts-noto-cjk")


@pytest.mark.parametrize("split", ["valid", "test"])
def test_a_model_is_measured_on_exactly_what_a_run_held_out(
    split: str, animal_artifact: Artifact, trained_run: Path
) -> None:
    config = EvaluationConfig.of_run(trained_run, split, 0)
    examples = held_out_examples(config)
    trained = TrainedRun.read(trained_run)
    held_out = held_out_loss(trained.searcher.model, trained.splits[split])
    measured = likelihood(animal_artifact, examples)
    assert measured.every.perplexity == pytest.approx(held_out.perplexity, rel=1e-4)
    assert measured.every.bits_per_character == pytest.approx(held_out.bits_per_character, rel=1e-4)
    assert len(held_out_examples(EvaluationConfig.of_run(trained_run, split, 3))) == 3


def test_evaluate_takes_a_run_instead_of_a_corpus(
    store: Path, trained_run: Path, tmp_path: Path
) -> None:
    result = bot(
        *("evaluate", "animals", f"--store={store}", f"--run={trained_run}", "--split=valid"),
        f"--json={tmp_path / 'out.json'}",
    )
    assert result.returncode == 0, result.stderr.decode()
    values = json.loads((tmp_path / "out.json").read_text("utf-8"))
    assert values["config"]["run"] == str(trained_run)
    held_out = len(read_splits(trained_run)["valid"])
    assert values["likelihood"]["every_target"]["targets"] == held_out
    assert f"{held_out} examples of the valid split" in result.stderr.decode()


def test_a_run_that_kept_no_held_out_text_is_an_error(trained_run: Path, tmp_path: Path) -> None:
    shutil.copy(trained_run / "run.json", tmp_path)
    with pytest.raises(CheckpointError, match=r"test\.jsonl .* --corpus"):
        held_out_examples(EvaluationConfig.of_run(tmp_path, "test", 0))


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["evaluate", "plants", "--corpus=smalltalk"], 1, "There is no model plants"),
        (["evaluate", "animals"], 2, "--corpus"),
        (["evaluate", "animals", "--run=."], 1, "run.json"),
        (["evaluate", "animals", "--run=.", "--split=train"], 2, "valid and test"),
        (
            ["evaluate", "animals", "--run=.", "--no-clean", "--drop=x"],
            2,
            "leave --no-clean and --drop out",
        ),
        (["evaluate", "animals", "--corpus=novel.docx"], 2, "novel.docx"),
        (["evaluate", "animals", "--corpus=none.tsv"], 1, "none.tsv"),
        (["evaluate", "animals", "--corpus=smalltalk", "--run=x"], 2, "--report"),
        (["evaluate", "old", "--corpus=smalltalk", "--limit=1"], 1, "has no target_scores"),
        # The measuring would fail: these are found before it.
        (["evaluate", "old", "--corpus=smalltalk", "--report=r", "--run=."], 1, "run.json"),
        (["evaluate", "old", "--corpus=smalltalk", "--json=x", "--report=x"], 2, "two files"),
        (["evaluate", "old", "--corpus=smalltalk", "--json=/proc/x"], 2, "/proc/x"),
        (["evaluate", "old", "--corpus=smalltalk", "--report=/dev/null"], 2, "regular file"),
        (["compare", "animals", "old", "--prompts=none.txt"], 2, "none.txt"),
        (["compare", "animals", "old", "--prompts=/dev/null"], 2, "regular file"),
        (["compare", "a", "b", "--prompts=p", "--out=x", "--key=y/../x"], 2, "two files"),
        (["judge", "none.tsv", "--key=none.json"], 2, "none.json"),
        (["attention", "Hi", "--out=a.txt"], 2, ".svg"),
        (["attention", "Hi", "--out=a.png", "--model=old/1"], 1, "has no attention"),
        (["attention", "Hi", "--out=a.png", "--model=old/2"], 1, "There is no version old/2"),
        (["attention", "Hi", "--out=/dev/null/a.png"], 2, "/dev/null/a.png"),
    ],
)
def test_a_failure_is_one_sentence(
    arguments: list[str],
    code: int,
    words: str,
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)  # without a developer's .env
    monkeypatch.setenv("MODEL_STORE", str(store))
    monkeypatch.setattr(sys, "argv", ["bot", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    output, errors = capsys.readouterr()
    assert output == ""
    *_, sentence = errors.splitlines()
    assert sentence.startswith("error: ")
    assert words in sentence
    assert list(tmp_path.iterdir()) == []


def test_training_ends_with_a_report_or_says_what_is_missing(
    trained_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = io.StringIO()
    console = Console(file=told, soft_wrap=True)
    write_training_report(trained_run, console)
    assert str(trained_run / "report.html") in told.getvalue()
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    write_training_report(trained_run, console)
    assert "pip install matplotlib" in told.getvalue()


def test_chat_does_not_load_what_draws(store: Path) -> None:
    script = (
        "import sys; from bot.cli import app; app(['chat'], standalone_mode=False);"
        "print('torch' in sys.modules, 'matplotlib' in sys.modules, 'jinja2' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", script],
        input=b"hello\n",
        cwd=empty_folder(),
        env=clean_environment(MODEL_STORE=str(store), PYTHONPATH=str(ROOT)),
        capture_output=True,
        check=True,
    )
    assert result.stdout.decode().splitlines()[-1] == "True False False"
