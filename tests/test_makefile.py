"""The Makefile takes a Python that fits and makes its environment with it; nothing is installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import ROOT

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")

# What the recipes and the interpreters below call.
TOOLS = ("sh", "rm", "touch", "mkdir", "cp", "cat")

# Says which version it is, answers questions about it, and makes environments of itself.
INTERPRETER = """#!{shell}
case "$1 $2" in
"-c "*) exec {python} -c "import sys; sys.version_info = {version}; $2" ;;
"-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
"-m pip") {pip} ;;
"-m bot") echo "the bot, on Python {name}" ;;
esac
"""
BROKEN_SHIM = "#!{shell}\necho 'pyenv: command not found' >&2\nexit 127\n"


class Machine:
    """A checkout, and the interpreters that are on the PATH."""

    def __init__(self, folder: Path) -> None:
        self.checkout, self._bin = folder / "checkout", folder / "bin"
        self.checkout.mkdir()
        self._bin.mkdir()
        for name in ("Makefile", "pyproject.toml"):
            shutil.copy(ROOT / name, self.checkout)
        for tool in TOOLS:
            (self._bin / tool).symlink_to(shutil.which(tool) or tool)

    def install(self, command: str, version: str | None, pip: str = 'echo "pip: $*"') -> None:
        """Put an interpreter on the PATH; without a version, one that does not run."""
        text = BROKEN_SHIM if version is None else INTERPRETER
        numbers = tuple(int(part) for part in (version or "0.0").split("."))
        shell = shutil.which("sh")
        path = self._bin / command
        path.write_text(
            text.format(shell=shell, python=sys.executable, version=numbers, name=version, pip=pip)
        )
        path.chmod(0o755)

    def make(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [shutil.which("make") or "make", *arguments],
            cwd=self.checkout,
            env={"PATH": str(self._bin)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def last_line(self, *arguments: str) -> str:
        """What a call that succeeds prints at its end."""
        result = self.make(*arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout.splitlines()[-1]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("found", "chosen"),
    [
        ({"python3.13": "3.13.0", "python3.12": "3.12.1", "python3": "3.12.1"}, "3.13.0"),
        ({"python3.12": "3.12.1", "python3.11": "3.11.7"}, "3.12.1"),
        ({"python3.11": "3.11.0", "python3": "3.10.12"}, "3.11.0"),
        ({"python3.13": None, "python3.12": None, "python3.11": "3.11.7"}, "3.11.7"),
        ({"python3": "3.13.9"}, "3.13.9"),
        ({"python3": "3.14.0", "python3.11": "3.11.7"}, "3.11.7"),
    ],
)
def test_the_first_python_that_runs_and_fits_is_taken(
    machine: Machine, found: dict[str, str | None], chosen: str
) -> None:
    for command, version in found.items():
        machine.install(command, version)
    assert machine.last_line("run") == f"the bot, on Python {chosen}"


@pytest.mark.parametrize(
    "found", [{}, {"python3": "3.10.12"}, {"python3": "3.14.0"}, {"python3.12": None}]
)
def test_without_a_python_that_fits_one_sentence_says_what_to_install(
    machine: Machine, found: dict[str, str | None]
) -> None:
    for command, version in found.items():
        machine.install(command, version)
    result = machine.make("run")
    assert result.returncode != 0
    sentence, make_itself = result.stderr.splitlines()
    assert sentence.startswith("Causerie needs Python 3.11, 3.12 or 3.13, and none was found: ")
    assert "install" in sentence
    assert make_itself.startswith("make: ***")
    assert not (machine.checkout / ".venv").exists()
    machine.install("python3.12", "3.12.1")
    assert machine.last_line("run") == "the bot, on Python 3.12.1"


def test_a_python_that_was_named_and_does_not_fit_is_named_in_the_sentence(
    machine: Machine,
) -> None:
    machine.install("python3.10", "3.10.13")
    machine.install("python3.12", "3.12.1")
    sentence = machine.make("run", "PYTHON=python3.10").stderr.splitlines()[0]
    assert ", and python3.10 is none: " in sentence
    assert machine.last_line("run", "PYTHON=python3.12") == "the bot, on Python 3.12.1"


@pytest.mark.parametrize("unfit", ["of 3.10", "of a Python that is gone", "empty"])
def test_an_environment_of_a_wrong_python_is_made_anew_and_filled(
    machine: Machine, unfit: str
) -> None:
    machine.install("python3.12", "3.12.1")
    environment = machine.checkout / ".venv"
    assert machine.last_line("run") == "the bot, on Python 3.12.1"
    (environment / "left over").write_text("")
    python = environment / "bin" / "python"
    python.unlink()
    if unfit == "of 3.10":
        machine.install("python3.10", "3.10.13")
        shutil.copy(machine.checkout.parent / "bin" / "python3.10", python)
    elif unfit == "of a Python that is gone":
        python.symlink_to("/nonexistent/python3.9")
    result = machine.make("run")
    assert "pip: -m pip install" in result.stdout, "what was installed is gone with the old one"
    assert result.stdout.splitlines()[-1] == "the bot, on Python 3.12.1"
    assert not (environment / "left over").exists()
    again = machine.make("run")
    assert again.stdout == "the bot, on Python 3.12.1\n"


def test_an_installation_that_was_cut_short_is_done_again(machine: Machine) -> None:
    machine.install("python3.12", "3.12.1", pip="exit 1")
    assert machine.make("run").returncode != 0
    environment = machine.checkout / ".venv"
    machine.install("python3.12", "3.12.1")
    shutil.copy(machine.checkout.parent / "bin" / "python3.12", environment / "bin" / "python")
    (environment / "kept").write_text("")
    assert "pip: -m pip install" in machine.make("run").stdout
    assert (environment / "kept").exists()
    assert machine.make("run").stdout == "the bot, on Python 3.12.1\n"
    os.utime(machine.checkout / "pyproject.toml", (2**31, 2**31))
    assert "pip: -m pip install" in machine.make("run").stdout
