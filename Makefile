# The one entry point; CI calls the same targets.
#
#   make demo         a complete setup on loopback: authorization server, service, gateway
#   make test         every test that this machine can run, with django-oauth-toolkit, oidc-provider and Authlib
#   make interop      also Keycloak, Hydra, Spring, zitadel and Dex; prints the table of results; takes minutes
#   make beside       real nginx, Caddy, HAProxy, Traefik and Envoy that ask introgate, with the files of
#                     deploy/beside/; prints the table of results; takes minutes the first time
#   make chaos        two minutes of load while the authorization server dies, hangs, lies and comes back
#   make upgrades     20,000 WebSockets to each of three quick services: none may be lost; HANDSHAKES may be set
#   make soak         a minute of load while reloads, certificates and new processes come and go: nothing may fail
#   make kubernetes   the Helm chart as Helm renders it, held against schemas; needs Go
#   make package      the Debian package of a quick build, unpacked and tried
#   make release      packages, archives, bill of materials and checksums, in target/dist; takes 15 minutes
#   make fuzz-wire    mutated requests and responses on both ways, compared; SECONDS=60 and SEED may be set
#   make idle         bytes of memory for each of 10,000 idle connections
#   make lint         formatting, clippy, licences, alert rules
#   make build        target/release/introgate
#   make bench        load run beside nginx, HAProxy, Envoy, nginx+njs, Apache mod_oauth2, a bare pingora; takes minutes
#   make bench-quick  the same for a moment and on a debug build: fails on errors, not on figures
#   make micro        micro-benchmarks without sockets, what threads share, and bytes for each cached token
#   make fuzz         a minute for each fuzz target (FUZZ_SECONDS); a moment of it is part of make test
#   make schema       writes deploy/gateway.schema.json and docs/configuration.md
#   make page         screenshots of the status page for docs/, taken with chromium
#   make man          manual pages, in target/man
#   make help         prints this list

CARGO ?= cargo
INTEROP_TABLE = target/interop/table
BESIDE_TABLE = target/interop/beside

.PHONY: help demo test interop beside kubernetes package release chaos upgrades soak fuzz-wire idle lint build bench bench-quick micro fuzz schema page man setup setup-bench setup-test setup-release

help:
	@sed -n 's/^#   //p' Makefile

# A profile of its own, without LTO and optimisation: a release build takes minutes.
demo: setup
	$(CARGO) build --profile demo --locked
	target/demo/introgate demo

build: setup
	$(CARGO) build --release --locked

# The second run sends every request the general way.
test: setup setup-test
	$(CARGO) test --locked
	FAST_PATH=off $(CARGO) test --locked --test tests

# The table is printed even if a test fails. One test at a time: starting Keycloak takes both cores.
interop: setup setup-test
	@./deploy/needs javac:openjdk-17-jdk-headless mvn:maven go:golang-go
	@rm -rf $(INTEROP_TABLE)
	INTEROP=required $(CARGO) test --locked --test tests interop:: -- --include-ignored --test-threads=1; status=$$?; \
	grep -A1 '^| server | asked by' docs/interop.md; cat $(INTEROP_TABLE)/*; exit $$status

# The table is printed even if a test fails.
beside: setup setup-test
	@./deploy/needs go:golang-go
	@rm -rf $(BESIDE_TABLE)
	INTEROP=required $(CARGO) test --locked --test tests beside:: -- --include-ignored; status=$$?; \
	grep -A1 '^| proxy | token in' docs/beside.md; cat $(BESIDE_TABLE)/*; exit $$status

kubernetes: setup
	@RUNLEVEL=1 ./deploy/needs go:golang-go
	INTEROP=required $(CARGO) test --locked --test tests -- kubernetes:: --include-ignored

package: setup setup-release
	INTEROP=required $(CARGO) test --locked --test tests -- packages:: --include-ignored

# `make release WITHOUT=musl` where Rust's standard library for musl cannot be had
release: setup setup-release
	./deploy/release $(if $(WITHOUT),--without $(WITHOUT))

# CHAOS_SECONDS and CHAOS_SEED may be set
chaos: setup setup-test
	CHAOS_SECONDS=$${CHAOS_SECONDS:-60} $(CARGO) test --locked --test tests -- chaos --nocapture --test-threads=1

upgrades: setup setup-test
	@./deploy/needs go:golang-go
	INTEROP=required HANDSHAKES=$${HANDSHAKES:-20000} $(CARGO) test --locked --test tests -- upgrades::quick --nocapture --test-threads=1

# SOAK_SECONDS may be set
soak: setup setup-test
	@RUNLEVEL=1 ./deploy/needs wrk:wrk h2load:nghttp2-client
	$(CARGO) test --locked --test tests -- chaos::changes --ignored --nocapture

# the same test runs for 20 seconds in `make test`
fuzz-wire: setup
	FUZZ_SECONDS=$(or $(SECONDS),60) $(if $(SEED),FUZZ_SEED=$(SEED)) $(CARGO) test --locked --test tests -- both_ways::fuzz --nocapture

idle: setup
	ulimit -n $$(ulimit -Hn) && IDLE_CONNECTIONS=10000 $(CARGO) test --locked --test tests -- operations::idle --nocapture

lint: setup
	$(CARGO) fmt --check
	$(CARGO) clippy --all-targets --locked -- -D warnings
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check bans licenses sources; \
	else echo '!!! SKIPPED: cargo deny (cargo install cargo-deny)'; fi
	@if command -v promtool >/dev/null; then cd deploy/prometheus && promtool check rules alerts.yaml && promtool test rules alerts_test.yaml; \
	else echo '!!! SKIPPED: promtool (apt-get install prometheus)'; fi

page: setup
	@RUNLEVEL=1 ./deploy/needs chromium:chromium curl:curl openssl:openssl
	$(CARGO) build --profile demo --locked
	docs/page/screenshots.sh target/demo/introgate

man:
	$(CARGO) run --quiet --locked -- man --into target/man

bench: setup setup-bench
	benches/load/run.sh

bench-quick: setup setup-bench
	benches/load/run.sh --quick

micro: setup
	$(CARGO) bench --locked

# By libFuzzer where cargo-fuzz and a nightly toolchain are installed, else by the harness in src/fuzz.
FUZZ_SECONDS ?= 60

fuzz: setup
	@if $(CARGO) +nightly fuzz --version >/dev/null 2>&1; then \
	  for target in $$(ls fuzz/corpus); do mkdir -p target/fuzz/$$target; \
	    $(CARGO) +nightly fuzz run $$target target/fuzz/$$target fuzz/corpus/$$target -- -max_total_time=$(FUZZ_SECONDS) || exit 1; \
	  done; \
	else FUZZ_SECONDS=$(FUZZ_SECONDS) $(CARGO) test --locked --lib fuzz::; fi

schema: setup
	INTROGATE_UPDATE=1 $(CARGO) test --quiet --locked --lib the_schema_that_is_checked_in

# cmake builds zlib-ng, which pingora links
setup:
	@./deploy/needs cc:build-essential cmake:cmake

# load generator and peers; RUNLEVEL=1 keeps the packages from starting services
setup-bench:
	@RUNLEVEL=1 ./deploy/needs wrk:wrk h2load:nghttp2-client openssl:openssl nginx:nginx haproxy:haproxy dpkg:libnginx-mod-http-js apache2:apache2 \
		dpkg:libapache2-mod-oauth2 python3:python3 python3-venv:python3-venv

# The interop tests start authorization servers from PyPI and npm, the fleet tests a Redis,
# the proxy test a tinyproxy, the systemd tests its tools.
setup-test:
	@RUNLEVEL=1 ./deploy/needs python3:python3 python3-venv:python3-venv node:nodejs npm:npm redis-server:redis-server redis-sentinel:redis-sentinel nginx:nginx haproxy:haproxy caddy:caddy tinyproxy:tinyproxy-bin systemd-analyze:systemd

# Versions of their own: another version of a tool may write other bytes.
setup-release:
	@RUNLEVEL=1 ./deploy/needs dpkg-shlibdeps:dpkg-dev
	@target/tools/bin/cargo-deb --version 2>/dev/null | grep -q 3.8.0 || $(CARGO) install --quiet --locked --root target/tools cargo-deb@3.8.0
	@target/tools/bin/cargo-cyclonedx cyclonedx --version 2>/dev/null | grep -q 0.5.9 || $(CARGO) install --quiet --locked --root target/tools cargo-cyclonedx@0.5.9
