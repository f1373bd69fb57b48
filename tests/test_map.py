"""The map in ARCHITECTURE.md against the tree, and the tests' tree against the package's."""

import re

from command import ROOT

PLACES = ("bot", "benchmarks", "docs", "examples")


def files() -> set[str]:
    """What a newcomer finds there; an empty ``__init__.py`` says nothing."""
    found = (path for place in PLACES for path in (ROOT / place).rglob("*") if path.is_file())
    return {
        path.relative_to(ROOT).as_posix()
        for path in found
        if path.suffix != ".pyc" and path.stat().st_size > 0
    }


def test_the_map_has_a_line_for_each_file_and_for_nothing_else() -> None:
    text = (ROOT / "ARCHITECTURE.md").read_text("utf-8").partition("\n## Map\n")[2]
    lines = re.findall(r"^\| `([^`]+)` \| (\S.*) \|$", text, re.MULTILINE)
    assert sorted(name for name, _ in lines) == sorted(files())


def test_each_test_file_is_where_its_subject_is() -> None:
    for place in sorted(path for path in (ROOT / "tests").iterdir() if path.is_dir()):
        if place.name in {"benchmarks", "integration"} or place.name.startswith("_"):
            continue
        assert (ROOT / "bot" / place.name).is_dir(), place
