# Everything a developer types. `make` alone prints the list.
#
#   PYTHON=python3.12            the interpreter that makes .venv (3.11 or newer)
#   PIP_FLAGS="--index-url …"    where pip looks, for every install
#   TORCH_FLAGS="--index-url …"  where pip looks for torch alone, e.g. a CPU or CUDA build
#   JOBS=8                       test processes
#   MARKS=                       all tests; "not slow" unless given
#   PYTEST_FLAGS="-k walk"       passed on to pytest

PYTHON       ?= python3
VENV         ?= .venv
PIP_FLAGS    ?=
TORCH_FLAGS  ?=
JOBS         ?= 2
MARKS        ?= not slow
PYTEST_FLAGS ?=

BIN   := $(VENV)/bin
STAMP := $(VENV)/.walkbench-installed
PIP   := $(BIN)/python -m pip --disable-pip-version-check --quiet --quiet
# A list of names, so that one of them can be run alone: make bench BENCH=benchmarks/bench_cost.py
BENCH ?= $(sort $(wildcard benchmarks/bench_*.py))

.DEFAULT_GOAL := help
.PHONY: help setup demo test check lint format-check types imports docs docs-build package format bench dashboard clean
.DELETE_ON_ERROR:

help: ## Print this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))

setup: $(STAMP) ## Make .venv and install everything, at the versions in constraints.txt

# The stamp makes setup a no-op until the project's metadata or a pin changes.
$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "walkbench needs Python 3.11 or newer: make setup PYTHON=python3.11, after removing $(VENV)"; exit 1; }
	@echo "Installing into $(VENV) (the first time takes a few minutes) ..."
	@$(PIP) install $(PIP_FLAGS) -c constraints.txt --upgrade pip setuptools
# torch first and alone: it is the one package whose build (CPU, CUDA) a user may want to choose,
# and everything after it then finds it installed.
	@$(PIP) install $(PIP_FLAGS) $(TORCH_FLAGS) -c constraints.txt torch
	@$(PIP) install $(PIP_FLAGS) -c constraints.txt -e '.[all,coreai]'
	@touch $@

demo: $(STAMP) ## Print the design walk, run a small study that trains, write a report
	@$(BIN)/walkbench demo

test: $(STAMP) ## Run the tests and the doctests, but those marked slow
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadfile -m "$(MARKS)" $(PYTEST_FLAGS)

check: lint format-check types imports docs-build ## Lint, formatting, types, import contracts, the site

lint: $(STAMP)
	$(BIN)/ruff check .

format-check: $(STAMP)
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

imports: $(STAMP)
	$(BIN)/lint-imports --no-logo

docs: $(STAMP) ## Serve the documentation at http://127.0.0.1:8000, anew when a page changes
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs serve --strict

docs-build: $(STAMP) ## Build the documentation into build/site; a dead link is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

package: $(STAMP) ## Build sdist and wheel into dist/ and check their metadata
	rm -rf dist && $(BIN)/python -m build --no-isolation >/dev/null && $(BIN)/twine check --strict dist/*

format: $(STAMP) ## Sort imports and format, in place
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# One at a time and in the order of their names: they measure time, so nothing may run beside them.
bench: $(STAMP) ## Run benchmarks/bench_*.py one after another; results go to benchmarks/results/
	@set -e; for script in $(BENCH); do echo "== $$script"; $(BIN)/python $$script; done

dashboard: $(STAMP) ## Open the dashboard
	@$(BIN)/walkbench dashboard

clean: ## Remove .venv, caches and build products (keeps runs/)
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
