"""``python -m bot corpus``: make training data of dialogue, and look at it."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from bot.cli import corpus_options as options
from bot.cli.terminal import progress_console
from bot.errors import CorpusError, UsageError
from bot.printable import printable

if TYPE_CHECKING:
    from bot.data.mixing import CorpusSummary, WeightedCorpus

SHOWN_REWRITES_OF = 1000  # conversations that ``show`` looks through for what would be rewritten

app = typer.Typer(
    no_args_is_help=True,
    help="Make training data of dialogue, and look at it.",
    rich_markup_mode=None,
)


@app.command()
def prepare(
    context: typer.Context,
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE[@WEIGHT]", help=options.SOURCES_HELP, show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Where train.jsonl, valid.jsonl, test.jsonl and summary.json are written.",
            file_okay=False,
            show_default=False,
        ),
    ] = None,
    pairs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Write prompt, tab and reply a line instead, all splits in one file; no turns"
            " before the prompt, and no augmentation.",
            dir_okay=False,
            show_default=False,
        ),
    ] = None,
    delimiter: options.Delimiter = "",
    encoding: options.Encoding = "",
    max_source_turns: options.MaxSourceTurns = 3,
    max_reply_words: options.MaxReplyWords = 20,
    cut_replies: options.CutReplies = True,
    max_prompt_words: options.MaxPromptWords = 0,
    max_reply_count: options.MaxReplyCount = 40,
    max_prompt_count: options.MaxPromptCount = 40,
    deduplicate: options.Deduplicate = True,
    drop: options.Drop = "",
    offensive: options.Offensive = "default",
    script: options.Script = "",
    clean: options.Clean = True,
    augment: options.Augment = True,
    reverse: options.Reverse = False,
    seed: options.Seed = 0,
) -> None:
    """Filter corpora and split them, for `train --corpus FOLDER`."""
    from dataclasses import asdict, replace

    from bot.data.corpora.pair_file import PairFile
    from bot.data.corpora.prepared import PreparedCorpus
    from bot.data.mixing import stream_examples
    from bot.data.splits import SPLITS

    result = out or pairs
    if result is None or (out and pairs):
        raise UsageError("Give either --out FOLDER or --pairs FILE, for what is prepared.")
    config = options.mix_config(context)
    if pairs:
        config = replace(config, max_source_turns=1, augment=False)
    corpora = options.parse_sources(sources, delimiter, encoding)
    console = progress_console()
    summaries: list[CorpusSummary] = []

    def on_corpus(summary: "CorpusSummary") -> None:
        summaries.append(summary)
        console.print(describe(summary))

    writer = PairFile if pairs else PreparedCorpus
    with reading_progress(console, corpora) as on_bytes, writer(result) as prepared:
        for split, example in stream_examples(corpora, config, on_corpus, on_bytes=on_bytes):
            prepared.write(split, example.turns, example.reply)
        counts = {split: sum(s.examples[split] for s in summaries) for split in SPLITS}
        if not counts["train"]:
            raise CorpusError(
                "No example is left to train on; give more dialogue, or let the filters pass more,"
                " as --no-clean does: python -m bot corpus prepare --help."
            )
        prepared.finish(
            {
                "examples": counts,
                "corpora": [asdict(summary) for summary in summaries],
                "options": asdict(config) | {"delimiter": delimiter, "encoding": encoding},
            }
        )
    console.print(
        f"{_counts(counts)} are in {result}. Train with: python -m bot train --corpus {result}"
    )


@app.command()
def show(
    source: Annotated[
        str, typer.Argument(help="As prepare takes it, without a weight.", show_default=False)
    ],
    count: Annotated[int, typer.Option("-n", min=1, help="How many conversations.")] = 5,
    delimiter: options.Delimiter = "",
    encoding: options.Encoding = "",
    rewrites: Annotated[
        bool,
        typer.Option(
            "--rewrites", help="Print every turn that cleaning rewrites, before and after, instead."
        ),
    ] = False,
) -> None:
    """Print the first conversations of a corpus, as they are read; replies have an arrow.

    Then come the rules that rewrite its turns as written English, and an example of each.
    """
    from bot.console.lines import reconfigure
    from bot.data.corpora.lines import ReadingLog
    from bot.data.rewriting import Rewrites

    reconfigure(sys.stdout)
    (corpus,) = options.parse_sources([source], delimiter, encoding)
    opened = corpus.open()
    found = Rewrites()
    for number, conversation in enumerate(opened.conversations(ReadingLog())):
        if number < count and not rewrites:
            replies = conversation.replies()
            for index, turn in enumerate(conversation.turns):
                print("->" if index in replies else "  ", _shown(turn))
            print()
        if number == SHOWN_REWRITES_OF and not rewrites:
            break
        for turn in () if opened.prepared else conversation.turns:
            rules, after = found.add(turn)
            if rules and rewrites:
                print(f"[{', '.join(rules)}]\n    {_shown(turn)}\n -> {_shown(after)}")
    if found.rules:
        share = f"{found.turns:,} of {found.seen:,} turns"
        print(f"Cleaning rewrites {share} (--no-clean leaves them as they are):")
        for rule, number in found.rules.most_common():
            before, after = found.samples[rule]
            print(f"{number:7,} {rule}: {_shown(before)} => {_shown(after)}")


def _shown(text: str) -> str:
    return printable(" ".join(text.split()))


@contextmanager
def reading_progress(
    console: Console, corpora: "Sequence[WeightedCorpus]"
) -> Iterator[Callable[[int], None]]:
    """A progress bar of the bytes that were read, on a terminal.

    :return: what to call with how many more bytes were read
    :raises UsageError: if a source is not known
    :raises CorpusError: if one does not exist
    """
    opened = [corpus.open() for corpus in corpora]
    # A Python package does not say its size, so neither do several corpora with one among them.
    known = all(corpus.files for corpus in opened)
    size = sum(corpus.size_bytes for corpus in opened) if known else None
    if not console.is_terminal:
        yield lambda count: None
        return
    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=size)
        yield lambda count: bar.advance(task, count)


def describe(summary: "CorpusSummary") -> str:
    """What became of a corpus, in one line."""
    text = f"{summary.source}: {_counts(summary.examples)}"
    text += f" from {summary.conversations:,} conversations"
    if summary.dropped:
        dropped = sorted(summary.dropped.items(), key=lambda item: -item[1])
        text += f"; dropped {', '.join(f'{count:,} ({why})' for why, count in dropped)}"
    if summary.rewritten:
        rewritten = (f"{count:,} ({rule})" for rule, count in summary.rewritten.items())
        text += f"; rewrote {', '.join(rewritten)}"
    if summary.malformed:
        text += f"; malformed lines: {summary.malformed:,}"
    return text


def _counts(examples: dict[str, int]) -> str:
    parts = ", ".join(f"{count:,} {split}" for split, count in examples.items())
    return f"{sum(examples.values()):,} examples ({parts})"
