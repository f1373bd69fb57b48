import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.discord_app.messages import readable, sendable, strip_mention

ME = 198622483471925248
ROLE = 298622483471925248
ALICE = 398622483471925248


@pytest.mark.parametrize(
    ("content", "stripped"),
    [
        (f"<@{ME}> hello", "hello"),
        (f"<@!{ME}> hello", "hello"),
        (f"hello <@{ME}>", "hello"),
        (f"hello <@{ME}> how are you", "hello how are you"),
        (f"hello<@{ME}>there", "hello there"),
        (f"<@{ME}> <@{ME}>\n<@!{ME}>", ""),
        (f"<@{ME}>, how are you?", "how are you?"),
        (f"<@{ME}>: how are you?", "how are you?"),
        (f"how are you <@{ME}>?", "how are you?"),
        (f"thanks <@{ME}> :)", "thanks :)"),
        (f"<@{ME}> one\n\ntwo  three", "one\n\ntwo  three"),
        (f"<@{ALICE}> and <@{ME}>", f"<@{ALICE}> and"),
        (f"<@&{ROLE}> hello", "hello"),
        (f"<@{ME}1> hello", f"<@{ME}1> hello"),
        ("", ""),
    ],
)
def test_the_own_mention_leaves_no_trace_and_the_rest_stays(content: str, stripped: str) -> None:
    assert strip_mention(content, ME, [ROLE]) == stripped


def test_a_role_is_only_stripped_if_it_is_ours() -> None:
    assert strip_mention(f"<@&{ROLE}> hello", ME) == f"<@&{ROLE}> hello"


@given(parts=st.lists(st.text(), min_size=1, max_size=5))
def test_stripping_keeps_every_other_word(parts: list[str]) -> None:
    content = f" <@{ME}> ".join(parts)
    if f"<@{ME}>" not in "".join(parts):
        stripped = strip_mention(content, ME)
        assert "".join(stripped.split()) == "".join("".join(parts).split())


def test_mentions_and_custom_emoji_become_names() -> None:
    content = f"tell <@{ALICE}> and <@!{ALICE}> <:wave:{ROLE}> <a:dance:{ROLE}> <@{ROLE}>"
    assert readable(content, {ALICE: "Alice"}) == (f"tell Alice and Alice :wave: :dance: <@{ROLE}>")


def test_what_discord_cannot_take_is_left_out() -> None:
    assert sendable(" a\x00b\ud800c\u202e\r\nd\te \n") == "abc\nd\te"


@pytest.mark.parametrize("text", ["\n " * 50_000, "<@" * 50_000, "<:" * 50_000])
def test_hostile_text_is_read_like_any_other(text: str) -> None:
    # Quadratic work would take minutes.
    assert sendable(readable(strip_mention(text, ME), {})) == text.strip()
