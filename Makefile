# `make demo` and `make test` set up what they need below this folder, and nothing elsewhere.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO_CONTACTS ?= 250

.PHONY: help setup demo test lint types imports pytest test-airflow test-postgres test-oldest benchmark clean

help:
	@echo "make demo       sync the four sandbox vendors to files and show the result (DEMO_CONTACTS=250)"
	@echo "make test       lint, types, import layers and tests"
	@echo "make test-airflow tasks killed half-way, and 250 waiting sensors, on a real Airflow"
	@echo "make test-postgres the tests of tables on PostgreSQL too"
	@echo "make test-oldest the tests on Airflow 3.2, the oldest supported"
	@echo "make benchmark  CPU time of reading, as a ratio to a bare loop"

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 to 3.13 is needed; use make PYTHON=python3.12" if not (3, 11) <= sys.version_info[:2] <= (3, 13) else 0)'
	$(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV); the first time takes a minute or two."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: setup
	@DEMO_CONTACTS=$(DEMO_CONTACTS) $(BIN)/python scripts/demo.py

test: lint types imports pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup
	$(BIN)/mypy

imports: setup
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

pytest: setup
	$(BIN)/pytest

# A real Airflow: kills tasks half-way through an update; lets 250 sensors wait, and counts what that costs.
test-airflow: setup
	$(BIN)/python tests_airflow/kills.py
	$(BIN)/python tests_airflow/waits.py

# The tests of tables on PostgreSQL too, with a server of their own; installs Debian's if there is none.
test-postgres: setup
	$(BIN)/python scripts/with_postgres.py $(BIN)/pytest tests/transfers/test_contacts_to_sql.py

# The same tests on the oldest Airflow that is supported.
test-oldest:
	$(PYTHON) -m venv .venv-oldest
	@.venv-oldest/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints-oldest.txt --editable '.[dev]'
	.venv-oldest/bin/pytest

benchmark: setup
	@$(BIN)/python benchmarks/reading.py

clean:
	rm -rf $(VENV) .venv-oldest .demo .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
