# shellcheck shell=bash
# Shared by the scripts; sourced, not run.

step() { printf '\n== %s\n' "$*"; }

# as_root COMMAND…: as root, or as who may become it without being asked.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi
}

# install_package PACKAGE: whether a Debian package could be installed.
install_package() {
    command -v apt-get >/dev/null || return
    [ "$(id -u)" -eq 0 ] || { command -v sudo >/dev/null && sudo -n true 2>/dev/null; } || return
    echo "installing $1" >&2
    as_root apt-get update -qq >&2 || true
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" >&2
}

# need COMMAND PACKAGE: whether the command is there, after installing its Debian package if that is possible.
need() {
    command -v "$1" >/dev/null && return
    install_package "$2" || return
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
