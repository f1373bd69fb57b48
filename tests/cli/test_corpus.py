"""``corpus prepare`` and ``corpus show`` as processes, and what their options mean."""

import inspect
import io
import json
import re
from dataclasses import fields
from pathlib import Path

import pytest
from command import bot
from rich.console import Console

from bot.cli import corpus as corpus_commands
from bot.cli import corpus_options
from bot.cli import training as training_commands
from bot.data.mixing import WeightedCorpus
from bot.data.selection import MixConfig
from bot.training.run import RunConfig, read_splits, read_tokenizer

TINY = ("--steps=1", "--hidden=16", "--embedding=16", "--decoder-layers=1", "--batch-size=16")


@pytest.mark.parametrize("command", [corpus_commands.prepare, training_commands.train])
def test_a_command_without_options_chooses_examples_by_the_defaults_of_the_library(
    command: object,
) -> None:
    assert callable(command)
    parameters = inspect.signature(command).parameters
    for field in fields(MixConfig):
        assert parameters[field.name].default == field.default, field.name


def test_a_corpus_is_prepared_and_trained_on_with_its_own_splits(
    corpus: Path, tmp_path: Path
) -> None:
    source, out = tmp_path / "a.tsv", tmp_path / "out"
    pairs = [json.loads(line)["turns"] for line in corpus.read_text().splitlines()]
    lines = ["\t".join(pair) for pair in pairs]
    source.write_text("\n".join([*lines[:9], "no tab", lines[9], "none here", *lines[10:]]))
    prepared = bot("corpus", "prepare", source, f"--out={out}", "--max-reply-count=90")
    said = prepared.stderr.decode()
    assert prepared.returncode == 0, said
    assert said.count(f"{source}, line 10 has no prompt and reply with a tab between them") == 1
    assert "line 12" not in said
    assert f"{source}: 2 malformed lines were skipped." in said
    summary = json.loads((out / "summary.json").read_text())
    (of_source,) = summary["corpora"]
    assert of_source["malformed"] == 2
    assert of_source["conversations"] == 900
    assert of_source["dropped"]["frequent reply"] > 0
    assert summary["options"]["max_reply_count"] == 90
    files = {name: (out / f"{name}.jsonl").read_text().splitlines() for name in summary["examples"]}
    assert {name: len(lines) for name, lines in files.items()} == summary["examples"]
    assert sum(summary["examples"].values()) + sum(of_source["dropped"].values()) == 900

    run = tmp_path / "run"
    trained = bot("train", f"--corpus={out}", f"--run={run}", "--vocabulary=400", *TINY)
    assert trained.returncode == 0, trained.stderr.decode()
    tokenizer = read_tokenizer(run, RunConfig.read(run))
    for name, pairs_of_split in read_splits(run).items():
        replies = [
            tokenizer.decode(pairs_of_split.target(i)[1:-1].tolist())
            for i in range(len(pairs_of_split))
        ]
        assert sorted(replies) == sorted(json.loads(line)["turns"][-1] for line in files[name])
        turns = [json.loads(line)["turns"] for line in files[name]]
        sources = [tokenizer.encode_source(*example[:-1]) for example in turns]
        assert sorted(sources) == sorted(
            pairs_of_split.source(i).tolist() for i in range(len(pairs_of_split))
        )


def test_the_same_command_prepares_the_same_files(corpus: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        result = bot("corpus", "prepare", f"{corpus}@1.5", f"--out={tmp_path / name}", "--seed=3")
        assert result.returncode == 0, result.stderr.decode()
    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes()


def test_train_says_what_is_malformed_and_takes_words_and_filters(tmp_path: Path) -> None:
    source, run = tmp_path / "a.dat", tmp_path / "run"
    lines = [f"Hello number {n % 7} {'x' * (n % 97)}|Well hello there, you." for n in range(600)]
    source.write_text("\n".join(["nothing", *lines]))
    result = bot(
        *("train", f"--corpus={source}", "--delimiter=|", f"--run={run}", *TINY),
        *("--vocabulary-kind=word", "--min-count=3", "--drop-unknown", "--no-clean"),
        *("--no-augment", "--no-deduplicate", "--max-reply-count=9999", "--max-prompt-count=9999"),
        *("--reverse", "--script=Latin", "--offensive=none", "--max-source-turns=1"),
    )
    assert result.returncode == 0, result.stderr.decode()
    assert f"{source}, line 1 has no prompt and reply with '|'" in result.stderr.decode()
    config = RunConfig.read(run)
    assert config.mix == MixConfig(
        max_source_turns=1,
        max_reply_count=9999,
        max_prompt_count=9999,
        offensive="none",
        script="Latin",
        clean=False,
        augment=False,
        deduplicate=False,
        reverse=True,
    )
    assert config.vocabulary.kind == "word"
    tokenizer = read_tokenizer(run, config)
    train = read_splits(run)["train"]
    assert tokenizer.decode(train.source(0).tolist()[:-1]) == "well hello there you."
    assert tokenizer.decode(train.target(0)[1:-1].tolist()).startswith("hello number")


def test_show_prints_conversations_and_marks_what_is_learnt(tmp_path: Path) -> None:
    source = tmp_path / "a.tsv"
    source.write_text("I like rain.\tWhy?\tIt is calm.\nHi\tHello\nBye\tBye\n")
    result = bot("corpus", "show", source, "-n", "2")
    assert result.returncode == 0, result.stderr.decode()
    assert result.stdout.decode() == (
        "   I like rain.\n   Why?\n-> It is calm.\n\n   Hi\n-> Hello\n\n"
        "Cleaning rewrites 4 of 7 turns (--no-clean leaves them as they are):\n"
        "      4 final mark: Hi => Hi.\n"
    )


def test_show_prints_every_rewrite_on_request(tmp_path: Path) -> None:
    source = tmp_path / "a.tsv"
    source.write_text("He is ill.\ti dont care\nIs it?\tWhat a <i>mess</i>!\n")
    result = bot("corpus", "show", source, "--rewrites")
    assert result.returncode == 0, result.stderr.decode()
    assert result.stdout.decode().splitlines() == [
        '[missing apostrophe, pronoun "I", final mark]',
        "    i dont care",
        " -> I don't care.",
        "[HTML tag]",
        "    What a <i>mess</i>!",
        " -> What a mess!",
        "Cleaning rewrites 2 of 4 turns (--no-clean leaves them as they are):",
        "      1 missing apostrophe: i dont care => I don't care.",
        '      1 pronoun "I": i dont care => I don\'t care.',
        "      1 final mark: i dont care => I don't care.",
        "      1 HTML tag: What a <i>mess</i>! => What a mess!",
    ]


def test_replies_that_the_words_of_the_tutorial_cannot_spell_are_said_in_one_line(
    tmp_path: Path,
) -> None:
    source = tmp_path / "a.tsv"
    chinese = "\u4f60\u597d\u5417"
    source.write_text(
        "".join(f"How are you {'abc'[n % 3]}?\t{chinese}{n}\u3002\n" for n in range(400))
    )
    result = bot(
        *("train", "--recipe=tutorial", f"--corpus={source}", f"--run={tmp_path / 'run'}", *TINY)
    )
    lines = result.stderr.decode().splitlines()
    (error,) = [line for line in lines if line.startswith("error: ")]
    assert result.returncode == 1, lines
    assert "More than half of the replies have none of the" in error
    assert "--vocabulary-kind bpe" in error
    assert not (tmp_path / "run").exists()


def test_pairs_are_written_to_one_file_which_is_a_corpus_again(tmp_path: Path) -> None:
    source, pairs = tmp_path / "a.tsv", tmp_path / "pairs.txt"
    source.write_bytes(
        "I like rain.\tReally?\tIn a café it is calm.\nIs it?\tIt is.\n".encode("cp1252")
    )
    result = bot("corpus", "prepare", source, f"--pairs={pairs}", "--encoding=cp1252", "--no-clean")
    assert result.returncode == 0, result.stderr.decode()
    written = "Really?\tIn a café it is calm.\nIs it?\tIt is.\n"
    assert pairs.read_text("utf-8") == written
    shown = bot("corpus", "show", pairs)
    assert shown.stdout.decode() == (
        "   Really?\n-> In a café it is calm.\n\n   Is it?\n-> It is.\n\n"
    )


def test_show_marks_only_the_turns_of_the_one_who_is_learnt_from(tmp_path: Path) -> None:
    source = tmp_path / "a.jsonl"
    roles = ("user", "assistant", "user", "assistant")
    messages = [{"role": role, "content": f"The {role}."} for role in roles]
    source.write_text(json.dumps({"messages": messages}))
    shown = bot("corpus", "show", source).stdout.decode()
    assert shown == "   The user.\n-> The assistant.\n" * 2 + "\n"


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["a.docx"], 2, "is not known"),
        (["smalltalk", "--encoding=klingon"], 2, "--encoding 'klingon' is not known"),
        (["smalltalk", "--pairs=pairs.tsv"], 2, "either --out FOLDER or --pairs FILE"),
        (["{whatsapp}"], 2, "an export of WhatsApp"),
        (["a.tsv@0"], 2, "above 0"),
        (["smalltalk", "--drop=("], 2, "regular expression"),
        (["smalltalk", "--script=Klingon"], 2, "no script of Unicode"),
        (["smalltalk", "--offensive=/no/such"], 2, "cannot be read"),
        (["chatterbot-corpus:klingon"], 2, "english"),
        (["nothing.tsv"], 1, "does not exist"),
        (["{empty}"], 1, "no line that can be used"),
        (["smalltalk", "--drop=."], 1, "No example is left"),
    ],
)
def test_what_cannot_be_prepared_is_one_line_and_leaves_no_folder(
    tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    empty = tmp_path / "empty.tsv"
    empty.touch()
    whatsapp = tmp_path / "chat.txt"
    whatsapp.write_text("12/31/20, 9:15 PM - Alice: Hi\n12/31/20, 9:16 PM - Bob: Hello\n")
    arguments = [argument.format(empty=empty, whatsapp=whatsapp) for argument in arguments]
    result = bot("corpus", "prepare", *arguments, f"--out={tmp_path / 'out'}")
    lines = result.stderr.decode().splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert result.returncode == code, lines
    assert len(errors) == 1
    assert message in errors[0]
    assert "Traceback" not in result.stderr.decode()
    assert not (tmp_path / "out").exists()


def test_a_prepared_folder_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl").write_text("mine")
    result = bot("corpus", "prepare", "smalltalk", f"--out={tmp_path}")
    assert result.returncode == 2
    assert (tmp_path / "train.jsonl").read_text() == "mine"


@pytest.mark.parametrize(("other", "total"), [("smalltalk", "?"), ("{corpus}", "8")])
def test_reading_has_no_end_in_sight_where_a_package_does_not_say_its_size(
    tmp_path: Path, other: str, total: str
) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("a\tb\n")
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    corpora = [WeightedCorpus(str(path)), WeightedCorpus(other.format(corpus=path))]
    with corpus_commands.reading_progress(console, corpora) as on_bytes:
        on_bytes(4)
    assert isinstance(console.file, io.StringIO)
    assert f"4/{total} bytes" in re.sub(r"\x1b\[[0-9;]*m", "", console.file.getvalue())


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("\\t", "\t"), (" ||| ", " ||| "), ("\\u3000", "\u3000"), ("\\x1f", "\x1f"), ("\\|", "\\|")],
)
def test_a_delimiter_may_be_typed_as_an_escape(typed: str, meant: str) -> None:
    (corpus,) = corpus_options.parse_sources(["a.txt"], typed)
    assert corpus.delimiter == meant
