"""The options that say how examples are chosen, for every command that reads corpora."""

import re
from typing import TYPE_CHECKING, Annotated

import typer

from bot.artifact.manifest import MAX_SOURCE_TURNS

if TYPE_CHECKING:
    from bot.data.mixing import WeightedCorpus
    from bot.data.selection import MixConfig

SOURCES_HELP = (
    "A .jsonl, .json, .tsv, .csv, .yml or .txt file, gzipped or not, FORMAT:PATH, the folder of the"
    " Cornell corpus, of one of ConvoKit or of a prepared one, smalltalk, chitchat-dataset, or"
    " chatterbot-corpus[:LANGUAGE]; seen WEIGHT times an epoch."
)

MAX_COUNT = 1_000_000_000  # what counts as no limit

Delimiter = Annotated[
    str,
    typer.Option(
        metavar="TEXT",
        help="What stands between the columns of pair files. Default: a tab, in CSV what fits.",
    ),
]
Encoding = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="The encoding of files: windows-1251, gb18030, big5, utf-16 ... Default: UTF-8, or"
        " what a file looks like that is not.",
    ),
]
MaxSourceTurns = Annotated[
    int,
    typer.Option(min=1, max=MAX_SOURCE_TURNS, help="How many turns before a reply the model sees."),
]
MaxReplyWords = Annotated[
    int,
    typer.Option(
        min=1,
        max=MAX_COUNT,
        help="Longer replies are cut after a sentence, or dropped; a character of a script without"
        " spaces is a word.",
    ),
]
CutReplies = Annotated[
    bool, typer.Option(help="Whether longer replies are cut; else they are dropped.")
]
MaxPromptWords = Annotated[
    int, typer.Option(min=0, max=MAX_COUNT, help="Drop examples with a longer prompt; 0: no limit.")
]
MaxReplyCount = Annotated[
    int, typer.Option(min=1, max=MAX_COUNT, help="How often one reply may occur in a corpus.")
]
MaxPromptCount = Annotated[
    int, typer.Option(min=1, max=MAX_COUNT, help="How often one prompt may occur in a corpus.")
]
Deduplicate = Annotated[
    bool, typer.Option(help="Whether an example is dropped that its corpus had before.")
]
Drop = Annotated[str, typer.Option(metavar="REGEX", help="Leave out pairs in which this is found.")]
Offensive = Annotated[
    str,
    typer.Option(
        metavar="LIST",
        help="Leave out pairs with a word of this list: default, none, or a file with one word a"
        " line.",
    ),
]
Script = Annotated[
    str,
    typer.Option(
        metavar="NAMES",
        help="Leave out pairs with letters of other scripts than these: Latin, Cyrillic,"
        " Han,Hiragana,Katakana ... Default: all scripts.",
    ),
]
Clean = Annotated[
    bool,
    typer.Option(
        help="Whether chat is rewritten as written English, and dropped where that fails."
    ),
]
Augment = Annotated[
    bool,
    typer.Option(
        help="Whether training prompts also come as others might type them and in other contexts."
    ),
]
Reverse = Annotated[
    bool,
    typer.Option("--reverse", help="Swap prompt and reply: conversations are read backwards."),
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Of everything that is random.")]


def mix_config(context: typer.Context) -> "MixConfig":
    """The configuration that a command's options make."""
    from dataclasses import fields

    from bot.data.selection import MixConfig

    return MixConfig(**{field.name: context.params[field.name] for field in fields(MixConfig)})


def parse_sources(
    sources: list[str], delimiter: str, encoding: str = ""
) -> "tuple[WeightedCorpus, ...]":
    r"""Sources with their weights.

    :param delimiter: as it was typed: ``\t`` is a tab, ``\u3000`` a wide space
    :raises UsageError: if a weight is malformed
    """
    from bot.data.mixing import WeightedCorpus

    delimiter = re.sub(
        r"\\(?:t|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4})",
        lambda escape: escape[0].encode().decode("unicode_escape"),
        delimiter,
    )
    return tuple(WeightedCorpus.parse(source, delimiter, encoding) for source in sources)
