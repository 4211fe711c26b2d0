#!/usr/bin/env bash
# Format, lints, the contract's style, and deploy/.
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
buf() { npx --yes @bufbuild/buf@1.75.0 "$@"; }
buf lint proto

step "contract (buf breaking)"
# Against what was last released, which is always here, and against main, where this checkout has it.
buf breaking proto --against proto/released.binpb
for main in origin/main main; do
    git rev-parse --quiet --verify "$main" >/dev/null || continue
    before=$(mktemp -d)
    git archive "$main" proto | tar --extract --directory "$before"
    buf breaking proto --against "$before/proto" || { rm -rf "$before"; exit 1; }
    rm -rf "$before"
    break
done

scripts/lint-deploy.sh
