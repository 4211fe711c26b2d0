#!/usr/bin/env bash
# Checks deploy/ without a container engine or a cluster: image, compose file, manifests, units, alerts, dashboard, scripts.
# The tools are kept in target/lint; the first run fetches them.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/lib.sh

tools=target/lint
wanted=$(cksum <scripts/lint-deploy.txt | tr ' ' -)

step "tools for deploy/"
need python3 python3 || { echo "install Python 3.9 or later, then run this again" >&2; exit 1; }
if [ ! -e "$tools/$wanted" ]; then
    python3 -c 'import ensurepip' 2>/dev/null || install_package python3-venv
    rm -rf "$tools/venv"
    python3 -m venv "$tools/venv"
    "$tools/venv/bin/pip" install --quiet --disable-pip-version-check --requirement scripts/lint-deploy.txt
    touch "$tools/$wanted"
fi
# A program of a Debian package, without installing the package: its service would start.
fetch() {
    command -v "$1" || {
        [ -x "$tools/$2/usr/bin/$1" ] || {
            command -v apt-get >/dev/null || { echo "install $1, for example from the package $2" >&2; return 1; }
            mkdir -p "$tools/$2"
            (cd "$tools/$2" && { apt-get download -qq "$2" || { as_root apt-get update -qq && apt-get download -qq "$2"; }; } \
                && dpkg-deb --extract "$2"_*.deb . && rm "$2"_*.deb) >&2
        }
        echo "$tools/$2/usr/bin/$1"
    }
}
promtool=$(fetch promtool prometheus)
PATH="$PWD/$tools/venv/bin:$PATH"

step "shell scripts"
shellcheck --external-sources --severity=warning .ci/run scripts/*.sh deploy/compose/*.sh

step "Dockerfile"
hadolint deploy/Dockerfile

step "YAML"
yamllint --strict --config-file scripts/lint-deploy.yamllint deploy

step "compose file"
check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml

step "Kubernetes"
# A patch is not whole; kustomize's own files have no schema.
manifests=$(grep -rlE '^kind: ' deploy/kubernetes --include '*.yaml' | grep -v kustomization.yaml)
patches=$(grep -rhE '^ +- path: ' deploy/kubernetes --include kustomization.yaml | sed 's/.*: //')
for patch in $patches; do manifests=$(grep -v "overlays/.*/$patch\$" <<<"$manifests"); done
# shellcheck disable=SC2086
kubernetes-validate --strict $manifests | grep -v ' passed ' || true
# shellcheck disable=SC2086
kubernetes-validate --strict --quiet $manifests
if command -v kubectl >/dev/null; then
    for overlay in deploy/kubernetes/base deploy/kubernetes/overlays/*; do
        built=$tools/$(basename "$overlay").yaml
        kubectl kustomize "$overlay" >"$built"
        kubernetes-validate --strict --quiet "$built"
    done
fi

step "alerts and dashboard"
"$promtool" check rules --lint-fatal deploy/observability/alerts.yaml
"$promtool" test rules deploy/observability/alerts.test.yaml
"$promtool" check config --syntax-only deploy/observability/prometheus.yaml
python scripts/lint_deploy.py rules >"$tools/dashboard-rules.yaml"
"$promtool" check rules "$tools/dashboard-rules.yaml" >/dev/null

step "what the files say of each other"
python scripts/lint_deploy.py files

if command -v systemd-analyze >/dev/null; then
    step "systemd units"
    units=$tools/units
    rm -rf "$units"
    mkdir -p "$units"
    # The program need not be installed here for its units to be sound.
    for unit in deploy/systemd/*.service; do
        sed 's#^ExecStart=/usr/bin/switchboard#ExecStart=/bin/true#' "$unit" >"$units/$(basename "$unit")"
    done
    # A key or value that it does not know is only a warning to it.
    complaints=$(systemd-analyze verify --man=no "$units"/*.service 2>&1) && [ -z "$complaints" ] \
        || { echo "$complaints" >&2; exit 1; }
    for unit in "$units"/*.service; do
        systemd-analyze security --offline=true --threshold=20 "$unit" >"$units/report" || { cat "$units/report"; exit 1; }
    done
fi
