"""Model versions on disk, and which of them is active.

::

    models/
        active.json                  the active version and those before it
        <name>/<version>/            manifest.json, searcher.pt, searcher-int8.pt (not always),
                                     tokenizer.json, MODEL_CARD.md

Reading needs no lock: a version appears whole, by a rename, and never changes after that, but for
the model card and the manifest, if somebody edits and seals them.
"""

import contextlib
import fcntl
import logging
import os
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import bot
from bot.artifact.durable_files import check_regular, sync, write_durably
from bot.artifact.listing import VersionEntry, directories, entries_of, order_of
from bot.artifact.manifest import (
    FORMAT_VERSION,
    MANIFEST_FILE,
    NAME,
    FileEntry,
    Manifest,
    spec_of,
    store_command,
)
from bot.artifact.pointer import ACTIVE_FILE, Pointer, put_in_force
from bot.errors import ArtifactError, ManifestError, ModelNotFoundError, UsageError

LOGGER = logging.getLogger(__name__)

_LOCK_FILE = ".lock"
_DRAFT_PREFIX = ".publishing-"


class ModelStore:
    """The versions under one directory, which need not exist before the first is published.

    What names a version, a spec, is ``None`` for the active one, ``name`` for that model's active
    or else newest version, or ``name/version``. Versions sort by the numbers in them: 10 is newer
    than 9, and 2026-11-23 is newer than 2026-3-1.

    :param root: the store's directory
    :param shipped: the directory of another store, which is only read. Its versions can be named
        and activated as this one's own, and its active version is active until one is activated
        here.
    """

    def __init__(self, root: Path, shipped: Path | None = None) -> None:
        self.root = root
        self.roots = (root,) if shipped is None else (root, shipped)

    def versions(self) -> list[VersionEntry]:
        """Every version, by name and then from old to new; a broken one has its problem noted.

        :raises ModelNotFoundError: if the store does not exist
        :raises ArtifactError: if its directory cannot be read
        """
        self._check_root()
        try:
            active = self._active()
        except ManifestError:
            active = None  # ``active`` says so
        found: dict[str, VersionEntry] = {}
        for root in self.roots:
            for entry in entries_of(root, active):
                found.setdefault(entry.spec, entry)
        return sorted(found.values(), key=lambda entry: [*map(order_of, entry.spec.split("/"))])

    def active(self) -> str | None:
        """The active version's full ``name/version``; ``None`` if none is.

        :raises ManifestError: if the pointer to it cannot be read
        :raises ModelNotFoundError: if the store does not exist, or the version is not there
        """
        self._check_root()
        active = self._active()
        if active is not None:
            self._existing(active)
        return active

    def resolve(self, spec: str | None = None) -> Path:
        """The directory of a version; whether it can be served is not looked at.

        :raises ModelNotFoundError: if there is none, or none is active
        :raises UsageError: if the spec is malformed
        """
        self._check_root()
        active = self._active()
        if spec is None:
            if active is None:
                raise self._not_found("No model is active")
            if active != (chosen := self._pointer().active):
                LOGGER.warning("%s is not there any more; %s is served", chosen, active)
            return self._existing(active)
        name, slash, version = spec.partition("/")
        check_name(name)
        if slash:
            check_name(version)
            return self._existing(spec)
        if active is not None and active.startswith(f"{name}/"):
            return self._existing(active)
        for root in self.roots:
            if paths := directories(root / name):
                return paths[-1]
        raise self._not_found(f"There is no model {name}")

    def check_writable(self, name: str) -> None:
        """Refuse before the work what ``publish`` would refuse after it; nothing is left behind.

        :raises UsageError: if the name is malformed
        :raises ArtifactError: if the store cannot be written, or its pointer cannot be read
        """
        check_name(name)
        self._check_root(missing_is_wrong=False)
        self._pointer()
        for folder in (self.root, self.root / name):
            there = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
            try:
                with tempfile.TemporaryFile(dir=there):
                    pass
                if (there / _LOCK_FILE).exists():
                    _open_lock(there).close()
            except OSError as error:
                raise self._cannot_be_written(OSError(*error.args[:2], str(there))) from error

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
        activate: bool | None = None,
    ) -> Path:
        """Add a version: killed at any moment, the store is as before or has it whole.

        Publishers take turns. The other parameters are the manifest's.

        :param files: contents by file name; the searcher and the tokenizer at least
        :param version: by default the next whole number
        :param activate: whether to activate it once it is there; by default, if none is active
        :return: its directory
        :raises UsageError: if a name is malformed or the version exists
        :raises ValueError: if the manifest's fields are not what ``Manifest`` allows
        :raises ArtifactError: if the store cannot be written. Nothing was published then, unless
            the message says that only the activation failed.
        """
        check_name(name)
        with self._locked(create=True):
            pointer = self._pointer()
            # Under the lock, so nobody is working on these: their publishers were killed.
            for leftover in self.root.glob(f"{_DRAFT_PREFIX}*"):
                shutil.rmtree(leftover)
            if version is None:
                version = _next_version([root / name for root in self.roots])
            check_name(version)
            spec = f"{name}/{version}"
            for root in self.roots:
                if (root / spec).exists():
                    raise UsageError(f"{root / spec} exists already; choose another version.")
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
            activate = pointer.active is None if activate is None else activate
            contents = {**files, MANIFEST_FILE: manifest.to_json().encode()}
            self._add(spec, contents, pointer.moved_to(spec) if activate else None)
        return self.root / spec

    def _add(self, spec: str, contents: Mapping[str, bytes], pointer: Pointer | None) -> None:
        """Put a version's files there and the pointer in force, if there is one to put.

        All that takes space is written first: a disk that is full leaves nothing behind.
        """
        target, pointer_draft = self.root / spec, None
        draft = self.root / f"{_DRAFT_PREFIX}{secrets.token_hex(4)}"
        draft.mkdir()
        try:
            for file, content in contents.items():
                write_durably(draft / file, content)
            sync(draft)
            if pointer is not None:
                pointer_draft = pointer.draft(self.root)
            target.parent.mkdir(exist_ok=True)
            sync(self.root)
            draft.rename(target)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            if pointer_draft is not None:
                pointer_draft.unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # another version is in it, or it was never made
                target.parent.rmdir()
            raise
        try:
            sync(target.parent)
            if pointer_draft is not None:
                put_in_force(pointer_draft)
        except OSError as error:
            raise ArtifactError(
                f"{target} is published, but could not be made active ({error}); it need not be"
                f" published again: run {store_command('activate', target)}."
            ) from error

    def verify(self, spec: str | None = None) -> dict[str, ArtifactError | None]:
        """Check every file of a version, deserialising nothing.

        :return: for the manifest and each file, listed or found, what is wrong with it
        :raises ManifestError, FormatVersionError, DigestError: if the manifest cannot be read, or
            was changed
        """
        directory = self.resolve(spec)
        manifest = Manifest.read(directory)
        report = {MANIFEST_FILE: manifest.lack_of_seal(directory), **manifest.problems(directory)}
        for path in sorted(directory.iterdir()):
            if path.name not in report:
                report[path.name] = ArtifactError(
                    f"{path} is not listed in {MANIFEST_FILE}; remove it."
                )
        return report

    def seal(self, spec: str) -> str:
        """Accept a version as it lies there: its model card, manifest or name were edited.

        :return: its full ``name/version``
        :raises UsageError: if it is a shipped one
        :raises ArtifactError: if it is not there, or a searcher or the tokenizer is not what was
            published
        """
        directory = self.resolve(spec)
        if directory.parent.parent != self.root:
            raise UsageError(
                f"{directory} came with Causerie; name its store with --store to change it."
            )
        with self._locked():
            _, manifest = Manifest.read_unchecked(directory)
            draft = self.root / f".{MANIFEST_FILE}"
            write_durably(draft, manifest.resealed(directory).encode())
            draft.replace(directory / MANIFEST_FILE)
            sync(directory)
        return spec_of(directory)

    def activate(self, spec: str) -> str:
        """Make a version the one that is served from the next start on.

        :return: its full ``name/version``
        :raises ArtifactError: if it is broken or not there; the active version stays
        """
        directory = self.resolve(spec)
        with self._locked():
            return self._move(self._pointer(), directory)

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
                if path := self._find(spec):
                    return self._move(Pointer(history=history), path)
            raise self._not_found("No version was active before this one")

    def _move(self, pointer: Pointer, path: Path) -> str:
        for problem in Manifest.read(path).problems(path).values():
            if problem is not None:
                raise problem
        spec = spec_of(path)
        put_in_force(pointer.moved_to(spec).draft(self.root))
        return spec

    def _pointer(self) -> Pointer:
        pointers = (Pointer.read(root) for root in self.roots)
        return next((pointer for pointer in pointers if pointer is not None), Pointer())

    def _find(self, spec: str) -> Path | None:
        paths = (root / spec for root in self.roots)
        return next((path for path in paths if path.is_dir()), None)

    def _active(self) -> str | None:
        """The version that is active, or the shipped one where an upgrade took that away."""
        pointers = [pointer for root in self.roots if (pointer := Pointer.read(root))]
        specs = [pointer.active for pointer in pointers if pointer.active]
        there = filter(self._is_there, specs)
        return next(there, specs[0] if specs else None)

    def _is_there(self, spec: str) -> bool:
        try:
            return self._find(spec) is not None
        except OSError:  # whoever reads it will say so
            return True

    def _existing(self, spec: str) -> Path:
        path = self._find(spec)
        if path is None:
            raise self._not_found(f"There is no version {spec}")
        return path

    def _not_found(self, what: str) -> ModelNotFoundError:
        held = ", ".join(entry.spec for entry in self.versions()) or "no model"
        where = " and ".join(map(str, self.roots))
        return ModelNotFoundError(
            f"{what}: {where} {'holds' if len(self.roots) == 1 else 'hold'} {held};"
            " `python -m bot models list` shows more and"
            " `python -m bot models activate NAME/VERSION` chooses one."
        )

    def _check_root(self, *, missing_is_wrong: bool = True) -> None:
        try:
            if stat.S_ISDIR(self.root.stat().st_mode):
                return
            problem = "is not a folder"
        except FileNotFoundError:
            if not missing_is_wrong or len(self.roots) > 1:
                return
            problem = "does not exist"
        except OSError as error:
            problem = f"cannot be read ({error.strerror})"
        raise ModelNotFoundError(
            f"The model store {self.root} {problem}; correct MODEL_STORE or --store."
        )

    @contextlib.contextmanager
    def _locked(self, *, create: bool = False) -> Iterator[None]:
        """Hold the store for writing. The kernel lets go of the lock when a process dies."""
        self._check_root(missing_is_wrong=not create)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with _open_lock(self.root) as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise self._cannot_be_written(error) from error

    def _cannot_be_written(self, error: OSError) -> ArtifactError:
        where = f": {error.filename}" if error.filename else ""
        return ArtifactError(
            f"The model store {self.root} cannot be written ({error.strerror}{where}) and is as it"
            " was; free space, grant access or use another --store, then run the command again."
        )


def _open_lock(root: Path) -> IO[str]:
    path = root / _LOCK_FILE
    check_regular(path)
    return path.open("w")


def check_name(name: str) -> None:
    """Refuse what cannot name a model or a version.

    :raises UsageError: if the name is malformed
    """
    if not re.fullmatch(NAME, name) or name == ACTIVE_FILE:
        raise UsageError(
            f"{name!r} cannot name a model or a version; use lower-case letters, digits, dashes,"
            " underscores and dots, 64 at most and the first a letter or a digit."
        )


def _next_version(models: Sequence[Path]) -> str:
    paths = [path for model in models for path in directories(model)]
    numbers = [int(path.name) for path in paths if path.name.isdigit()]
    return str(max(numbers, default=0) + 1)
