#!/usr/bin/env bash
# Grants to the roles that serve what they need of the tables that there are now.
set -euo pipefail
for service in config dispatcher; do
    psql --no-psqlrc --quiet -v ON_ERROR_STOP=1 \
        --dbname "$(cat "/run/secrets/${service}_owner_url")" --file "/switchboard/postgres/grants-$service.sql"
done
