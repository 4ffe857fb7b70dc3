# Two commands are enough: `make demo` and `make test`. Each sets up all it needs and is safe to run again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.DEFAULT_GOAL := help
.PHONY: help setup demo docs test coverage test-fast test-slow check format fuzz benchmark benchmark-against benchmark-workers \
  benchmark-loading benchmark-merging clean

help:  ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

$(VENV)/.demo: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "mmlego needs Python 3.11 or newer; say which with: make PYTHON=python3.12 ..."; exit 1; }
	@echo "Setting up $(VENV): a minute or two ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) torch
	@$(PIP) -e ".[demo]"
	@touch $@

$(VENV)/.dev: $(VENV)/.demo
	@echo "Adding what the checks and tests need: another minute or two ..."
	@$(PIP) -e ".[dev]"
	@touch $@

setup: $(VENV)/.dev  ## make the virtual environment in .venv

# On tables so small a second thread waits more than it works.
demo: $(VENV)/.demo  ## run the main job on real data: table on the screen, pictures and models in runs/demo
	OMP_NUM_THREADS=1 $(BIN)/mmlego demo

check: $(VENV)/.dev  ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

WORKERS ?= 2
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal
test: check  ## all checks and all tests, in WORKERS processes (2)
	$(PYTEST)

coverage: check  ## the same with coverage, of which 90 % at least is wanted
	$(PYTEST) --cov --cov-report=term

test-fast: $(VENV)/.dev  ## the tests without the long ones
	$(PYTEST) -m "not slow"

test-slow: $(VENV)/.dev  ## the long tests alone
	$(PYTEST) -m slow

format: $(VENV)/.dev  ## format and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.dev  ## the documentation as a site, in build/site; warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "Open build/site/index.html, or: $(BIN)/mkdocs serve"

COUNT ?= 10000
fuzz: $(VENV)/.dev  ## COUNT mutations (10000) of every kind of input in WORKERS processes; the table goes into docs/safety.md
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz --count $(COUNT) --workers $(WORKERS) --json tests/fuzz/counts.json
	$(BIN)/python -m tests.fuzz --json tests/fuzz/counts.json --page docs/safety.md

benchmark: $(VENV)/.dev  ## speed against a plain rendering, of frozen encoders and of one large bag: ratios on the screen
	$(BIN)/python benchmarks/speed/run.py
	$(BIN)/python benchmarks/speed/frozen.py
	$(BIN)/python benchmarks/speed/large_bag.py

benchmark-against: $(VENV)/.dev  ## imports, fits, verbs, the demo and bags against an older build, its src in AGAINST
	$(BIN)/python benchmarks/speed/against.py --against $(AGAINST)

benchmark-workers: $(VENV)/.dev  ## mmlego bench on two workers against one after another: the ratio on the screen
	$(BIN)/python benchmarks/speed/workers.py

DATA ?= ../shared/data/physionet2012
benchmark-loading: $(VENV)/.dev  ## seconds to load the ICU stays of the PhysioNet 2012 challenge, in the folder DATA
	$(BIN)/python benchmarks/loading/run.py $(DATA)

COHORTS ?= ../shared/data
benchmark-merging: $(VENV)/.dev  ## merging and fusing against ensembles and end-to-end models, on the folders in COHORTS
	$(BIN)/python benchmarks/merging/run.py --data $(COHORTS)
	$(BIN)/python benchmarks/merging/ablation.py --data $(COHORTS)
	$(BIN)/python benchmarks/merging/report.py --page docs/merging.md

clean:  ## remove the environment and everything made by runs
	rm -rf $(VENV) runs .pytest_cache .mypy_cache .ruff_cache .coverage htmlcov dist
