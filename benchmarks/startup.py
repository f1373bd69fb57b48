"""How soon a fresh process has written its first reply, and how much memory it takes.

    python benchmarks/startup.py [RUNS]

Prints the minimum, median and maximum over the runs of a real ``python -m bot chat``.
"""

import os
import platform
import statistics
import subprocess
import sys
import time


def measure() -> tuple[float, float, float]:
    """Seconds to the first reply, milliseconds a reply after that, megabytes resident at most."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "bot", "chat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"hello\n")
    process.stdin.flush()
    process.stdout.readline()
    first_reply_s = time.perf_counter() - began
    replies = 100
    began = time.perf_counter()
    for number in range(replies):
        process.stdin.write(b"what do you think about the number %d?\n" % number)
        process.stdin.flush()
        process.stdout.readline()
    reply_ms = (time.perf_counter() - began) / replies * 1e3
    process.stdin.close()
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    process.stdout.close()
    unit = 1 if sys.platform == "darwin" else 1024
    return first_reply_s, reply_ms, usage.ru_maxrss * unit / 1e6


def main() -> None:
    """Measure and print."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, {runs} runs")
    rows = zip(*(measure() for _ in range(runs)), strict=True)
    names = ("first reply, s", "a reply, ms", "peak resident, MB")
    for name, values in zip(names, rows, strict=True):
        low, middle, high = min(values), statistics.median(values), max(values)
        print(f"{name:18} {low:8.2f} {middle:8.2f} {high:8.2f}   (min, median, max)")


if __name__ == "__main__":
    main()
