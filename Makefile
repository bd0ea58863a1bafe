# make demo    set up, run the whole flow in the world profile, say where the report is
# make test    set up, run the tests
# make test-flow   the whole flow on a tiny world, with kills
# make bench   claims about speed, measured side by side
# make check   ruff and mypy
# make real    real photographs and published models, where ../shared/real is, through crawl to samples
# make heart   train and rank the three systems at the heart of the project (an hour and a half)
# make published   the larger run whose report is kept in reports/published (hours; resumes)
# make pack    rebuild the world's model pack from nothing (hours; resumes)
PYTHON ?= python3.11
KEY := $(shell cat pyproject.toml constraints.txt | sha256sum | cut -c1-12)
VENV ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/likeness/$(KEY)
BIN := $(VENV)/bin
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1
# glibc gives every large array back to the kernel, which then clears each page anew: over half the time of drawing on
# a virtual machine. Keep them.
KEEP_ARRAYS := MALLOC_MMAP_THRESHOLD_=1073741824 MALLOC_TRIM_THRESHOLD_=4294967296
RUN := PATH="$(BIN):$$PATH" $(ONE_THREAD) $(KEEP_ARRAYS) DVC_NO_ANALYTICS=1
USE := $(RUN) $(BIN)/python -m pipeline.settings use

.PHONY: setup demo test test-flow bench check pack real heart published
# What a failed command left half made must not count as made.
.DELETE_ON_ERROR:
.DEFAULT_GOAL := demo

setup: $(VENV)/.ready

# An environment is named by what it was made from, so that clones with the same requirements share one.
$(VENV)/.ready:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev .
	touch $@

demo: setup
	$(RUN) $(BIN)/dvc repro
	@echo "The report: $(CURDIR)/reports/latest/index.html"

test: setup
	$(RUN) $(BIN)/python -m pytest

# The whole flow on a tiny world: twice, with every stage killed, and as a job on a Ray started by hand.
test-flow: setup
	$(RUN) $(BIN)/python -m pytest -m slow

# Ratios of speed, measured side by side.
bench: setup
	$(RUN) $(BIN)/python -m tests.benchmarks
	$(RUN) $(BIN)/python -m tests.benchmarks.identity_loss world

check: setup
	$(RUN) $(BIN)/ruff check .
	$(RUN) $(BIN)/ruff format --check .
	$(RUN) $(BIN)/mypy

# Another profile takes the same road: the line `profile:` of params.yaml says which one is in force.
real: setup .work/heads/ict.npz
	$(USE) real > /dev/null
	$(RUN) $(BIN)/dvc repro samples

# Made only where it is absent: what it is made from may be gone by then.
.work/heads/ict.npz: | $(VENV)/.ready
	mkdir -p $(@D)
	$(RUN) $(BIN)/python -m pipeline.head.importers ict ../shared/real/heads/ict_facekit_light.npz $@

# DVC reads the profile and its lists from params.yaml and nowhere else (dvc.yaml names the profile's file among the
# deps), so these lines are changed for the run; the trap puts them back however the run ends, but for a SIGKILL.
define REPRO
@was=$$(mktemp) && cp params.yaml $$was; \
trap 'cp $$was params.yaml; rm $$was' EXIT; trap 'exit 130' HUP INT TERM; \
$(USE) $(1) > /dev/null && $(RUN) $(BIN)/dvc repro
endef

heart: setup
	$(call REPRO,heart)
	@echo "The report: $(CURDIR)/reports/latest/index.html"

published: setup
	$(call REPRO,published) && $(RUN) $(BIN)/python -m stages.report --publish

pack: setup
	cd pipeline/pack && $(RUN) PYTHONPATH=$(CURDIR) $(BIN)/dvc repro
