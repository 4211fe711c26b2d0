#!/usr/bin/env bash
# Everything that a change must pass. Installs what is missing, starts its own servers, stops them whatever happens.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh
. scripts/services.sh

# Settings of whoever runs this are not the tests' settings.
while IFS='=' read -r name _; do unset "$name"; done < <(env | grep '^SWITCHBOARD_' || true)

scripts/lint.sh

trap stop_services EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
step "throw-away PostgreSQL and Redis"
start_services
echo "$SWITCHBOARD_TEST_POSTGRES_URL $SWITCHBOARD_TEST_REDIS_URL"

step "tests"
# Builds the program too, since its own tests run it; the end-to-end tests find it beside them.
# A test that hangs is named by the last "has been running for over 60 seconds" above the end.
timeout --kill-after=30 60m cargo test --workspace --locked

step "all passed"
