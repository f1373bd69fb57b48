import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.artifact.options import GREEDY, SearchOptions
from bot.errors import UsageError

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"beam_size": 0}, "beam_size is 0; it must be a whole number from 1 to 64"),
        ({"beam_size": 65}, "beam_size is 65"),
        ({"length_penalty": -0.1}, "length_penalty is -0.1; it must be a number from 0 to 10"),
        ({"length_penalty": 1000.0}, "length_penalty is 1000.0"),
        ({"length_penalty": float("nan")}, "length_penalty is nan"),
        ({"temperature": float("inf")}, "temperature is inf"),
        ({"temperature": -1.0}, "temperature is -1.0"),
        ({"min_length": -1}, "min_length is -1; it must be a whole number from 0 to 1000000"),
        ({"min_length": 2**63}, "min_length is 9223372036854775808; it must be"),
        ({"no_repeat_ngram": 10**20}, "no_repeat_ngram is 100000000000000000000; it must be"),
        ({"top_k": 10**20, "temperature": 1.0}, "top_k is 100000000000000000000; it must be"),
        ({"no_repeat_ngram": -1}, "no_repeat_ngram is -1"),
        ({"top_k": -1, "temperature": 1.0}, "top_k is -1"),
        ({"top_k": 5}, "give a temperature above 0"),
        ({"seed": 5}, "seed is 5 and the temperature is 0"),
        ({"seed": 0, "beam_size": 2}, "seed is 0 and the temperature is 0"),
        ({"beam_size": 2, "temperature": 0.5}, "beam search leaves nothing to chance"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_a_usage_error(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        SearchOptions(**wrong)


def test_greedy_search_is_the_default_and_anything_asked_for_is_something_else() -> None:
    assert GREEDY.is_greedy
    assert SearchOptions(top_k=1, length_penalty=1.0).is_greedy
    for asked in (
        {"beam_size": 2},
        {"temperature": 0.1},
        {"min_length": 1},
        {"no_repeat_ngram": 3},
        {"banned_ids": (7,)},
    ):
        assert not SearchOptions(**asked).is_greedy


def test_the_options_do_not_load_torch() -> None:
    code = "import sys, bot.artifact.options; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
