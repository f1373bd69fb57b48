import re
from pathlib import Path

import pytest
from dotenv import dotenv_values
from pydantic import ValidationError

from bot.errors import SettingsError
from bot.settings import (
    Settings,
    WorkerPlan,
    candidate_plans,
    load_settings,
    own_store,
    plan_workers,
    require_discord_token,
    usable_cores,
)

ROOT = Path(__file__).parent.parent
ENV_EXAMPLE = ROOT / ".env.example"

# The shape of a real token; the first part is the base64 of a user id.
TOKEN = "MTE5ODYyMjQ4MzQ3MTkyNTI0OA.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs-abcdefghij"


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    for field in Settings.model_fields:
        monkeypatch.delenv(field.upper(), raising=False)


def test_without_variables_the_defaults_hold() -> None:
    settings = load_settings()

    assert settings.discord_token is None
    assert settings.model_store is None
    assert settings.model is None
    assert (settings.device, settings.precision, settings.log_level) == ("auto", "auto", "INFO")
    assert (settings.workers, settings.threads_per_worker) == (None, None)
    assert (settings.max_batch_size, settings.queue_limit) == (32, 64)
    assert settings.max_reply_tokens == 40
    assert settings.reply_timeout_s == 20.0
    assert settings.drain_timeout_s == 25.0


def test_the_environment_wins_over_the_env_file(monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("WORKERS=2\nQUEUE_LIMIT=7\nSOMETHING_ELSE=1\n")
    monkeypatch.setenv("WORKERS", "3")

    settings = load_settings()

    assert (settings.workers, settings.queue_limit) == (3, 7)


@pytest.mark.parametrize("field", list(Settings.model_fields))
def test_an_empty_variable_counts_as_unset(field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text(f"{field.upper()}=\n")
    assert load_settings() == Settings()

    monkeypatch.setenv(field.upper(), "")
    assert load_settings() == Settings()


def test_the_store_of_a_user_that_is_not_there_is_one_clear_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MODEL_STORE", "~nosuchuser/x")
    with pytest.raises(SettingsError, match=r"^MODEL_STORE is '~nosuchuser/x'; it must be .+\.$"):
        load_settings()
    monkeypatch.setenv("MODEL_STORE", "~/x")
    assert load_settings().model_store == Path.home() / "x"


def test_ones_own_models_live_beside_a_checkouts_code_where_git_ignores_them() -> None:
    assert own_store() == ROOT / "models"
    assert "/models/" in (ROOT / ".gitignore").read_text().splitlines()


def test_ones_own_models_live_in_the_users_folder_for_data_if_there_is_no_checkout(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("bot.settings.SHIPPED_STORE", tmp_path / "model_store")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert own_store() == Path.home() / ".local" / "share" / "causerie" / "models"
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert own_store() == Path("/data/causerie/models")
    monkeypatch.setenv("XDG_DATA_HOME", "~nosuchuser")  # as where nobody has a home
    assert own_store() == tmp_path / "models"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError):
        load_settings().workers = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("variable", "value", "allowed"),
    [
        ("WORKERS", "0", "a whole number from 1 to 64"),
        ("WORKERS", "many", "a whole number from 1 to 64"),
        ("THREADS_PER_WORKER", "65", "a whole number from 1 to 64"),
        ("MAX_BATCH_SIZE", "257", "a whole number from 1 to 256"),
        ("QUEUE_LIMIT", "1.5", "a whole number from 1 to 10000"),
        ("REPLY_TIMEOUT_S", "0", "a number of seconds above 0 and at most 300"),
        ("REPLY_TIMEOUT_S", "nan", "a number of seconds above 0 and at most 300"),
        ("REPLY_TIMEOUT_S", "inf", "a number of seconds above 0 and at most 300"),
        ("DRAIN_TIMEOUT_S", "-1", "a number of seconds from 0 to 300"),
        ("MAX_REPLY_TOKENS", "201", "a whole number from 1 to 200"),
        ("DEVICE", "gpu", "one of auto, cpu, cuda"),
        ("PRECISION", "int4", "one of auto, fp32, int8, half"),
        ("LOG_LEVEL", "loud", "one of DEBUG, INFO, WARNING, ERROR, CRITICAL"),
        ("MODEL", "../secrets", "NAME or NAME/VERSION"),
        ("MODEL", "name/1/2", "NAME or NAME/VERSION"),
    ],
)
def test_a_wrong_value_names_the_variable_the_value_and_what_is_allowed(
    variable: str, value: str, allowed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(SettingsError) as caught:
        load_settings()

    message = str(caught.value)
    assert message.startswith(f"{variable} is ")
    # The log level is shown as it was compared, in capitals.
    assert repr(value) in message or repr(value.upper()) in message
    assert allowed in message
    assert message.endswith(".")
    assert "\n" not in message


def test_each_wrong_variable_has_its_own_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORKERS", "0")
    monkeypatch.setenv("DEVICE", "tpu")

    with pytest.raises(SettingsError) as caught:
        load_settings()

    assert [line.split()[0] for line in str(caught.value).splitlines()] == ["DEVICE", "WORKERS"]


def test_an_unreadable_env_file_is_one_clear_error() -> None:
    Path(".env").write_bytes(b"\xff\xfe\xff")

    with pytest.raises(SettingsError, match=r"^\.env cannot be read"):
        load_settings()


def test_the_log_level_may_be_written_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOG_LEVEL", "debug")

    assert load_settings().log_level == "DEBUG"


@pytest.mark.parametrize("model", ["causerie", "causerie/1.0.0", "my-model_2/2025-01-31"])
def test_a_model_is_a_name_with_or_without_a_version(
    model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODEL", model)

    assert load_settings().model == model


def test_the_example_documents_every_variable_with_its_default() -> None:
    text = re.sub(r"^#(?=[A-Z_]+=)", "", ENV_EXAMPLE.read_text(), flags=re.MULTILINE)
    Path(".env").write_text(text)

    assert list(dotenv_values(".env")) == [field.upper() for field in Settings.model_fields]
    assert load_settings() == Settings()
    for field in Settings.model_fields:
        assert re.search(rf"^# .*\n{field.upper()}=", text, re.MULTILINE), f"{field}: no comment"


def test_an_unchanged_copy_of_the_example_is_valid() -> None:
    Path(".env").write_text(ENV_EXAMPLE.read_text())

    assert load_settings() == Settings()


@pytest.mark.parametrize(
    "token",
    [
        TOKEN,
        f"  {TOKEN}\n",
        "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs",  # an 18-digit id, 2016
        "MTk4NjIyNDgzNDcxOTI1MjQ.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs",  # a 17-digit id
    ],
)
def test_a_token_is_accepted_without_white_space(
    token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", token)

    assert require_discord_token(load_settings()) == token.strip()


@pytest.mark.parametrize(
    ("token", "problem"),
    [
        (None, "is not set"),
        ("", "is not set"),
        ("   ", "is not set"),
        ("your-token-here", "three parts"),
        ("a.b", "three parts"),
        ("a.b.c", "three parts"),
        (f"{TOKEN}.x", "three parts"),
        (TOKEN.replace(".", " "), "three parts"),
        (f'"{TOKEN}"', "quotation marks"),
        (f"'{TOKEN}", "quotation marks"),
        (f"{TOKEN}\udcff", "three parts"),
        (f"Bot {TOKEN}", '"Bot "'),
        ("iC7hN3qLw0uJx5eRt8yBv2mKd6pZs4Gf", "client secret"),
    ],
)
def test_a_token_that_cannot_be_one_is_a_clear_sentence_that_does_not_repeat_it(
    token: str | None, problem: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if token is not None:
        monkeypatch.setenv("DISCORD_TOKEN", token)

    with pytest.raises(SettingsError) as caught:
        require_discord_token(load_settings())

    message = str(caught.value)
    assert "DISCORD_TOKEN" in message
    assert problem in message
    assert "docs/discord.md" in message
    for part in (token or "").split():
        assert len(part) < 6 or part not in message


def test_the_token_is_not_in_the_representation_of_the_settings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", TOKEN)

    assert TOKEN not in repr(load_settings())


@pytest.mark.parametrize(
    ("cores", "plan"),
    [(1, (1, 1)), (2, (2, 1)), (3, (3, 1)), (4, (4, 1)), (8, (4, 2)), (16, (4, 4)), (96, (4, 4))],
)
def test_workers_share_the_cores(cores: int, plan: tuple[int, int]) -> None:
    assert plan_workers(cores) == WorkerPlan(*plan)


def test_on_cuda_one_worker_is_enough() -> None:
    assert plan_workers(8, cuda=True).workers == 1


def test_what_the_operator_asks_for_wins() -> None:
    assert plan_workers(24, workers=8, threads_per_worker=3) == WorkerPlan(8, 3)
    assert plan_workers(8, workers=2) == WorkerPlan(2, 4)
    assert plan_workers(8, workers=1, threads_per_worker=1) == WorkerPlan(1, 1)


def test_nobody_gets_more_workers_or_threads_than_there_are_cores() -> None:
    assert plan_workers(2, workers=64, threads_per_worker=64) == WorkerPlan(2, 1)
    assert plan_workers(2, workers=1, threads_per_worker=64) == WorkerPlan(1, 2)
    assert plan_workers(2, workers=8) == WorkerPlan(2, 1)
    assert plan_workers(8, threads_per_worker=4) == WorkerPlan(2, 4)
    assert plan_workers(2, cuda=True, workers=64) == WorkerPlan(2, 1)


def test_what_the_operator_leaves_open_is_measured_where_there_is_a_choice() -> None:
    assert candidate_plans(2) == (WorkerPlan(2, 1), WorkerPlan(1, 2))
    assert candidate_plans(8) == (WorkerPlan(4, 2), WorkerPlan(1, 4))
    assert candidate_plans(1) == (WorkerPlan(1, 1),)
    assert candidate_plans(8, cuda=True) == (WorkerPlan(1, 4),)
    assert candidate_plans(2, workers=2) == (WorkerPlan(2, 1),)
    assert candidate_plans(2, threads_per_worker=2) == (WorkerPlan(1, 2),)


def test_there_is_at_least_one_usable_core() -> None:
    assert usable_cores() >= 1
