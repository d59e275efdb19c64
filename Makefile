# The two set-up commands are `make up` and `make test`; `make help` lists the rest.
# A setting given on the command line reaches the site as an environment variable: make up PORT=9000
PYTHON ?= python3
PY := .venv/bin/python
FAST := not kafka and not postgres and not browser and not slow

# Containers often set it. Then each process of a site, and each worker of the tests, compiles everything anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help up setup dev test fast check format lock course-check course-mutate bench faults backup restore clean

help: ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## Install what is missing, start the site, say where it is (PORT=8000)
	@exec $(PYTHON) deploy/bootstrap.py up

setup: ## Install and build everything, start nothing
	@$(PYTHON) deploy/bootstrap.py base
	@exec $(PY) manage.py setup

dev: ## Install what checks and tests need; they do it by themselves too
	@$(PYTHON) deploy/bootstrap.py dev

test: check ## Prove everything: checks, unit tests, real Kafka, real browser
	@$(PY) manage.py setup --no-site
	$(PY) -m pytest -n 2 -q -m "$(FAST)" $(PYTEST_ARGS)
	@# One more than CI has cores: these spend much of their time waiting for processes to start or end.
	$(PY) -m pytest -n 3 --dist loadgroup -ra -m "not ($(FAST)) and not browser" $(PYTEST_ARGS)
	@# Playwright keeps an event loop in its thread, where no asyncio test can run: a process of its own.
	$(PY) -m pytest -n 2 --dist loadgroup -ra -m browser $(PYTEST_ARGS)

fast: dev ## Only the tests that need no Kafka, PostgreSQL or browser
	@exec $(PY) -m pytest -q -m "$(FAST)" $(PYTEST_ARGS)

check: dev ## Format, lint, types, import rules, templates, browser modules
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	@for judge in lessons/content/*/labs/*/checks.py; do MYPYPATH=.:platform $(PY) -m mypy --no-error-summary $$judge || exit 1; done
	PYTHONPATH=.:platform .venv/bin/lint-imports --no-cache --no-logo
	$(PY) -m djlint --lint --quiet templates
	PYTHONPATH=platform $(PY) -m config.install.node --test $(wildcard tests/js/*.test.js tests/js/*.test.mjs)

format: dev ## Put every file into the house's form
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

lock: dev ## Resolve all dependencies anew (Python, npm, Kafka's jars)
	@exec $(PY) deploy/relock.py

faults: dev ## Inject every fault of the matrix, check the invariants, print the table (FAULTS=full waits in full)
	@$(PY) manage.py setup --no-site
	@$(PY) -m pytest tests -n 2 --dist loadgroup -q -m fault --fault-table $(PYTEST_ARGS)

course-check: dev ## Prove the labs whose content changed on a real Kafka (ALL=1 for all, LAB=5.1 for one)
	@$(PY) manage.py setup --no-site
	@exec $(PY) manage.py course_check $(if $(ALL),--all) $(if $(LAB),--lab $(LAB))

course-mutate: dev ## Prove that the checks catch broken solutions
	@$(PY) manage.py setup --no-site
	@exec $(PY) manage.py course_mutate

bench: dev ## Measure beside the peers, print the table (BENCH="cold fanout" for some, BENCH=--prove)
	@$(PY) manage.py setup --no-site
	@exec $(PY) -m tests.bench $(BENCH)

backup: ## Write database, key and sandboxes into one archive (TO=path, SLEEP=1 to include those awake)
	@exec $(PY) manage.py backup $(if $(TO),--to "$(TO)") $(if $(SLEEP),--sleep)

restore: ## Put an archive back; the site must be stopped, and what is there now is kept (FROM=path)
	@exec $(PY) manage.py restore "$(or $(FROM),$(error Say which archive: make restore FROM=path))"

clean: ## Remove what set-up installed and built; data and accounts stay
	rm -rf .venv node_modules var/cache var/static .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
