#!/usr/bin/env bash
# The crash harness, for as long as one likes: chaos.sh [SEED] [DURATION]. Without a seed it takes one by chance, and prints
# it; without a duration it takes five minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

# Settings of whoever runs this are not the harness's settings.
while IFS='=' read -r name _; do unset "$name"; done < <(env | grep '^SWITCHBOARD_' || true)

# It starts servers of its own, of which it needs the programs.
[ -n "$(ls /usr/lib/postgresql/*/bin/initdb 2>/dev/null)" ] || need initdb postgresql || {
    echo "install PostgreSQL and Redis first, for example by running make test" >&2
    exit 1
}
need redis-server redis-server || {
    echo "install Redis first, for example by running make test" >&2
    exit 1
}

step "chaos"
cargo build --locked -p switchboard
CHAOS_SEED="${1:-$((RANDOM * 32768 + RANDOM))}" CHAOS_DURATION="${2:-5m}" \
    cargo test --locked -p switchboard-e2e --test suite -- --exact --nocapture \
    chaos::whatever_fails_nothing_is_lost_doubled_or_changed_once_final
