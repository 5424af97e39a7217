#!/usr/bin/env bash
# Schemathesis reads /openapi.json of a demo server and tries every route: no 500, no undocumented answer.
#   EXAMPLES=n   attempts for each route (default 200)
set -euo pipefail
cd "$(dirname "$0")/.."
: "${EXAMPLES:=200}" "${LISTEN:=127.0.0.1:8089}" "${CARGO:=cargo}"
scripts/venv.sh schemathesis
bin=${CARGO_TARGET_DIR:-target}/release
"$CARGO" build --release --quiet -p qianmian-trainer -p qianmian-server
"$bin/qianmian-trainer" demo-data --out var/fuzz --users 1000
"$bin/qianmian-trainer" train --config var/fuzz/shop.toml --store var/fuzz/models
"$bin/qianmian-trainer" train --config var/fuzz/shop.toml --store var/fuzz/models
"$bin/qianmian-server" run --store var/fuzz/models --listen "$LISTEN" 2>var/fuzz/server.log &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true' EXIT
for _ in $(seq 300); do
  (exec 3<>"/dev/tcp/${LISTEN%:*}/${LISTEN##*:}") 2>/dev/null && break
  sleep 0.1
done
sleep 1
var/venv/bin/schemathesis run "http://$LISTEN/openapi.json" --max-examples "$EXAMPLES" --seed 1 --workers 1 \
  --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance
