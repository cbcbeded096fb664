# Two targets do everything from a bare checkout with Python >= 3.11, make and git:
#   make reproduce    set-up, then notebooks 01..05, figures, ledger and README tables
#   make test         set-up, then lint, unit tests, every notebook at mini, nbval
PYTHON ?= python3
SCALE ?= auto
DATASET ?= css
PY := .venv/bin/python

.PHONY: reproduce test setup lint unit notebooks grid bench clean

reproduce: setup
	$(PY) -m cmir_repro.reproduce --scale $(SCALE) --dataset $(DATASET)

test: setup lint unit notebooks

setup: .venv/.done

# The lock names uv too, so that the tool that installs is as fixed as what it installs.
.venv/.done: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, this is " + sys.version.split()[0] + "; name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet "$$(sed -n 's/^\(uv==[^ ]*\).*/\1/p' requirements.lock)"
	.venv/bin/uv pip sync --quiet --python $(PY) requirements.lock
	.venv/bin/uv pip install --quiet --python $(PY) --no-deps --no-build-isolation --editable .
	@touch $@

lint: setup
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .

unit: setup
	$(PY) -m pytest

notebooks: setup
	$(PY) -m cmir_repro.reproduce --check

clean:
	rm -rf .venv build runs data
