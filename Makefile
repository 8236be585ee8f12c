# Needs make and Python 3.11 or newer; everything else is installed into .venv.
# make up [PORT=8000] [STATE_DIR=.state] [DEMO=0]   run the product until Ctrl-C
# make test [ARGS="-k usage"]              run all tests, with real servers and a browser
# make test FAST=1                         without browser, process and slow tests
# make bench [QUICK=1] [ROWS=chart] [KEEP=DIR] [SIZES=N] [BENCH_JSON=FILE]   and peers
# make growth [QUICK=1] [SIZES=1000,10000] [EVENTS=100000] [KEEP=DIR] [GROWTH_JSON=FILE]
# make fuzz [SEQUENCES=100]                every phase of the API fuzzer, random books
# make clients                             a strict TypeScript client, linter (needs npm)
# make check                  format, lint, types, contracts, migrations, OpenAPI
# make audit                  known vulnerabilities of the locks; exit 3: not checked
# make sbom [SBOM=sbom.json]  the software bill of materials, CycloneDX

PYTHON ?= python3
PORT ?= 8000
STATE_DIR ?= .state
PROMETHEUS ?= $(shell command -v prometheus)
VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
export STATE_DIR CHROMIUM PROMETHEUS
export UV_PYTHON_DOWNLOADS := never
# Many containers set it; every process would compile Django and all packages again, which
# costs 4 s of CPU each.
unexport PYTHONDONTWRITEBYTECODE

# A proxy that inspects TLS signs with a CA that only the system knows: pip and uv trust
# the system's certificates where it has any (a slim container has none), else their own.
# Settings of pip and uv themselves (PIP_CERT, pip.conf, UV_SYSTEM_CERTS) come first.
CA_FILE := $(firstword $(wildcard $(REQUESTS_CA_BUNDLE) $(CURL_CA_BUNDLE) $(SSL_CERT_FILE) \
	/etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt \
	/etc/ssl/ca-bundle.pem /etc/ssl/cert.pem))
ifneq ($(CA_FILE),)
install-%: export REQUESTS_CA_BUNDLE := $(CA_FILE)
install-%: export UV_SYSTEM_CERTS ?= 1
endif

.PHONY: up test fuzz bench growth check audit sbom clients clean lock real screenshots install browser \
	prometheus
.DEFAULT_GOAL := up

up: install-runtime
	@exec "$(PY)" -m config.dev.servers --port "$(PORT)"

# A file stays with one worker, for fixtures that are made once a file; in the order of
# tests/conftest.py, not by size. The markers are explained in pyproject.toml.
LANES := $(if $(FAST),-m "not browser and not process and not slow")

# One worker more than cores: tests wait for servers, browsers and killed processes.
WORKERS ?= $(shell "$(PYTHON)" -c "import os; print(min(4, (os.cpu_count() or 1) + 1))")

test: install-dev $(if $(FAST),,browser prometheus)
	@exec "$(PY)" -m pytest -n $(WORKERS) --dist loadfile \
	--no-loadscope-reorder $(LANES) $(ARGS)

# The API fuzzer, and as many random sequences of what can happen to a subscription.
SEQUENCES ?= 100
fuzz: install-dev
	@exec env FUZZ_PHASES=examples,coverage,fuzzing,stateful \
	FUZZ_SEQUENCES="$(SEQUENCES)" "$(PY)" -m pytest \
	tests/config/test_openapi_fuzz.py tests/billing/ledger/test_books.py

# Builds its own databases and starts its own servers; KEEP keeps the data for next time.
bench: install-bench
	@exec env QUICK="$(QUICK)" SIZES="$(SIZES)" ROUNDS="$(ROUNDS)" ROWS="$(ROWS)" \
	KEEP="$(KEEP)" BENCH_JSON="$(BENCH_JSON)" "$(PY)" -m bench

# Cost against size, on databases like those of the bench; both can share a KEEP folder.
growth: install-runtime
	@exec env QUICK="$(QUICK)" SIZES="$(SIZES)" EVENTS="$(EVENTS)" KEEP="$(KEEP)" \
	GROWTH_JSON="$(GROWTH_JSON)" "$(PY)" -m bench.growth

# Settings of a production that answers nowhere: none of these connects to a server.
CHECK_ENV := env -u REDIS_URL HTTPS_ONLY=1 ALLOWED_HOSTS=orgdesk.example.com \
	TRUSTED_PROXY_COUNT=1 EMAIL_URL=smtp://127.0.0.1:9 STATE_DIR=/nonexistent \
	SECRET_KEY=only-for-checks-0123456789-abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJ \
	DATABASE_URL=postgresql://nobody@127.0.0.1:9/none
# makemigrations would like to compare with the database's history; there is none here.
NO_DATABASE := -W "ignore:Got an error checking a consistent:RuntimeWarning"

check: install-dev
	@"$(VENV)/bin/ruff" format --check
	@"$(VENV)/bin/ruff" check
	@$(CHECK_ENV) "$(VENV)/bin/mypy"
	@"$(VENV)/bin/lint-imports"
	@$(CHECK_ENV) "$(PY)" $(NO_DATABASE) manage.py makemigrations --check --dry-run
	@$(CHECK_ENV) "$(PY)" manage.py check --deploy --fail-level WARNING
	@$(CHECK_ENV) DJANGO_SETTINGS_MODULE=config.settings "$(PY)" -m tests.project.openapi

# Asks OSV (OSV_URL) about each locked package. Exit code 1: a known vulnerability; 3: the
# service did not answer, or does not know a package, so nothing is proven.
audit: install-audit
	@"$(PY)" -m tests.project.audit requirements/*.lock

SBOM ?= sbom.json
sbom: install-audit
	@"$(PY)" -m tests.project.sbom requirements/runtime.lock >"$(SBOM)" && \
	echo "Wrote $(SBOM)."

# A TypeScript client from the OpenAPI document, compiled strictly; needs npm.
clients: install-dev
	@if ! command -v npm >/dev/null; then echo "npm is not installed: nothing to check."; \
	exit 0; fi; rm -rf .state/clients && mkdir -p .state/clients && \
	cp tests/project/client.ts .state/clients/ && \
	$(CHECK_ENV) DJANGO_SETTINGS_MODULE=config.settings "$(PY)" -m tests.project.openapi \
	--write .state/clients/openapi.json && cd .state/clients && \
	npm install --silent --no-fund --no-audit openapi-typescript@7 openapi-fetch typescript@5 \
	@redocly/cli@2 && npx redocly lint openapi.json && \
	npx openapi-typescript openapi.json -o orgdesk.ts && \
	npx tsc --strict --noEmit --skipLibCheck --target es2022 --module esnext --moduleResolution bundler client.ts

real: install-dev
	@if [ -d ../shared ]; then exec "$(PY)" -m pytest -q -s tests/real_stripe_check.py tests/real_check.py; \
	else echo "There is no ../shared with real data: nothing to check."; fi

screenshots: install-dev browser
	@exec "$(PY)" -m tests.screenshots

lock: install-uv
	@cd requirements && for name in uv runtime dev bench audit; do \
	"../$(UV)" pip compile -q --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header $(ARGS) $$name.in -o $$name.lock || exit 1; done

clean:
	rm -rf "$(VENV)" .state .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	.import_linter_cache

install: install-runtime

# Installs the lock file of this name; ends at once when it is installed already.
install-%:
	@"$(PY)" -S -m config.dev.servers.install --check $* 2>/dev/null || \
	{ $(CHECK_PYTHON) && exec "$(PYTHON)" -m config.dev.servers.install $*; }

define CHECK_PYTHON
{ command -v "$(PYTHON)" >/dev/null || \
	{ echo "Orgdesk needs Python 3.11 or newer as $(PYTHON)." >&2; exit 1; }; } && \
	{ "$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "Orgdesk needs Python 3.11 or newer; $(PYTHON) is" \
	"$$("$(PYTHON)" -V). Name another with make PYTHON=python3.12" >&2; exit 1; }; } && \
	{ "$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
	{ echo "Python's venv module is missing: install the package python3-venv." >&2; exit 1; }; }
endef

# The shell without windows does the same pages with half of the CPU.
CHROMES := chromium-headless-shell chromium chromium-browser google-chrome
browser:
	@if [ -n "$(CHROMIUM)" ] || command -v chromium-headless-shell >/dev/null; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	echo "Installing chromium for the browser tests" && apt-get update -qq; \
	for name in chromium-headless-shell chromium; do \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	$$name fonts-dejavu-core >/dev/null && exit 0; done; fi; \
	for name in $(CHROMES); do command -v $$name >/dev/null && exit 0; done; \
	echo "Browser tests need Chromium: install it (apt-get install chromium)" \
	"or name it: make test CHROMIUM=/path/to/chrome" >&2; exit 1

prometheus:
	@if [ -n "$(PROMETHEUS)" ]; then exit 0; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	echo "Installing prometheus for the tests of pushes" && apt-get update -qq && \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	prometheus >/dev/null; \
	else echo "Tests of pushes need Prometheus: install it (apt-get install prometheus)" \
	"or name it: make test PROMETHEUS=/path/to/prometheus" >&2; exit 1; fi
