# What a developer calls. Stamps remember what is installed, so that a second call starts at once and asks no network.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test chaos check fmt bench clean

BIN := .venv/bin
PIP := -m pip --disable-pip-version-check --no-input install --quiet
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; done)
PORT ?= 8080
ARGS ?=
WORKERS ?= 3
MINUTES ?= 10
DELIVERIES ?= 5000000

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/run.stamp  ## Try it: the edge, Kafka, Redis and a demo bank in one process on this machine (PORT=8080)
	$(BIN)/lastmile dev --port $(PORT)

test: .venv/dev.stamp .testbed/kafka.stamp .testbed/ably.stamp .testbed/js.stamp .testbed/go.stamp  ## Run all tests on real Kafka, Redis, SDKs and Chromium, side by side (ARGS="-k word": one behind the other)
	@bash tests/testbed/programs.sh redis-server haproxy chromium java javac node go cc
	$(BIN)/pytest $(or $(ARGS),-q --numprocesses $(WORKERS) --dist loadfile --no-loadscope-reorder --reruns 1 --rerun-show-tracebacks)

chaos: .venv/dev.stamp .testbed/kafka.stamp  ## Break everything for minutes and judge what clients saw (SEED=, MINUTES=10, DELIVERIES=5000000)
	@bash tests/testbed/programs.sh redis-server java
	$(BIN)/python -m tests.chaos $(if $(SEED),--seed $(SEED)) --minutes $(MINUTES) --deliveries $(DELIVERIES)

check: .venv/dev.stamp  ## Format, lint, types, floors and the tests that need no server: under a minute
	$(BIN)/ruff format --check --quiet --output-format concise
	$(BIN)/ruff check --quiet
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/core tests/auth

fmt: .venv/dev.stamp  ## Format the code, and put right what can be put right by itself
	$(BIN)/ruff check --fix --quiet || true
	$(BIN)/ruff format --quiet

bench: .venv/dev.stamp .testbed/kafka.stamp  ## Measure against a plain gateway and a C floor (minutes; figures on standard output)
	@bash tests/testbed/programs.sh redis-server java cc
	$(BIN)/python -m bench $(ARGS)

clean:  ## Remove what these targets installed
	rm -rf .venv .testbed tests/e2e/js/node_modules

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed, with venv (Debian: python3-venv); or name one: make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/run.stamp: requirements/run.lock pyproject.toml | .venv/bin/python
	$(BIN)/python $(PIP) --require-hashes -r requirements/run.lock
	$(BIN)/python $(PIP) --no-deps -e .
	@touch $@

.venv/dev.stamp: requirements/dev.lock .venv/run.stamp
	$(BIN)/python $(PIP) --require-hashes -r requirements/dev.lock
	@touch $@

.testbed/kafka.stamp: tests/testbed/jars/pom.xml
	@bash tests/testbed/programs.sh java mvn
	@rm -rf .testbed/kafka && mkdir -p .testbed/kafka
	mvn -q -B -f $< dependency:copy-dependencies -DoutputDirectory=$(CURDIR)/.testbed/kafka
	@touch $@

.testbed/ably.stamp: requirements/ably.lock | .venv/bin/python
	$(BIN)/python -m venv --clear .testbed/ably-venv
	.testbed/ably-venv/bin/python $(PIP) --require-hashes -r $<
	@touch $@

.testbed/js.stamp: tests/e2e/js/package-lock.json tests/e2e/js/package.json
	@bash tests/testbed/programs.sh node npm
	npm ci --prefix tests/e2e/js --no-audit --no-fund --loglevel=error
	@mkdir -p .testbed && touch $@

.testbed/go.stamp: tests/testbed/go/go.mod tests/testbed/go/go.sum
	@bash tests/testbed/programs.sh go
	cd tests/testbed/go && go build -mod=readonly github.com/twmb/franz-go/pkg/kgo
	@mkdir -p .testbed && touch $@
