# Everything a clone needs: `make run` and `make test` build .venv first, from the
# hash-pinned lock, and need no network after that.

PYTHON ?= python3
CORES ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
ARGS ?=

BIN := $(if $(filter Windows_NT,$(OS)),.venv/Scripts,.venv/bin)
# The project's own python must be the one that a rule's `python -m outcomes` finds.
# Not exported: the interpreter that builds .venv must never be found inside .venv.
ON_PATH := PATH="$$PWD/$(BIN):$$PATH"

# One BLAS thread per fit: parallelism belongs to the workflow, and the order of a
# sum must not depend on the machine. PYTHONHASHSEED is left to the caller on purpose:
# no output may depend on it.
export OMP_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
unexport PYTHONPATH PYTHONHOME
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Without a home folder to write to, caches (fonts, workflow sources) go into .venv.
ifneq ($(shell test -w "$$HOME" && echo writable),writable)
export XDG_CACHE_HOME := $(CURDIR)/.venv/cache
export MPLCONFIGDIR := $(CURDIR)/.venv/cache/matplotlib
endif

# A finished build leaves a stamp with what it was built from: the lock's checksum and
# the folder (an environment knows its own path, so a moved or copied clone needs a new
# one, or it would run the other clone's code). Contents decide, not file times. An
# interrupted build leaves no stamp and is started again.
LOCKED := .venv/locked
READY := .venv/ready
lock_key := { cat requirements-build.lock requirements.lock | cksum; pwd -P; }
ready_key := { cat $(LOCKED) 2>/dev/null; cksum < pyproject.toml; }

.DEFAULT_GOAL := help
.PHONY: help venv run test lint clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-6s %s\n", $$1, $$2}' Makefile
	@echo
	@echo "  PYTHON=$(PYTHON)  interpreter that builds .venv (3.11 or newer; delete .venv to change it)"
	@echo "  CORES=$(CORES)  jobs and tests at once      ARGS=...  more arguments for run and test"

venv: $(READY) ## Build .venv from requirements.lock, if it changed

run: $(READY) ## Run the workflow: every study named in config/config.yaml
	$(ON_PATH) $(BIN)/snakemake --cores $(CORES) $(ARGS)

test: $(READY) ## Run the fast tests (ARGS=--slow adds the long studies)
	$(ON_PATH) $(BIN)/python -m pytest -n $(CORES) --dist loadgroup $(ARGS)

lint: $(READY) ## Check style, types, layers, workflow and spelling
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/snakefmt --check Snakefile workflow
	$(ON_PATH) $(BIN)/snakemake --lint
	$(BIN)/codespell

clean: ## Delete results, logs, benchmark tables and caches (.venv stays)
	rm -rf results logs benchmarks/*/ .snakemake
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find src tests -name __pycache__ -type d -prune -exec rm -rf {} +

ifneq ($(shell $(lock_key)),$(shell cat $(LOCKED) 2>/dev/null))
.PHONY: $(LOCKED)
endif
$(LOCKED):
	@"$(PYTHON)" -c '' 2>/dev/null || { echo 'outcomes needs Python 3.11 or newer, and "$(PYTHON)" does not run here: install Python, or name an interpreter with make PYTHON=/path/to/python3.' >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'outcomes needs Python 3.11 or newer, and "$(PYTHON)" is' "$$("$(PYTHON)" -c 'import sys; print("%d.%d" % sys.version_info[:2])')": 'install a newer one, or name it with make PYTHON=/path/to/python3.' >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { echo 'outcomes needs the venv module with pip, and "$(PYTHON)" lacks it: install it (on Debian and Ubuntu the package python3-venv), or name another interpreter with make PYTHON=/path/to/python3.' >&2; exit 1; }
	"$(PYTHON)" -m venv --clear .venv
	$(BIN)/python -m pip install --require-hashes -r requirements-build.lock
	$(BIN)/python -m pip install --require-hashes --no-build-isolation -r requirements.lock
	@$(lock_key) > $(LOCKED)

ifneq ($(shell $(ready_key)),$(shell cat $(READY) 2>/dev/null))
.PHONY: $(READY)
endif
$(READY): $(LOCKED)
	@rm -f $(READY)
	$(BIN)/python -m pip install --no-deps --no-build-isolation -e .
	@$(ready_key) > $(READY)
