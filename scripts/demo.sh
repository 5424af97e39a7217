#!/usr/bin/env bash
# Trains a shop, serves it and shows a few live answers. Ctrl-C stops the server.
#   ORDERS=path   your own orders (canonical columns, or with CONFIG=file.toml any columns)
#   DEMO_ONCE=1   stop after the answers
set -euo pipefail
cd "$(dirname "$0")/.."
: "${STORE:=var/models}" "${LISTEN:=127.0.0.1:8080}" "${USERS:=5000}" "${ORDERS:=}" "${CONFIG:=}" "${CARGO:=cargo}"
bin=${CARGO_TARGET_DIR:-target}/release
"$CARGO" build --release --quiet -p qianmian-trainer -p qianmian-server

# Without keys the server serves one shop, `default`, whatever name the configuration has.
train=(--store "$STORE" --shop default)
if [ -n "$CONFIG" ]; then train+=(--config "$CONFIG"); fi
if [ -n "$ORDERS" ]; then train+=(--orders "$ORDERS"); fi
if [ -z "$ORDERS$CONFIG" ]; then
  "$bin/qianmian-trainer" demo-data --out var/demo --users "$USERS" --pictures
  train+=(--config var/demo/shop.toml)
fi
"$bin/qianmian-trainer" train "${train[@]}"

host=${LISTEN%:*} port=${LISTEN##*:}
printf '[live]\nfolder = "%s"\n[live.drain]\nfolder = "%s"\nevery_seconds = 1\n' "$PWD/var/live" "$PWD/var/events" >var/server.toml
"$bin/qianmian-server" run --config var/server.toml --store "$STORE" --listen "$LISTEN" 2>var/server.log &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null || true' EXIT

# call METHOD PATH [BODY]: by curl, or by the shell itself without curl.
call() {
  if command -v curl >/dev/null; then
    curl -sS -X "$1" "http://$LISTEN$2" ${3:+-H 'content-type: application/json' -d "$3"}
  else
    exec 3<>"/dev/tcp/$host/$port"
    printf '%s %s HTTP/1.0\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %s\r\n\r\n%s' \
      "$1" "$2" "$LISTEN" "$(printf %s "${3:-}" | wc -c)" "${3:-}" >&3
    sed '1,/^\r$/d' <&3
    exec 3>&-
  fi
}
ready() { (exec 3<>"/dev/tcp/$host/$port") 2>/dev/null && call GET /readyz 2>/dev/null | grep -q '"ready"'; }
for _ in $(seq 300); do
  ready && break
  kill -0 "$server" 2>/dev/null || { cat var/server.log; exit 1; }
  sleep 0.1
done

# show TITLE METHOD PATH [BODY]
show() {
  printf '\n# %s\n' "$1"
  if [ -n "${4:-}" ]; then
    printf "curl -s http://%s%s -H 'content-type: application/json' -d '%s'\n" "$LISTEN" "$3" "$4"
  else
    printf "curl -s 'http://%s%s'\n" "$LISTEN" "$3"
  fi
  call "$2" "$3" "${4:-}" | cut -c1-900
  echo
}
# example KIND: an id of the trained model, as JSON text.
example() { "$bin/qianmian-trainer" inspect --store "$STORE" --examples "$1" --json; }
user=$(example users) item=$(example items)
if [ -n "$user" ]; then
  show "items for a known user" POST /recommend "{\"user\":{\"id\":$user},\"fields\":[\"title\",\"price\"],\"count\":3}"
fi
show "items for an anonymous user who looks at an item" POST /recommend "{\"context\":{\"item_ids\":[$item]},\"fields\":[\"title\",\"price\"],\"count\":3}"
show "similar items" POST /similar "{\"item_ids\":[$item],\"fields\":[\"title\",\"price\"],\"count\":3}"
show "complements of a cart (搭配购)" POST /bundle "{\"cart\":[$item],\"fields\":[\"title\",\"price\"],\"count\":2}"
if [ -n "$user" ]; then
  show "users for an item (货找人)" POST /audience "{\"item_ids\":[$item],\"count\":3}"
fi
now=$(date -u +%Y-%m-%dT%H:%M:%SZ)
show "a visitor views the item" POST /events \
  "{\"events\":[{\"event_id\":\"demo-$now\",\"type\":\"view\",\"occurred_at\":\"$now\",\"user_id\":\"visitor\",\"item_id\":$item}]}"
show "and the next answer uses the view" POST /recommend '{"user":{"id":"visitor"},"fields":["title","price"],"count":3}'
drained() { find var/events -name '*.parquet' -newer var/server.toml 2>/dev/null | sort | tail -1; }
for _ in $(seq 50); do
  [ -n "$(drained)" ] && break
  sleep 0.1
done
printf '\n# drained events, for the next training: [events] files = ["var/events/default/**/*.parquet"]\n%s\n' "$(drained)"
printf '\nServing on http://%s (API: http://%s/docs, log in var/server.log).\n' "$LISTEN" "$LISTEN"
printf 'The console: http://%s/console\n' "$LISTEN"
[ -n "${DEMO_ONCE:-}" ] && exit 0
echo "Ctrl-C stops it."
wait "$server"
