#!/bin/sh
# Makes sure that the browser tests can run: Chromium, Node with npm, and the packages of tests/browser in var/browser.
#
# Installs Chromium and Node where that is allowed (apt-get as root on Debian), and the packages by npm.
#
# Exit code: 0 they are there, 3 something is missing and has to be installed by hand (how is printed).
set -eu
cd "$(dirname "$0")/.."

WANTED_NODE=20

say() { printf 'install-browser: %s\n' "$*" >&2; }

give_up() {
    say "$1"
    say "install Chromium and Node $WANTED_NODE or later with npm by hand, one of:"
    say "  Debian           sudo apt-get install chromium nodejs npm"
    say "  Fedora           sudo dnf install chromium nodejs"
    say "  macOS            brew install node; CHROMIUM=/Applications/Chromium.app/Contents/MacOS/Chromium"
    exit 3
}

has() { command -v "$1" >/dev/null 2>&1; }
missing=
[ -x "${CHROMIUM:-/usr/bin/chromium}" ] || missing="$missing chromium"
has node || missing="$missing nodejs"
has npm || missing="$missing npm"

if [ -n "$missing" ]; then
    has apt-get && [ "$(id -u)" -eq 0 ] || give_up "missing:$missing, and only root on Debian may install it from here"
    # Ubuntu's package only asks for a snap, which tests cannot start.
    grep -q '^ID=debian' /etc/os-release || give_up "missing:$missing, and this is not Debian"
    say "installing$missing with apt-get"
    export DEBIAN_FRONTEND=noninteractive
    apt-get -o DPkg::Lock::Timeout=300 update -qq >&2 || say "apt-get update failed; trying with the lists that are there"
    # shellcheck disable=SC2086 # a list of words
    apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends $missing >&2 || give_up "apt-get could not install$missing"
fi

major=$(node --version | sed 's/^v\([0-9]*\).*/\1/')
[ "$major" -ge "$WANTED_NODE" ] || give_up "node is version $major"

mkdir -p var/browser
if ! cmp -s tests/browser/package-lock.json var/browser/package-lock.json || [ ! -d var/browser/node_modules ]; then
    cp tests/browser/package.json tests/browser/package-lock.json var/browser/
    (cd var/browser && npm ci --no-audit --no-fund --loglevel=error >&2) || {
        rm -rf var/browser/node_modules
        say "npm could not install the packages of tests/browser"
        exit 3
    }
fi
say "found $("${CHROMIUM:-/usr/bin/chromium}" --version 2>/dev/null | head -1) and node $(node --version)"
