"""Pictures of attention and of the loss."""

import json
import struct
import sys
from pathlib import Path

import pytest

from bot.artifact.artifact import Artifact
from bot.errors import MissingPackageError, SearcherError, UsageError
from bot.evaluation.pictures import (
    MAX_PICTURED_TOKENS,
    Attention,
    LogLine,
    attend,
    attention_figure,
    check_format,
    loss_figure,
    read_log,
    rendered,
)
from bot.text.tokenizer import EOS_LABEL, SEP_LABEL

CAT = "Please, number 3, tell me about the cat."


def size_of_png(content: bytes) -> tuple[int, int]:
    """Width and height in pixels."""
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def even(columns: int, rows: int) -> Attention:
    return Attention(
        [f"source{i}" for i in range(columns)],
        [f"reply{i}" for i in range(rows)],
        [[1 / columns] * columns for _ in range(rows)],
    )


def test_the_axes_carry_the_words_of_source_and_reply(animal_artifact: Artifact) -> None:
    attended = attend(animal_artifact, ["Hi.", CAT])
    axes = attention_figure(attended).axes[0]
    source = [label.get_text() for label in axes.get_xticklabels()]
    reply = [label.get_text() for label in axes.get_yticklabels()]
    assert "".join(source).endswith(f"tellmeaboutthecat.{EOS_LABEL}")
    assert reply == ["The", "cat", "says", "meow", ".", EOS_LABEL]
    assert len(attended.weights) == len(reply)
    assert all(len(row) == len(source) for row in attended.weights)
    assert all(sum(row) == pytest.approx(1, abs=1e-4) for row in attended.weights)


def test_the_colours_are_those_of_weights_from_0_to_1() -> None:
    figure = attention_figure(even(3, 2))
    image = figure.axes[0].images[0]
    assert (image.norm.vmin, image.norm.vmax) == (0, 1)
    assert figure.axes[1].get_ylabel() == "attention weight"
    assert image.get_array().tolist() == [[1 / 3] * 3] * 2


def test_a_given_reply_is_read_instead_of_the_models_own(animal_artifact: Artifact) -> None:
    attended = attend(animal_artifact, [CAT], "The dog says woof.")
    assert attended.reply == ["The", "dog", "says", "woof", ".", EOS_LABEL]
    assert attend(animal_artifact, [CAT], "").reply == [EOS_LABEL]


def test_turns_are_told_apart_by_a_mark(animal_artifact: Artifact) -> None:
    assert attend(animal_artifact, ["the cat", "the dog"]).source == [
        *("the", "cat", SEP_LABEL, "the", "dog", EOS_LABEL)
    ]


def test_a_picture_grows_with_its_tokens() -> None:
    small = size_of_png(rendered(attention_figure(even(3, 2)), ".png"))
    large = size_of_png(rendered(attention_figure(even(64, 40)), ".png"))
    assert 200 < small[0] < large[0] < 5000
    assert 200 < small[1] < large[1] < 5000
    # Room for a line of text for each token.
    assert large[0] > 64 * 40
    assert large[1] > 40 * 40


AWKWARD = ["$x_{$", "\\frac{", "😀", "日本", "שלום", "\x00", "\u202e", "_", "<b>&", "%s"]


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_no_character_is_an_error_or_a_warning(suffix: str) -> None:
    weights = [[0.1] * len(AWKWARD)] * len(AWKWARD)
    content = rendered(attention_figure(Attention(AWKWARD, AWKWARD, weights)), suffix)
    start = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF"}
    assert content.startswith(start[suffix])


def test_an_svg_holds_its_words_as_text() -> None:
    content = rendered(attention_figure(Attention(["你好"], ["hello"], [[1.0]])), ".svg").decode()
    assert ">你好</text>" in content
    assert ">hello</text>" in content


def test_an_endless_reply_is_a_usage_error(animal_artifact: Artifact) -> None:
    with pytest.raises(UsageError, match="shorter"):
        attend(animal_artifact, [CAT], "word " * MAX_PICTURED_TOKENS)


def test_a_searcher_that_cannot_show_attention_is_an_error(animal_artifact: Artifact) -> None:
    old = Artifact(animal_artifact.manifest, animal_artifact.tokenizer, object(), "cpu")
    with pytest.raises(SearcherError, match="older Causerie"):
        attend(old, [CAT], "The cat says meow.")


@pytest.mark.parametrize("name", ["a.docx", "a", "png", "a.png.exe"])
def test_a_picture_of_another_kind_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError, match=r"\.png"):
        check_format(Path(name))
    check_format(Path("a.PNG"))


def test_without_matplotlib_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingPackageError, match="python -m pip install matplotlib"):
        attention_figure(even(1, 1))


def test_the_loss_curve_has_both_splits(trained_run: Path) -> None:
    log = read_log(trained_run / "log.jsonl")
    axes = loss_figure(log).axes[0]
    train, valid = axes.lines
    assert list(train.get_xdata()) == [50, 100, 150, 200]
    assert list(valid.get_ydata()) == [line.valid for line in log]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["train", "valid"]
    assert rendered(axes.figure, ".svg").startswith(b"<?xml")


def test_of_a_step_that_was_logged_twice_the_last_line_counts(tmp_path: Path) -> None:
    def line(step: int, loss: float) -> str:
        values = {"step": step, "train_nats_per_token": loss, "valid_nats_per_token": loss + 1}
        return json.dumps(values)

    path = tmp_path / "log.jsonl"
    path.write_text(
        "\n".join([line(10, 3.0), line(20, 2.0), line(20, 1.5), "", '{"step": 30, "tr'])
    )
    assert read_log(path) == [LogLine(10, 3.0, 4.0), LogLine(20, 1.5, 2.5)]
    assert read_log(tmp_path / "none") == []
