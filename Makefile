# `make demo` and `make test` install what they need into this folder, and nothing anywhere else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
DEMO_CONTACTS ?= 250
# The sets of dependencies of `make test-matrix`, in addition to the newest one.
OLDER := 3.3.2 3.2.0
# Set to 1 to run only the smoke tests on the older sets.
SMOKE ?=
INSTALL := -m pip install --quiet --disable-pip-version-check

.PHONY: help setup demo ui docs screenshots vendor-pages architecture test lint types imports pytest test-matrix test-faults test-airflow test-databases test-mutants benchmark \
	provider-info constraints clean

help:
	@echo "make demo           export, tag, wait and approve against the sandbox, and show the result (DEMO_CONTACTS=250)"
	@echo "make ui             Airflow's UI with the example DAGs and the sandbox, until Ctrl-C"
	@echo "make docs           the documentation site, in site/"
	@echo "make screenshots    the pictures of the documentation"
	@echo "make vendor-pages   generate the tables in docs/vendors from the vendor files"
	@echo "make architecture   generate the picture and the table in docs/architecture.md from the import contracts"
	@echo "make test           lint, types, import layers and tests"
	@echo "make test-matrix    the tests on all supported sets of dependencies (SMOKE=1: a short run on the older ones)"
	@echo "make test-faults    fault-injection tests of every vendor and operation; writes docs/reliability.md"
	@echo "make test-airflow   approvals, stopping outreach everywhere, killed tasks, 250 waiting sensors, 200 that do not have to wait and a watcher on a real Airflow"
	@echo "make test-databases the tests of tables on PostgreSQL and MariaDB too"
	@echo "make test-mutants   changes to conditions, paging, safeguards and people, and whether a test notices each"
	@echo "make benchmark      time and memory compared with other tools; writes docs/performance.md"
	@echo "make provider-info  generate get_provider_info.py from the vendor files"
	@echo "make constraints    re-resolve the constraints files"

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 to 3.13 is needed; use make PYTHON=python3.12" if not (3, 11) <= sys.version_info[:2] <= (3, 13) else 0)'
	@$(PYTHON) -m venv $(VENV)
	@echo "Installing into $(VENV); the first time takes a minute or two."
	@$(BIN)/python $(INSTALL) --constraint constraints.txt --editable '.[dev]'
	@touch $@

demo: setup
	@DEMO_CONTACTS=$(DEMO_CONTACTS) $(BIN)/python scripts/demo.py

ui: setup
	@exec $(BIN)/python scripts/ui.py

# The site, in `site`. It needs more packages than the tests.
docs: $(VENV)/.docs-ready
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "Open site/index.html."

# The pictures in docs/images, taken of a real Airflow; installs Debian's chromium if it is missing.
screenshots: $(VENV)/.docs-ready
	@$(BIN)/python scripts/screenshots.py

$(VENV)/.docs-ready: $(VENV)/.ready constraints-docs.txt
	@$(BIN)/python $(INSTALL) --constraint constraints-docs.txt --editable '.[dev,docs]'
	@touch $@

vendor-pages: setup
	@$(BIN)/python scripts/vendor_pages.py

architecture: setup
	@$(BIN)/python scripts/architecture.py

test: lint types imports pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/codespell
	$(BIN)/python scripts/provider_info.py --check
	$(BIN)/python scripts/vendor_pages.py --check
	$(BIN)/python scripts/architecture.py --check
	$(BIN)/python scripts/check_words.py

types: setup
	$(BIN)/mypy

imports: setup
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

pytest: setup
	$(BIN)/pytest -n auto

# Otherwise make deletes the file when it has finished.
.PRECIOUS: .venv-%/.ready
.venv-%/.ready: pyproject.toml constraints-%.txt
	@$(PYTHON) -m venv .venv-$*
	@echo "Installing the dependencies of constraints-$*.txt into .venv-$*."
	@.venv-$*/bin/python $(INSTALL) --constraint constraints-$*.txt --editable '.[test]'
	@touch $@

test-matrix: $(if $(SMOKE),,pytest) $(OLDER:%=test-matrix-%)

test-matrix-%: .venv-%/.ready
	.venv-$*/bin/pytest $(if $(SMOKE),tests/test_smoke.py,-n auto)

# Every vendor, operation and fault; and contacts that change while they are listed. Writes docs/reliability.md.
test-faults: setup
	$(BIN)/pytest -n auto tests_faults
	$(BIN)/python -m tests_faults.matrix

# A real Airflow: approves, rejects and interrupts updates, also on the oldest Airflow; lets people reply, and checks that outreach stops
# at the other vendors; kills tasks halfway through an update; lets 250 sensors wait, and counts what that costs; kills workers, the scheduler and the triggerer at random moments.
test-airflow: setup .venv-3.2.0/.ready
	$(BIN)/python tests_airflow/approvals.py
	.venv-3.2.0/bin/python tests_airflow/approvals.py
	$(BIN)/python tests_airflow/stop_everywhere.py
	$(BIN)/python tests_airflow/kills.py
	$(BIN)/python tests_airflow/waits.py
	$(BIN)/python tests_airflow/immediate.py
	$(BIN)/python tests_airflow/chaos.py

# The tests of tables on PostgreSQL and MariaDB too, on temporary servers; installs Debian's packages if they are missing.
# MySQL's provider requires a client that needs a compiler, so it is installed without its dependencies.
test-databases: setup
	@$(BIN)/python $(INSTALL) --no-deps apache-airflow-providers-mysql==6.7.1 pymysql==1.1.2
	$(BIN)/python scripts/with_databases.py $(BIN)/pytest tests/databases tests/people tests/safeguards tests/operators tests/transfers

# Changes to the modules that decide what is read and done, one at a time. It takes most of an hour.
test-mutants: $(VENV)/.mutants-ready
	$(BIN)/python scripts/mutants.py

$(VENV)/.mutants-ready: $(VENV)/.ready constraints-mutants.txt
	@$(BIN)/python $(INSTALL) --constraint constraints-mutants.txt --editable '.[dev,mutants]'
	@touch $@

# All benchmarks, in an environment of their own. It takes 15 minutes, and writes docs/performance.md.
benchmark: .venv-benchmark/.ready
	@.venv-benchmark/bin/python benchmarks/report.py

.venv-benchmark/.ready: pyproject.toml constraints-benchmark.txt
	@$(PYTHON) -m venv .venv-benchmark
	@echo "Installing the dependencies of constraints-benchmark.txt into .venv-benchmark."
	@.venv-benchmark/bin/python $(INSTALL) --constraint constraints-benchmark.txt --editable '.[benchmark]'
	@touch $@

provider-info: setup
	@$(BIN)/python scripts/provider_info.py

constraints: setup
	@$(BIN)/python $(INSTALL) uv
	@$(BIN)/python scripts/compile_constraints.py

clean:
	rm -rf $(VENV) $(OLDER:%=.venv-%) .venv-benchmark .demo .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis site
