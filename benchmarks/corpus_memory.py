"""How long a large corpus takes to prepare and to encode, and how much memory.

    python benchmarks/corpus_memory.py [PAIRS]

Writes a file of generated pairs, hardly two of them the same, into a temporary folder, and runs
``python -m bot corpus prepare`` and, from the prepared folder and from the file itself, the
preparation of ``python -m bot train`` with one step of a tiny model.
"""

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SYLLABLES = ("ba", "den", "fo", "gul", "ha", "jor", "ki", "lam", "mo", "nur", "pe", "ro", "sal")
WORDS_PER_TURN = (4, 12)
TINY = ("--steps=1", "--hidden=32", "--embedding=32", "--decoder-layers=1", "--batch-size=64")


def write_pairs(path: Path, pairs: int) -> None:
    """Generate a file of ``prompt<TAB>reply``."""
    rng = random.Random(0)
    words = ["".join(rng.choices(SYLLABLES, k=rng.randint(1, 4))) for _ in range(30_000)]

    def sentence() -> str:
        return " ".join(rng.choices(words, k=rng.randint(*WORDS_PER_TURN))).capitalize()

    with path.open("w", encoding="utf-8") as file:
        for _ in range(pairs):
            file.write(f"{sentence()}?\t{sentence()}.\n")


def measure(what: str, *arguments: str | Path) -> None:
    """Run a command of the bot and print its wall and CPU time and its peak resident memory."""
    command = [sys.executable, "-m", "bot", *map(str, arguments)]
    began = time.perf_counter()
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.perf_counter() - began
    if process.returncode != 0:
        sys.exit(f"{command} failed:\n{said}")
    cpu_s = usage.ru_utime + usage.ru_stime
    peak_mb = usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024) / 1e6
    print(f"{what:32} {seconds:6.0f} s {cpu_s:6.0f} s CPU {peak_mb:6.0f} MB", flush=True)


def main() -> None:
    """Measure and print."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_pairs(folder / "pairs.tsv", pairs)
        size_mb = (folder / "pairs.tsv").stat().st_size / 1e6
        print(f"{pairs:,} pairs, {size_mb:.0f} MB; wall time, CPU time, peak resident memory")
        corpus, prepared = folder / "pairs.tsv", folder / "prepared"
        measure("corpus prepare", "corpus", "prepare", corpus, "--out", prepared)
        for what, source in (("prepared folder", prepared), ("file", corpus)):
            run = folder / f"run of {what}"
            measure(
                f"train, one step, {what}", "train", f"--corpus={source}", f"--run={run}", *TINY
            )


if __name__ == "__main__":
    main()
