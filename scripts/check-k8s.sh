#!/bin/sh
# Checks the manifests under k8s/ against the Kubernetes schemas, strictly and without a cluster.
#
# Installs a pinned validator, which brings the schemas along, into var/check-k8s once. Says SKIPPED
# loudly where Python is missing or the validator cannot be installed; with --require that is a
# failure.
#
# Usage: scripts/check-k8s.sh [--require] [FOLDER]
set -eu

scripts=$(cd "$(dirname "$0")" && pwd)
root=$(dirname "$scripts")
requirements="$scripts/check-k8s.requirements.txt"
venv="$root/var/check-k8s"

skipped_code=0
if [ "${1:-}" = --require ]; then
    skipped_code=1
    shift
fi

skip() {
    echo "********************************************************************" >&2
    echo "SKIPPED: the Kubernetes manifests were NOT checked: $1" >&2
    echo "********************************************************************" >&2
    exit "$skipped_code"
}

command -v python3 >/dev/null 2>&1 || skip "python3 is missing"

# The copy of the requirements marks a complete installation of exactly these versions.
if ! cmp -s "$requirements" "$venv/installed.txt"; then
    rm -rf "$venv"
    mkdir -p "$root/var"
    python3 -m venv "$venv" >/dev/null 2>&1 || skip "python3 cannot make a virtual environment (Debian: apt-get install python3-venv)"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$requirements" >&2 ||
        skip "the validator could not be installed with pip"
    cp "$requirements" "$venv/installed.txt"
fi

exec "$venv/bin/python" "$scripts/check_k8s.py" "${1:-$root/k8s}"
