# The few commands that a newcomer needs. `make` lists them.
# Everything works on a clean machine with cargo, git, make, cc, Python 3.11 or later and the package registries.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.PHONY: help build demo clean-demo test test-tools tidy lint fmt doc-test test-long schema bench

CARGO ?= cargo
PYTHON ?= python3

# nextest runs the tests of all crates side by side and says at the end how many passed.
NEXTEST := $(shell $(CARGO) nextest --version >/dev/null 2>&1 && echo yes)

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null || true

build: ## build the release binary, target/release/mainspan
	$(CARGO) build --release --locked -p mainspan

demo: build ## build, then run the whole story on real flights (5 minutes)
	$(PYTHON) -m demo

clean-demo: ## stop what the demo left running and delete what it wrote
	@if [ -x target/release/mainspan ] && [ -d target/demo/state ]; then \
		target/release/mainspan --state target/demo/state down || true; \
	fi
	rm -rf target/demo

test: test-tools tidy lint doc-test ## install what the tests need and run all of them
ifeq ($(NEXTEST),yes)
	$(CARGO) nextest run --locked --workspace --no-fail-fast
else
	$(CARGO) test --locked --workspace --no-fail-fast --lib --bins --tests
endif

test-tools: ## install what the tests need: a Postgres server, a Python environment
	@bash tests/prepare.sh

tidy: ## check the rules that neither compiler nor clippy knows
	$(CARGO) xtask tidy

lint: ## clippy on everything, warnings are errors
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings

fmt: ## format the Rust code
	$(CARGO) fmt --all

doc-test: ## run the examples in the documentation of the code
	$(CARGO) test --locked --workspace --doc

test-long: test-tools ## the tests again with many more cases: seeds, kills, random inputs
	PROPTEST_CASES=4096 MAINSPAN_TEST_LONG=1 $(CARGO) test --locked --release --workspace

schema: ## write the generated documents under schemas/
	$(CARGO) xtask schema
	$(CARGO) xtask openapi

bench: build ## measure the release binary against its goals
	$(CARGO) xtask bench steps
