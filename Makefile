# Two commands to begin with: `make demo` and `make test`. `make` alone lists the rest.
CARGO ?= cargo
STORE ?= var/models
LISTEN ?= 127.0.0.1:8080
USERS ?= 5000
ORDERS ?=
CONFIG ?=
PYTHON ?= python3
CRATE ?=
NAME ?=

.PHONY: help demo check t test lint chaos bench-live fuzz check-als check-swaps check-k8s check-context check-clients check-docs deny python

help: ## Lists the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: ## Train a demo shop (or ORDERS=path, CONFIG=file.toml), serve it on LISTEN and print live answers
	@STORE="$(STORE)" LISTEN="$(LISTEN)" USERS="$(USERS)" ORDERS="$(ORDERS)" CONFIG="$(CONFIG)" CARGO="$(CARGO)" scripts/demo.sh

test: ## All tests: Rust with a real server, Python readers of the artifact, Kubernetes schemas, the image's context
	@CARGO="$(CARGO)" PYTHON="$(PYTHON)" scripts/test.sh

check: ## The quick check while you work: clippy on everything, development profile, warnings are errors
	$(CARGO) clippy --workspace --all-targets -- -D warnings

t: ## The quick tests of one crate, development profile: make t CRATE=models [NAME=part_of_a_test_name]
	@test -n "$(CRATE)" || { echo "name a crate: make t CRATE=models [NAME=part_of_a_test_name]" >&2; exit 2; }
	$(CARGO) test -p qianmian-$(CRATE) $(NAME)

lint: ## rustfmt, clippy and rustdoc, warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --release --workspace --no-deps --quiet

python: ## A virtual environment in var/venv for the Python checks
	@PYTHON="$(PYTHON)" scripts/venv.sh pyarrow polars numpy

fuzz: ## Schemathesis against a demo server: no 500, no undocumented answer
	@PYTHON="$(PYTHON)" CARGO="$(CARGO)" scripts/fuzz_api.sh

chaos: ## Both stores: SIGKILLs under load (200 of a server with events, 100 with documents and counters); Redis away, or back older
	QIANMIAN_KILLS=200 $(CARGO) test --release -p qianmian-server --test server chaos:: -- --nocapture --test-threads 1
	QIANMIAN_OUTAGE_SECONDS=10 $(CARGO) test --release -p qianmian-server --test server outage:: -- --nocapture --test-threads 1
	QIANMIAN_KILLS=100 $(CARGO) test --release -p qianmian-live --test live chaos:: -- --nocapture --test-threads 1
	QIANMIAN_REWINDS=20 $(CARGO) test --release -p qianmian-live --test live rewind:: -- --nocapture --test-threads 1

SIZE ?= L
.PHONY: bench bench-full bench-stages

bench: ## Every answer's processor time as a multiple of a bare axum server's, on a demo shop of 5,000 users
	@CARGO="$(CARGO)" $(PYTHON) scripts/bench.py --size S

bench-full: ## The same on 200,000 users (SIZE=XL: 1,000,000), with a long overload
	@CARGO="$(CARGO)" $(PYTHON) scripts/bench.py --size "$(SIZE)"

bench-stages: ## Kernels, and the stages of every answer inside the process, on the model that make bench left
	QIANMIAN_BENCH_STORE="$${QIANMIAN_BENCH_STORE:-var/bench/S/store}" $(CARGO) bench -p qianmian-models

bench-live: ## Cost of live state, embedded and in Redis: durable events a second, bytes, time of a load
	$(CARGO) run --release --example bench -- var/bench-live

check-swaps: ## 100 swaps under load: no failed answer, no growth of memory; 200 swaps under 100,000 item changes: none lost
	@CARGO="$(CARGO)" scripts/check_swaps.sh
	QIANMIAN_SWAPS=200 QIANMIAN_CHANGES=100000 $(CARGO) test --release -p qianmian-server --test server swaps_and_changes:: -- --nocapture

check-als: ## Our ALS beside `implicit` on the same matrix: loss and top-20 overlap
	@PYTHON="$(PYTHON)" CARGO="$(CARGO)" STORE="$(STORE)" scripts/check_als.sh

check-k8s: ## Strict schema validation of k8s/
	@scripts/check-k8s.sh --require

check-context: ## The image can be built from the files that its ignore file leaves
	@CARGO="$(CARGO)" $(PYTHON) scripts/check_context.py

check-clients: ## Three generators of clients on our OpenAPI document; two of the clients call a live server
	@CARGO="$(CARGO)" PYTHON="$(PYTHON)" scripts/check_clients.sh

check-docs: ## Links, paths, names, metrics and spelling of all documents
	@$(PYTHON) scripts/check_docs.py

deny: ## Licenses, duplicate versions and sources of dependencies; advisories where they can be fetched
	@CARGO="$(CARGO)" scripts/deny.sh
