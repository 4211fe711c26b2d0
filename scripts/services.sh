# shellcheck shell=bash
# Throw-away PostgreSQL and Redis on free ports, in a temporary folder; sourced, not run.
#
# start_services exports SWITCHBOARD_TEST_POSTGRES_URL and SWITCHBOARD_TEST_REDIS_URL; stop_services ends what was started
# and nothing else.

services=""
redis_pid=""

# The folder of PostgreSQL's programs: Debian keeps them out of PATH.
postgres_programs() {
    local programs
    programs=$(command -v initdb 2>/dev/null) && { dirname "$(readlink -f "$programs")"; return; }
    programs=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
    [ -n "$programs" ] && [ -x "$programs/initdb" ] && echo "$programs"
}

# PostgreSQL refuses to run as root, so root lends it another name.
as_postgres() {
    if [ "$(id -u)" -ne 0 ]; then "$@"; else runuser -u "$postgres_user" -- "$@"; fi
}

missing() {
    echo "$1 is not here and cannot be installed by apt-get; install it, for example:" >&2
    echo "  Debian, Ubuntu: apt-get install postgresql redis-server" >&2
    echo "  Fedora:         dnf install postgresql-server redis" >&2
    echo "  macOS:          brew install postgresql redis" >&2
    exit 1
}

start_services() {
    local programs port
    programs=$(postgres_programs) || { need initdb postgresql || true; programs=$(postgres_programs) || missing PostgreSQL; }
    need redis-server redis-server || missing Redis
    postgres_user=nobody
    id postgres >/dev/null 2>&1 && postgres_user=postgres

    services=$(mktemp -d)
    chmod 755 "$services"
    mkdir "$services/pg" "$services/redis"
    [ "$(id -u)" -ne 0 ] || chown "$postgres_user" "$services/pg"
    (
        # Whoever runs this may stand in a folder that the other user may not enter.
        cd "$services" || exit
        as_postgres "$programs/initdb" -D "$services/pg/data" -U postgres --auth=trust -E UTF8 --locale=C.UTF-8 \
            --no-sync >"$services/initdb.log" 2>&1 || { cat "$services/initdb.log" >&2; exit 1; }
        port=$(free_port)
        as_postgres "$programs/pg_ctl" -D "$services/pg/data" -l "$services/pg/log" -w -t 60 start -o \
            "-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories=$services/pg -c max_connections=300 -c fsync=off" \
            >/dev/null || { cat "$services/pg/log" >&2; exit 1; }
        echo "$port" >"$services/pg.port"
    )
    postgres_ctl="$programs/pg_ctl"
    SWITCHBOARD_TEST_POSTGRES_URL="postgres://postgres@127.0.0.1:$(cat "$services/pg.port")/postgres"

    port=$(free_port)
    redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$services/redis" \
        >"$services/redis/log" 2>&1 &
    redis_pid=$!
    for _ in $(seq 100); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break
        kill -0 "$redis_pid" 2>/dev/null || { cat "$services/redis/log" >&2; exit 1; }
        sleep 0.1
    done
    SWITCHBOARD_TEST_REDIS_URL="redis://127.0.0.1:$port"
    export SWITCHBOARD_TEST_POSTGRES_URL SWITCHBOARD_TEST_REDIS_URL
}

stop_services() {
    [ -n "$services" ] || return 0
    [ -z "$redis_pid" ] || kill "$redis_pid" 2>/dev/null || true
    if [ -f "$services/pg/data/postmaster.pid" ]; then
        (cd "$services" && as_postgres "$postgres_ctl" -D "$services/pg/data" -m immediate stop >/dev/null 2>&1) || true
    fi
    [ -z "$redis_pid" ] || wait "$redis_pid" 2>/dev/null || true
    rm -rf "$services"
}
