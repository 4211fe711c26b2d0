# Shared by the scripts; sourced, not run.

step() { printf '\n== %s\n' "$*"; }

# need COMMAND PACKAGE: whether the command is there, after installing its Debian package if that is possible.
need() {
    command -v "$1" >/dev/null && return
    command -v apt-get >/dev/null || return
    local as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo >/dev/null && sudo -n true 2>/dev/null || return
        as_root=(sudo -n)
    fi
    echo "installing $2" >&2
    "${as_root[@]}" apt-get update -qq >&2 || true
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "$2" >&2 || return
    command -v "$1" >/dev/null
}

# free_port: a port on which nobody listens now.
free_port() {
    local port
    while :; do
        port=$((RANDOM % 20000 + 20000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    echo "$port"
}
