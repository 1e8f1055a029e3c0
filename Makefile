# Every target that needs `.venv` depends on its stamp: `make bench` on a fresh checkout is all that a newcomer types.

PYTHON   ?= python3
SCENARIO ?= demo
MODE     ?=
ARGS     ?=
RUN      ?=

VENV  := .venv
BIN   := $(VENV)/bin
STAMP := $(VENV)/.complete

.DEFAULT_GOAL := help
.PHONY: help setup bench test test-slow lint report benchmark lock clean

## help: this list
help:
	@sed -n 's/^## \([a-z-]*\): /\1\t/p' $(MAKEFILE_LIST) | awk -F'\t' '{ printf "  %-10s  %s\n", $$1, $$2 }'

## setup: make .venv with everything that the other targets need (PYTHON=python3.12 chooses the Python)
setup: $(STAMP)
	@echo "$(VENV) is ready: $$($(BIN)/python --version), $$($(BIN)/nimbench --version)"

# The stamp is written last and taken away first, so a .venv without it is a half-made one and is made anew. One that was
# whole and whose lock has changed is brought up to date in place. pip compiles what it installs: where
# PYTHONDONTWRITEBYTECODE is set (most container images), Python would else compile every package at every start.
$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null || { \
	  echo "make setup: nimbench needs Python 3.11, 3.12 or 3.13; $(PYTHON) is $$($(PYTHON) --version 2>&1 || true)." >&2; \
	  echo "  repair: make setup PYTHON=python3.12   (any of the three, by name or path)" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "make setup: $(PYTHON) cannot make a virtual environment: its venv module is not installed." >&2; \
	  echo "  repair: apt-get install python3-venv   (Debian, Ubuntu), then make setup" >&2; exit 2; }
	@if [ -e $(STAMP) ]; then rm $(STAMP); $(PYTHON) -m venv $(VENV); else $(PYTHON) -m venv --clear $(VENV); fi
	@echo "Installing $$(grep -c '^[a-z].*==' requirements.lock) locked packages into $(VENV) (about a minute, once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

## bench: run a scenario and write its report (SCENARIO=demo MODE=quick ARGS="--set key=value")
bench: $(STAMP)
	@$(BIN)/nimbench run $(SCENARIO) $(if $(MODE),--mode $(MODE)) $(ARGS)

## test: the fast tests; any machine, under 5 minutes
test: $(STAMP)
	@$(BIN)/python -m pytest -m "not slow" $(ARGS)

## test-slow: the tests with real vLLM and a real browser (needs nginx, chromium and a CPU build of torch that pip finds)
test-slow: $(STAMP)
	@$(BIN)/python -m pytest -m slow --timeout 1500 $(ARGS)

## lint: ruff (rules and format) and mypy --strict
lint: $(STAMP)
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy

## report: write the report of a run folder again (RUN=results/demo/...)
report: $(STAMP)
	@[ -n "$(RUN)" ] || { echo "make report: name the run folder. repair: make report RUN=results/demo/..." >&2; exit 2; }
	@$(BIN)/nimbench report "$(RUN)"

## benchmark: measure the suite itself (benchmarks/README.md says what each one tells)
benchmark: $(STAMP)
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python "$$file" || exit 1; done

## lock: resolve requirements.lock again after a change of pyproject.toml (needs uv; users do not)
lock:
	uv pip compile pyproject.toml --universal --python-version 3.11 \
	  --extra run --extra demo --extra test --extra build --generate-hashes \
	  --no-emit-index-url --no-emit-find-links --no-header --quiet --output-file requirements.lock

## clean: remove .venv and what the tools cached; runs in results/ stay
clean:
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find bench tests scenarios benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +
