#!/usr/bin/env bash
# Makes databases and roles, with the passwords of the secrets.
set -euo pipefail
PGPASSWORD=$(cat /run/secrets/postgres_password)
export PGPASSWORD
variables=()
for name in config_owner config dispatcher_owner dispatcher; do
    variables+=(-v "${name}_password=$(cat "/run/secrets/${name}_password")")
done
psql --no-psqlrc --quiet -v ON_ERROR_STOP=1 "${variables[@]}" \
    --host postgres --username postgres --file /switchboard/postgres/roles.sql
