"""Which versions a folder holds, without a digest of their files."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from bot.artifact.manifest import NAME, Manifest, spec_of
from bot.errors import ArtifactError


@dataclass(frozen=True)
class VersionEntry:
    """One version in a listing.

    :param spec: ``name/version``
    :param path: its directory
    :param active: whether it is the active version
    :param size_bytes: of all its files on disk; ``None``, as what follows, if its manifest cannot
        be read
    :param created_at: from the manifest
    :param precisions: what it can be served in, whatever this machine can run
    :param problem: why it cannot be served; ``None`` if nothing is known against it, for digests
        are not computed for a listing
    """

    spec: str
    path: Path
    active: bool = False
    size_bytes: int | None = None
    created_at: datetime | None = None
    precisions: tuple[str, ...] = ()
    problem: ArtifactError | None = None


def entries_of(root: Path, active: str | None) -> Iterator[VersionEntry]:
    """The versions under one directory, which need not exist.

    :param active: the active version's ``name/version``
    :raises ArtifactError: if the directory cannot be read
    """
    try:
        models = directories(root)
    except OSError as error:
        raise ArtifactError(
            f"The model store {root} cannot be read ({error.strerror}); grant access or use another"
            " --store."
        ) from error
    for model in models:
        try:
            paths = directories(model)
        except OSError as error:
            problem = ArtifactError(f"{model} cannot be read ({error.strerror}); grant access.")
            yield VersionEntry(f"{model.name}/?", model, problem=problem)
        else:
            yield from (_entry(path, active) for path in paths)


def _entry(path: Path, active: str | None) -> VersionEntry:
    spec = spec_of(path)
    entry = VersionEntry(spec, path, active=spec == active)
    try:
        manifest = Manifest.read(path)
        size_bytes = sum(file.stat().st_size for file in path.iterdir() if file.is_file())
        entry = replace(
            entry,
            size_bytes=size_bytes,
            created_at=manifest.created_at,
            precisions=manifest.precisions,
        )
        for name in manifest.files:
            manifest.locate(path, name)
    except ArtifactError as error:
        return replace(entry, problem=error)
    except OSError as error:
        problem = ArtifactError(f"{path} cannot be read ({error.strerror}); grant access.")
        return replace(entry, problem=problem)
    return entry


def directories(parent: Path) -> list[Path]:
    """Those with a name of ours, oldest first; drafts, for one, begin with a dot."""
    if not parent.is_dir():
        return []
    found = [path for path in parent.iterdir() if re.fullmatch(NAME, path.name) and path.is_dir()]
    return sorted(found, key=lambda path: order_of(path.name))


def order_of(name: str) -> tuple[str, str]:
    """Names compare as text, in which numbers compare when they are padded."""
    return re.sub(r"\d+", lambda number: number[0].zfill(64), name), name
