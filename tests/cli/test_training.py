"""``train`` and ``export`` as processes."""

import signal
import subprocess
from pathlib import Path

from command import COMMAND, bot, clean_environment, empty_folder

SMALL = (
    "--hidden=32",
    "--embedding=16",
    "--decoder-layers=1",
    "--vocabulary=400",
    "--batch-size=16",
    "--max-reply-count=1000",
)


def test_a_model_is_trained_exported_and_talked_to(corpus: Path, tmp_path: Path) -> None:
    run, store = tmp_path / "run", tmp_path / "store"
    trained = bot("train", f"--run={run}", f"--corpus={corpus}", "--steps=20", *SMALL)
    assert trained.returncode == 0, trained.stderr.decode()
    assert f"python -m bot export {run}" in trained.stderr.decode()
    tuned = bot(
        "train", f"--run={tmp_path / 'tuned'}", f"--base={run}", f"--corpus={corpus}", "--steps=2"
    )
    assert tuned.returncode == 0, tuned.stderr.decode()
    exported = bot("export", run, "--name=mine", f"--store={store}")
    assert exported.returncode == 0, exported.stderr.decode()
    card = (store / "mine" / "1" / "MODEL_CARD.md").read_text()
    assert "perplexity" in card
    assert card.count("\n| ") > 30, "the card shows thirty prompts with their replies"
    chat = bot("chat", "--model=mine", stdin=b"hello\n", MODEL_STORE=str(store))
    assert len(chat.stdout.splitlines()) == 1


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
    assert "--resume" in rest
    changed = bot("train", f"--run={run}", "--resume", "--batch-size=7")
    assert changed.returncode == 2
    assert b"leave --batch-size out" in changed.stderr
    resumed = bot("train", f"--run={run}", "--resume", "--steps=110")
    assert resumed.returncode == 0, resumed.stderr.decode()
    assert "Done." in resumed.stderr.decode()


def test_a_wrong_option_is_a_usage_error(tmp_path: Path) -> None:
    for option in ("--attention=cosine", "--drop=(", "--decoder-layers=9", "--corpus=a.docx"):
        result = bot("train", f"--run={tmp_path / 'run'}", option)
        assert result.returncode == 2, option
        assert b"Traceback" not in result.stderr
    assert not (tmp_path / "run").exists()


def test_exporting_a_folder_without_a_run_is_an_error(tmp_path: Path) -> None:
    result = bot("export", tmp_path, "--name=mine")
    assert result.returncode == 1
    assert result.stderr.decode().startswith("error: ")
