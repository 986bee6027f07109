# Two commands: `make demo` shows that it learns, `make test` proves it. Both set the machine up first.
.PHONY: help setup build demo test

# Builds stay in the checkout, wherever the machine's cargo would put them otherwise.
export CARGO_TARGET_DIR := $(CURDIR)/target

help:
	@echo "make demo    set up, build, train on generated images, print what was learned (minutes; pictures in runs/demo)"
	@echo "make test    set up, then every check: format, lints, kernels, gradients, commands, doc examples"
	@echo "make build   set up, then build ./target/release/ijepa"
	@echo "make setup   install what is missing here: C linker, Vulkan loader, a software driver where there is no GPU, cargo"
	@echo "             (IJEPA_SETUP_DRY_RUN=1 make setup only says what it would do)"

setup:
	@tools/setup

build: setup
	@tools/cargo build --release

demo: build
	./target/release/ijepa demo

# On a software driver most of a first run goes into compiling shaders: its cache is kept beside the build.
test: export MESA_SHADER_CACHE_DIR := $(CURDIR)/target/mesa-cache
test: setup
	@tools/cargo fmt --check
	@tools/cargo clippy --all-targets -- -D warnings
	@tools/cargo test --no-fail-fast
