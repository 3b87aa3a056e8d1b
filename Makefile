# `make help` lists what there is. Everything runs in .venv, which the first target makes.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
JOBS ?= 2

VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
STAMP := $(VENV)/.installed

# Tests that need real scans find them here; where there are none they say so and are skipped.
ifneq ($(wildcard ../shared/data/.),)
export SCANTRIAL_DATA ?= $(abspath ../shared/data)
endif
# And reference data that may not be copied into this repository here.
ifneq ($(wildcard ../shared/refdata/.),)
export SCANTRIAL_REFDATA ?= $(abspath ../shared/refdata)
endif

.PHONY: help env demo test slow sim siege search coverage mutate lint lock sbom dist format size pages bench peers replicate docs clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

env: $(STAMP) ## .venv with scantrial, PyTorch and every tool, by the hashes in locks/

# Every file that pip takes has one of the hashes in locks/. What is built is built by what was installed so.
PIP := pip install --quiet --disable-pip-version-check --no-deps
HASHED := $(PIP) --require-hashes
LOCKED := $(HASHED) --only-binary :all:

# PyTorch into an environment: its CPU build where one is offered whose hash is known.
define with_torch
	@$(1) -m $(LOCKED) --requirement locks/torch-cpu.txt 2>/dev/null || \
	  { echo "no CPU build of PyTorch is offered here for which there is a hash: taking the default one"; \
	    $(1) -m $(LOCKED) --requirement locks/torch.txt; }
endef

$(STAMP): pyproject.toml $(wildcard locks/*.txt) hatch_build.py $(wildcard src/scantrial/train/native/*.cpp src/scantrial/train/native/*.h) src/scantrial/train/native/build.py
	@test -x $(PY) || "$(PYTHON)" -m venv $(VENV)
	@$(PY) -c 'import sys; sys.exit("scantrial needs Python 3.11 or newer" if sys.version_info < (3, 11) else 0)'
	$(PY) -m $(LOCKED) --requirement locks/env.txt
	$(call with_torch,$(PY))
	$(PY) -m $(HASHED) --no-build-isolation --requirement locks/built.txt
	$(PY) -m $(PIP) --no-build-isolation --editable .
	@$(PY) -m pip check --quiet
	@touch $@

demo: env ## a small trial on embedded scans, with its report, in ./demo
	$(BIN)/scantrial demo --out demo

# The rules that the browser tests hold pages to, for accessibility; without npm these tests say what is missing.
AXE := tests/browser/node_modules/.package-lock.json

$(AXE): tests/browser/package-lock.json
	@if command -v npm >/dev/null; then npm ci --prefix tests/browser --silent --no-audit --no-fund; \
	  else mkdir -p $(@D) && echo "npm is not installed: pages are not checked for accessibility"; fi
	@touch $@

test: env $(AXE) ## every test that belongs to a commit
	@$(PY) -m pytest -n $(JOBS) --dist worksteal -m "not slow and not sim" 2>&1

slow: env ## the tests that take minutes
	@$(PY) -m pytest -m slow || [ $$? -eq 5 ]

sim: env ## simulations under a known truth: coverage and false-positive rates
	@$(PY) -m pytest -n $(JOBS) -m sim || [ $$? -eq 5 ]

siege: env ## kills, mutants, flipped bits, damaged folders, bad disks, half-open connections; PARTS="bits disks" chooses
	@$(PY) scripts/siege.py --processes $(JOBS) $(PARTS)
	@$(PY) scripts/pages.py siege

search: env ## new examples for every property, a few times over
	@for i in 1 2 3; do SCANTRIAL_HYPOTHESIS=search $(PY) -m pytest -n $(JOBS) -m "not slow and not sim" -q \
	  $$(grep -rlE "^from hypothesis|^import hypothesis" tests --include="test_*.py") || exit 1; done

coverage: env ## which lines and branches the tests of a commit reach
	@$(PY) -m coverage erase
	@$(PY) -m coverage run -m pytest -n $(JOBS) -m "not slow and not sim"
	@$(PY) -m coverage combine --quiet
	@$(PY) -m coverage report

# MODULES="verdicts mrmc" tries all mutants of these anew; without it, those that have not been tried or whose code changed.
mutate: env ## small changes of the judge's modules, each of which has to fail a test; MODULES="verdicts mrmc" chooses
	@$(PY) -m $(LOCKED) --requirement locks/mutate.txt
	@OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(PY) scripts/mutants.py --jobs $(JOBS) $(MODULES)

lint: env ## style, format, types, the direction of imports, no plan read by keys, and the workflows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	@$(PY) scripts/plan_access.py
	@$(BIN)/zizmor --offline --strict-collection --quiet .github
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml

lock: env ## locks/ anew: the versions of constraints.txt, with the hashes that the package index gives; needs a network
	@$(PY) -m $(LOCKED) --requirement locks/release.txt
	$(PY) scripts/lock.py

sbom: env ## a bill of materials of what scantrial runs on, with hashes: dist/sbom.cdx.json (CycloneDX)
	@$(PY) -m $(LOCKED) --requirement locks/release.txt
	@$(PY) scripts/sbom.py

dist: env ## sdist and wheel, in dist/
	@$(PY) -m $(LOCKED) --requirement locks/release.txt
	$(PY) -m build --no-isolation

format: env ## mend what can be mended without a thought
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

size: env ## how big the code is, and whether it keeps its budget
	@$(PY) scripts/size.py

pages: env ## the pages of docs/ that are made from the code; scripts/pages.py NAME writes one
	@$(PY) scripts/pages.py

bench: env peers ## every benchmark, one after the other
	@for network in M1 M2 cnn; do $(PY) benchmarks/engines.py --network $$network; done
	@for network in M1 M2; do $(PY) benchmarks/engines.py --network $$network --epochs 30; done
	@for script in kernel_profile growth workers comparison curve_diagnosis recording_costs near_duplicates \
	  precision page whole_commands; do \
	  echo "== $$script"; $(PY) "benchmarks/$$script.py"; done
	$(PY) benchmarks/pages.py

peers: .venv-peers/.installed ## the environment of the loops that benchmarks compare with: Lightning, JAX

.venv-peers/.installed: $(wildcard locks/*.txt)
	@test -x .venv-peers/bin/python || "$(PYTHON)" -m venv .venv-peers
	.venv-peers/bin/python -m $(LOCKED) --requirement locks/peers.txt
	$(call with_torch,.venv-peers/bin/python)
	@touch $@

replicate: env ## both reports of the course, trained again and set beside their numbers
	$(PY) examples/replication/replicate.py
	$(PY) examples/replication/two_reports.py

# No --quiet: MkDocs counts a warning only where it would print it, and --strict would pass on anything.
docs: env ## the documentation as a site, in ./site; a broken link ends it
	@NO_MKDOCS_2_WARNING=1 $(PY) -m mkdocs build --strict

clean: ## remove caches and build products; .venv and study folders stay
	rm -rf build dist site mutants .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .coverage .coverage.*
	rm -rf tests/browser/node_modules
	find src tests scripts benchmarks docs -name __pycache__ -type d -prune -exec rm -rf {} +
