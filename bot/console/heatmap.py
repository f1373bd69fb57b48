"""Where the model looked, as text."""

from rich.cells import cell_len, set_cell_size

from bot.artifact.options import Attention

_SHADES = " \N{LIGHT SHADE}\N{MEDIUM SHADE}\N{DARK SHADE}\N{FULL BLOCK}"
_MAX_LABEL_CELLS = 14
_NAMED_TOKENS = 2
_LEAST_NAMED_WEIGHT = 0.1


def heatmap(attention: Attention) -> list[str]:
    """A line a reply token: a shade for each source token, and the names of the darkest.

    The first line is the source, in the order of the shades.
    """
    source, reply = attention.source, attention.reply
    width = min(max(map(cell_len, reply)), _MAX_LABEL_CELLS)
    lines = [" ".join(source)]
    for label, weights in zip(reply, attention.weights, strict=True):
        shades = "".join(_SHADES[round(weight * (len(_SHADES) - 1))] for weight in weights)
        ranked = sorted(range(len(source)), key=lambda i: -weights[i])[:_NAMED_TOKENS]
        named = [
            f"{source[i]} {weights[i]:.2f}" for i in ranked if weights[i] >= _LEAST_NAMED_WEIGHT
        ]
        lines.append(f"{set_cell_size(label, width)} |{shades}| {', '.join(named)}".rstrip())
    return lines


def alignment(attention: Attention) -> str:
    """On one line: each reply token and the source token that it looked at most."""
    source = attention.source
    pairs = zip(attention.reply, attention.weights, strict=True)
    return "; ".join(
        f"{label} \N{LEFTWARDS ARROW} {source[weights.index(max(weights))]}"
        for label, weights in pairs
    )
