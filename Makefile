# driftd: every target sets itself up. ARGS=… passes options on, e.g. make demo ARGS=--until-done
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
ARGS ?=
NANNYML ?= .venv-nannyml

.PHONY: demo test faults fuzz check bench bench-verdicts install schema clean help

help:
	@echo "make demo    real flights through an embedded broker to a Slack message (ARGS=--until-done: ends by itself)"
	@echo "make test    all tests; brings up Kafka, PostgreSQL and Chromium where the machine has them"
	@echo "make faults  every row of docs/faults.md, the long ones too: about half an hour"
	@echo "make fuzz    a million inputs from outside, guided by coverage where atheris is: about half an hour (ARGS='--inputs 50000 texts')"
	@echo "make check   ruff, mypy, import layers, file sizes, configuration schema"
	@echo "make bench   speed and memory, side by side with the raw limits"
	@echo "make bench-verdicts   the tables of docs/verdicts.md and docs/estimated.md: about a quarter of an hour (ARGS=--quick: five minutes)"

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@if command -v uv >/dev/null; then \
	  test -d $(VENV) || uv venv --quiet --python $(PYTHON) $(VENV); \
	  echo "installing driftd and its tools (uv) …"; \
	  uv pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[demo,reports]' --group dev; \
	else \
	  test -d $(VENV) || $(PYTHON) -m venv $(VENV); \
	  echo "installing driftd and its tools (pip): about two minutes on a first run …"; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'; \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[demo,reports]' --group dev; \
	fi
	@touch $@

demo: $(STAMP)
	$(BIN)/driftd demo $(ARGS)

# `make test WORKERS=3` runs files of tests side by side, each worker with a broker and a database of its own: 11 minutes instead of 27
# on two cores, for most tests wait for processes. What measures seconds may fail by that on a busy machine, so it is not the default.
WORKERS ?= 0

test: $(STAMP)
	$(BIN)/python -m pytest -m "not long" -n $(WORKERS) --dist loadfile $(ARGS)

faults: $(STAMP)
	$(BIN)/python -m pytest -m fault --fault-table $(ARGS)

fuzz: $(STAMP)
	$(BIN)/python -m tests.fuzz $(ARGS)

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tests/file_sizes.py
	$(BIN)/driftd schema | diff -u config/driftd.schema.json - && echo "config/driftd.schema.json is current"

bench: $(STAMP)
	$(BIN)/python -m benchmarks $(ARGS)

bench-verdicts: $(STAMP)
	@test -x $(NANNYML)/bin/python || { echo "installing NannyML beside it (1.9 GB) …"; $(PYTHON) -m venv $(NANNYML) \
	  && $(NANNYML)/bin/python -m pip install --quiet --disable-pip-version-check nannyml statsmodels; } \
	  || { rm -rf $(NANNYML); echo "NannyML does not install here: left out"; }
	NANNYML_PYTHON=$(NANNYML)/bin/python $(BIN)/python -m benchmarks verdicts stationary judging estimated $(ARGS)

schema: $(STAMP)
	$(BIN)/driftd schema -o config/driftd.schema.json

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
