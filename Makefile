# Two commands matter: `make run` (your machine, looked at, within a minute) and `make test`. Both make what they need.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: run test fast lint bench nightly fuzz fmt clean

run: $(STAMP)
	@$(BIN)/opswatch --config config.example.toml run

test: $(STAMP)
	@$(BIN)/python -m tests.run_all

fast: $(STAMP)
	@$(BIN)/python -m pytest tests/core tests/sim tests/house

lint: $(STAMP)
	@$(BIN)/python -m tests.run_all --lint

bench: $(STAMP)
	@$(BIN)/python -m benchmarks

# Thousands of kills and seeds where `make test` does fifty: an hour on two cores.
nightly: $(STAMP)
	@OPSWATCH_NIGHTLY=1 $(BIN)/python -m pytest tests/daemon tests/sim tests/core -x

# Random rosters minute by minute against SPEC's sentences, on every core: `make fuzz MINUTES=60 SEED=7`.
MINUTES ?= 10
SEED    ?= 1
fuzz: $(STAMP)
	@$(BIN)/python -m tests.core.roster_fuzz --minutes $(MINUTES) --seed $(SEED)

fmt: $(STAMP)
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

$(STAMP): pyproject.toml
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv -q --allow-existing $(VENV) && uv pip install -q --python $(BIN)/python -e '.[calendar,mysql,postgres,redis,sql,dev]'; \
	else \
	  $(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install -q --disable-pip-version-check -e '.[calendar,mysql,postgres,redis,sql,dev]'; \
	fi
	@touch $(STAMP)

clean:
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .hypothesis
