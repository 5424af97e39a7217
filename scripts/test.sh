#!/usr/bin/env bash
# The whole test suite. Installs what it needs beside Rust, or prints SKIPPED and how to install it.
# The last line is the sum over all test binaries: N passed, N failed, N skipped.
set -euo pipefail
cd "$(dirname "$0")/.."
scripts/check-k8s.sh
status=0
if command -v "${PYTHON:-python3}" >/dev/null; then
  "${PYTHON:-python3}" scripts/check_context.py || status=1
  "${PYTHON:-python3}" scripts/check_docs.py || status=1
else
  echo "SKIPPED: python3 is missing; the context of the image and the documents were NOT checked" >&2
fi
if scripts/venv.sh pyarrow polars numpy; then
  export QIANMIAN_PYTHON="$PWD/var/venv/bin/python"
fi
# Live state is tested against Redis servers that the tests start themselves.
scripts/install-redis.sh || echo "SKIPPED: no redis-server; see above for how to install it" >&2
mkdir -p var
log=var/test.log
"${CARGO:-cargo}" test --release --workspace --no-fail-fast "$@" 2>&1 | tee "$log" || status=$?
# The console and a storefront's page in a real browser, with the programs that were just built.
if scripts/install-browser.sh; then
  QIANMIAN_BIN="${CARGO_TARGET_DIR:-target}/release" node --test tests/browser/console.test.mjs || status=1
else
  echo "SKIPPED: the browser tests; see above for how to install a browser" >&2
fi
awk '/^test result:/ { passed += $4; failed += $6; skipped += $8 }
     END { printf "%d passed, %d failed, %d skipped\n", passed, failed, skipped }' "$log"
exit "$status"
