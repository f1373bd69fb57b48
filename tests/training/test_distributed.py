"""Training on two real processes, which torchrun starts."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from command import clean_environment, empty_folder
from small_runs import trainer_of

from bot.errors import CheckpointError
from bot.training import checkpoint
from bot.training.distributed import resume_command
from bot.training.run import RunConfig, prepare

SMALL = (
    "--hidden=32",
    "--embedding=16",
    "--decoder-layers=1",
    "--vocabulary=400",
    "--dropout=0",
    "--learning-rate=0.01",
    "--warmup=0",
    "--max-reply-count=1000",
    "--evaluate-every=1",
    "--steps=6",
    "--clip=0.8",  # between the gradient norms of these steps, so that their scale matters
)

# Of 875 pairs the last batch of an epoch has 3, two for one process and one for the other: the
# right loss is not the mean of theirs.
PAIRS_A_PROCESS = 218

RESUME = "torchrun --nproc-per-node 2 -m bot train"

# The command, in which the second process is interrupted, and it alone.
INTERRUPTED = """
import os, signal, sys

from bot.cli import main
from bot.training.trainer import Trainer

take_step = Trainer._step


def step(self, indices):
    if self.processes.rank == 1 and self.step == 3:
        os.kill(os.getpid(), signal.SIGINT)
    return take_step(self, indices)


Trainer._step = step
main()
"""

# The command, which at its end names the threads that are still there.
OBSERVED = """
import atexit, sys
from pathlib import Path

from bot.cli import main


def name_threads():
    for thread in Path("/proc/self/task").iterdir():
        print("left:", (thread / "comm").read_text().strip(), file=sys.stderr)


atexit.register(name_threads)
main()
"""


def torchrun(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            *(sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"),
            *("--standalone", *map(str, arguments)),
        ],
        capture_output=True,
        text=True,
        cwd=empty_folder(),
        env=clean_environment(OMP_NUM_THREADS="1"),
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def stopped_run(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two processes, one of which was interrupted in the fourth step."""
    folder = tmp_path_factory.mktemp("distributed")
    (folder / "interrupted.py").write_text(INTERRUPTED)
    run = folder / "run"
    stopped = torchrun(
        *(folder / "interrupted.py", "--", "train", f"--run={run}", f"--corpus={corpus}"),
        *(f"--batch-size={PAIRS_A_PROCESS}", *SMALL),
    )
    assert stopped.stderr.count("--resume") == 1, stopped.stderr
    assert f"Go on with: {RESUME} --run-folder {run} --resume\n" in stopped.stderr
    return run


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    script = tmp_path_factory.mktemp("distributed") / "observed.py"
    script.write_text(OBSERVED)
    return script


@pytest.fixture(scope="module")
def resumed(
    stopped_run: Path, observed: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """The stopped run, continued to its end by two processes."""
    run = tmp_path_factory.mktemp("distributed") / "resumed"
    shutil.copytree(stopped_run, run)
    return run, torchrun(observed, "train", f"--run-folder={run}", "--resume")


@pytest.fixture(scope="module")
def diverged(
    corpus: Path, observed: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, subprocess.CompletedProcess[str]]:
    run = tmp_path_factory.mktemp("distributed") / "diverged"
    diverging = [option for option in SMALL if not option.startswith(("--clip", "--learning"))]
    return run, torchrun(
        *(observed, "train", f"--run-folder={run}", f"--corpus={corpus}"),
        *("--learning-rate=1e30", "--clip=1e30", *diverging),
    )


def test_a_signal_to_one_process_stops_and_saves_all(stopped_run: Path) -> None:
    assert checkpoint.load(stopped_run / checkpoint.CHECKPOINT_FILE)["step"] == 4


def test_the_command_to_resume_quotes_the_folder() -> None:
    run = Path("my runs/a")
    assert resume_command(run, 1) == "python -m bot train --run 'my runs/a' --resume"
    assert resume_command(run, 3) == (
        "torchrun --nproc-per-node 3 -m bot train --run-folder 'my runs/a' --resume"
    )


def test_a_run_of_two_processes_is_not_resumed_by_one(stopped_run: Path) -> None:
    with pytest.raises(CheckpointError, match=f"{RESUME} --run-folder {stopped_run} --resume$"):
        trainer_of(stopped_run).resume()


def test_two_processes_learn_what_one_learns_with_the_doubled_batch(
    resumed: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    two, result = resumed
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("Done.") == 1

    config = RunConfig.read(two)
    one = tmp_path / "one"
    prepare(
        one,
        replace(config, training=replace(config.training, batch_size=2 * PAIRS_A_PROCESS)),
    )
    trainer_of(one).train(lambda progress: None, lambda: False)

    logs = [
        [json.loads(line) for line in (run / checkpoint.LOG_FILE).read_text().splitlines()]
        for run in (one, two)
    ]
    assert [line["step"] for line in logs[0]] == [1, 2, 3, 4, 5, 6]
    for of_one, of_two in zip(*logs, strict=True):
        for loss in ("train_nats_per_token", "valid_nats_per_token"):
            assert of_two[loss] == pytest.approx(of_one[loss], rel=1e-5)
    assert logs[0][-1]["valid_nats_per_token"] < logs[0][0]["valid_nats_per_token"] - 0.1


def test_divergence_is_said_once_and_ends_both_processes(
    diverged: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    run, result = diverged
    assert result.returncode != 0
    assert result.stderr.count("error: ") == 1, result.stderr
    assert "lower --learning-rate" in result.stderr
    assert not (run / checkpoint.CHECKPOINT_FILE).exists()


# One that needs the interpreter after its end aborts the process, now and then.
@pytest.mark.skipif(sys.platform != "linux", reason="threads are read from /proc")
@pytest.mark.parametrize("ended", ["resumed", "diverged"])
def test_no_thread_of_the_group_outlives_the_training(
    ended: str, request: pytest.FixtureRequest
) -> None:
    _, result = request.getfixturevalue(ended)
    assert "left: python" in result.stderr
    assert "left: gloo" not in result.stderr
    assert "left: pt_gloo" not in result.stderr


def test_an_error_is_said_once_and_ends_both_processes(corpus: Path, tmp_path: Path) -> None:
    result = torchrun("-m", "bot", "train", f"--run-folder={tmp_path}", "--corpus=missing.jsonl")
    assert result.returncode != 0
    assert result.stderr.count("error: ") == 1
    assert "missing.jsonl" in result.stderr
