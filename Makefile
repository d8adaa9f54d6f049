# The workbook's targets. Each sets up .venv by itself when it is missing or out of date.
# The first of these that is a Python this project runs on; or say make PYTHON=... yourself.
SUITABLE := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
ifndef PYTHON
PYTHON := $(firstword $(shell for python in python3 python3.13 python3.12 python3.11; do \
  $$python -c '$(SUITABLE)' 2>/dev/null && echo $$python; done) python3)
endif
PROFILE ?= laptop
VENV := .venv
BIN := $(VENV)/bin
# Another Python, or another place of this folder, needs an environment of its own.
READY := $(VENV)/.ready-$(firstword $(shell { $(PYTHON) --version; pwd; } 2>&1 | cksum))
export PYTHONNOUSERSITE := 1

.DEFAULT_GOAL := help
.PHONY: help lab workbook slides site screenshots student test test-browser lint benchmarks recording lock clean

help: ## Say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

lab: $(READY) data/mnist.npz ## Open the workbook in JupyterLab (fetches MNIST the first time)
	$(BIN)/python -m jupyterlab $(shell [ "$$(id -u)" != 0 ] || echo --allow-root) notebooks

workbook: $(READY) data/mnist.npz ## Execute every notebook on real MNIST into build/workbook (PROFILE=ci, laptop or full)
	$(BIN)/python -m tripletviz.lessons.runner --profile $(PROFILE) --output build/workbook

# Made from the executed notebooks as they are; only if there are none yet are they executed.
slides: $(READY) | build/workbook ## Make a reveal.js deck of each executed lesson in build/slides
	$(BIN)/python -m tripletviz.lessons.publishing slides --executed build/workbook --output build/slides

site: $(READY) | build/workbook ## Make static pages of all executed lessons in build/site
	$(BIN)/python -m tripletviz.lessons.publishing site --executed build/workbook --output build/site

screenshots: $(READY) | build/site ## Take a picture of each widget of build/site into notebooks/images/widgets
	$(BIN)/python tests/browser/screenshots.py build/site notebooks/images/widgets

student: $(READY) ## Copy the notebooks without solutions into build/student, for a graded course
	$(BIN)/python -m tripletviz.lessons.publishing student --output build/student

build/workbook:
	$(MAKE) workbook

build/site:
	$(MAKE) site

# In two processes: much of a test is waiting, for a browser or a kernel. See tests/conftest.py.
test: $(READY) data/mnist.npz ## Run every test: package, notebooks, browser
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

test-browser: $(READY) data/mnist.npz ## Run the tests that drive a real JupyterLab in headless Chromium
	$(BIN)/python -m pytest tests/browser

lint: $(READY) ## Check style and format, notebooks included
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

benchmarks: $(READY) data/mnist.npz ## Measure what the README promises and print its table (about 10 minutes)
	$(BIN)/python -m benchmarks

recording: $(READY) data/mnist.npz ## Train anew what data/ keeps recorded of trainings
	$(BIN)/python -m tripletviz.lessons.recording
	$(BIN)/python -m tripletviz.lessons.collapse_runs

lock: $(READY) ## Pin every dependency anew in requirements.lock
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --extra dev \
	  --no-annotate --no-header --no-emit-index-url --upgrade pyproject.toml -o requirements.lock

clean: ## Remove the environment and everything built; data stays
	rm -rf $(VENV) build .pytest_cache .ruff_cache .hypothesis

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c '$(SUITABLE)' || \
	  { echo "tripletviz needs Python 3.11, 3.12 or 3.13; say make PYTHON=/path/to/python"; exit 1; }
	@echo "Setting up $(VENV): about 3 GB, a few minutes."
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

data/mnist.npz: | $(READY)
	$(BIN)/python -m tripletviz fetch
