"""Exports of messengers are refused, and what resembles them is not."""

import json
from pathlib import Path
from typing import Any

import pytest

from bot.data.corpora.lines import ReadingLog
from bot.data.corpus import open_corpus
from bot.errors import UsageError

DISCORD_JSON = {
    "guild": {"id": "1", "name": "Home", "iconUrl": ""},
    "channel": {"id": "2", "type": "GuildTextChat", "name": "general"},
    "dateRange": {"after": None, "before": None},
    "messages": [{"id": "3", "type": "Default", "timestamp": "2020-12-31", "content": "Hi"}],
}
TELEGRAM_JSON = {
    "name": "Alice",
    "type": "personal_chat",
    "id": 1,
    "messages": [
        {
            "id": 1,
            "type": "message",
            "date": "2020-12-31T21:15:00",
            "date_unixtime": "1609449300",
            "from": "Alice",
            "from_id": "user1",
            "text": "Hi",
        }
    ],
}
MESSENGER_JSON = {
    "participants": [{"name": "Alice"}, {"name": "Bob"}],
    "messages": [{"sender_name": "Alice", "timestamp_ms": 1609449300000, "content": "Hi"}],
}
ARABIC_DIGITS = {ord("0") + digit: 0x660 + digit for digit in range(10)}
SLACK_JSON = [{"type": "message", "user": "U012AB3CD", "text": "Hi", "ts": "1609449300.000200"}]


def chat(*stamps: str) -> str:
    lines = [f"{stamp}{name}: Hi there" for stamp in stamps for name in ("Alice", "+44 7700 900")]
    return "\n".join([lines[0], "and a second line", *lines[1:]]) + "\n"


@pytest.mark.parametrize(
    ("name", "content", "service"),
    [
        ("a.txt", chat("12/31/20, 9:15 PM - ", "1/1/21, 12:05 AM - "), "WhatsApp"),
        ("a.txt", chat("12/31/20, 9:15\u202fPM - "), "WhatsApp"),
        ("a.txt", chat("31/12/2020, 21:15 - "), "WhatsApp"),
        ("a.txt", chat("31.12.20, 21:15 - "), "WhatsApp"),
        ("a.txt", chat("31/12/20 9:15 p. m. - "), "WhatsApp"),
        ("a.txt", chat("2020-12-31, 21:15 - "), "WhatsApp"),
        ("a.txt", chat("2020/12/31 下午9:15 - "), "WhatsApp"),
        ("a.txt", chat("[31.12.20, 21:15:03] "), "WhatsApp"),
        ("a.txt", chat("\u200e[12/31/20, 9:15:03 PM] "), "WhatsApp"),
        ("a.txt", chat("[2020-12-31, 9:15:03 p.m.] "), "WhatsApp"),
        (
            "a.txt",
            "12/31/20, 9:15 PM - Messages are encrypted.\n12/31/20, 9:16 PM - Alice: Hi\n",
            "WhatsApp",
        ),
        ("a.txt", chat("31/12/2020, 21:15 - ") + "a line more\n" * 50, "WhatsApp"),
        ("a.txt", chat("31\u200f/12\u200f/2020، 9:15 م - ".translate(ARABIC_DIGITS)), "WhatsApp"),
        ("a.txt", "[12:01] <alice> hi\n[12:02] * bob joined\n[12:03] <@bob> hello\n", "IRC"),
        ("a.txt", "--- Log opened\n12:01 < alice> hi\n12:03 <+bob> hello\n", "IRC"),
        ("a.log", "2020-12-31 12:01:07 <alice> hi\nDec 31 12:01:07 <bob>\thi\n", "IRC"),
        ("a.txt", "[LINE] Chat history with Alice\nSaved on: 2020/12/31\n\n", "LINE"),
        ("a.txt", "2020/12/31(木)\n21:15\tAlice\tHi\n21:16\tBob\tHello\n", "LINE"),
        ("a.txt", "2020.12.31 Thursday\n下午9:15\tAlice\tHi\n", "LINE"),
        ("a.txt", "[Alice] [오후 3:01] Hi\n[Bob] [오후 3:02] Hello\n", "KakaoTalk"),
        ("a.txt", "Thu, December 31, 2020\n[Alice] [3:01 PM] Hi\n", "KakaoTalk"),
        ("a.txt", "2020. 12. 31. 오후 3:01, Alice : Hi\n", "KakaoTalk"),
        ("a.txt", "2020년 12월 31일 오후 3:01, Alice : Hi\n", "KakaoTalk"),
        ("a.tsv", chat("12/31/20, 9:15 PM - "), "WhatsApp"),
        (
            "a.csv",
            'AuthorID,Author,Date,Content,Attachments,Reactions\n"1","a","b","Hi","",""\n',
            "",
        ),
        ("a.csv", '"Author";"Date";"Content";"Reactions"\n"a";"b";"Hi";""\n', ""),
        ("messages.csv", "ID,Timestamp,Contents,Attachments\n1,2020-12-31,Hi,\n", ""),
        ("a.json", json.dumps(DISCORD_JSON, indent=2), ""),
        (
            "a.json",
            json.dumps([{"ID": 1, "Timestamp": "x", "Contents": "Hi", "Attachments": ""}]),
            "",
        ),
        ("a.txt", f"{'=' * 62}\nGuild: Home\nChannel: Text / general\n{'=' * 62}\n\n", ""),
        (
            "a.txt",
            "[31-Dec-20 09:15 PM] alice#1234\nHi\n\n[12/31/2020 9:15 PM] b#0001\nHello\n",
            "",
        ),
        ("a.html", '<div class="preamble"></div><div class="chatlog">Hi</div>', ""),
        ("result.json", json.dumps(TELEGRAM_JSON, indent=1), "Telegram"),
        ("result.json", json.dumps({"about": "x", "chats": {"list": [TELEGRAM_JSON]}}), "Telegram"),
        ("a.html", '<div class="page_wrap"><div class="history">Hi</div></div>', "Telegram"),
        ("a.json", json.dumps(MESSENGER_JSON), "Messenger or Instagram"),
        ("a.json", json.dumps(SLACK_JSON), "Slack"),
    ],
)
def test_an_export_is_refused_with_the_reason(
    tmp_path: Path, name: str, content: str, service: str
) -> None:
    path = tmp_path / name
    path.write_text(content, "utf-8")
    for source in (f"{path}", f"lines:{path}"):
        with pytest.raises(UsageError) as refused:
            open_corpus(source)
        assert f"is an export of {service or 'Discord'}: it holds other" in str(refused.value)
        assert ("Developer Policy forbids it" in str(refused.value)) == (service == "")


def turns(*texts: str) -> dict[str, Any]:
    return {"turns": texts}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "12/31/20 was a good day\nIt was.\n12:30 - we meet\nAll right.\n"),
        ("a.txt", "Hi\nHello\n12/31/20, 9:15 PM - when was that?\nLast year.\n"),
        ("a.txt", "12/03/2023, 14:02 - I wrote this.\n" * 3 + "13/03/2023, 9:15 - And: this.\n"),
        ("a.txt", "12/03/2023, 14:02 - She said: go.\n" + "Hi\nHello\n" * 20),
        ("a.tsv", "12:01\tWhat is it?\tTime to go.\n"),
        ("a.txt", "[Alice] [laughs] Hi\nHello <b>you</b> at 12:01 <3\n"),
        ("a.csv", "author,content,prompt,reply\nme,x,Hi,Hello\n"),
        ("a.csv", "Hi,Hello\nWhat are reactions?,What an author sees\n"),
        ("a.jsonl", json.dumps({"messages": [{"role": "user", "content": "a"}]}) + "\n"),
        ("a.jsonl", json.dumps(turns("Which channel?", "The one of the guild.")) + "\n"),
        ("a.jsonl", json.dumps({"type": "message", **turns("a", "b")}) + "\n"),
        (
            "utterances.jsonl",
            '{"id": "1", "reply-to": null, "text": "Hi", "timestamp": 1609449300}\n',
        ),
    ],
)
def test_dialogue_that_only_resembles_one_is_not_refused(
    tmp_path: Path, name: str, content: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    for _ in open_corpus(str(path)).read(ReadingLog()):
        pass
