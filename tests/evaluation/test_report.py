"""Reports as one HTML file."""

import base64
import re
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bot.artifact.artifact import Artifact
from bot.data.mixing import WeightedCorpus
from bot.data.selection import Example
from bot.errors import CheckpointError, MissingPackageError
from bot.evaluation.artifact_evaluation import EvaluationConfig, evaluate, evaluation_mix
from bot.evaluation.report import (
    cell,
    loss_section,
    write_evaluation_report,
    write_training_report,
)
from bot.publishing.export import TrainedRun
from bot.training.held_out import held_out_loss

EVIL = "<script>alert('&')</script>"


class Page(HTMLParser):
    """The tags and the rows of an HTML page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.rows: list[list[str]] = []
        self.links: list[str] = []
        self._in_cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
            self._in_cell = True

    def handle_endtag(self, tag: str) -> None:
        self._in_cell = self._in_cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        if self._in_cell:
            self.rows[-1][-1] += data


@pytest.fixture(scope="module")
def training_page(trained_run: Path) -> Page:
    path = write_training_report(trained_run)
    assert path == trained_run / "report.html"
    return Page(path.read_text("utf-8"))


def test_a_training_report_has_settings_counts_and_last_numbers(
    training_page: Page, trained_run: Path
) -> None:
    trained = TrainedRun.read(trained_run)
    rows = {row[0]: row[1:] for row in training_page.rows}
    assert rows["steps"] == ["200"]
    assert rows["training.batch_size"] == ["32"]
    assert rows["model.attention"] == ["general"]
    assert rows["train"][0] == f"{len(trained.splits['train'])}"
    assert rows["test"][0] == f"{len(trained.splits['test'])}"
    test = held_out_loss(trained.searcher.model, trained.splits["test"])
    assert rows["test: perplexity per token"] == [f"{test.perplexity:.4g}"]


def test_a_training_report_shows_thirty_replies(training_page: Page) -> None:
    start = training_page.rows.index(["prompt", "reply"])
    assert training_page.rows[start + 1][0] == "Hello!"
    assert training_page.rows[start + 30][0] == "Goodbye"


def test_a_report_needs_nothing_beside_it(training_page: Page) -> None:
    (picture,) = training_page.links
    kind, content = picture.split(",")
    assert kind == "data:image/svg+xml;base64"
    assert b"<svg" in base64.b64decode(content)
    assert not training_page.tags & {"script", "link", "iframe"}


def test_a_run_without_an_evaluation_has_no_loss_curve(tmp_path: Path) -> None:
    section = loss_section(tmp_path)
    assert section.svg == ""
    assert "No evaluation" in section.text


def test_a_folder_without_a_run_has_no_report(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError):
        write_training_report(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_no_report_is_begun_without_matplotlib(
    trained_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(MissingPackageError, match="matplotlib"):
        write_training_report(trained_run)


def test_an_evaluation_report_escapes_what_it_shows(
    animal_artifact: Artifact, trained_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.evaluation.report.sample_prompts", lambda: [EVIL, "\ud800"])
    config = EvaluationConfig((WeightedCorpus(EVIL),), evaluation_mix())
    evaluation = evaluate(animal_artifact, [Example(("The cat?",), "Meow.")], config)
    path = tmp_path / "sub" / "report.html"
    write_evaluation_report(path, evaluation, animal_artifact, trained_run)
    html = path.read_text("utf-8")
    assert "<script" not in html
    page = Page(html)
    rows = {row[0]: row[1:] for row in page.rows}
    assert EVIL in rows["config.corpora"][0]
    assert EVIL in rows
    assert rows["targets"] == ["1"]
    bits = evaluation.likelihood.every.bits_per_character
    assert rows["bits per character of the raw text"] == [f"{bits:,.4g}"]
    assert len(page.links) == 1, "the loss curve"
    assert [file.name for file in path.parent.iterdir()] == ["report.html"]


def test_replies_of_the_model_are_escaped_too(
    animal_artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(animal_artifact.tokenizer), "decode", lambda self, ids: EVIL)
    config = EvaluationConfig((WeightedCorpus("x.tsv"),), evaluation_mix())
    evaluation = evaluate(animal_artifact, [Example(("The cat?",), "Meow.")], config)
    write_evaluation_report(tmp_path / "report.html", evaluation, animal_artifact)
    html = (tmp_path / "report.html").read_text("utf-8")
    assert "<script" not in html
    assert len(re.findall(r"&lt;script&gt;", html)) == 32, "most frequent twice, thirty samples"


def test_numbers_are_written_for_people() -> None:
    assert [cell(value) for value in (1234567, 0.00012346, 12.3456, None, True, "a")] == [
        *("1,234,567", "0.0001235", "12.35", "", "True", "a")
    ]
    assert cell(float("inf")) == "infinite"
    assert cell(float("nan")) == "undefined"
