# Where Rust for the browser is, on this machine. $root: the checkout.
# rustup has the standard library for wasm; Debian's Rust comes with the sources of it alone.

WASM=wasm32-unknown-unknown

# The Rust beside this cargo has the standard library for wasm.
has_wasm() {
    set -- "$("$(dirname "$1")/rustc" --print target-libdir --target "$WASM" 2>/dev/null)"/libcore-*.rlib
    [ -e "$1" ]
}

# Debian's cargo by its full path, where it is new enough for this crate, whatever else is in PATH.
debian_cargo() { env -i PATH=/usr/bin:/bin HOME=/nonexistent "$root/tools/cargo" --found; }

debian_rustc() { "$(dirname "$(debian_cargo)")/rustc" "$@"; }

debian_llvm() { debian_rustc -vV | sed -n 's/^LLVM version: \([0-9]*\).*/\1/p'; }

# What tools/web-setup builds from Debian's sources: another folder for each version of Debian's Rust.
wasm_library() { echo "$root/target/setup/wasm-library-$(debian_rustc --version | cut -d ' ' -f 2)"; }

# The linker that a Rust from rustup brings, else the one of Debian's LLVM.
wasm_linker() {
    rustc=$(dirname "$("$root/tools/cargo" --found)")/rustc
    for linker in "$("$rustc" --print sysroot)"/lib/rustlib/*/bin/rust-lld "/usr/lib/llvm-$(debian_llvm)/bin/wasm-ld"; do
        [ -x "$linker" ] && echo "$linker" && return
    done
    return 1
}
