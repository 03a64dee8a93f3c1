# Two commands do everything on a fresh machine: `make run` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: run test test-all lint clean

run: $(VENV)/installed
	$(BIN)/python app.py

# Everything that holds at every commit. A process for each core, a file for each turn, as they are collected: those with a
# browser come first, and the quick ones even out the end.
PYTEST := $(BIN)/python -m pytest -q --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

test: $(VENV)/installed-dev lint
	$(PYTEST) -m "not slow"

# Also the long fuzzes and the full measurements.
test-all: $(VENV)/installed-dev lint
	$(PYTEST)

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .

$(VENV)/installed: requirements.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Boxloop needs Python 3.11 or newer; try: make run PYTHON=python3.12')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

clean:
	rm -rf $(VENV) build
