# What is done by hand, each in one word. `make` alone lists it.

.DEFAULT_GOAL := help
.PHONY: help test lint fmt demo up bench bench-check chaos fuzz staging contract

help: ## lists this
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 13

test: ## everything: format, lints, contract, deploy/, unit, conformance on both engines, end to end
	@scripts/test.sh

lint: ## format, clippy, the contract and deploy/ only
	@scripts/lint.sh

fmt: ## formats every crate
	cargo fmt --all

demo: ## shows the main job once
	cargo run --locked -- demo

up: ## everything in one process, with simulated vendors and demo organisations
	cargo run --locked

bench: ## ours and the reference programs side by side
	cargo run --release --locked -p switchboard-bench -- compare

bench-check: ## the same, and fails when a ratio is below 0.9 of the one kept in bench/ratios.json
	cargo run --release --locked -p switchboard-bench -- compare --check bench/ratios.json

chaos: ## load while everything fails, then the books are checked; SEED=7 DURATION=10m, both optional
	@scripts/chaos.sh "$(SEED)" "$(DURATION)"

fuzz: ## long runs of what strangers may send, FUZZ_SECONDS (60) for each target
	@scripts/fuzz.sh

staging: ## the vendors' staging systems, with real messages (CONTRIBUTING.md names the variables)
	cargo test --locked -p switchboard-providers --features staging --test staging -- --nocapture --test-threads=1

contract: ## at a release: keeps the contract as it is now, against which later ones are checked
	npx --yes @bufbuild/buf@1.75.0 build proto --exclude-source-info --output proto/released.binpb
