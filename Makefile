# The few commands that a newcomer needs. `make` lists them.
# Everything works on a clean machine with cargo, git, make, cc, Python 3.11 or later and the package registries.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help build demo clean-demo test test-tools tidy lint fmt demo-test doc-test test-long schema bench

CARGO ?= cargo
PYTHON ?= python3

# nextest runs the tests of all crates side by side and says at the end how many passed.
NEXTEST := $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo yes)

# Where no Postgres server could be installed (not root), its half of the store's suite is left out, and says so.
POSTGRES := ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || export MAINSPAN_TEST_WITHOUT_POSTGRES=1;

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null || true

build: ## build the release binary, target/release/mainspan
	$(CARGO) build --release --locked -p mainspan

demo: build ## build, then run the whole story on real flights (5 minutes)
	$(PYTHON) -m demo

clean-demo: ## stop what the demo left running and delete what it wrote
	@if [ -x target/release/mainspan ] && [ -d target/demo/work/state ]; then \
		target/release/mainspan --state target/demo/work/state down || true; \
	fi
	rm -rf target/demo

test: test-tools tidy lint demo-test doc-test ## install what the tests need and run all of them
ifeq ($(NEXTEST),yes)
	$(POSTGRES) $(CARGO) nextest run --locked --workspace --no-fail-fast
else
	$(POSTGRES) $(CARGO) test --locked --workspace --no-fail-fast --lib --bins --tests
endif

test-tools: ## install what the tests need: a Postgres server, a Python environment
	@bash tests/prepare.sh

tidy: ## check the rules that neither compiler nor clippy knows
	$(CARGO) xtask tidy

lint: ## formatting, and clippy on everything with warnings as errors
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

fmt: ## format the Rust code
	$(CARGO) fmt --all

doc-test: ## run the examples in the documentation of the code
	$(CARGO) test --locked --workspace --doc

demo-test: ## test the demo's own client, stream and summary
	$(PYTHON) -m unittest discover -s demo/tests -t .

test-long: test-tools ## the tests again, optimised, with far more random inputs, and beside a real MLflow server
	$(POSTGRES) PROPTEST_CASES=8192 MAINSPAN_CRASH_ROUNDS=10 MAINSPAN_RELIABILITY_ROUNDS=20 MAINSPAN_LOAD_SECONDS=300 MAINSPAN_FILE_MB=5120 $(CARGO) test --locked --profile long --workspace --no-fail-fast
	$(CARGO) xtask fuzz --minutes 10
	target/test-python/bin/python tests/mlflow/endpoints.py
	target/test-python/bin/python tests/mlflow/compare.py target/long/mainspan
	target/test-python/bin/python tests/mlflow/filters.py target/long/mainspan --cases 400
	target/test-python/bin/python tests/mlflow/deliveries.py target/long/mainspan

schema: ## write the generated documents under schemas/
	$(CARGO) xtask schema
	$(CARGO) xtask openapi

bench: build ## measure the release binary against its goals
	$(CARGO) xtask bench steps
