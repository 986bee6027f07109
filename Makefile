# Three commands: `make demo` shows that it learns, `make web` builds the page where it learns in a browser, `make test`
# proves both. Each sets the machine up first.
.PHONY: help setup build demo web serve test test-web test-interop bench bench-tables bench-learned bench-search bench-web bench-peers bench-growth bench-gpu lighthouse pictures fuzz

# Builds stay in the checkout, wherever the machine's cargo would put them otherwise.
export CARGO_TARGET_DIR := $(CURDIR)/target

help:
	@echo "make demo    set up, build, train on generated images, print what was learned (minutes; pictures in runs/demo)"
	@echo "make test    set up, then every check: format, lints, kernels, gradients, commands, doc examples, the page in a browser"
	@echo "make web     set up, build the page for browsers into web/dist and its package into web/pkg"
	@echo "make serve   the same, then serve the page on localhost"
	@echo "make test-web  the page's tests alone, in headless Chromium"
	@echo "make test-interop  weights between this program and PyTorch, transformers, timm, onnxruntime (installs them, some 5 GB)"
	@echo "make fuzz    made-up files for every reader of files, FUZZ_SECONDS=60 for each (installs cargo-fuzz)"
	@echo "make bench   how fast the adapter's kernels are, and the host's masks, images and checkpoints"
	@echo "make bench-tables  the tables of benches/RESULTS.md about speed and memory, again (SECTIONS='bits attention': only these)"
	@echo "make bench-learned DATA=folder SECTIONS='...'  those about photographs, which must be in DATA: hours (benches/learned.sh)"
	@echo "make bench-search  what the index of ijepa search misses, and how quick it is"
	@echo "make bench-web  how fast the page's adapter is, and the native program beside it"
	@echo "make bench-peers  the same training steps by PyTorch and Burn, in turn with ours (installs PyTorch, some 5 GB)"
	@echo "make bench-growth  how a step grows with batch, tokens, width and depth, ours and PyTorch's (installs as bench-peers)"
	@echo "             (DEVICE=cuda: PyTorch on an NVIDIA GPU, which ours takes anyway; default cpu)"
	@echo "make bench-gpu  all that is worth measuring on a GPU in ten minutes, the most valuable first; results in runs/gpu-session"
	@echo "make lighthouse  Lighthouse's accessibility score of the page"
	@echo "make pictures    the README's pictures of the page, from a training run of some minutes"
	@echo "make build   set up, then build ./target/release/ijepa"
	@echo "make setup   install what is missing here: C linker, Vulkan loader, a software driver where there is no GPU, cargo"
	@echo "             (IJEPA_SETUP_DRY_RUN=1 make setup only says what it would do)"

setup:
	@tools/setup

build: setup
	@tools/cargo build --release

demo: build
	./target/release/ijepa demo

web: setup
	@tools/web-setup
	@tools/web-build

serve: web
	@cd web && node_modules/.bin/vite preview --host localhost

# On a software driver most of a first run goes into compiling shaders: its cache is kept beside the build.
test: export MESA_SHADER_CACHE_DIR := $(CURDIR)/target/mesa-cache
test: setup
	@tools/cargo fmt --check --all
	@tools/cargo clippy --all-targets -- -D warnings
	@tools/cargo test --no-fail-fast; tests=$$?; $(MAKE) --no-print-directory test-web && exit $$tests

test-web: setup
	@tools/web-setup --test
	@tools/web-build
	@tools/cargo build --quiet
	@tools/web-cargo clippy --quiet --locked --package ijepa-web --profile web --target wasm32-unknown-unknown -- -D warnings
	@tools/web-test

# `tests/interop/check.py` makes all files that it needs; nothing but the packages is downloaded.
test-interop: export MESA_SHADER_CACHE_DIR := $(CURDIR)/target/mesa-cache
test-interop: setup
	@tests/interop/setup
	@tools/cargo build --quiet
	@target/interop/venv/bin/python tests/interop/check.py ./target/debug/ijepa target/interop/files

fuzz: setup
	@tools/fuzz

bench: build
	@./target/release/ijepa bench
	@tools/cargo bench --bench host

bench-tables: build
	@benches/tables.sh $(SECTIONS)

# With PyTorch beside it where `benches/peers/setup --torch` was called before.
bench-learned: build
	@benches/peers/setup --sklearn
	@benches/learned.sh $(SECTIONS)

bench-search: setup
	@tools/cargo bench --bench search

bench-web: web build
	@tools/web-setup --test
	@IJEPA_WEB_TESTS=bench tools/web-test
	@./target/release/ijepa bench --preset demo --step

# Where PyTorch computes; ours takes the GPU where there is one.
bench-peers bench-growth: DEVICE ?= cpu

bench-peers: build
	@benches/peers/setup
	@target/peers/venv/bin/python benches/peers/run.py --ijepa ./target/release/ijepa \
	    --python target/peers/venv/bin/python --burn target/peers/burn/release --device $(DEVICE)
	@target/peers/venv/bin/python benches/peers/torch/gradients.py --ijepa ./target/release/ijepa

bench-growth: build
	@benches/peers/setup --torch
	@target/peers/venv/bin/python benches/peers/growth.py --ijepa ./target/release/ijepa \
	    --python target/peers/venv/bin/python --svg benches/growth.svg --device $(DEVICE)

bench-gpu: build
	@benches/gpu-session.sh

lighthouse: web
	@tools/web-setup --test
	@tools/web-lighthouse

pictures: web
	@tools/web-setup --test
	@IJEPA_README=500 tools/web-test readme
