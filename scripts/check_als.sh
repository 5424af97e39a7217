#!/usr/bin/env bash
# Our ALS beside the `implicit` package on the matrix that an artifact holds.
#   VERSION=v STORE=dir SHOP=name   which artifact (default: the published one of var/models, shop default)
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/venv.sh pyarrow numpy scipy implicit
exec env OPENBLAS_NUM_THREADS=1 var/venv/bin/python scripts/check_als.py "${STORE:-var/models}/${SHOP:-default}" ${VERSION:-}
