#!/usr/bin/env bash
# Fuzzes each target in turn, for FUZZ_SECONDS each (60). What is found is kept in fuzz/artifacts.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

cargo fuzz --version >/dev/null 2>&1 || {
    echo "cargo-fuzz is missing: cargo install cargo-fuzz --locked" >&2
    exit 1
}
cargo +nightly --version >/dev/null 2>&1 || {
    echo "a nightly compiler is missing: rustup toolchain install nightly --profile minimal" >&2
    exit 1
}
for target in $(cd fuzz && cargo +nightly fuzz list); do
    step "fuzz $target"
    mkdir -p "fuzz/corpus/$target"
    # The first folder takes what is found on the way.
    cargo +nightly fuzz run "$target" "fuzz/corpus/$target" "fuzz/seeds/$target" -- \
        -max_total_time="${FUZZ_SECONDS:-60}" -max_len=8192 -timeout=10
done
