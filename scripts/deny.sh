#!/usr/bin/env bash
# Checks licenses, duplicate versions and sources of all dependencies by deny.toml, without a network once the crates
# are downloaded; known vulnerabilities too, where the advisory database can be fetched. Needs cargo-deny.
set -euo pipefail
cd "$(dirname "$0")/.."
cargo=${CARGO:-cargo}
if ! "$cargo" deny --version >/dev/null 2>&1; then
  echo "deny: cargo-deny is missing; install it with: cargo install --locked cargo-deny" >&2
  exit 3
fi
"$cargo" deny --locked check licenses bans sources
if "$cargo" deny --locked fetch db >/dev/null 2>&1; then
  "$cargo" deny --locked check --disable-fetch advisories
else
  echo "SKIPPED: the advisory database cannot be fetched from github.com; known vulnerabilities were NOT checked" >&2
fi
