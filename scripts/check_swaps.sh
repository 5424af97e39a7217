#!/usr/bin/env bash
# Swaps between two versions of a demo shop during an open-loop mix of requests: no answer may fail, and memory must
# return to its level. Prints both, and the load generator's report.
#   SWAPS=100 RATE=200 LISTEN=127.0.0.1:8091
set -euo pipefail
cd "$(dirname "$0")/.."
: "${SWAPS:=100}" "${RATE:=200}" "${LISTEN:=127.0.0.1:8091}" "${CARGO:=cargo}"
bin=${CARGO_TARGET_DIR:-target}/release dir=var/swaps
"$CARGO" build --release --quiet -p qianmian-trainer -p qianmian-server -p qianmian-loadtest
rm -rf "$dir" && mkdir -p "$dir"
"$bin/qianmian-trainer" demo-data --out "$dir/shop" --format csv --users 5000 >/dev/null 2>&1
for _ in 1 2; do
  "$bin/qianmian-trainer" train --config "$dir/shop/shop.toml" --store "$dir/models" --shop default >/dev/null 2>&1
  sleep 1
done
mapfile -t versions < <(ls "$dir/models/default" | grep -v latest)
tail -n +2 "$dir/shop/items.csv" | cut -d, -f1 | head -2000 >"$dir/items.txt"
tail -n +2 "$dir/shop/users.csv" | cut -d, -f1 >"$dir/users.txt"

"$bin/qianmian-server" run --store "$dir/models" --listen "$LISTEN" 2>"$dir/server.log" &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true' EXIT
for _ in $(seq 100); do
  (exec 3<>"/dev/tcp/${LISTEN%:*}/${LISTEN##*:}") 2>/dev/null && break
  sleep 0.1
done
sleep 2
memory() { awk '/^(VmRSS|RssAnon|RssFile)/ { printf "%s %.1f MB  ", $1, $2 / 1024 }' "/proc/$server/status"; echo; }
swap() {
  "$bin/qianmian-trainer" publish "${versions[$(($1 % 2))]}" --store "$dir/models" >/dev/null
  kill -HUP "$server"
  sleep 0.4
}
"$bin/qianmian-loadtest" load --target "http://$LISTEN" --rate "$RATE" --duration $((SWAPS * 6 / 10 + 10)) --warmup 2 --scenario mix \
  --users "$dir/users.txt" --items "$dir/items.txt" --json "$dir/load.json" --fail-on-error >"$dir/load.txt" 2>&1 &
load=$!
sleep 3
for n in $(seq 5); do swap "$n"; done
echo "after 5 swaps:      $(memory)"
for n in $(seq 6 "$SWAPS"); do swap "$n"; done
echo "after $SWAPS swaps:    $(memory)"
status=0
wait "$load" || status=$?
cat "$dir/load.txt"
exit "$status"
