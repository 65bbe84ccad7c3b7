# make compare        set up .venv and run the quickstart benchmark
# make test           set up .venv and run tests, linters, type checks and import contracts
# make bench          time all codecs, and other projects' where they are installed, and pricing; some minutes
# make bench-beyond   time engines side by side, and plan to report at 10,000 cells and 100,000 clients; half an hour
# make bench-training time training by images a second, and the round loop beside bare SGD; some minutes
# make bench-peers    time Flower, fluke, pfl-research and FedLab on the same job, where their environments are there
# With VENV= (empty) the active environment is used instead; its torch is never replaced.

VENV ?= .venv
PYTHON ?= python3

ifeq ($(strip $(VENV)),)
bin :=
python := $(PYTHON)
installed := active-environment
extended := active-environment-extended
else
bin := $(VENV)/bin/
python := $(bin)python
installed := $(VENV)/.installed
extended := $(VENV)/.extended
endif

.PHONY: compare test bench bench-beyond bench-training bench-peers active-environment active-environment-extended
.DEFAULT_GOAL := compare

compare: $(installed)
	$(bin)harness compare quickstart

test: $(extended)
	$(bin)ruff format --check .
	$(bin)ruff check .
	$(bin)mypy
	$(bin)lint-imports
	$(bin)pytest -n 2

bench: $(installed)
	$(python) -W ignore -m tests.benchmarks.codec_speed
	$(python) -W ignore -m tests.benchmarks.pricing_speed

bench-beyond: $(extended)
	$(python) -W ignore -m tests.benchmarks.engines
	$(python) -W ignore -m tests.benchmarks.flower_wire
	$(python) -W ignore -m tests.benchmarks.scale

bench-training: $(installed)
	$(python) -W ignore -m tests.benchmarks.training_speed
	$(python) -W ignore -m tests.benchmarks.fedavg_speed

bench-peers: $(installed)
	$(python) -W ignore -m tests.benchmarks.simulators

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(python) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

# Ray and Flower on top, which only tests need.
$(VENV)/.extended: $(VENV)/.installed
	$(python) -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,cluster,flower]'
	touch $@

# The torch that is there, whatever its build, is made a constraint: pip then keeps it or says why it cannot.
active-environment: parts := dev
active-environment-extended: parts := dev,cluster,flower
active-environment active-environment-extended:
	pin=$$(mktemp) && \
	$(python) -c 'import importlib.metadata as m; print("torch==" + m.version("torch"))' > $$pin 2>/dev/null; \
	$(python) -m pip install --quiet --disable-pip-version-check -c $$pin -e '.[$(parts)]'; \
	status=$$?; rm -f $$pin; exit $$status
