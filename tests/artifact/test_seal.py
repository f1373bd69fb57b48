"""The manifest is bound to its folder and sealed, and a person may still edit it."""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bot.artifact.artifact import Artifact
from bot.artifact.manifest import MANIFEST_FILE, MODEL_CARD_FILE, SEARCHER_FILE, Manifest
from bot.artifact.store import ModelStore
from bot.errors import ArtifactError, DigestError, ManifestError, MissingFileError

OLD_FORMATS = (1, 2)


def make_old(directory: Path, format_version: int) -> None:
    """Take from a manifest what its older format had not."""
    path = directory / MANIFEST_FILE
    fields = json.loads(path.read_text()) | {"format_version": format_version}
    del fields["seal"]
    if format_version == 1:
        del fields["max_source_turns"]
    path.write_text(json.dumps(fields, indent=2))


def test_a_flipped_bit_in_any_byte_of_the_manifest_is_noticed(published: Path) -> None:
    path = published / MANIFEST_FILE
    sound = path.read_bytes()
    for index in range(len(sound)):
        flipped = bytearray(sound)
        flipped[index] ^= 1 << index % 8
        path.write_bytes(flipped)
        with pytest.raises(ArtifactError):
            Manifest.read(published)
    path.write_bytes(sound)
    assert Manifest.read(published)


def test_the_seal_is_the_sha_256_of_the_manifest_without_it(published: Path) -> None:
    content = (published / MANIFEST_FILE).read_text()
    without, found = re.subn('"seal": "[0-9a-f]{64}"', '"seal": ""', content)
    assert found == 1
    assert Manifest.read(published).seal == hashlib.sha256(without.encode()).hexdigest()


@pytest.mark.parametrize("active", [True, False])
@pytest.mark.parametrize(
    ("old", "new", "language"),
    [('"language": "en"', '"language": "de"', "de"), ('"seal"', '  "seal"', "en")],
)
def test_an_edited_manifest_is_not_served_before_it_is_sealed(
    store: ModelStore, published: Path, active: bool, old: str, new: str, language: str
) -> None:
    if not active:
        other = store.root / "tiny" / "2"
        other.mkdir()
        for file in published.iterdir():
            (other / file.name).write_bytes(file.read_bytes())
        store.seal("tiny/2")
        store.activate("tiny/2")
    path = published / MANIFEST_FILE
    path.write_text(path.read_text().replace(old, new))
    for use in (
        lambda: Artifact.load(published),
        lambda: store.activate("tiny/1"),
        lambda: store.verify("tiny/1"),
    ):
        with pytest.raises(DigestError, match=r"manifest\.json is not what .* models seal tiny/1"):
            use()
    assert isinstance(store.versions()[0].problem, DigestError)
    assert store.seal("tiny/1") == "tiny/1"
    assert Artifact.load(published).manifest.language == language
    assert not any(store.verify("tiny/1").values())


@pytest.mark.parametrize("renamed", ["tiny/2", "other/1"])
def test_a_version_in_a_folder_of_another_name_is_not_served_before_it_is_sealed(
    store: ModelStore, published: Path, renamed: str
) -> None:
    path = store.root / renamed
    path.parent.mkdir(exist_ok=True)
    published.rename(path)
    with pytest.raises(ManifestError, match=rf"is that of tiny/1; .* models seal {renamed}"):
        Artifact.load(path)
    assert isinstance(store.versions()[0].problem, ManifestError)
    assert store.seal(renamed) == renamed
    manifest = Artifact.load(path).manifest
    assert f"{manifest.name}/{manifest.version}" == renamed


def edit(path: Path) -> None:
    path.write_text("# Another card\n")


@pytest.mark.parametrize(
    ("change", "error"), [(edit, DigestError), (Path.unlink, MissingFileError)]
)
def test_an_edited_model_card_is_accepted_by_sealing(
    store: ModelStore,
    published: Path,
    change: Callable[[Path], None],
    error: type[ArtifactError],
) -> None:
    change(published / MODEL_CARD_FILE)
    with pytest.raises(
        error, match=r"if you edited it on purpose, run `.* models seal tiny/1 --store .*`"
    ):
        Artifact.load(published)
    store.seal("tiny")
    assert Artifact.load(published)
    assert not any(store.verify().values())


def test_sealing_accepts_no_other_weights(store: ModelStore, published: Path) -> None:
    before = (published / MANIFEST_FILE).read_bytes()
    searcher = published / SEARCHER_FILE
    searcher.write_bytes(searcher.read_bytes()[::-1])
    with pytest.raises(DigestError, match=r"searcher\.pt"):
        store.seal("tiny/1")
    assert (published / MANIFEST_FILE).read_bytes() == before


@pytest.mark.parametrize("format_version", OLD_FORMATS)
def test_a_version_of_an_older_format_is_served_with_a_warning_until_it_is_sealed(
    store: ModelStore, published: Path, caplog: pytest.LogCaptureFixture, format_version: int
) -> None:
    make_old(published, format_version)
    told = "tiny/1 was published by an older Causerie"
    assert Artifact.load(published).search([[2]], 3)
    assert told in caplog.text
    assert "models seal tiny/1" in caplog.text
    assert told in str(store.verify()[MANIFEST_FILE])
    assert store.versions()[0].problem is None
    assert store.activate("tiny/1") == "tiny/1"
    caplog.clear()
    store.seal("tiny/1")
    assert Artifact.load(published)
    assert caplog.text == ""
    assert not any(store.verify().values())


@pytest.mark.parametrize("format_version", OLD_FORMATS)
def test_a_sealed_manifest_that_calls_itself_older_is_no_way_around_the_seal(
    published: Path, format_version: int
) -> None:
    path = published / MANIFEST_FILE
    content = path.read_text().replace('"format_version": 3', f'"format_version": {format_version}')
    path.write_text(content)
    with pytest.raises(DigestError):
        Manifest.read(published)
