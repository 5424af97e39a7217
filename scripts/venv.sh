#!/usr/bin/env bash
# Makes sure that var/venv holds the named Python packages. Prints SKIPPED and exits 3 where Python, pip or a package
# is missing. Packages come as wheels only: to build one would take a compiler and more time than the checks.
set -euo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
if ! command -v "$python" >/dev/null; then
  echo "SKIPPED: $python is not installed; the Python checks do not run" >&2
  exit 3
fi
if [ ! -x var/venv/bin/python ]; then
  "$python" -m venv var/venv 2>/dev/null || {
    rm -rf var/venv
    echo "SKIPPED: '$python -m venv' fails; install python3-venv for the Python checks" >&2
    exit 3
  }
fi
missing=()
for package in "$@"; do
  var/venv/bin/python -m pip show --quiet "${package%%==*}" >/dev/null 2>&1 || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ] && ! var/venv/bin/python -m pip install --quiet --disable-pip-version-check \
  --only-binary=:all: --retries 1 "${missing[@]}"; then
  echo "SKIPPED: pip could not install ${missing[*]}" >&2
  exit 3
fi
