# make run     chat in the terminal, or serve Discord if DISCORD_TOKEN is set
# make test    run the tests
# make check   formatting, lint, types, layers and the tests
# make format  let ruff format and fix what it can

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
# For instance torch==2.13.0+cpu, with PIP_EXTRA_INDEX_URL; docs/deploy.md explains it.
TORCH ?=
BIN := $(VENV)/bin

.PHONY: run test check format clean

run: $(VENV)/.installed
	@$(BIN)/python -m bot run

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV)

# A half-made environment, as where ensurepip is missing, would look like a whole one.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# The stamps are made last: an installation that was cut short is done again.
$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH) --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH) --editable '.[dev]'
	@touch $@ $(VENV)/.installed
