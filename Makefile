# The one entry point; CI calls the same targets.
#
#   make demo         a complete setup on loopback: authorization server, service, gateway
#   make test         everything that can be tested here, django-oauth-toolkit included
#   make lint         formatting, clippy, licences
#   make build        target/release/introgate
#   make schema       deploy/gateway.schema.json anew

CARGO ?= cargo
INTROGATE = target/release/introgate

.PHONY: demo test lint build schema setup setup-test

demo: build
	$(INTROGATE) demo

build: setup
	$(CARGO) build --release --locked

test: setup setup-test
	$(CARGO) test --locked

lint: setup
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --locked -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check bans licenses sources; \
	else echo '!!! SKIPPED: cargo deny (cargo install cargo-deny)'; fi

schema: setup
	$(CARGO) run --quiet --locked -- schema > deploy/gateway.schema.json

# cmake builds zlib-ng, which pingora links
setup:
	@./deploy/needs cc:build-essential cmake:cmake

# the interop tests start a real authorization server from PyPI
setup-test:
	@./deploy/needs python3:python3 python3-venv:python3-venv
