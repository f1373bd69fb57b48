"""``python -m bot`` as a process of its own, far from a developer's settings."""

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
COMMAND = (sys.executable, "-m", "bot")

# Before a command: permissions hold for it, though root runs it. It gives up CAP_DAC_OVERRIDE and
# CAP_DAC_READ_SEARCH, by prctl's PR_CAPBSET_DROP, and becomes the command.
UNPRIVILEGED = (
    sys.executable,
    "-c",
    "import ctypes, os, sys\n"
    "for capability in (1, 2):\n"
    "    ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)\n"
    "os.execv(sys.argv[1], sys.argv[1:])",
)


def clean_environment(**variables: str) -> dict[str, str]:
    """An environment without settings but those given."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {"PYTHONPATH": str(ROOT), "TERM": "dumb", **variables}


@cache
def empty_folder() -> str:
    """A working directory without a ``.env``, the same for the whole test run."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def bot(
    *arguments: str | Path, stdin: bytes = b"", **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a command to its end."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        input=stdin,
        capture_output=True,
        cwd=empty_folder(),
        env=clean_environment(**variables),
        timeout=120,
        check=False,
    )
