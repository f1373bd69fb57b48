"""``run`` and ``chat`` as processes."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import COMMAND, ROOT, bot, clean_environment, empty_folder

CAT = b"Please, number 3, tell me about the cat.\n"
OWL = b"please number 40 tell me about the owl\n"


def test_chat_answers_each_line_of_a_pipe_with_one_line(animal_store: Path) -> None:
    result = bot("chat", stdin=CAT + OWL, MODEL_STORE=str(animal_store))
    assert result.stdout.decode().splitlines() == ["The cat says meow.", "The owl says hoot."]
    assert result.returncode == 0


def test_chat_answers_any_bytes(animal_store: Path) -> None:
    lines = [
        b"",
        b"\xff\xfe\x00\x1b[31m",
        "\N{PARTY POPPER}".encode() * 5_000,
        "\N{RIGHT-TO-LEFT OVERRIDE}@everyone ```code```".encode(),
        b"x" * 100_000,
        b"no newline at the end",
    ]
    result = bot("chat", stdin=b"\n".join(lines), MODEL_STORE=str(animal_store))
    assert result.returncode == 0
    replies = result.stdout.decode().splitlines()
    assert len(replies) == len(lines)
    assert all(replies)


def test_run_without_a_token_says_how_to_get_one_and_chats(animal_store: Path) -> None:
    result = bot("run", stdin=CAT, MODEL_STORE=str(animal_store))
    assert result.stdout.decode().splitlines() == ["The cat says meow."]
    told = result.stderr.decode().splitlines()
    assert len(told) == 2
    assert "docs/discord.md" in told[1]


@pytest.mark.parametrize("token", ["", "not-a-token", '"quoted.token.value"'])
def test_run_discord_insists_on_a_token_before_it_loads_anything(
    token: str, tmp_path: Path
) -> None:
    # A store that does not exist would be the error if the model were loaded first.
    result = bot("run", "--discord", DISCORD_TOKEN=token, MODEL_STORE=str(tmp_path / "none"))
    assert result.returncode == 2
    assert result.stdout == b""
    (sentence,) = result.stderr.decode().splitlines()
    assert sentence.startswith("error: DISCORD_TOKEN")
    assert not token or token not in sentence


def test_a_wrong_setting_is_one_sentence_and_a_usage_error() -> None:
    result = bot("chat", WORKERS="many")
    assert result.returncode == 2
    assert result.stderr.decode() == (
        "error: WORKERS is 'many'; it must be a whole number from 1 to 64.\n"
    )


def test_a_model_that_is_not_there_is_a_failure_without_a_traceback(tmp_path: Path) -> None:
    result = bot("chat", MODEL_STORE=str(tmp_path))
    assert result.returncode == 1
    (sentence,) = result.stderr.decode().splitlines()
    assert "models list" in sentence


def test_debug_shows_the_traceback(tmp_path: Path) -> None:
    result = bot("--debug", "chat", MODEL_STORE=str(tmp_path))
    assert result.returncode == 1
    assert b"Traceback" in result.stderr


def test_an_unknown_option_is_a_usage_error() -> None:
    result = bot("chat", "--frobnicate")
    assert result.returncode == 2
    assert b"--frobnicate" in result.stderr


def test_help_does_not_load_torch() -> None:
    script = "import sys, bot.cli; print('torch' in sys.modules, 'discord' in sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["False", "False"]


@contextlib.contextmanager
def terminal_chat(store: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A chat at a terminal of its own: the process, and our end of the terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "chat"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=empty_folder(),
        env=clean_environment(MODEL_STORE=str(store)),
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        process.kill()
        process.wait()
        os.close(ours)


def read_until(terminal: int, end: bytes) -> bytes:
    """What the terminal shows up to ``end``."""
    seen = b""
    while not seen.endswith(end):
        ready, _, _ = select.select([terminal], [], [], 60)
        assert ready, f"nothing more comes after {seen!r}"
        seen += os.read(terminal, 1024)
    return seen


def test_the_terminal_chat_prompts_and_leaves_at_q(animal_store: Path) -> None:
    with terminal_chat(animal_store) as (process, terminal):
        read_until(terminal, b"you> ")
        os.write(terminal, CAT)
        assert b"bot> The cat says meow." in read_until(terminal, b"you> ")
        os.write(terminal, b"q\n")
        assert process.wait(60) == 0


def test_ctrl_c_leaves_the_chat_without_a_traceback(animal_store: Path) -> None:
    with terminal_chat(animal_store) as (process, terminal):
        read_until(terminal, b"you> ")
        seen = b""
        # Readline prints its prompt just before it listens for signals: the first may be missed.
        while process.poll() is None:
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(OSError):  # the other end is closed
                while select.select([terminal], [], [], 1)[0]:
                    seen += os.read(terminal, 1024)
        assert process.returncode == 130
        assert b"Traceback" not in seen


def test_a_closed_standard_input_is_an_empty_one(animal_store: Path) -> None:
    result = subprocess.run(
        ["sh", "-c", '"$0" -m bot chat <&-', sys.executable],
        cwd=empty_folder(),
        env=clean_environment(MODEL_STORE=str(animal_store)),
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, b"")
