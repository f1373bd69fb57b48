"""``python -m bot evaluate``, ``compare``, ``judge`` and ``attention``: how good a model is."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from bot.cli import corpus_options as options
from bot.cli.clashes import refuse
from bot.cli.models import StoreOption, open_store
from bot.cli.terminal import progress_console, table_console
from bot.errors import MissingPackageError, UsageError
from bot.printable import printable

if TYPE_CHECKING:
    from bot.artifact.artifact import Artifact
    from bot.evaluation.artifact_evaluation import EvaluationConfig, OnProgress

SpecArgument = Annotated[str, typer.Argument(metavar="NAME[/VERSION]", show_default=False)]
DeviceOption = Annotated[
    Literal["auto", "cpu", "cuda"], typer.Option("--device", help="Where the model runs.")
]


def evaluate(
    context: typer.Context,
    model: SpecArgument,
    corpus: Annotated[
        list[str] | None,
        typer.Option(metavar="SOURCE", help="As train takes them; may be repeated."),
    ] = None,
    run: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN",
            help="Measure on what this training run held out, and show its loss curve in the"
            " report; with --corpus, only the latter.",
        ),
    ] = None,
    split: Annotated[
        Literal["train", "valid", "test", "all"],
        typer.Option(help="Which of the examples; a run has held out valid and test."),
    ] = "test",
    limit: Annotated[
        int, typer.Option(min=0, help="At most so many examples, always the same; 0: all.")
    ] = 0,
    delimiter: options.Delimiter = "",
    encoding: options.Encoding = "",
    max_source_turns: options.MaxSourceTurns = 3,
    max_reply_words: options.MaxReplyWords = 20,
    cut_replies: options.CutReplies = True,
    max_prompt_words: options.MaxPromptWords = 0,
    deduplicate: options.Deduplicate = True,
    drop: options.Drop = "",
    offensive: options.Offensive = "default",
    script: options.Script = "",
    clean: options.Clean = True,
    reverse: options.Reverse = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write all numbers and settings here.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(help="Write an HTML report here.", dir_okay=False)
    ] = None,
    store: StoreOption = None,
    device: DeviceOption = "auto",
) -> None:
    """Measure a published model on held-out dialogue.

    Bits per character are of the replies' raw text, whatever the model's tokens are.
    """
    from bot.evaluation.artifact_evaluation import evaluate as measure
    from bot.evaluation.artifact_evaluation import held_out_examples
    from bot.evaluation.pictures import require
    from bot.evaluation.report import measures, write_evaluation_report
    from bot.training.files import check_outputs, write_atomically

    # All this now, and not after the measuring.
    config = _evaluation_config(context, run, corpus or [])
    if report is not None:
        for package in ["jinja2"] + (["matplotlib"] if run else []):
            require(package)
    check_outputs(*(path for path in (json_file, report) if path is not None))
    artifact = _load(model, store, device)
    console = progress_console()
    console.print("reading the examples ...")
    examples = held_out_examples(config)
    console.print(f"{len(examples):,} examples of the {split} split")
    with _progress(console) as on_progress:
        evaluation = measure(artifact, examples, config, on_progress)
    _print_rows(
        [("model", evaluation.model), *measures(evaluation), ("machine", evaluation.machine)]
    )
    if json_file is not None:
        write_atomically(json_file, evaluation.to_json().encode("utf-8", "replace"))
    if report is not None:
        write_evaluation_report(report, evaluation, artifact, run)


def _evaluation_config(
    context: typer.Context, run: Path | None, corpus: list[str]
) -> "EvaluationConfig":
    """What is measured on: what a run held out, or examples of corpora.

    :raises UsageError: if the options do not go together
    """
    from dataclasses import fields

    from bot.data.selection import MixConfig
    from bot.evaluation.artifact_evaluation import EvaluationConfig, evaluation_mix
    from bot.training.run import HELD_OUT, RunConfig

    split, limit = context.params["split"], context.params["limit"]
    choosing = {field.name for field in fields(MixConfig)} & context.params.keys()
    if corpus:
        if run is not None:
            if context.params["report"] is None:
                raise UsageError(
                    "With --corpus, --run only adds a loss curve to a report; give --report FILE"
                    " too, or leave --corpus out to measure on what the run held out."
                )
            RunConfig.read(run)
        mix = evaluation_mix(**{name: context.params[name] for name in choosing})
        sources = options.parse_sources(
            corpus, context.params["delimiter"], context.params["encoding"]
        )
        return EvaluationConfig(sources, mix, split, limit)
    if run is None:
        raise UsageError(
            "There is nothing to measure on; give a corpus, --corpus FILE.jsonl, or the folder of"
            " a training run, --run RUN."
        )
    refuse(
        context, choosing | {"delimiter", "encoding"}, "A run's examples are as they were held out"
    )
    if split not in HELD_OUT:
        raise UsageError(f"A run has held out {' and '.join(HELD_OUT)}, not --split {split}.")
    return EvaluationConfig.of_run(run, split, limit)


def compare(
    a: SpecArgument,
    b: SpecArgument,
    prompts: Annotated[
        Path,
        typer.Option(help="A prompt a line; tab-separated columns before it are earlier turns."),
    ],
    out: Annotated[Path, typer.Option(help="The sheet to fill in, tab-separated.")] = Path(
        "comparison.tsv"
    ),
    key: Annotated[Path, typer.Option(help="Which model wrote what, JSON.")] = Path(
        "comparison-key.json"
    ),
    seed: Annotated[int, typer.Option(help="Of the random order of the two replies.")] = 0,
    store: StoreOption = None,
    store_b: Annotated[
        Path | None, typer.Option("--store-b", help="The store of B. Default: the store of A.")
    ] = None,
    device: DeviceOption = "auto",
) -> None:
    """Write two models' replies side by side, in random order, for blind judging.

    Fill in the column verdict with 1, 2 or tie; `judge` counts them.
    """
    from bot.evaluation.comparison import compare as replies_of_both
    from bot.evaluation.comparison import key_json, read_prompts, sheet
    from bot.training.files import check_outputs, write_atomically

    check_outputs(out, key)
    conversations = read_prompts(prompts)
    artifacts = _load(a, store, device), _load(b, store_b or store, device)
    with _progress(progress_console()) as on_progress:
        pairs = replies_of_both(*artifacts, conversations, seed, on_progress)
    write_atomically(out, sheet(pairs).encode("utf-8", "replace"))
    write_atomically(key, key_json(pairs, *artifacts, seed).encode("utf-8", "replace"))
    print(
        f"{len(pairs)} pairs of replies are in {out}; write 1, 2 or tie into its column verdict,"
        f" then count with: python -m bot judge {out} --key {key}"
    )


def judge(
    sheet: Annotated[Path, typer.Argument(help="The sheet, filled in.", show_default=False)],
    key: Annotated[Path, typer.Option(help="The key that was written with it.")],
    markdown: Annotated[
        Path | None, typer.Option(help="Write prompts, replies and verdicts here, as a table.")
    ] = None,
) -> None:
    """Count the verdicts of a blind comparison."""
    from bot.evaluation.comparison import judge as open_sheet
    from bot.training.files import write_atomically

    judgement = open_sheet(sheet, key)
    if markdown is not None:
        write_atomically(markdown, judgement.to_markdown().encode("utf-8", "replace"))
    _print_rows(
        [
            (f"A, {judgement.a}, is better", judgement.count("a")),
            (f"B, {judgement.b}, is better", judgement.count("b")),
            ("tie", judgement.count("tie")),
            ("not judged", judgement.count("")),
            ("p of the sign test, two-sided, without ties", judgement.p_value),
        ]
    )


def attention(
    turns: Annotated[
        list[str],
        typer.Argument(
            metavar="[EARLIER TURN]... SENTENCE", help="What is said to it.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option(help="The picture: .png, .svg or .pdf.")],
    reply: Annotated[
        str | None, typer.Option(help="A reply to read, instead of the model's own.")
    ] = None,
    model: Annotated[
        str | None,
        typer.Option("--model", metavar="NAME[/VERSION]", help="Default: the active model."),
    ] = None,
    store: StoreOption = None,
) -> None:
    """Draw where the model looks in the source while it writes each token of its reply."""
    from bot.evaluation.fonts import fonts_for
    from bot.evaluation.pictures import attend, attention_figure, check_format, rendered, require
    from bot.training.files import write_atomically

    check_format(out)
    require("matplotlib")
    attended = attend(_load(model, store, "cpu"), turns, reply)
    fonts = fonts_for([*attended.source, *attended.reply])
    write_atomically(out, rendered(attention_figure(attended, fonts.families), out.suffix))
    if fonts.advice:
        progress_console().print(fonts.advice)
    print(out)


def write_training_report(run: Path, console: Console) -> None:
    """Leave a report in the folder of a run that has ended, if what draws it is installed."""
    from bot.evaluation import report

    try:
        console.print(f"The report is {report.write_training_report(run)}.")
    except MissingPackageError as error:
        console.print(f"No report was written: {error}")


def _load(spec: str | None, store: Path | None, device: str) -> "Artifact":
    from bot.artifact.artifact import Artifact, resolve_device

    # The reference: what is measured must not depend on what the machine can run.
    return Artifact.load(open_store(store).resolve(spec), resolve_device(device), "fp32")


@contextmanager
def _progress(console: Console) -> "Iterator[OnProgress]":
    """A bar for each thing that is done, on a terminal; nothing elsewhere."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        tasks = {}

        def on_progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done)

        yield on_progress


def _print_rows(rows: "list[tuple[str | int | float | None, ...]]") -> None:
    from bot.evaluation.report import cell

    table = Table(box=None, show_header=False)
    for name, value in rows:
        table.add_row(Text(str(name)), Text(printable(cell(value))))
    table_console().print(table)
