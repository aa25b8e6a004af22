#!/usr/bin/env bash
# Checks that the runtime compiles to Wasm, as a node needs it. Wants the toolchain named `wasm`
# (`contracts/wasm-toolchain.sh`) and CARGO_TARGET_DIR.
#
# The crate that verifies quotes also asks to be built as a C library, which cannot be linked without
# `std`. It is taken here with another `crate-type`; its code is as it was published.
set -euo pipefail
cd "$(dirname "$0")/.."

manifest=$(cargo metadata --format-version 1 |
    grep -o '"manifest_path":"[^"]*/dcap-qvl-[0-9][^"]*/Cargo.toml"' | head -n 1 | cut -d'"' -f4)
[ -n "$manifest" ] || { echo "the crate dcap-qvl is not among the dependencies"; exit 1; }
patched="$CARGO_TARGET_DIR/wasm-patched/dcap-qvl"
rm -rf "$patched"
mkdir -p "$patched"
cp -r "$(dirname "$manifest")/." "$patched"
sed -i '/^crate-type = \[/,/^\]/c crate-type = ["rlib"]' "$patched/Cargo.toml"

# The patch shows in the lock file, where nobody wants it.
lock=$(mktemp)
cp Cargo.lock "$lock"
trap 'cp "$lock" Cargo.lock; rm -f "$lock"' EXIT

# Substrate's crates leave out what a runtime does not have when this is set.
RUSTFLAGS="--cfg substrate_runtime" cargo +wasm check --release -p phat-runtime \
    --no-default-features --target wasm32v1-none \
    --config "patch.crates-io.dcap-qvl.path='$patched'"
