# The workbook's targets. Each sets up .venv by itself when it is missing or out of date.
PYTHON ?= python3
PROFILE ?= laptop
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# The kernels and tools of the environment, never those of another one that is switched on.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYTHONNOUSERSITE := 1

.DEFAULT_GOAL := help
.PHONY: help lab workbook test test-browser lint benchmarks recording lock clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

lab: $(READY) data/mnist.npz ## Open the workbook in JupyterLab (fetches MNIST the first time)
	$(BIN)/jupyter lab notebooks

workbook: $(READY) data/mnist.npz ## Execute every notebook on real MNIST into build/workbook (PROFILE=ci, laptop or full)
	$(BIN)/python -m tripletviz.lessons.runner --profile $(PROFILE) --output build/workbook

test: $(READY) data/mnist.npz ## Run every test: package, notebooks, browser
	$(BIN)/python -m pytest

test-browser: $(READY) data/mnist.npz ## Run the tests that drive a real JupyterLab in headless Chromium
	$(BIN)/python -m pytest tests/browser

lint: $(READY) ## Check style and format, notebooks included
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

benchmarks: $(READY) data/mnist.npz ## Measure what the README promises and print its table (about 10 minutes)
	$(BIN)/python -m benchmarks

recording: $(READY) data/mnist.npz ## Train once and write data/mnist-recording.npz anew
	$(BIN)/python -m tripletviz.lessons.recording

lock: $(READY) ## Pin every dependency anew in requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev \
	  --no-annotate --no-header --no-emit-index-url --upgrade pyproject.toml -o requirements.lock

clean: ## Remove the environment and everything built; data stays
	rm -rf $(VENV) build .pytest_cache .ruff_cache .hypothesis

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "tripletviz needs Python 3.11, 3.12 or 3.13; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up $(VENV): about 3 GB, a few minutes."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $@

data/mnist.npz: | $(READY)
	$(BIN)/python -m tripletviz fetch
