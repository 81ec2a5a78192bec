# Everything needs Python 3.11 or later and make; the first target that needs it creates .venv. `make help` lists all.

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  PYTHON=…     another interpreter than the first python3 that is new enough"

# The first of these that runs and is new enough; PYTHON names another.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "mlguard needs Python 3.11 or later, and none was found; \
	name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "mlguard needs Python 3.11 or later; \
	$(PYTHON) is $$("$(PYTHON)" --version 2>&1)" >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' || { echo "$(PYTHON) cannot make virtual environments; \
	on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	"$(PYTHON)" -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

.PHONY: demo
demo: $(READY) ## the whole story on real data, on an embedded PostgreSQL, in about a minute
	$(BIN)/mlguard demo

.PHONY: test
test: $(READY) ## all tests, on real servers
	$(BIN)/python -m pytest -n 2

.PHONY: fuzz
fuzz: $(READY) ## random files, expressions, names and values, for ten minutes
	MLGUARD_FUZZ_SECONDS=$${MLGUARD_FUZZ_SECONDS:-600} $(BIN)/python -m pytest -s tests/fuzz

.PHONY: faults
faults: $(READY) ## random schedules of faults on real servers, the seed of each printed; about half an hour
	MLGUARD_SCHEDULES=$${MLGUARD_SCHEDULES:-500} MLGUARD_FIRST_SEED=$${MLGUARD_FIRST_SEED:-$$(date +%s)} \
	MLGUARD_LIVE_ROWS=$${MLGUARD_LIVE_ROWS:-10000000} $(BIN)/python -m pytest -s tests/faults

.PHONY: lint
lint: $(READY) ## style and the layers of the modules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

.PHONY: types
types: $(READY) ## static types
	$(BIN)/mypy

.PHONY: bench
bench: $(READY) ## the figures of bench/, each against plain PostgreSQL
	$(BIN)/python -m bench

.PHONY: golden
golden: $(READY) ## rewrite the golden files after an intended change; read the diff
	-$(BIN)/python -m pytest --force-regen --inline-snapshot=create,fix tests/golden
	git --no-pager diff --stat -- sql schema tests/golden

.PHONY: clean
clean: ## remove .venv, caches and builds
	rm -rf $(VENV) build dist .import_linter_cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
