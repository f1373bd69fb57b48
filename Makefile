# make run     chat in the terminal, or serve Discord if DISCORD_TOKEN is set
# make test    run the tests
# make check   formatting, lint, types, layers and the tests
# make format  let ruff format and fix what it can

FITS := import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))
# One that is found may still not run, as a shim of pyenv.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3; do \
	$$python -c '$(FITS)' 2>/dev/null && echo $$python && break; done)
NO_PYTHON = Causerie needs Python 3.11, 3.12 or 3.13, and $(if $(PYTHON),$(PYTHON) is none,none was \
	found): install one (anywhere: "uv python install 3.13"; macOS: "brew install python@3.13"; Debian, Ubuntu: "sudo apt \
	install python3-venv", if its python3 is one of these), and run make again.
VENV := .venv
# For instance torch==2.13.0+cpu, with PIP_EXTRA_INDEX_URL; docs/deploy.md explains it.
TORCH ?=
BIN := $(VENV)/bin

# A .venv of another Python, or of one that is gone, is made anew, and everything in it.
UNFIT := $(shell $(BIN)/python -c '$(FITS)' 2>/dev/null || echo unfit)

.PHONY: run test check format clean
ifdef UNFIT
.PHONY: $(BIN)/python $(VENV)/.installed $(VENV)/.installed-dev
endif

run: $(VENV)/.installed
	@$(BIN)/python -m bot run

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n auto --dist loadfile

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -n auto --dist loadfile

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV)

# A half-made environment, as where ensurepip is missing, would look like a whole one.
$(BIN)/python:
	@"$(or $(PYTHON),false)" -c '$(FITS)' 2>/dev/null || { echo '$(NO_PYTHON)' >&2; exit 1; }
	@rm -rf $(VENV)
	"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

# The stamps are made last: an installation that was cut short is done again.
$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH) --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(TORCH) --editable '.[dev]'
	@touch $@ $(VENV)/.installed
