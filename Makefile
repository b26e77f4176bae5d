# uv and the locked environment are set up here: Python 3.11, git and make are all that must be there.
PYTHON ?= python3
UV := $(or $(shell command -v uv),.uv/bin/uv)
RUN := .venv/bin
# Without compiled modules each process would take twice as long to start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo test up down nightly automations bench chaos fuzz lint

setup: .venv/.synced

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check "uv>=0.9,<1"

.venv/.synced: pyproject.toml uv.lock $(filter .uv/bin/uv,$(UV))
	$(UV) sync --locked
	@touch $@

demo: setup
	$(RUN)/python demo.py

test: setup
	$(RUN)/python -m pytest -m "not alone" --numprocesses 2 --dist loadfile
	$(RUN)/python -m pytest -m alone

up: setup
	$(RUN)/python -m deployments.box up

down: setup
	$(RUN)/python -m deployments.box down

automations: setup
	$(RUN)/python -m deployments.automations

nightly: export WHISPERX_BATCH_NIGHTLY_ACTIVE = true
nightly: up

CASES ?=
ROUNDS ?= 3

bench: setup
	$(RUN)/python benchmarks/bench.py $(CASES) --rounds $(ROUNDS)

chaos: setup
	$(RUN)/python tests/faults/chaos.py

FUZZ_SECONDS ?= 30

fuzz: setup
	$(RUN)/python tests/fuzz/decoder.py -max_total_time=$(FUZZ_SECONDS)
	$(RUN)/python tests/fuzz/manifests.py -max_total_time=$(FUZZ_SECONDS)

lint: setup
	$(UV) lock --check
	$(RUN)/ruff check
	$(RUN)/ruff format --check
	$(RUN)/mypy flows tasks deployments
	$(RUN)/lint-imports
