#!/usr/bin/env bash
# Installs a Rust toolchain that compiles to Wasm, under the name "wasm".
#
#   wasm-toolchain.sh [FOLDER [NAME]]
#
# FOLDER is ~/.local/share/rust-wasm unless given; it takes about 1.1 GB and two
# minutes. It needs rustup, a Debian (bookworm) with its security archive, and
# the right to run apt-get. Where `rustup target add` works, that is the simpler
# way, and bundles come out a little different.
#
# The compiler is Debian's rustc-web with the LLVM it was made for. Its packages
# are unpacked into FOLDER and leave the system as it is. They hold the sources
# of the standard library but no build of it for Wasm, so that is made here:
#
#   wasm32-unknown-unknown   std           contracts
#   wasm32v1-none            core, alloc   the node's runtime; contracts for hosts
#                                          that know only the first Wasm
set -euo pipefail

folder=${1:-$HOME/.local/share/rust-wasm}
name=${2:-wasm}
usr=$folder/usr
libraries=$usr/lib/x86_64-linux-gnu
rustlib=$usr/lib/rustlib
complete=$rustlib/wasm32v1-none/.complete

if [ -e "$complete" ] && rustup run "$name" rustc --version >/dev/null 2>&1; then
    echo "The toolchain '$name' is in place already."
    exit
fi
[ "$(dpkg --print-architecture)" = amd64 ] || {
    echo "This script knows the packages of amd64 only." >&2
    exit 1
}

fetch() {
    apt-get update -qq
    # The library's package carries its version in its name.
    local std
    std=$(apt-cache depends libstd-rust-web-dev | grep -o 'libstd-rust-web-[0-9][0-9.]*' | sort -u)
    mkdir -p "$folder/packages"
    (
        cd "$folder/packages"
        # As root: apt's own user may not write here.
        apt-get -qq -o APT::Sandbox::User=root download \
            rustc-web cargo-web rust-web-src rust-web-llvm libstd-rust-web-dev "$std" \
            libllvm22 llvm-22 lld-22 \
            libgit2-1.5 libhttp-parser2.9 libssh2-1 libmbedcrypto7 libmbedtls14 libmbedx509-1
    )
    local package
    for package in "$folder"/packages/*.deb; do
        dpkg-deb --extract "$package" "$folder"
    done
}

# wrap FILE PROGRAM: makes FILE run PROGRAM with the unpacked libraries. Setting
# their path for the whole shell would pass it on to every program that cargo runs.
wrap() {
    cat >"$1" <<END
#!/bin/sh
LD_LIBRARY_PATH=$libraries exec $2 "\$@"
END
    chmod +x "$1"
}

link() {
    local tool
    for tool in cargo rustc rustdoc; do
        [ -e "$usr/bin/$tool.real" ] || mv "$usr/bin/$tool" "$usr/bin/$tool.real"
        wrap "$usr/bin/$tool" "$usr/bin/$tool.real"
    done
    mkdir -p "$rustlib/x86_64-unknown-linux-gnu/bin"
    wrap "$rustlib/x86_64-unknown-linux-gnu/bin/rust-lld" "$usr/lib/llvm-22/bin/lld"
    rustup toolchain link "$name" "$usr"
}

# build TARGET CRATES: builds the standard library, by way of an empty crate.
build() {
    local target=$1 crates=$2 crate=$scratch/$1
    mkdir -p "$crate/src" "$rustlib/$target/lib"
    cat >"$crate/Cargo.toml" <<END
[package]
name = "nothing"
edition = "2021"

[workspace]
END
    echo '#![no_std]' >"$crate/src/lib.rs"
    # Bitcode, since contracts are optimised at link time. No local paths, since
    # the library's panics name their source files in every contract.
    (
        cd "$crate"
        RUSTC_BOOTSTRAP=1 \
            RUSTFLAGS="-Cembed-bitcode=yes --remap-path-prefix=$rustlib/src/rust=rust" \
            CARGO_TARGET_DIR=$crate/target \
            cargo "+$name" build --quiet --release --target "$target" -Zbuild-std="$crates"
    )
    find "$crate/target/$target/release/deps" -name '*.rlib' ! -name 'libnothing-*' \
        -exec cp -t "$rustlib/$target/lib" {} +
}

fetch
link
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
build wasm32-unknown-unknown std,panic_abort
build wasm32v1-none core,alloc
touch "$complete"
echo "The toolchain '$name' is ready: $(rustup run "$name" rustc --version)."
echo "Delete what an earlier sysroot has built: target/wasm32-* of the contracts."
