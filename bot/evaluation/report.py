"""Reports: one HTML file that needs nothing beside it.

Jinja escapes every text that comes from a corpus, a prompt or a model.
"""

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from bot.artifact.artifact import Artifact
from bot.evaluation.artifact_evaluation import Evaluation
from bot.evaluation.pictures import loss_figure, read_log, rendered, require
from bot.publishing.export import MAX_REPLY_TOKENS, TrainedRun
from bot.publishing.model_card import sample_prompts, sample_replies
from bot.training import checkpoint
from bot.training.files import write_atomically
from bot.training.held_out import held_out_loss

REPORT_FILE = "report.html"

Row = tuple[str | int | float | None, ...]


@dataclass(frozen=True)
class Section:
    """A heading, and under it a sentence, a picture, a table, or some of these.

    :param columns: the table's head
    :param svg: the picture, base64
    """

    heading: str
    text: str = ""
    columns: tuple[str, ...] = ()
    rows: Sequence[Row] = ()
    svg: str = ""


def write_training_report(run: Path) -> Path:
    """Write ``RUN/report.html``: settings, data, loss curve, last numbers, sample replies.

    The test split is measured, with the weights rounded as an export rounds them.

    :raises MissingPackageError: if matplotlib or Jinja is not installed
    :raises CheckpointError: if the run has no checkpoint or cannot be read
    """
    require("matplotlib")
    require("jinja2")
    trained = TrainedRun.read(run)
    test = held_out_loss(trained.searcher.model, trained.splits["test"])
    results: list[Row] = [
        ("steps", trained.steps),
        ("hours of training", round(trained.hours, 2)),
        ("test: perplexity per token", test.perplexity),
        ("test: bits per character", test.bits_per_character),
    ]
    data: list[Row] = [
        (name, len(pairs), pairs.sources.numel(), pairs.targets.numel() - len(pairs))
        for name, pairs in trained.splits.items()
    ]
    sections = [
        Section("Results", rows=results),
        loss_section(run),
        Section(
            "Data",
            columns=("split", "pairs", "source tokens", "target tokens, EOS included"),
            rows=data,
        ),
        _replies(sample_replies(trained.searcher, trained.tokenizer, sample_prompts())),
        Section("Settings", rows=list(_flat(asdict(trained.config)))),
    ]
    path = run / REPORT_FILE
    write_atomically(path, _html(f"Training run {run.name}", sections))
    return path


def write_evaluation_report(
    path: Path, evaluation: Evaluation, artifact: Artifact, run: Path | None = None
) -> None:
    """Write a report of a published model.

    :param run: the training run whose loss curve is shown, if any
    :raises MissingPackageError: if Jinja, or for the loss curve matplotlib, is not installed
    """
    prompts = sample_prompts()
    sources = [artifact.tokenizer.encode_source(prompt) for prompt in prompts]
    replies = [artifact.tokenizer.decode(ids) for ids in artifact.search(sources, MAX_REPLY_TOKENS)]
    frequent: list[Row] = list(evaluation.replies.most_frequent)
    settings = {
        name: value
        for name, value in evaluation.as_dict().items()
        if name not in ("likelihood", "replies", "speed")
    }
    sections = [
        Section("Results", rows=measures(evaluation)),
        *([loss_section(run)] if run else []),
        Section("Most frequent replies", columns=("reply", "share"), rows=frequent),
        _replies(list(zip(prompts, replies, strict=True))),
        Section("Settings", rows=list(_flat(settings))),
    ]
    write_atomically(path, _html(f"Evaluation of {evaluation.model}", sections))


def measures(evaluation: Evaluation) -> list[Row]:
    """An evaluation's numbers with their names, for a table."""
    every, known = evaluation.likelihood.every, evaluation.likelihood.known
    replies, speed = evaluation.replies, evaluation.speed
    rows: list[Row] = [
        ("targets", every.targets),
        ("tokens of the targets, EOS included", every.tokens),
        ("characters of the targets' raw text", every.characters),
        ("perplexity per token", every.perplexity),
        ("bits per character of the raw text", every.bits_per_character),
        ("targets with a token outside the vocabulary", every.targets - known.targets),
    ]
    if known.targets < every.targets:
        rows += [
            ("perplexity per token, without these targets", known.perplexity),
            ("bits per character, without these targets", known.bits_per_character),
        ]
    return [
        *rows,
        ("replies, greedy", replies.replies),
        (f"distinct-1, of {replies.unit}", replies.distinct_1),
        (f"distinct-2, of {replies.unit}", replies.distinct_2),
        ("share of the most frequent reply", replies.most_frequent[0][1]),
        ("the most frequent reply", replies.most_frequent[0][0]),
        (f"{replies.unit} a reply", replies.mean_length),
        (f"replies a second, one at a time, {_threads(speed.threads)}", speed.replies_per_second),
    ]


def loss_section(run: Path) -> Section:
    """The loss curve of a training run.

    :raises MissingPackageError: if matplotlib is not installed
    """
    log = read_log(run / checkpoint.LOG_FILE)
    if not log:
        return Section("Loss", "No evaluation was logged.")
    last = log[-1]
    return Section(
        "Loss",
        f"At step {last.step}: {last.train:.4f} nats a token on the training split,"
        f" {last.valid:.4f} on the validation split.",
        svg=base64.b64encode(rendered(loss_figure(log), ".svg")).decode(),
    )


def cell(value: str | float | None) -> str:
    """A number as people read it, any other value as text."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if math.isnan(value):
        return "undefined"
    return f"{value:,.4g}" if math.isfinite(value) else "infinite"


def _threads(count: int) -> str:
    return "1 thread" if count == 1 else f"{count} threads"


def _replies(replies: Sequence[tuple[str, str]]) -> Section:
    return Section(
        "Sample replies", "Greedy search, unedited.", ("prompt", "reply"), rows=list(replies)
    )


def _flat(values: Mapping[str, Any], prefix: str = "") -> Iterator[Row]:
    """Nested settings as rows of dotted names."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, tuple | list):
            texts = (
                ", ".join(f"{k} {v}" for k, v in item.items())
                if isinstance(item, Mapping)
                else str(item)
                for item in value
            )
            yield f"{prefix}{name}", "; ".join(texts)
        else:
            yield f"{prefix}{name}", value if isinstance(value, int | float) else str(value)


def _html(title: str, sections: Sequence[Section]) -> bytes:
    require("jinja2")
    import jinja2

    environment = jinja2.Environment(
        autoescape=True, trim_blocks=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["cell"] = cell
    template = resources.files("bot.evaluation").joinpath("report.html").read_text("utf-8")
    html = environment.from_string(template).render(title=title, sections=sections)
    return html.encode("utf-8", "replace")
