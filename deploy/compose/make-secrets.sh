#!/usr/bin/env bash
# Makes what the services of ../compose.yaml must not share with anybody: key ring, tokens, passwords. What is there already
# is kept.
#
#   make-secrets.sh [FOLDER]      default: secrets beside this script
#
# SWITCHBOARD names the program (default: the image of compose.yaml, built if it is not there).
set -euo pipefail
umask 077
here=$(cd "$(dirname "$0")" && pwd)
secrets=${1:-$here/secrets}
mkdir -p "$secrets"

random() { head -c 32 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=\n'; }
# put FILE CONTENT: unless it is there.
put() { [ -e "$secrets/$1" ] || printf '%s' "$2" >"$secrets/$1"; }

for name in postgres config_owner config dispatcher_owner dispatcher grafana; do
    put "${name}_password" "$(random)"
done
# url FILE ROLE DATABASE
url() { put "$1" "postgres://switchboard_$2:$(cat "$secrets/$2_password")@postgres:5432/switchboard_$3"; }
url config_owner_url config_owner config
url config_url config config
url dispatcher_owner_url dispatcher_owner dispatcher
url dispatcher_url dispatcher dispatcher

token() { printf '"%s": {"token": "%s", "roles": ["%s"]}' "$1" "$(random)" "$2"; }
put tokens.json "{
    $(token sender SENDER),
    $(token viewer VIEWER),
    $(token operator OPERATOR),
    $(token superadmin SUPERADMIN),
    $(token auditor AUDITOR),
    $(token dispatcher DISPATCHER),
    $(token webhook-gateway WEBHOOK_GATEWAY)
}"

user=$(id -u):$(id -g)
if [ ! -e "$secrets/keys.json" ]; then
    if [ -n "${SWITCHBOARD:-}" ]; then
        "$SWITCHBOARD" keys generate --file "$secrets/keys.json"
    else
        docker build --tag switchboard:dev --file "$here/../Dockerfile" "$here/../.."
        docker run --rm --network none --user "$user" --volume "$secrets:/secrets" switchboard:dev \
            keys generate --file /secrets/keys.json
    fi
fi

# Compose reads this beside compose.yaml.
[ -n "${1:-}" ] || printf 'SWITCHBOARD_USER=%s\n' "$user" >"$here/../.env"
echo "the secrets are in $secrets; back up keys.json, apart from the database"
