# Two targets do everything from a bare checkout with Python >= 3.11, make and git:
#   make reproduce    set-up, then notebooks 00..18, figures and tables, into cmir-workspace/;
#                     SCALE=full: the published counts in small pictures, about two hours of one core
#   make test         set-up, then lint, unit tests, the wheel, every notebook at mini, nbval, science,
#                     and notebook 00 in a browser (Debian's chromium, which is installed where one may)
#   make play         notebook 00 as a page: ask trained models
# And where there is a GPU, as often as there is time for it:
#   make grid SCALE=paper SECONDS=540    as many missing runs of the tables as fit, then the tables
#   make book                            README, notebooks, docs and results as a site, cmir-workspace/book
#   make bench SCALE=paper DEVICE=cuda   rendering, training and evaluation speed, docs/performance.md
#   make reliability                     damaged files and kills by the thousand, into docs/reliability.md
PYTHON ?= python3
SCALE ?= auto
DATASET ?= css
SECONDS ?= 3600
DEVICE ?= cpu
PY := .venv/bin/python
# Where Python may not keep what it compiled, each of the many processes here compiles torch anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: reproduce play test setup lint unit installed notebooks browser in-browser grid bench reliability book clean

reproduce: setup
	$(PY) -m cmir_repro reproduce --scale $(SCALE) --dataset $(DATASET)

play: setup
	.venv/bin/voila notebooks/00_play.ipynb

test: setup lint unit installed notebooks in-browser

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
	.venv/bin/lint-imports --no-logo --no-cache

# A file's tests stay in one process, because they share what is made once; a process has one thread.
# The order is that of tests/conftest.py, not by the number of tests: the longest file has ten.
unit: setup
	OMP_NUM_THREADS=1 $(PY) -m pytest -m 'not science and not installed' --ignore tests/browser -n logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

installed: setup
	$(PY) -m pytest -m installed

notebooks: setup
	$(PY) -m cmir_repro reproduce --check

# Tests that need a browser are skipped, by name, where there is none.
in-browser: browser
	OMP_NUM_THREADS=1 $(PY) -m pytest tests/browser

AS_ROOT := $(if $(filter 0,$(shell id -u)),,sudo -n)
browser: setup
	@command -v chromium >/dev/null \
	  || ($(AS_ROOT) apt-get update -qq && $(AS_ROOT) apt-get install -qq -y chromium) >/dev/null 2>&1 \
	  || echo "chromium is not here and apt-get cannot install it: its tests are skipped"

# All systems, the most wanted first; 3: time ran out, the tables are made from what there is.
grid: setup
	$(PY) -m cmir_repro grid --scale $(if $(filter auto,$(SCALE)),mini,$(SCALE)) --seconds $(SECONDS) || [ $$? -eq 3 ]
	$(PY) -m cmir_repro tables

# The first five write docs/performance.md, on one thread; the others print.
bench: export OMP_NUM_THREADS = 1
bench: setup
	$(PY) tests/benchmarks/bench_scoring.py
	$(PY) tests/benchmarks/bench_peers.py
	$(PY) tests/benchmarks/bench_steps.py
	$(PY) tests/benchmarks/bench_projection.py
	$(PY) tests/benchmarks/bench_index.py
	$(PY) tests/benchmarks/bench_render.py
	$(PY) tests/benchmarks/bench_rerank.py
	$(PY) tests/benchmarks/bench_play.py
	$(PY) tests/benchmarks/bench_train.py --device $(DEVICE) --scale $(if $(filter auto,$(SCALE)),mini,$(SCALE))

# Mutants of all files that are read, and kills at all file events; the counts go to docs/reliability.md.
reliability: setup
	$(PY) tests/benchmarks/bench_fuzz.py
	$(PY) tests/benchmarks/bench_fuzz_raw.py
	$(PY) tests/benchmarks/bench_faults.py

# A link that leads nowhere ends it.
book: setup
	$(dir $(PY))jupyter-book build . --config docs/book/_config.yml --toc docs/book/_toc.yml \
	  --path-output cmir-workspace/book --warningiserror --nitpick --keep-going --quiet

clean:
	rm -rf .venv build dist cmir-workspace/data cmir-workspace/runs cmir-workspace/notebooks
