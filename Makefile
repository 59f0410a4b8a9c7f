# make run | test | lint | format | bench | screenshots | wheel | constraints | clean
#   PORT=8501 HOST=localhost    where `run` serves
#   PYTHON=python3.12           which Python makes the environment (3.11 or newer)
#   PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu"   torch's small CPU build
#   TESTS="tests/test_x.py -k word"   what `test` runs

PYTHON ?= python3
HOST ?= localhost
PORT ?= 8501
PIP_FLAGS ?=
TESTS ?=
BENCH ?=

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt $(PIP_FLAGS)
PROJECT := pyproject.toml setup.py constraints.txt

.PHONY: run test lint format bench screenshots wheel constraints clean
.DELETE_ON_ERROR:

run: $(VENV)/.installed
	$(BIN)/python -m pc_workbench --host $(HOST) --port $(PORT)

test: $(VENV)/.installed-dev lint
	$(BIN)/python -m pytest $(TESTS)

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/.installed
	$(BIN)/python -m pccore bench $(BENCH)

screenshots: $(VENV)/.installed-dev
	$(BIN)/python tests/browser/screenshots.py

# build/ first: setuptools would pack what an earlier build left there.
wheel: $(VENV)/.installed-dev
	rm -rf build dist
	$(BIN)/python -m build --wheel --outdir dist .

constraints: $(VENV)/.installed-dev
	$(BIN)/python .ci/constraints.py > constraints.new
	mv constraints.new constraints.txt

clean:
	rm -rf build dist *.egg-info .pytest_cache .ruff_cache .hypothesis
	find pccore app tests -name __pycache__ -type d -exec rm -rf {} +

# An interrupted set-up leaves no pip behind, and starts over.
$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "PC Workbench needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1)." \
	       "Name another one: make PYTHON=/path/to/python3.11 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The stamps keep a second `make` from installing again.
$(VENV)/.installed: $(PROJECT) | $(BIN)/pip
	$(INSTALL) -e .
	touch $@

$(VENV)/.installed-dev: $(PROJECT) | $(BIN)/pip
	$(INSTALL) -e '.[test,dev]'
	mkdir -p $(VENV)/typing
	ln -sfn ../../app $(VENV)/typing/pc_workbench
	touch $(VENV)/.installed $@
