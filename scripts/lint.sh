#!/usr/bin/env bash
# Format, lints, and the contract's style.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

step "format"
cargo fmt --all --check

step "lints"
cargo clippy --workspace --all-targets --locked -- -D warnings

step "contract (buf lint)"
if need npx npm; then
    npx --yes @bufbuild/buf@1.75.0 lint proto
else
    # buf comes from the npm registry alone; whoever cannot have Node.js still gets everything else.
    echo "SKIPPED: no Node.js here and none can be installed, so the style of the .proto files is not checked" >&2
fi
