"""``active.json``: which version of a store is active, and which were before."""

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bot.artifact.durable_files import check_regular, read_regular, sync, write_durably
from bot.artifact.manifest import NAME
from bot.errors import ManifestError

ACTIVE_FILE = "active.json"
# Enough to walk back over a bad week; the file stays readable.
HISTORY_LIMIT = 10

Spec = Annotated[str, Field(pattern=f"^{NAME}/{NAME}$")]


class Pointer(BaseModel):
    """The contents of ``active.json``.

    :param active: the active version, ``None`` before the first activation
    :param history: the versions that were active before, the latest one last
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    active: Spec | None = None
    history: tuple[Spec, ...] = ()

    @classmethod
    def read(cls, root: Path) -> "Pointer | None":
        """The pointer of the store at ``root``; ``None`` if it has none.

        :raises ManifestError: if it cannot be read
        """
        path = root / ACTIVE_FILE
        try:
            return cls.model_validate_json(read_regular(path))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is malformed"
            raise ManifestError(
                f"{path} does not say which model is active ({why}); delete it and run"
                " `python -m bot models activate NAME/VERSION`."
            ) from error

    def moved_to(self, spec: str) -> "Pointer":
        """The pointer after another version's activation."""
        if spec == self.active:
            return self
        past = self.history if self.active is None else (*self.history, self.active)
        return Pointer(active=spec, history=past[-HISTORY_LIMIT:])

    def draft(self, root: Path) -> Path:
        """Write it beside the pointer of the store at ``root``, which stays in force.

        :return: the draft's path
        :raises OSError: if it cannot be written, or could not be put in force
        """
        check_regular(root / ACTIVE_FILE)
        path = root / f".{ACTIVE_FILE}"
        write_durably(path, (self.model_dump_json(indent=2) + "\n").encode())
        return path


def put_in_force(draft: Path) -> None:
    """Replace the store's pointer with a draft, which takes no space on the disk.

    :raises OSError: if it cannot be replaced
    """
    draft.replace(draft.with_name(ACTIVE_FILE))
    sync(draft.parent)
