.DEFAULT_GOAL := help
SHELL := /bin/sh
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export SAM_CLI_TELEMETRY := 0
unexport PYTHONDONTWRITEBYTECODE PYTHONPATH
check openapi bench collect redrive backup restore load soak screenshots: export PYTHONPATH := $(CURDIR):$(CURDIR)/layers/core:$(CURDIR)/clients/python

# The environment is ready when the stamp of exactly these requirements is there, and its Python still runs.
READY := .venv/ready-$(shell cat requirements/dev.txt | cksum | cut -d ' ' -f 1)
$(shell .venv/bin/python -c '' 2>/dev/null || rm -f .venv/ready-*)
VERSION = $(shell git describe --always --tags --dirty=-$$(git diff HEAD 2>/dev/null | cksum | cut -d ' ' -f 1) 2>/dev/null || echo unversioned)

.PHONY: help env run test fuzz check openapi format bench costs audit scan smoke status metrics chaos soak load collect redrive backup restore backfill web dev screenshots build build-aws build-host deploy lock clean reset

help: ## This list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

$(READY):
	@rm -rf .venv; python=$$(PYTHON="$(PYTHON)" sh local/python.sh) && echo "Making .venv with $$python: a minute or two, once" && "$$python" -m venv .venv
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/dev.txt
	@touch $@

env: $(READY) ## The environment: .venv, pinned

run: $(READY) ## The whole system on this machine  (PORT=4566 FEEDS=auto|live|simulated PRICES=stream|poll ASSETS=BTC,ETH)
	@PORT="$(PORT)" FEEDS="$(FEEDS)" PRICES="$(PRICES)" ASSETS="$(ASSETS)" python -m local.run

smoke: $(READY) ## The user's journey against what `make run` runs
	@python -m local.smoke

status: $(READY) ## How what `make run` runs does: feeds, gaps, queues, functions, what is down
	@python -m local.status

metrics: $(READY) ## The same figures for Prometheus, on loopback; docs/grafana.json shows them  (PORT=9464)
	@python -m local.metrics --port $(or $(PORT),9464)

chaos: $(READY) ## The whole system under random faults, and its candles after them  (SECONDS=300 PORT=4766 SEED=1)
	@python -m local.chaos --seconds $(or $(SECONDS),300) --port $(or $(PORT),4766) --seed $(or $(SEED),1)

soak: $(READY) ## Users, clients and feeds under faults of all kinds; then all must be there once  (SECONDS=600 PORT=5066 SEED=1)
	@python -m local.soak --seconds $(or $(SECONDS),600) --port $(or $(PORT),5066) --seed $(or $(SEED),1)

load: $(READY) ## Many WebSocket clients, and what they get; STUB=1: the sender alone  (CLIENTS=500 SECONDS=60 PORT=4866)
	@python -m local.load --clients $(or $(CLIENTS),500) --seconds $(or $(SECONDS),60) --port $(or $(PORT),4866) $(if $(STUB),--stub)

backfill: $(READY) ## History from the exchanges  (ASSETS=BTC,ETH DAYS=30)
	@python -m local.backfill --assets "$(ASSETS)" --days "$(DAYS)"

collect: $(READY) ## The live streams held by this process, not by Lambda  (STACK=name on AWS)
	@python -m local.collect --stack "$(STACK)"

redrive: $(READY) ## What was given up on: listed; or one, a kind or `all` of it  (SHOW=… REPLAY=… DISCARD=… STACK=name on AWS)
	@python -m local.redrive --stack "$(STACK)" --show "$(SHOW)" --replay "$(REPLAY)" --discard "$(DISCARD)"

backup: $(READY) ## Users' data into a file  (FILE=accounts.jsonl.gz TABLE=another STACK=name on AWS)
	@python -m local.backup save --file "$(FILE)" --table "$(TABLE)" --stack "$(STACK)"

restore: $(READY) ## Users' data from a file, into an empty table  (FILE=… FORCE=1 TABLE=… STACK=…)
	@python -m local.backup restore --file "$(FILE)" --table "$(TABLE)" --stack "$(STACK)" $(if $(FORCE),--force)

web: $(READY) ## The dashboard, built into web/dist
	@python -m local.dashboard

dev: $(READY) ## The dashboard as you write it, against what `make run` runs
	@python -m local.dashboard dev

screenshots: $(READY) ## Every page that `make run` shows, both themes, three widths, into .screenshots
	@python -m tests.browser.screenshots

# One process more than the two cores of a small machine: whole systems wait more than they compute. Templates: in check.
test: check web ## All checks and tests
	@python -m local.dashboard test
	@python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder --ignore tests/template

fuzz: $(READY) ## Random requests against the OpenAPI document  (COUNT=10000 SEED=1)
	@FUZZ_COUNT=$(or $(COUNT),10000) FUZZ_SEED=$(or $(SEED),1) python -m pytest -q tests/functional/security/test_fuzz.py

check: $(READY) ## Format, lint, types, import contracts, templates
	ruff format --check .
	ruff check .
	mypy
	lint-imports
	python -m local.licences
	python -m local.openapi --check
	python -m local.dashboard check
	sam validate --lint
	python -m pytest -q tests/template

openapi: $(READY) ## The OpenAPI document, from the routes
	@python -m local.openapi

format: $(READY) ## Formats the code
	ruff format .
	ruff check --fix .
	@python -m local.dashboard format

bench: $(READY) ## Benchmarks  (NAME=candles for one)
	@python -m bench $(NAME)

costs: $(READY) ## What a month costs, by service  (USERS=500 INTERVAL=5 SESSIONS= REQUESTS= MINUTES= …; WRITE=1: docs/costs.md)
	@python -m local.costs $(if $(WRITE),--write) $(foreach name,USERS SESSIONS REQUESTS MINUTES INTERVAL TRANSACTIONS ALERTS,$(if $($(name)),--$(name) "$($(name))"))

# It reads the pins with their hashes and installs none of them.
audit: ## Known vulnerabilities of all dependencies, asked of the indexes
	@python=$$(PYTHON="$(PYTHON)" sh local/python.sh) && "$$python" -m venv .audit
	@.audit/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/audit.txt
	.audit/bin/pip-audit --disable-pip --require-hashes $(AUDITED:%=--requirement %)
	cd web && npm audit --omit=dev

# Checkov is heavier than all else together: an environment of its own, and no network.
scan: ## The template against Checkov's rules; .checkov.yaml says which are left out, and why
	@python=$$(PYTHON="$(PYTHON)" sh local/python.sh) && "$$python" -m venv .venv-scan
	@.venv-scan/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/scan.txt
	.venv-scan/bin/checkov --config-file .checkov.yaml --file template.yaml

AUDITED = requirements/dev.txt $(wildcard layers/*/requirements.txt functions/*/requirements.txt)

build: build-aws build-host ## Artefacts, byte code included: build-aws for AWS (.aws-sam/aws), build-host for this machine (.aws-sam/host)

build-aws: PLATFORM := aarch64
build-host: PLATFORM := $(if $(filter Linux,$(shell uname)),$(shell uname -m),host)
build-aws build-host: build-%: $(READY)
	PLATFORM=$(PLATFORM) PYTHON=python sam build --build-dir .aws-sam/$*
	python -m compileall -q --invalidation-mode unchecked-hash .aws-sam/$*

deploy: build-aws ## To AWS, with your credentials: the stack, then the dashboard  (GUIDED=1 STAGE=dev|prod PARAMETERS="PriceMode=stream")
	sam deploy --config-file "$(CURDIR)/samconfig.toml" --config-env $(or $(STAGE),default) $(if $(GUIDED),--guided) $(if $(CI),--no-confirm-changeset) --parameter-overrides Version=$(VERSION) Release=$$(date +%s) $(STAGED) $(PARAMETERS)
	@python -m local.publish --stage $(or $(STAGE),default)

# What `samconfig.toml` has for the stage: an override on the command line replaces all of it.
STAGED = $(if $(STAGE),$(shell python -c "import tomllib; print(tomllib.load(open('samconfig.toml', 'rb'))['$(STAGE)']['deploy']['parameters']['parameter_overrides'])"))

lock: $(READY) ## Newest versions into the requirements files
	cd layers/dependencies && $(LOCK) requirements.in
	cd functions/statements && $(LOCK) requirements.in
	cd functions/ingest_news && $(LOCK) --no-allow-unsafe $(DEMONSTRATION:%=--unsafe-package %) requirements.in
	cd layers/analytics && $(LOCK) requirements.in
	cd requirements && $(LOCK) dev.in
	cd requirements && $(LOCK) audit.in
	cd requirements && $(LOCK) scan.in
	cd requirements && $(LOCK) rivals.in

DEMONSTRATION = requests certifi charset-normalizer idna urllib3
LOCK = pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras --no-header --no-annotate --no-emit-options

clean: ## Removes what was built, not the data
	rm -rf .aws-sam .audit .venv .venv-scan .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage .screenshots web/dist web/node_modules

reset: ## Forgets the local cloud's data
	rm -rf .local
