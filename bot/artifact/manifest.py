"""What a model version says of itself, and the check that its files are what it says.

A version is a directory. Its ``manifest.json`` names every other file in it with size and
SHA-256, so that nothing is deserialised, which can run code, before it is known to be what was
published. Its last field, the seal, is the SHA-256 of the manifest itself, with nothing between the
seal's own quotation marks.
"""

import hashlib
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import from_json

from bot.artifact.durable_files import read_regular
from bot.errors import (
    ArtifactError,
    DigestError,
    FormatVersionError,
    ManifestError,
    MissingFileError,
)

FORMAT_VERSION = 3  # 2 added max_source_turns, 3 the seal
SEALED_FORMAT_VERSION = 3

# Far above what a small model is trained for, far below what would fill the memory.
MAX_SOURCE_TOKENS = 10_000
MAX_SIZE = 100_000_000  # of a vocabulary, a layer
MAX_SOURCE_TURNS = 1_000
MAX_FILE_SIZE = 2**40

MANIFEST_FILE = "manifest.json"
SEARCHER_FILE = "searcher.pt"
INT8_SEARCHER_FILE = "searcher-int8.pt"  # the same model for CPUs; not every version has it
TOKENIZER_FILE = "tokenizer.json"
MODEL_CARD_FILE = "MODEL_CARD.md"
REQUIRED_FILES = (SEARCHER_FILE, TOKENIZER_FILE)

# Names and versions become directories and words of a command line.
NAME = "[a-z0-9][a-z0-9._-]{0,63}"
# A version is flat: with no separator in it, no name can leave the directory.
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")

Name = Annotated[str, Field(pattern=f"^{NAME}$")]


class FileEntry(BaseModel):
    """Size in bytes and SHA-256, in lower-case hexadecimal digits, of one file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size: int = Field(ge=0, le=MAX_FILE_SIZE)

    @classmethod
    def of(cls, content: bytes) -> Self:
        """The entry of a file with this content."""
        return cls(sha256=hashlib.sha256(content).hexdigest(), size=len(content))


class Manifest(BaseModel):
    """The metadata of one model version.

    :param name: the model's name, also its directory in the store
    :param version: the version's name, also its directory under the model's
    :param created_at: when it was published, with its time zone
    :param causerie_version: the Causerie that published it
    :param torch_version: the torch that compiled the searcher
    :param language: what it speaks, for example ``en``
    :param description: one line for people
    :param model: the model's sizes, for people: the searcher holds its own
    :param max_source_tokens: the longest source, ``EOS`` included, it was trained for
    :param max_source_turns: how many turns of a conversation it was trained to read
    :param files: every file of the version but the manifest, by name
    :param seal: of the manifest itself; ``to_json`` makes it, and formats 1 and 2 have none
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    format_version: int = Field(ge=1, le=FORMAT_VERSION)
    name: Name
    version: Name
    created_at: AwareDatetime
    causerie_version: str
    torch_version: str
    language: str
    description: str
    model: Mapping[str, Any]
    max_source_tokens: int = Field(ge=1, le=MAX_SOURCE_TOKENS)
    max_source_turns: int = Field(default=1, ge=1, le=MAX_SOURCE_TURNS)
    files: Mapping[str, FileEntry]
    seal: str = Field(default="", pattern="^([0-9a-f]{64})?$")

    @field_validator("model")
    @classmethod
    def _has_sizes_that_can_be(cls, model: Mapping[str, Any]) -> Mapping[str, Any]:
        for name, value in model.items():
            if isinstance(value, int | float) and not 0 <= value <= MAX_SIZE:
                raise ValueError(f"{name} is {value}; it must be a number from 0 to {MAX_SIZE:,}")
        return model

    @field_validator("files")
    @classmethod
    def _are_plain_and_complete(cls, files: Mapping[str, FileEntry]) -> Mapping[str, FileEntry]:
        for name in files:
            if not _FILE_NAME.fullmatch(name) or name == MANIFEST_FILE:
                raise ValueError(f"{name!r} is not a plain file name inside the model's directory")
        for name in REQUIRED_FILES:
            if name not in files:
                raise ValueError(f"{name} is not listed")
        return files

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read and check ``directory/manifest.json``; the files it lists are not looked at.

        :raises ManifestError: as ``read_unchecked`` does; also if it is another version's, which is
            called otherwise than the directory
        :raises FormatVersionError: if a newer Causerie wrote it, whatever else it holds
        :raises DigestError: if it is not what was published, by its seal
        """
        content, manifest = cls.read_unchecked(directory)
        path, spec = directory / MANIFEST_FILE, spec_of(directory)
        if manifest.is_sealed and _seal_of(content, manifest.seal) != manifest.seal:
            raise DigestError(
                f"{path} is not what was published, its seal does not fit; restore it, or, if you"
                f" edited it on purpose, run {store_command('seal', directory)}."
            )
        if (manifest.name, manifest.version) != tuple(spec.split("/")):
            raise ManifestError(
                f"{path} is that of {manifest.name}/{manifest.version}; give its folder that name"
                f" back, or, if you renamed it on purpose, run {store_command('seal', directory)}."
            )
        return manifest

    @classmethod
    def read_unchecked(cls, directory: Path) -> tuple[bytes, Self]:
        """Read ``directory/manifest.json`` without asking whether it was changed.

        :return: its content, and what that says
        :raises ManifestError: if it is missing, not JSON, lacks a field, has an unknown or
            malformed one, or names a path that is not a plain file name
        :raises FormatVersionError: if a newer Causerie wrote it, whatever else it holds
        """
        path = directory / MANIFEST_FILE
        advice = "restore the model or publish it again"
        try:
            content = read_regular(path)
        except OSError as error:
            raise ManifestError(f"{path} cannot be read ({error.strerror}); {advice}.") from error
        try:
            fields = from_json(content)
        except ValueError as error:
            raise ManifestError(f"{path} is not JSON ({error}); {advice}.") from error
        # First of all: a newer format may have other fields.
        found = fields.get("format_version") if isinstance(fields, dict) else None
        if isinstance(found, int) and found > FORMAT_VERSION:
            raise FormatVersionError(
                f"{path} has format {found} and this Causerie reads {FORMAT_VERSION} at most;"
                " upgrade Causerie or activate an older version of the model."
            )
        try:
            return content, cls.model_validate_json(content)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"]) or "the whole file"
            raise ManifestError(
                f"{path} is malformed at {where} ({first['msg']}); {advice}."
            ) from error

    @property
    def is_sealed(self) -> bool:
        """Whether a change in the manifest would be noticed; in formats 1 and 2 it is not."""
        return self.format_version >= SEALED_FORMAT_VERSION or bool(self.seal)

    def lack_of_seal(self, directory: Path) -> ArtifactError | None:
        """What to say of a manifest without a seal; ``None`` of one that has it."""
        if self.is_sealed:
            return None
        return ArtifactError(
            f"{self.name}/{self.version} was published by an older Causerie: a change in its"
            f" {MANIFEST_FILE} would not be noticed; {store_command('seal', directory)} mends that."
        )

    def to_json(self) -> str:
        """The contents of a ``manifest.json``, sealed, that ``read`` reads back."""
        unsealed = self.model_copy(update={"format_version": FORMAT_VERSION, "seal": ""})
        content = unsealed.model_dump_json(indent=2) + "\n"
        before, _, after = content.rpartition(_NO_SEAL)
        return f'{before}"seal": "{_seal_of(content.encode(), "")}"{after}'

    def resealed(self, directory: Path) -> str:
        """The manifest that accepts a changed name, model card and manifest, to be written.

        :raises ArtifactError: if a searcher or the tokenizer is not what was published
        """
        files = {}
        for name in (*self.files, MODEL_CARD_FILE):
            if name != MODEL_CARD_FILE:
                self.read_file(directory, name)
                files[name] = self.files[name]
            elif (directory / name).is_file():
                files[name] = FileEntry.of(read_regular(directory / name))
        name, version = spec_of(directory).split("/")
        changed = {"name": name, "version": version, "files": files}
        return self.model_copy(update=changed).to_json()

    def locate(self, directory: Path, name: str) -> Path:
        """The path of a listed file, after the checks that need not read it.

        :raises MissingFileError: if it does not exist
        :raises ManifestError: if it is a symbolic link to somewhere outside the directory
        :raises DigestError: if its size is another than the manifest's
        """
        path = directory / name
        if not path.is_file():
            raise MissingFileError(
                f"{path} is listed in {MANIFEST_FILE} and is not there; {_advice(directory, name)}."
            )
        if path.resolve().parent != directory.resolve():
            raise ManifestError(
                f"{path} is a symbolic link out of the model's directory; put the file itself"
                " there."
            )
        size, expected = path.stat().st_size, self.files[name].size
        if size != expected:
            raise DigestError(
                f"{path} has {size} bytes and {MANIFEST_FILE} says {expected};"
                f" {_advice(directory, name)}."
            )
        return path

    def read_file(self, directory: Path, name: str) -> bytes:
        """The content of a listed file, checked: use these bytes and do not read it again.

        :raises ArtifactError: as ``locate`` does; DigestError also if the SHA-256 differs,
            MissingFileError also if the file cannot be read
        """
        path = self.locate(directory, name)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise MissingFileError(
                f"{path} cannot be read ({error.strerror}); {_advice(directory, name)}."
            ) from error
        if FileEntry.of(content) != self.files[name]:
            raise DigestError(
                f"{path} is not the file that was published, its SHA-256 differs from"
                f" {MANIFEST_FILE}'s; {_advice(directory, name)}."
            )
        return content

    @property
    def precisions(self) -> tuple[str, ...]:
        """The precisions that the version has, whatever this machine can run."""
        return ("fp32", "half", *(("int8",) if INT8_SEARCHER_FILE in self.files else ()))

    def problems(self, directory: Path) -> dict[str, ArtifactError | None]:
        """What is wrong with each listed file, by name; ``None`` where nothing is."""
        found: dict[str, ArtifactError | None] = {}
        for name in self.files:
            try:
                self.read_file(directory, name)
                found[name] = None
            except ArtifactError as error:
                found[name] = error
        return found


_NO_SEAL = '"seal": ""'


def _seal_of(content: bytes, seal: str) -> str:
    """The SHA-256 of a manifest with nothing between the quotation marks of its seal."""
    before, _, after = content.rpartition(f'"seal": "{seal}"'.encode())
    return hashlib.sha256(before + _NO_SEAL.encode() + after).hexdigest()


def spec_of(directory: Path) -> str:
    """The ``name/version`` that a version's directory gives it."""
    directory = directory.absolute()
    return f"{directory.parent.name}/{directory.name}"


def store_command(verb: str, directory: Path) -> str:
    """What to type to do something to the version in a directory, whichever store that is in."""
    store = shlex.quote(str(directory.absolute().parent.parent))
    return f"`python -m bot models {verb} {spec_of(directory)} --store {store}`"


def _advice(directory: Path, name: str) -> str:
    edited = f"; if you edited it on purpose, run {store_command('seal', directory)}"
    return (
        "restore it or publish the model again, and check with"
        f" {store_command('verify', directory)}{edited if name == MODEL_CARD_FILE else ''}"
    )
