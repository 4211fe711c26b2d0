#!/usr/bin/env bash
# Format, lints, and the contract's style.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

step "format"
cargo fmt --all --check
cargo fmt --manifest-path fuzz/Cargo.toml --check

step "lints"
cargo clippy --workspace --all-targets --locked -- -D warnings

step "contract (buf lint)"
need npx npm || {
    echo "buf comes from the npm registry: install Node.js with npm, then run this again" >&2
    exit 1
}
npx --yes @bufbuild/buf@1.75.0 lint proto
