# Needs Python 3.11 and make, nothing else. Every target makes what it lacks in .venv and leaves the system alone.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
SOURCES := $(shell find schemas anonymization node coordinator deploy -type f -not -name '*.pyc' -not -path '*/__pycache__*' 2>/dev/null)
WHEEL := dist/myofed-0.1.0-py3-none-any.whl
export PYTHONDONTWRITEBYTECODE := 1
export FLWR_TELEMETRY_ENABLED := 0
export FLWR_DISABLE_UPDATE_CHECK := 1
# Tests on real data read it through this; without the folder they skip and say so.
export MYOFED_SHARED_DATA ?= $(abspath ../shared/data)

.PHONY: help
help:  ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

$(BIN)/python:
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "myofed needs Python 3.11 or newer; set PYTHON=/path/to/python3.11" >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -q -c constraints.txt hatchling

$(WHEEL): $(SOURCES) pyproject.toml README.md LICENSE | $(BIN)/python
	$(PIP) wheel -q --no-build-isolation --no-deps -w dist .

# Third-party packages: installed again only when the lists change; the wheel itself (2 s) whenever a source changes.
$(VENV)/.demo: pyproject.toml constraints.txt | $(WHEEL)
	@echo "installing (once; about three minutes) ..."
	$(PIP) install -q -c constraints.txt "$(WHEEL)[demo]"
	@touch $@
$(VENV)/.dev: pyproject.toml constraints.txt | $(WHEEL)
	@echo "installing with test tools (once; about three minutes) ..."
	$(PIP) install -q -c constraints.txt "$(WHEEL)[dev]"
	@touch $@ $(VENV)/.demo
$(VENV)/.wheel: $(WHEEL) | $(BIN)/python
	$(PIP) install -q --no-deps --force-reinstall $(WHEEL)
	@touch $@

.PHONY: demo
demo: $(VENV)/.demo $(VENV)/.wheel  ## A whole federation on this machine, with synthetic patients (DEMO="--seed 2 --json" passes options)
	$(BIN)/myofed-demo $(DEMO)

.PHONY: develop
develop: $(VENV)/.dev  ## .venv with the sources installed editable, for work on the code
	$(PIP) install -q --no-build-isolation --no-deps -e .

.PHONY: lint
lint: $(VENV)/.dev  ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	PYTHONPATH=schemas:anonymization:node:coordinator:deploy $(BIN)/lint-imports

# Environments are made two at a time, and types are checked meanwhile. Files of tests are begun in the order of their names: the long ones,
# which are functional, early, so that none is left to one worker at the end (xdist's own order begins with the files of most tests).
.PHONY: test
test:  ## Lint, then all tests on the built wheel, then the coordinator and the validator where only their own extras are
	$(MAKE) --no-print-directory -j 2 lint .venv-coordinator/.done .venv-validate/.done
	$(MAKE) --no-print-directory $(VENV)/.wheel
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --cov --cov-report= $(PYTEST)
	$(BIN)/python -m coverage report --include='*/myofed_schemas/*,*/myofed_anonymization/*' --fail-under=100
	$(BIN)/python -m coverage report --include='*/myofed_node/*,*/myofed_coordinator/*,*/myofed_demo/*,*/myofed_simulation/*' --fail-under=$(COVERAGE)
	$(MAKE) --no-print-directory test-coordinator
	$(MAKE) --no-print-directory test-validate
COVERAGE ?= 90

# The coordinator must install and work without torch, monai, pydicom and nibabel. `make test` has run all of its tests before, beside those
# packages; here is run what could end otherwise without them: every import, also one inside a function, resolves and every module loads
# (imports); the command line, a new home and its doctor, tables and migrations on both databases, the port as a process, Flower's processes and
# app, weights and sums over them; and of the rest the one test that goes through each library: pages, sign-in by password (argon2) and at a
# provider (Authlib), RDF (rdflib), backup (cryptography), metrics (prometheus-client). `make test-coordinator ALL=1` runs all.
ALONE := imports.py cli.py initialise.py doctor.py migrations.py released_databases.py people_process.py federation_superlink.py \
	federation_server_app.py federation_aggregation.py weights.py \
	web_pages.py::test_empty_consortium_has_whole_pages_that_say_what_to_do \
	accounts.py::test_change_of_password_asks_for_the_old_one_and_ends_all_sessions \
	oidc.py::test_first_login_makes_the_account_and_each_login_its_roles \
	catalog_routes.py::test_card_is_exported backup_restore.py::test_whole_coordinator_comes_back \
	health.py::test_metrics_tell_sites_runs_and_what_will_end \
	federation_flower_adapter.py::test_started_run_carries_the_bundle_and_the_runs_id_only
.venv-coordinator/.done: pyproject.toml constraints.txt | $(WHEEL)
	$(PYTHON) -m venv .venv-coordinator
	.venv-coordinator/bin/python -m pip --disable-pip-version-check install -q -c constraints.txt "$(WHEEL)[coordinator,postgres]" pytest pytest-timeout pytest-xdist hypothesis
	@touch $@
.PHONY: test-coordinator
test-coordinator: .venv-coordinator/.done $(WHEEL)  ## What could fail where only the coordinator's extra is installed (ALL=1: all its tests)
	.venv-coordinator/bin/python -m pip --disable-pip-version-check install -q --no-deps --force-reinstall $(WHEEL)
	.venv-coordinator/bin/python -c 'import importlib.util as u, sys; bad = [n for n in ("torch", "monai", "pydicom", "nibabel") if u.find_spec(n)]; sys.exit(f"installed beside the coordinator: {bad}" if bad else 0)'
	.venv-coordinator/bin/python -m pytest -n 2 --dist loadfile $(if $(ALL),tests/unit/schemas tests/unit/coordinator,$(ALONE:%=tests/unit/coordinator/test_coordinator_%))

# The validator must install and work with its own extra: numpy and PyYAML, and what every part needs.
.venv-validate/.done: pyproject.toml constraints.txt | $(WHEEL)
	$(PYTHON) -m venv .venv-validate
	.venv-validate/bin/python -m pip --disable-pip-version-check install -q -c constraints.txt "$(WHEEL)[validate]" pytest pytest-timeout
	@touch $@
.PHONY: test-validate
test-validate: .venv-validate/.done $(WHEEL)  ## The validator's tests where only its extra is installed
	.venv-validate/bin/python -m pip --disable-pip-version-check install -q --no-deps --force-reinstall $(WHEEL)
	.venv-validate/bin/python -c 'import importlib.util as u, sys; bad = [n for n in ("torch", "monai", "flwr", "cryptography", "sqlalchemy", "pydicom", "nibabel", "scipy", "httpx") if u.find_spec(n)]; sys.exit(f"installed beside the validator: {bad}" if bad else 0)'
	.venv-validate/bin/python -m pytest tests/broken

.PHONY: prove
prove: $(VENV)/.dev $(VENV)/.wheel  ## Long proofs at full size: make prove [NAME=demo-seeds]; writes proofs/NAME.json
	cd tests && ../$(BIN)/python -m proofs $(NAME)

.PHONY: bench bench-all
bench: $(VENV)/.dev $(VENV)/.wheel  ## One benchmark beside its peer: make bench NAME=convert; writes bench/results/NAME.json
	$(BIN)/python -m bench $(NAME)
bench-all: $(VENV)/.dev $(VENV)/.wheel  ## Every benchmark, then docs/benchmarks.md
	$(BIN)/python -m bench --all

.PHONY: system-deps
system-deps:  ## Debian packages that tests use (run as root)
	@missing=""; \
	ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || missing="$$missing postgresql"; \
	command -v unshare >/dev/null || missing="$$missing util-linux"; \
	command -v ip >/dev/null || missing="$$missing iproute2"; \
	command -v iptables >/dev/null || missing="$$missing iptables"; \
	command -v dcmdump >/dev/null || missing="$$missing dcmtk"; \
	command -v dciodvfy >/dev/null || missing="$$missing dicom3tools"; \
	command -v chromium >/dev/null || missing="$$missing chromium"; \
	ldconfig -p | grep -q libGL.so.1 || missing="$$missing libgl1"; \
	ldconfig -p | grep -q libgthread-2.0.so.0 || missing="$$missing libglib2.0-0"; \
	if [ -n "$$missing" ]; then apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $$missing; fi

.PHONY: clean
clean:  ## Remove environments and build products
	rm -rf $(VENV) .venv-coordinator .venv-validate dist build .coverage
