#!/usr/bin/env bash
# Three generators make clients of our OpenAPI document: openapi-typescript and @hey-api/openapi-ts, compiled strictly, and
# openapi-python-client. One client of each language then calls a live server on a small shop.
#   QIANMIAN_BIN=folder   use these programs instead of building them
# Needs Node with npm, and Python. Packages go to var/clients.
set -euo pipefail
cd "$(dirname "$0")/.."
command -v npm >/dev/null || { echo "SKIPPED: npm is missing; clients are not generated" >&2; exit 3; }
scripts/venv.sh openapi-python-client==0.29.1
if [ -z "${QIANMIAN_BIN:-}" ]; then
  "${CARGO:-cargo}" build --release --quiet -p qianmian-trainer -p qianmian-server
  QIANMIAN_BIN=${CARGO_TARGET_DIR:-target}/release
fi
bin=$(cd "$QIANMIAN_BIN" && pwd)
document=$PWD/server/tests/openapi.json
python=$PWD/var/venv/bin/python

mkdir -p var/clients
cp tests/clients/* var/clients/
cd var/clients
npm ci --no-audit --no-fund --loglevel=error
rm -rf client python js types.d.ts

npx openapi-typescript "$document" -o types.d.ts
npx openapi-ts -i "$document" -o client --no-log-file --silent
npx tsc -p .
echo "the clients of openapi-typescript and @hey-api/openapi-ts compile"

"$python" -m openapi_python_client generate --path "$document" --output-path python/qianmian_client --meta none --overwrite >python.log 2>&1 ||
  { cat python.log; exit 1; }
# The generator knows no `allOf` of alternatives, by which a shelf of `/pages` is described; those two answers are missing.
if sed -n 's/^Unable to process schema \(.*\):$/\1/p' python.log | grep -v '/\(ShelfAnswer\|PageResponse\)$'; then
  echo "the Python client lacks these parts of the document, see var/clients/python.log" >&2
  exit 1
fi
"$python" -m compileall -q python
echo "the client of openapi-python-client compiles"

if [ ! -f store/default/latest.json ]; then
  "$bin/qianmian-trainer" demo-data --out demo --users 1000 --items 500 --days 180 >/dev/null 2>&1
  "$bin/qianmian-trainer" train --store store --shop default --config demo/shop.toml >/dev/null 2>&1
fi
printf '[live]\nfolder = "%s"\n' "$PWD/live" >server.toml
"$bin/qianmian-server" run --config server.toml --store store --listen 127.0.0.1:0 2>server.log &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true' EXIT
for _ in $(seq 200); do
  address=$(sed -n 's/.*"message":"listening","address":"\([^"]*\)".*/\1/p' server.log)
  [ -n "$address" ] && grep -q '"model swapped"' server.log && break
  kill -0 "$server" 2>/dev/null || { cat server.log; exit 1; }
  sleep 0.1
done
node js/call.js "http://$address"
PYTHONPATH=python "$python" call.py "http://$address"
