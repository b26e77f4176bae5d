# uv and the locked environment are set up here: Python 3.11, git and make are all that must be there.
PYTHON ?= python3
UV := $(or $(shell command -v uv),.uv/bin/uv)
RUN := .venv/bin
# Without compiled modules each process would take twice as long to start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: setup demo test up down nightly automations bench chaos fuzz lint

setup: .venv/.user
	@echo
	@echo "Installed in .venv. Next:"
	@echo
	@echo "  source .venv/bin/activate"
	@echo "  whisperx-batch RECORDINGS --output_dir transcripts --model large-v3"
	@echo
	@echo "To label speakers, add --diarize and set HF_TOKEN, or add --diarize --diarize_model campplus, which needs none."
	@echo "All options: whisperx-batch --help"

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check "uv>=0.9,<1"

# The environment of a user, the same with what the demo reads, and that of a developer, each of which contains the
# one before. A stamp says that at least this one is installed, so `make setup` after `make test` removes nothing.
LOCK := pyproject.toml uv.lock $(filter .uv/bin/uv,$(UV))
SYNC = $(UV) sync --locked --no-default-groups --group deployments

.venv/.user: $(LOCK)
	$(SYNC)
	@rm -f .venv/.demo .venv/.dev
	@touch $@

.venv/.demo: $(LOCK)
	$(SYNC) --group demo
	@rm -f .venv/.dev
	@touch .venv/.user $@

.venv/.dev: $(LOCK)
	$(UV) sync --locked
	@touch .venv/.user .venv/.demo $@

demo: .venv/.demo
	$(RUN)/python demo.py

test: .venv/.dev
	$(RUN)/python -m pytest -m "not alone" --numprocesses 2 --dist loadfile
	$(RUN)/python -m pytest -m alone

up: .venv/.user
	$(RUN)/python -m deployments.box up

down: .venv/.user
	$(RUN)/python -m deployments.box down

automations: .venv/.user
	$(RUN)/python -m deployments.automations

nightly: export WHISPERX_BATCH_NIGHTLY_ACTIVE = true
nightly: up

CASES ?=
ROUNDS ?= 3

bench: .venv/.dev
	$(RUN)/python benchmarks/bench.py $(CASES) --rounds $(ROUNDS)

chaos: .venv/.dev
	$(RUN)/python tests/faults/chaos.py
	$(RUN)/python tests/faults/chaos_nodes.py

FUZZ_SECONDS ?= 30

fuzz: .venv/.dev
	$(RUN)/python tests/fuzz/decoder.py -max_total_time=$(FUZZ_SECONDS)
	$(RUN)/python tests/fuzz/manifests.py -max_total_time=$(FUZZ_SECONDS)

lint: .venv/.dev
	$(UV) lock --check
	$(RUN)/deptry .
	$(RUN)/ruff check
	$(RUN)/ruff format --check
	$(RUN)/mypy flows tasks deployments
	$(RUN)/lint-imports
