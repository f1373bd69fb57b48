"""``run`` and ``chat`` as processes."""

import contextlib
import logging
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import COMMAND, ROOT, bot, clean_environment, empty_folder

from bot.artifact.precision import int8_works
from bot.cli.serving import serving
from bot.settings import Settings

CAT = b"Please, number 3, tell me about the cat.\n"
OWL = b"please number 40 tell me about the owl\n"

needs_int8 = pytest.mark.skipif(not int8_works(), reason="int8 does not work on this machine")


def test_chat_answers_each_line_of_a_pipe_with_one_line(animal_store: Path) -> None:
    result = bot("chat", stdin=CAT + OWL, MODEL_STORE=str(animal_store))
    assert result.stdout.decode().splitlines() == ["The cat says meow.", "The owl says hoot."]
    assert result.returncode == 0


def test_q_leaves_a_pipe(animal_store: Path) -> None:
    result = bot("chat", stdin=CAT + b"q\n" + OWL, MODEL_STORE=str(animal_store))
    assert (result.returncode, result.stdout) == (0, b"The cat says meow.\n")


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


def test_a_beam_shows_its_hypotheses_with_their_scores(animal_store: Path) -> None:
    result = bot("chat", "--beam", "3", "--show-scores", stdin=CAT, MODEL_STORE=str(animal_store))
    assert result.returncode == 0
    reply, *hypotheses = result.stdout.decode().splitlines()
    assert reply == "The cat says meow."
    form = r"  score (-\d+\.\d\d), log-probability (-\d+\.\d\d): (.+)"
    found = [re.fullmatch(form, line) for line in hypotheses]
    assert len(found) == 3
    assert all(found)
    assert found[0][3] == reply
    scores = [float(match[1]) for match in found]
    assert scores == sorted(scores, reverse=True)


def test_chance_is_repeatable_with_a_seed_and_other_chance_says_other_things(
    animal_store: Path,
) -> None:
    def say(seed: int) -> list[str]:
        options = ("--temperature", "5", "--top-k", "50", "--min-length", "3", "--seed", str(seed))
        lines = CAT + b"/reset\n" + CAT
        result = bot("chat", *options, stdin=lines, MODEL_STORE=str(animal_store))
        return result.stdout.decode().splitlines()

    first, _, again = say(1)
    assert first == again
    assert first != say(2)[0]


def test_commands_from_a_pipe_are_answered_line_by_line(animal_store: Path) -> None:
    lines = [CAT, b"/attention\n", b"/reset\n", b"/beam 2\n", b"/beam 0\n", OWL]
    result = bot("run", stdin=b"".join(lines), MODEL_STORE=str(animal_store))
    cat, attention, *others, owl = result.stdout.decode().splitlines()
    assert (cat, owl) == ("The cat says meow.", "The owl says hoot.")
    assert "cat \u2190 " in attention
    assert others == [
        "[Forgotten.]",
        "[The beam size is 2.]",
        "[beam_size is 0; it must be a whole number from 1 to 64.]",
    ]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--top-k", "5"], "top_k is 5 and the temperature is 0"),
        (["--seed", "5"], "seed is 5 and the temperature is 0"),
        (["--beam", "2", "--temperature", "1"], "leaves nothing to chance"),
        (["--min-length", "41"], "min_length is 41 and a reply has at most 40 tokens"),
        (["--beam", "0"], "--beam"),
        (["--min-length", "9223372036854775808"], "--min-length"),
    ],
    ids=str,
)
def test_search_options_that_make_no_sense_are_usage_errors(
    animal_store: Path, options: list[str], words: str
) -> None:
    result = bot("chat", *options, stdin=CAT, MODEL_STORE=str(animal_store))
    assert (result.returncode, result.stdout) == (2, b"")
    assert words in result.stderr.decode()


@needs_int8
@pytest.mark.parametrize(
    ("command", "option", "variable", "reply"),
    [
        ("chat", None, None, "The cat says hoot."),  # auto, on a CPU: int8
        ("chat", "int8", "fp32", "The cat says hoot."),
        ("chat", "fp32", None, "The cat says meow."),
        ("chat", "half", None, "The cat says meow."),
        ("chat", None, "fp32", "The cat says meow."),
        ("run", None, None, "The cat says hoot."),
        ("run", "fp32", None, "The cat says meow."),
    ],
)
def test_the_precision_is_the_options_or_the_settings(
    int8_store: Path, command: str, option: str | None, variable: str | None, reply: str
) -> None:
    options = () if option is None else (f"--precision={option}",)
    variables = {} if variable is None else {"PRECISION": variable}
    result = bot(
        command, *options, stdin=CAT, MODEL_STORE=str(int8_store), DEVICE="cpu", **variables
    )
    assert result.stdout.decode() == f"{reply}\n", result.stderr.decode()


@pytest.mark.parametrize("command", ["chat", "run"])
def test_an_unknown_precision_is_one_sentence_and_a_usage_error(
    animal_store: Path, command: str
) -> None:
    expected = "error: 'int4' is not a precision; use auto, fp32, int8 or half.\n"
    result = bot(command, "--precision=int4", stdin=CAT, MODEL_STORE=str(animal_store))
    assert (result.returncode, result.stdout, result.stderr.decode()) == (2, b"", expected)
    result = bot(command, stdin=CAT, MODEL_STORE=str(animal_store), PRECISION="int4")
    assert (result.returncode, result.stdout) == (2, b"")
    assert result.stderr.decode() == (
        "error: PRECISION is 'int4'; it must be one of auto, fp32, int8, half.\n"
    )


def test_int8_that_a_model_has_not_is_a_failure_that_says_how_to_get_it(animal_store: Path) -> None:
    result = bot("chat", "--precision=int8", stdin=CAT, MODEL_STORE=str(animal_store), DEVICE="cpu")
    assert (result.returncode, result.stdout) == (1, b"")
    (sentence,) = result.stderr.decode().splitlines()
    assert "animals/1 has no int8 variant; export its training run again" in sentence


async def test_what_is_served_is_logged_at_start(
    animal_store: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(_env_file=None, model_store=animal_store, device="cpu", precision="half")
    with caplog.at_level(logging.INFO):
        async with serving(settings):
            assert caplog.messages[0] == "animals/1 on cpu, half"


def test_scores_are_not_for_discord(tmp_path: Path) -> None:
    token = f"{'a' * 24}.{'b' * 6}.{'c' * 27}"
    result = bot("run", "--show-scores", DISCORD_TOKEN=token, MODEL_STORE=str(tmp_path))
    assert result.returncode == 2
    assert b"--show-scores is for the terminal" in result.stderr


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


def test_the_terminal_chat_has_commands_and_a_history(animal_store: Path) -> None:
    with terminal_chat(animal_store) as (_, terminal):
        read_until(terminal, b"you> ")
        for line, answer in (
            (b"/nonsense\n", "There is no /nonsense; there is /reset, /beam, /attention, /help."),
            (CAT, "bot> The cat says meow."),
            (b"/attention\n", "\u2588"),
            (b"/beam 2\n", "[The beam size is 2.]"),
            (b"\x1b[A\x1b[A\x1b[A\n", "bot> The cat says meow."),  # three times up
        ):
            os.write(terminal, line)
            assert answer in read_until(terminal, b"you> ").decode()


def test_ctrl_c_leaves_the_chat_without_a_traceback(animal_store: Path) -> None:
    with terminal_chat(animal_store) as (process, terminal):
        read_until(terminal, b"you> ")
        seen = b""
        # Readline prints its prompt just before it listens for signals: the first may be missed.
        # One that comes while the process ends would kill it.
        for _ in range(3):
            if process.poll() is not None:
                break
            process.send_signal(signal.SIGINT)
            try:
                while select.select([terminal], [], [], 20)[0]:
                    seen += os.read(terminal, 1024)
            except OSError:  # the other end is closed
                process.wait(60)
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
