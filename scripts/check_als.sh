#!/usr/bin/env bash
# Our ALS beside the `implicit` package on the same matrix: loss, top-20 overlap, and time if it trains.
#   ORDERS=path CONFIG=file.toml    train on these (either may be enough), at each number of threads, and time it
#   STORE=dir SHOP=name VERSION=v   else compare an artifact (default: the published one of var/models, shop default)
#   THREADS="1 2" REPEATS=3         of the timing
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/venv.sh pyarrow numpy scipy implicit
# implicit runs its own threads; a BLAS with threads of its own makes it slower, as implicit warns.
export OPENBLAS_NUM_THREADS=1
read -ra threads <<<"${THREADS:-1 2}"
args=(--threads "${threads[@]}" --repeats "${REPEATS:-3}")
if [ -n "${ORDERS:-}${CONFIG:-}" ]; then
  "${CARGO:-cargo}" build --release --quiet -p qianmian-trainer
  args+=(--trainer "${CARGO_TARGET_DIR:-target}/release/qianmian-trainer")
  if [ -n "${CONFIG:-}" ]; then args+=(--config "$CONFIG"); fi
  if [ -n "${ORDERS:-}" ]; then args+=(--orders "$ORDERS"); fi
else
  shop=${STORE:-var/models}/${SHOP:-default}
  if [ ! -f "$shop/latest.json" ] && [ -z "${VERSION:-}" ]; then
    echo "nothing is published in $shop; train first, or name ORDERS=path and CONFIG=file.toml" >&2
    exit 1
  fi
  version=${VERSION:-$(sed 's/.*"version":"\([^"]*\)".*/\1/' "$shop/latest.json")}
  args+=(--artifact "$shop/$version")
fi
exec var/venv/bin/python scripts/check_als.py "${args[@]}"
