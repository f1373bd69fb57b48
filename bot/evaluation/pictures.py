"""Pictures: where a model looks while it writes, and how its loss fell.

matplotlib belongs to the extra ``train`` and is loaded only when a picture is made; without pyplot
there is no display to ask for and no global state.
"""

import io
import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bot.artifact.artifact import Artifact
from bot.artifact.options import Attention
from bot.errors import MissingPackageError, UsageError
from bot.evaluation.fonts import BASE_FAMILY
from bot.publishing.export import MAX_REPLY_TOKENS
from bot.text.tokenizer import EOS_ID, EOS_LABEL, SEP_LABEL

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")
# Longer replies make pictures that nobody can read.
MAX_PICTURED_TOKENS = 100
_INCHES_A_TOKEN = 0.3
_DOTS_PER_INCH = 150


class LogLine(NamedTuple):
    """One evaluation during training; losses in nats a token."""

    step: int
    train: float
    valid: float


def attend(artifact: Artifact, turns: Sequence[str], reply: str | None = None) -> Attention:
    """Where a model looks while it writes its reply, or while it reads a given one.

    :param turns: the conversation so far, the newest turn last
    :param reply: instead of the model's own
    :raises SearcherError: if the artifact was exported before searchers could show attention
    :raises UsageError: if the given reply is too long for a picture
    """
    source_ids = artifact.tokenizer.encode_source(*turns)
    if reply is None:
        (ids,) = artifact.search([source_ids], MAX_REPLY_TOKENS)
        # A reply that was cut at the limit has no EOS.
        reply_ids = [*ids, EOS_ID] if len(ids) < MAX_REPLY_TOKENS else ids
    else:
        reply_ids = [*artifact.tokenizer.encode(reply), EOS_ID]
    if len(reply_ids) > MAX_PICTURED_TOKENS:
        raise UsageError(
            f"The reply has {len(reply_ids)} tokens and a picture shows at most"
            f" {MAX_PICTURED_TOKENS}; give a shorter one."
        )
    return Attention(
        artifact.tokenizer.labels(source_ids),
        artifact.tokenizer.labels(reply_ids),
        artifact.attention(source_ids, reply_ids),
    )


def attention_figure(attention: Attention, families: Sequence[str] = (BASE_FAMILY,)) -> "Figure":
    """A heat map: source tokens from left to right, reply tokens from top to bottom.

    :param families: the fonts of the tokens, as ``fonts_for`` chooses them
    :raises MissingPackageError: if matplotlib is not installed
    """
    columns, rows = len(attention.source), len(attention.reply)
    figure = _figure(2.5 + _INCHES_A_TOKEN * columns, 1.8 + _INCHES_A_TOKEN * rows)
    axes = figure.subplots()
    image = axes.imshow(attention.weights, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    # A dollar sign is a dollar sign and begins no formula.
    style: dict[str, Any] = {"parse_math": False, "fontfamily": list(families)}
    axes.set_xticks(range(columns), attention.source, rotation=90, **style)
    axes.set_yticks(range(rows), attention.reply, **style)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel(f"source ({SEP_LABEL} next turn, {EOS_LABEL} end)")
    axes.set_ylabel("reply")
    figure.colorbar(image, ax=axes, label="attention weight", shrink=min(1.0, 10 / rows), pad=0.02)
    return figure


def loss_figure(log: Sequence[LogLine]) -> "Figure":
    """Loss over steps, on the training and on the validation split.

    :raises MissingPackageError: if matplotlib is not installed
    """
    figure = _figure(7.0, 4.0)
    axes = figure.subplots()
    steps = [line.step for line in log]
    axes.plot(steps, [line.train for line in log], "o-", markersize=3, label="train")
    axes.plot(steps, [line.valid for line in log], "o-", markersize=3, label="valid")
    axes.set_xlabel("step")
    axes.set_ylabel("loss, nats a token")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def read_log(path: Path) -> list[LogLine]:
    """The evaluations that a training run logged, by step; empty if there were none.

    Of a step that was logged twice, because the run was resumed from before it, the last counts. A
    line that was cut short is left out.
    """
    lines: dict[int, LogLine] = {}
    if not path.exists():
        return []
    for text in path.read_text("utf-8", "replace").splitlines():
        try:
            values = json.loads(text)
            line = LogLine(
                int(values["step"]),
                float(values["train_nats_per_token"]),
                float(values["valid_nats_per_token"]),
            )
        except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
            continue
        lines[line.step] = line
    return [lines[step] for step in sorted(lines)]


def rendered(figure: "Figure", suffix: str) -> bytes:
    """The file's content.

    :param suffix: of ``FORMATS``
    """
    from matplotlib import rc_context

    content = io.BytesIO()
    # Text stays text in an SVG: it can be searched, and the viewer's fonts write it.
    with rc_context({"svg.fonttype": "none"}), warnings.catch_warnings():
        # A box stands where no font has such a character, an emoji for instance.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from")
        warnings.filterwarnings("ignore", message=r"Matplotlib currently does not support")
        figure.savefig(content, format=suffix.removeprefix("."), dpi=_DOTS_PER_INCH)
    return content.getvalue()


def check_format(path: Path) -> None:
    """Refuse a picture of a kind that cannot be written.

    :raises UsageError: if the suffix is none of ``FORMATS``
    """
    if path.suffix.lower() not in FORMATS:
        raise UsageError(
            f"{path} names no kind of picture; end it in {', '.join(FORMATS[:-1])} or"
            f" {FORMATS[-1]}."
        )


def require(package: str) -> None:
    """Check that a package of the extra ``train`` is installed.

    :raises MissingPackageError: if it is not
    """
    import importlib.util

    if importlib.util.find_spec(package) is None:
        raise MissingPackageError(
            f"This needs {package}, which is not installed; install it with: python -m pip install"
            f" {package}."
        )


def _figure(width: float, height: float) -> "Figure":
    require("matplotlib")
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")
