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
BIN := .venv/bin

.PHONY: setup demo test test-flow bench check pack real heart published
# What a failed command left half made must not count as made.
.DELETE_ON_ERROR:
.DEFAULT_GOAL := demo

# Installs what is not installed, and mends .venv where the checkout has moved: pipeline/cli/environment.py.
setup:
	@$(PYTHON) -m pipeline.cli.environment

demo: setup
	@$(BIN)/likeness demo

# One process for every core; the tests of a file stay together, so that what they share is made once. Long files are
# started first (tests/conftest.py): the order of their names would leave one process alone with them at the end.
test: setup
	$(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

# The whole flow on a tiny world: twice, with every stage killed, and as a job on a Ray started by hand.
test-flow: setup
	$(BIN)/python -m pytest -m slow

# Ratios of speed, measured side by side.
bench: setup
	$(BIN)/python -m tests.benchmarks
	$(BIN)/python -m tests.benchmarks.identity_loss world

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Another profile takes the same road: the line `profile:` of params.yaml says which one is in force.
real: setup .work/heads/ict.npz
	$(BIN)/likeness use real
	$(BIN)/likeness run samples

# Made only where it is absent: what it is made from may be gone by then.
.work/heads/ict.npz: | setup
	$(BIN)/likeness convert head ../shared/real/heads/ict_facekit_light.npz $@

# DVC reads the profile and its lists from params.yaml and nowhere else (dvc.yaml names the profile's file among the
# deps), so these lines are changed for the run; the trap puts them back however the run ends, but for a SIGKILL. While
# it does, further signals are ignored: make passes a second one on, which ended the trap before the file was back.
define RUN
@was=$$(mktemp) && cp params.yaml $$was; \
trap 'trap "" HUP INT TERM; cp $$was params.yaml; rm $$was' EXIT; trap 'exit 130' HUP INT TERM; \
$(BIN)/likeness use $(1) && $(BIN)/likeness run
endef

heart: setup
	$(call RUN,heart)

published: setup
	$(call RUN,published) && $(BIN)/likeness report --publish

pack: setup
	cd pipeline/pack/dvc && PYTHONPATH=$(CURDIR) $(CURDIR)/$(BIN)/dvc repro
