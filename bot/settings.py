"""What the operator chooses, read once from the environment and ``.env``.

This is the only module that reads either. ``.env.example`` documents every variable.
"""

import math
import os
import re
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from bot.errors import SettingsError

# In a checkout and in site-packages alike, it lies beside the package.
SHIPPED_STORE = Path(__file__).parent.parent / "model_store"

CPU_QUOTA_FILE = Path("/sys/fs/cgroup/cpu.max")
MEMORY_LIMIT_FILE = Path("/sys/fs/cgroup/memory.max")

MAX_DEFAULT_WORKERS = 4
MAX_DEFAULT_THREADS = 4

_NAME = "[a-z0-9][a-z0-9._-]{0,63}"  # as bot/artifact/manifest.py has it
_QUOTES = "\"'`\N{LEFT DOUBLE QUOTATION MARK}\N{RIGHT DOUBLE QUOTATION MARK}"
# The lengths are below those of every token that Discord has issued.
_TOKEN = re.compile(r"[\w-]{20,}\.[\w-]{5,}\.[\w-]{20,}", re.ASCII)


def _whole_number(low: int, high: int) -> Any:
    """The bounds of an integer setting; the description is what an error calls allowed."""
    return Field(ge=low, le=high, description=f"a whole number from {low} to {high}")


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError as error:
        raise ValueError("no such user") from error


class Settings(BaseSettings):
    """One field a variable: ``queue_limit`` is ``QUEUE_LIMIT``. An empty variable counts as unset.

    A field's description completes the sentence "it must be ..."; a field that takes any text
    needs none, and is where a secret belongs: an error never shows its value.
    """

    model_config = SettingsConfigDict(
        frozen=True,
        env_file=".env",
        env_file_encoding="utf-8",
        env_ignore_empty=True,
        extra="ignore",
    )

    discord_token: SecretStr | None = None
    model_store: Annotated[
        Path | None,
        Field(description="the path of a folder; what follows ~ must be a user of this machine"),
        AfterValidator(lambda path: path and _expanded(path)),
    ] = None
    model: Annotated[
        str | None,
        Field(
            pattern=rf"^{_NAME}(/{_NAME})?$",
            description="NAME or NAME/VERSION, of lower-case letters, digits, '.', '_' and '-'",
        ),
    ] = None
    device: Annotated[
        Literal["auto", "cpu", "cuda"], Field(description="one of auto, cpu, cuda")
    ] = "auto"
    precision: Annotated[
        Literal["auto", "fp32", "int8", "half"],
        Field(description="one of auto, fp32, int8, half"),
    ] = "auto"
    workers: Annotated[int | None, _whole_number(1, 64)] = None
    threads_per_worker: Annotated[int | None, _whole_number(1, 64)] = None
    max_batch_size: Annotated[int, _whole_number(1, 256)] = 32
    queue_limit: Annotated[int, _whole_number(1, 10_000)] = 64
    reply_timeout_s: Annotated[
        float, Field(gt=0, le=300, description="a number of seconds above 0 and at most 300")
    ] = 20.0
    drain_timeout_s: Annotated[
        float, Field(ge=0, le=300, description="a number of seconds from 0 to 300")
    ] = 25.0
    max_reply_tokens: Annotated[int, _whole_number(1, 200)] = 40
    log_level: Annotated[
        str,
        Field(
            pattern="^(?i:DEBUG|INFO|WARNING|ERROR|CRITICAL)$",
            description="one of DEBUG, INFO, WARNING, ERROR, CRITICAL",
        ),
        AfterValidator(str.upper),
    ] = "INFO"


def own_store() -> Path:
    """Where a person's own models live, without MODEL_STORE.

    In a checkout it is ``models``, which git ignores; an installed package lies where the next
    installation replaces it, so there it is in the user's folder for data.
    """
    checkout = SHIPPED_STORE.parent
    if (checkout / "pyproject.toml").is_file():
        return checkout / "models"
    data = Path(os.environ.get("XDG_DATA_HOME") or "~/.local/share")
    try:
        return data.expanduser() / "causerie" / "models"
    except RuntimeError:  # as in a container whose user has no home
        return Path("models").absolute()


def load_settings() -> Settings:
    """Read the environment, then ``.env`` in the working directory for what it leaves open.

    :raises SettingsError: one sentence for each variable that holds a value that is not allowed
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError("\n".join(_sentences(error))) from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f".env cannot be read as UTF-8 text ({error}).") from error


def _sentences(error: ValidationError) -> list[str]:
    wrong = {str(problem["loc"][0]): problem["input"] for problem in error.errors()}
    return [
        f"{field.upper()} is {value!r}; it must be {Settings.model_fields[field].description}."
        for field, value in wrong.items()
    ]


def require_discord_token(settings: Settings) -> str:
    """The Discord token, without white space around it.

    Only the shape is checked; whether the token is valid, Discord says at login.

    :raises SettingsError: if it is missing or cannot be a token; the message never contains it
    """
    token = settings.discord_token.get_secret_value().strip() if settings.discord_token else ""
    if not token:
        raise SettingsError(
            "DISCORD_TOKEN is not set; put your bot's token into the environment or into .env,"
            " as docs/discord.md explains."
        )
    if problem := _token_problem(token):
        raise SettingsError(f"DISCORD_TOKEN {problem}; see docs/discord.md.")
    return token


def _token_problem(token: str) -> str | None:
    if token[0] in _QUOTES or token[-1] in _QUOTES:
        return "has quotation marks around it, which are not part of a token"
    if token.lower().startswith("bot "):
        return 'starts with "Bot ", which is not part of a token'
    if re.fullmatch(r"[\w-]{32}", token, re.ASCII):
        return (
            "looks like the client secret of the OAuth2 page; the token is on the Bot page of"
            " your application"
        )
    if not _TOKEN.fullmatch(token):
        return "is not a bot token, which has three parts with dots between them"
    return None


class WorkerPlan(NamedTuple):
    """How many batches are searched at once, and on how many threads each."""

    workers: int
    threads_per_worker: int


def plan_workers(
    cores: int,
    *,
    cuda: bool = False,
    workers: int | None = None,
    threads_per_worker: int | None = None,
) -> WorkerPlan:
    """What was asked for, as far as there are cores; else a worker a core, four at most, that share
    the remaining cores.

    More threads than cores wait for each other: 64 workers of 64 threads on two cores took two
    minutes to their first reply. On CUDA the searches queue up on one device anyway: one worker.

    :param cores: how many cores this process may use, from ``usable_cores``
    """
    if workers is None:
        fitting = cores // min(threads_per_worker or 1, cores)
        workers = 1 if cuda else min(fitting, MAX_DEFAULT_WORKERS)
    workers = min(workers, cores)
    threads_per_worker = min(threads_per_worker or MAX_DEFAULT_THREADS, cores // workers)
    return WorkerPlan(workers, threads_per_worker)


def candidate_plans(
    cores: int,
    *,
    cuda: bool = False,
    workers: int | None = None,
    threads_per_worker: int | None = None,
) -> tuple[WorkerPlan, ...]:
    """The plan that the operator's settings make; without any, those that are worth measuring.

    Several workers or several threads: which wins depends on the machine and on the model.

    :param cores, cuda, workers, threads_per_worker: as in ``plan_workers``
    """
    plan = plan_workers(cores, cuda=cuda, workers=workers, threads_per_worker=threads_per_worker)
    if cuda or cores == 1 or workers is not None or threads_per_worker is not None:
        return (plan,)
    return plan, plan_workers(cores, workers=1)


def usable_cores() -> int:
    """How many cores this process may run on, which in a container can be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return min(cores, _core_quota(CPU_QUOTA_FILE) or cores)


def usable_memory_bytes() -> int:
    """The machine's memory, or what a container may use of it."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    try:
        return min(memory, int(MEMORY_LIMIT_FILE.read_text()))
    except (OSError, ValueError):  # no such file, or "max"
        return memory


def _core_quota(file: Path) -> int | None:
    """What a container may use, in whole cores; ``None`` without a limit or outside Linux."""
    try:
        quota_us, period_us = map(int, file.read_text().split())
    except (OSError, ValueError):  # no such file, or "max"
        return None
    return max(1, math.ceil(quota_us / period_us))
