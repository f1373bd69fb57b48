import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.artifact.manifest import MANIFEST_FILE, SEARCHER_FILE, TOKENIZER_FILE, FileEntry, Manifest
from bot.errors import FormatVersionError, ManifestError

ENTRY = {"sha256": "0" * 64, "size": 1}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "tiny" / "2026-11-23.1"
    path.mkdir(parents=True)
    return path


def valid_fields() -> dict[str, Any]:
    return {
        "format_version": 1,
        "name": "tiny",
        "version": "2026-11-23.1",
        "created_at": "2026-11-23T12:00:00Z",
        "causerie_version": "0.1.0",
        "torch_version": "2.13.0",
        "language": "en",
        "description": "A tiny model.",
        "model": {"hidden_size": 16},
        "max_source_tokens": 12,
        "files": {SEARCHER_FILE: ENTRY, TOKENIZER_FILE: ENTRY},
    }


def read(directory: Path, content: Any) -> Manifest:
    """Read a manifest with this content: bytes as they are, anything else as JSON."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    (directory / MANIFEST_FILE).write_bytes(raw)
    return Manifest.read(directory)


def test_a_valid_manifest_is_read_and_written_back_unchanged(directory: Path) -> None:
    manifest = read(directory, valid_fields())
    assert manifest.name == "tiny"
    assert manifest.created_at.utcoffset() is not None
    assert manifest.files[SEARCHER_FILE] == FileEntry(sha256="0" * 64, size=1)
    again = read(directory, manifest.to_json().encode())
    assert json.loads(again.to_json()) == valid_fields() | {
        "format_version": 3,  # what is written is sealed, whatever was read
        "max_source_turns": 1,
        "seal": again.seal,
    }


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_source_tokens", 10**30),
        ("max_source_turns", 10**30),
        ("model", {"hidden_size": 10**12}),
        ("model", {"dropout": float("inf")}),
        ("format_version", 0),
        ("format_version", True),
        ("format_version", "1"),
        ("name", ""),
        ("name", "../tiny"),
        ("name", "Tiny"),
        ("version", ".."),
        ("version", "1\n"),
        ("version", "v" * 65),
        ("created_at", "yesterday"),
        ("created_at", "2026-11-23T12:00:00"),
        ("max_source_tokens", 0),
        ("max_source_tokens", "12"),
        ("model", []),
        ("files", {}),
        ("files", {SEARCHER_FILE: ENTRY}),
        ("files", {TOKENIZER_FILE: ENTRY}),
        ("files", {SEARCHER_FILE: {**ENTRY, "size": -1}, TOKENIZER_FILE: ENTRY}),
        ("files", {SEARCHER_FILE: {**ENTRY, "size": 10**30}, TOKENIZER_FILE: ENTRY}),
        ("files", {SEARCHER_FILE: {**ENTRY, "sha256": "0" * 63}, TOKENIZER_FILE: ENTRY}),
        ("files", {SEARCHER_FILE: {"size": 1}, TOKENIZER_FILE: ENTRY}),
        ("surprise", 1),
    ],
)
def test_a_wrong_field_is_an_error_that_names_the_file_and_the_field(
    directory: Path, field: str, value: Any
) -> None:
    with pytest.raises(ManifestError) as caught:
        read(directory, valid_fields() | {field: value})
    assert str(directory / MANIFEST_FILE) in str(caught.value)
    assert field in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("field", sorted(valid_fields().keys() - {"format_version"}))
def test_a_lacking_field_is_an_error_that_names_it(directory: Path, field: str) -> None:
    fields = valid_fields()
    del fields[field]
    with pytest.raises(ManifestError, match=field):
        read(directory, fields)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b"[]", b"null", b"1", b'"text"']
)
def test_what_is_no_json_object_is_a_manifest_error(directory: Path, content: bytes) -> None:
    with pytest.raises(ManifestError, match=r"manifest\.json"):
        read(directory, content)


def test_a_directory_without_a_manifest_is_a_manifest_error(directory: Path) -> None:
    with pytest.raises(ManifestError, match=r"manifest\.json cannot be read \(No such file"):
        Manifest.read(directory)


@pytest.mark.parametrize("others", [{}, {"files": "elsewhere", "surprise": 1}])
def test_a_newer_format_is_its_own_error_whatever_else_the_manifest_holds(
    directory: Path, others: dict[str, Any]
) -> None:
    with pytest.raises(FormatVersionError, match="format 4 and this Causerie reads 3") as caught:
        read(directory, others | {"format_version": 4})
    assert str(directory / MANIFEST_FILE) in str(caught.value)


@pytest.mark.parametrize(
    "path",
    [
        "../searcher.pt",
        "..",
        ".",
        "",
        "/etc/passwd",
        "a/b",
        "a/../../b",
        "..\\searcher.pt",
        "C:searcher.pt",
        "C:\\searcher.pt",
        "\\\\host\\share",
        "card\0.md",
        "card.md\n",
        ".hidden",
        "-rf",
        "~",
        "x" * 129,
        MANIFEST_FILE,
    ],
)
def test_a_path_that_is_no_plain_file_name_is_refused_by_name(directory: Path, path: str) -> None:
    fields = valid_fields()
    fields["files"] = fields["files"] | {path: ENTRY}
    with pytest.raises(ManifestError) as caught:
        read(directory, fields)
    assert f"{path!r} is not a plain file name" in str(caught.value)


@given(
    path=st.one_of(
        st.text(max_size=20),
        st.lists(st.sampled_from(["..", ".", "/", "\\", "\0", "C:", "a", "\n", "~"])).map("".join),
    )
)
def test_any_path_that_is_accepted_names_a_file_right_inside_the_directory(
    tmp_path_factory: pytest.TempPathFactory, path: str
) -> None:
    directory = tmp_path_factory.getbasetemp() / "tiny" / "2026-11-23.1"
    directory.mkdir(parents=True, exist_ok=True)
    fields = valid_fields()
    fields["files"] = fields["files"] | {path: ENTRY}
    try:
        read(directory, json.dumps(fields).encode())
    except ManifestError:
        return
    assert (directory / path).parent == directory
    assert (directory / path).resolve().parent == directory.resolve()
