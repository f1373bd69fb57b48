"""Model versions on disk, and which of them is active.

::

    model_store/
        active.json                  the active version and those before it
        <name>/<version>/            manifest.json, searcher.pt, searcher-int8.pt (not always),
                                     tokenizer.json, MODEL_CARD.md

Reading needs no lock: a version appears whole, by a rename, and never changes after that.
"""

import contextlib
import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

import bot
from bot.artifact.manifest import FORMAT_VERSION, MANIFEST_FILE, NAME, FileEntry, Manifest
from bot.errors import ArtifactError, ManifestError, ModelNotFoundError, UsageError

ACTIVE_FILE = "active.json"
# Enough to walk back over a bad week; the file stays readable.
HISTORY_LIMIT = 10
_LOCK_FILE = ".lock"
_DRAFT_PREFIX = ".publishing-"

Spec = Annotated[str, Field(pattern=f"^{NAME}/{NAME}$")]


@dataclass(frozen=True)
class VersionEntry:
    """One version in a listing.

    :param spec: ``name/version``
    :param path: its directory
    :param size_bytes: of all its files on disk
    :param created_at: from the manifest; ``None`` if that cannot be read
    :param active: whether it is the active version
    :param problem: why it cannot be served; ``None`` if nothing is known against it, for digests
        are not computed for a listing
    """

    spec: str
    path: Path
    size_bytes: int
    created_at: datetime | None
    active: bool
    problem: ArtifactError | None


class _Pointer(BaseModel):
    """The contents of ``active.json``.

    :param active: the active version, ``None`` before the first activation
    :param history: the versions that were active before, the latest one last
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    active: Spec | None = None
    history: tuple[Spec, ...] = ()

    def moved_to(self, spec: str) -> "_Pointer":
        if spec == self.active:
            return self
        past = self.history if self.active is None else (*self.history, self.active)
        return _Pointer(active=spec, history=past[-HISTORY_LIMIT:])


class ModelStore:
    """The versions under one directory, which need not exist before the first is published.

    What names a version, a spec, is ``None`` for the active one, ``name`` for that model's active
    or else newest version, or ``name/version``. Versions sort by the numbers in them: 10 is newer
    than 9, and 2026-11-23 is newer than 2026-3-1.

    :param root: the store's directory
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    def versions(self) -> list[VersionEntry]:
        """Every version, by name and then from old to new; a broken one has its problem noted.

        :raises ManifestError: if the pointer to the active version cannot be read
        """
        active = self._pointer().active
        return [_entry(path, active) for path in self._paths()]

    def resolve(self, spec: str | None = None) -> Path:
        """The directory of a version; whether it can be served is not looked at.

        :raises ModelNotFoundError: if there is none, or none is active
        :raises UsageError: if the spec is malformed
        """
        active = self._pointer().active
        if spec is None:
            if active is None:
                raise self._not_found("No model is active")
            return self._existing(active)
        name, slash, version = spec.partition("/")
        check_name(name)
        if slash:
            check_name(version)
            return self._existing(spec)
        if active is not None and active.startswith(f"{name}/"):
            return self._existing(active)
        paths = _directories(self.root / name)
        if not paths:
            raise self._not_found(f"There is no model {name}")
        return paths[-1]

    def publish(
        self,
        name: str,
        files: Mapping[str, bytes],
        *,
        torch_version: str,
        language: str,
        description: str,
        model: Mapping[str, Any],
        max_source_tokens: int,
        max_source_turns: int = 1,
        version: str | None = None,
        activate: bool = False,
    ) -> Path:
        """Add a version: killed at any moment, the store is as before or has it whole.

        Publishers take turns. The other parameters are the manifest's.

        :param files: contents by file name; the searcher and the tokenizer at least
        :param version: by default the next whole number
        :param activate: whether to activate it once it is there
        :return: its directory
        :raises UsageError: if a name is malformed or the version exists
        :raises ValueError: if the manifest's fields are not what ``Manifest`` allows
        :raises ArtifactError: if the store cannot be written
        """
        check_name(name)
        with self._locked(create=True):
            pointer = self._pointer()
            # Under the lock, so nobody is working on these: their publishers were killed.
            for leftover in self.root.glob(f"{_DRAFT_PREFIX}*"):
                shutil.rmtree(leftover)
            if version is None:
                version = _next_version(self.root / name)
            check_name(version)
            target = self.root / name / version
            if target.exists():
                raise UsageError(f"{target} exists already; choose another version.")
            manifest = Manifest(
                format_version=FORMAT_VERSION,
                name=name,
                version=version,
                created_at=datetime.now(UTC).replace(microsecond=0),
                causerie_version=bot.__version__,
                torch_version=torch_version,
                language=language,
                description=description,
                model=model,
                max_source_tokens=max_source_tokens,
                max_source_turns=max_source_turns,
                files={file: FileEntry.of(content) for file, content in files.items()},
            )
            draft = self.root / f"{_DRAFT_PREFIX}{secrets.token_hex(4)}"
            draft.mkdir()
            try:
                for file, content in files.items():
                    _write(draft / file, content)
                _write(draft / MANIFEST_FILE, manifest.to_json().encode())
                _sync(draft)
                target.parent.mkdir(exist_ok=True)
                _sync(self.root)
                draft.rename(target)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)
                raise
            _sync(target.parent)
            if activate:
                self._write_pointer(pointer.moved_to(f"{name}/{version}"))
        return target

    def verify(self, spec: str | None = None) -> dict[str, ArtifactError | None]:
        """Check every file of a version, deserialising nothing.

        :return: for each file, listed or found, what is wrong with it
        :raises ManifestError, FormatVersionError: if the manifest cannot be read
        """
        directory = self.resolve(spec)
        report = Manifest.read(directory).problems(directory)
        for path in sorted(directory.iterdir()):
            if path.name != MANIFEST_FILE and path.name not in report:
                report[path.name] = ArtifactError(
                    f"{path} is not listed in {MANIFEST_FILE}; remove it."
                )
        return report

    def activate(self, spec: str) -> str:
        """Make a version the one that is served from the next start on.

        :return: its full ``name/version``
        :raises ArtifactError: if it is broken or not there; the active version stays
        """
        with self._locked():
            return self._move(self._pointer(), self.resolve(spec))

    def rollback(self) -> str:
        """Activate again what was active before; versions removed since then are passed over.

        :return: its full ``name/version``
        :raises ModelNotFoundError: if nothing was active before
        :raises ArtifactError: if that version is broken; the active version stays
        """
        with self._locked():
            history = self._pointer().history
            while history:
                *rest, spec = history
                history = tuple(rest)
                if (self.root / spec).is_dir():
                    return self._move(_Pointer(history=history), self.root / spec)
            raise self._not_found("No version was active before this one")

    def _move(self, pointer: _Pointer, path: Path) -> str:
        for problem in Manifest.read(path).problems(path).values():
            if problem is not None:
                raise problem
        spec = _spec(path)
        self._write_pointer(pointer.moved_to(spec))
        return spec

    def _pointer(self) -> _Pointer:
        path = self.root / ACTIVE_FILE
        try:
            return _Pointer.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return _Pointer()
        except (OSError, ValueError) as error:
            raise ManifestError(
                f"{path} does not say which model is active ({type(error).__name__}); delete it and"
                " run `python -m bot models activate NAME/VERSION`."
            ) from error

    def _write_pointer(self, pointer: _Pointer) -> None:
        draft = self.root / f".{ACTIVE_FILE}"
        _write(draft, (pointer.model_dump_json(indent=2) + "\n").encode())
        draft.replace(self.root / ACTIVE_FILE)
        _sync(self.root)

    def _paths(self) -> list[Path]:
        return [path for model in _directories(self.root) for path in _directories(model)]

    def _existing(self, spec: str) -> Path:
        path = self.root / spec
        if not path.is_dir():
            raise self._not_found(f"There is no version {spec}")
        return path

    def _not_found(self, what: str) -> ModelNotFoundError:
        if not self.root.is_dir():
            return ModelNotFoundError(
                f"The model store {self.root} does not exist; correct MODEL_STORE or --store."
            )
        held = ", ".join(map(_spec, self._paths())) or "no model"
        return ModelNotFoundError(
            f"{what}: {self.root} holds {held}; `python -m bot models list` shows more and"
            " `python -m bot models activate NAME/VERSION` chooses one."
        )

    @contextlib.contextmanager
    def _locked(self, *, create: bool = False) -> Iterator[None]:
        """Hold the store for writing. The kernel lets go of the lock when a process dies."""
        try:
            if create:
                self.root.mkdir(parents=True, exist_ok=True)
            elif not self.root.is_dir():
                raise self._not_found("The store is empty")
            with (self.root / _LOCK_FILE).open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise ArtifactError(
                f"The model store {self.root} cannot be written ({error}); free space, grant"
                " access or use another directory."
            ) from error


def check_name(name: str) -> None:
    """Refuse what cannot name a model or a version.

    :raises UsageError: if the name is malformed
    """
    if not re.fullmatch(NAME, name) or name == ACTIVE_FILE:
        raise UsageError(
            f"{name!r} cannot name a model or a version; use lower-case letters, digits, dashes,"
            " underscores and dots, 64 at most and the first a letter or a digit."
        )


def _entry(path: Path, active: str | None) -> VersionEntry:
    created_at, problem = None, None
    try:
        manifest = Manifest.read(path)
        created_at = manifest.created_at
        for name in manifest.files:
            manifest.locate(path, name)
    except ArtifactError as error:
        problem = error
    size_bytes = sum(file.stat().st_size for file in path.iterdir() if file.is_file())
    return VersionEntry(_spec(path), path, size_bytes, created_at, _spec(path) == active, problem)


def _spec(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def _directories(parent: Path) -> list[Path]:
    """Those with a name of ours, oldest first; drafts, for one, begin with a dot."""
    if not parent.is_dir():
        return []
    found = [path for path in parent.iterdir() if re.fullmatch(NAME, path.name) and path.is_dir()]
    # Padded numbers compare as text.
    return sorted(found, key=lambda p: (re.sub(r"\d+", lambda n: n[0].zfill(64), p.name), p.name))


def _next_version(model: Path) -> str:
    numbers = [int(path.name) for path in _directories(model) if path.name.isdigit()]
    return str(max(numbers, default=0) + 1)


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(directory: Path) -> None:
    """Make the directory's entries survive a power cut, as ``fsync`` does a file's content."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
