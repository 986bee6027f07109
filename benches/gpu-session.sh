#!/bin/sh
# Everything worth doing on a GPU that is at hand for ten minutes, the most valuable first.
#
#   benches/gpu-session.sh [FOLDER]     results go to FOLDER, else to $OUT, else to runs/gpu-session
#
# IJEPA=path            the program; else ./target/release/ijepa, else it is built
# IJEPA_TESTS=folder    test programs built elsewhere (target/debug/deps/ops-..., replay-...), where there is no cargo
# IJEPA_ADAPTER=which   as --adapter; default auto
# IJEPA_PYTHON=path     a Python with PyTorch for CUDA and safetensors, whose steps and products are taken beside ours; else python3,
#                       where it has them. Such a machine may have no network: install both before (pip install torch safetensors),
#                       or benches/peers/setup --torch and IJEPA_PYTHON=target/peers/venv/bin/python. Without, one line says so
# PEER_DEVICE=cpu PEER_MODEL='--preset demo' PEER_PRODUCT=256x256x256     to try that part without a GPU
# LIMIT=seconds         no step begins or goes on after that; default 570
#
# Leaves: session.log (commit, day, machine and all output), doctor.txt, bench.jsonl (the last line of each measurement),
# peers.txt (PyTorch beside ours), tune.json and tune.jsonl (the quickest tiles, and what they were measured at), the demo's pictures.
set -u
cd "$(dirname "$0")/.." || exit 1
out=${1:-${OUT:-runs/gpu-session}}
adapter=${IJEPA_ADAPTER:-auto}
limit=${LIMIT:-570}
mkdir -p "$out" || exit 1
log=$out/session.log
: >"$log"
began=$(date +%s)
failed=

say() {
    echo "$*" | tee -a "$log"
}

# step NAME SECONDS COMMAND...: runs it within its seconds and what is left of the session; its output goes to the log,
# its last line to the screen. A step that fails ends nothing.
step() {
    name=$1 most=$2
    shift 2
    left=$((limit - ($(date +%s) - began)))
    if [ "$left" -le 5 ]; then
        say "-- $name: no time left"
        return 1
    fi
    [ "$most" -lt "$left" ] || most=$left
    start=$(date +%s)
    echo "== $name: $*" >>"$log"
    timeout "$most" "$@" >"$out/step.tmp" 2>&1
    code=$?
    cat "$out/step.tmp" >>"$log"
    say "-- $name: exit code $code, $(($(date +%s) - start)) s: $(tail -n 1 "$out/step.tmp" | cut -c 1-160)"
    [ $code -eq 0 ] || failed="$failed $name"
    return $code
}

# bench NAME SECONDS ARGUMENTS...: a step whose last line is kept as a record.
bench() {
    name=$1 most=$2
    shift 2
    step "$name" "$most" "$ijepa" bench "$@" --adapter "$adapter" && tail -n 1 "$out/step.tmp" >>"$out/bench.jsonl"
}

# tests NAME SECONDS: one test file, built elsewhere or by cargo.
tests() {
    if [ -n "${IJEPA_TESTS:-}" ]; then
        for program in "$IJEPA_TESTS/$1"-*; do
            case $program in *.d) continue ;; esac # cargo's notes about it
            [ -x "$program" ] || continue
            step "tests/$1" "$2" env IJEPA_TEST_ADAPTER="$adapter" "$program"
        done
    elif tools/cargo --found >/dev/null; then
        step "tests/$1" "$2" env IJEPA_TEST_ADAPTER="$adapter" tools/cargo test --test "$1"
    else
        say "-- tests/$1: no cargo here, and no IJEPA_TESTS"
    fi
}

# peer NAME SECONDS ARGUMENTS...: a step by that Python; all it says, also of what it didn't end, stays in peers.txt.
peer() {
    name=$1 most=$2
    shift 2
    step "$name" "$most" "$python" "$@"
    code=$?
    cat "$out/step.tmp" >>"$out/peers.txt"
    return $code
}

say "$(benches/machine.sh)"
ijepa=${IJEPA:-target/release/ijepa}
if [ ! -x "$ijepa" ]; then
    step build 400 tools/cargo build --release || exit 1
    ijepa=target/release/ijepa
fi

# Nothing comes from the user's cache of tuned kernels, and nothing goes there.
export IJEPA_TUNE=
rm -f "$out/bench.jsonl" "$out/peers.txt" "$out/tune.json" "$out/tune.jsonl"
command -v nvidia-smi >/dev/null && step driver 20 nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader

# Does it compute right?
step doctor 120 "$ijepa" doctor --adapter "$adapter"
cp "$out/step.tmp" "$out/doctor.txt"
tests ops 180
tests replay 60

# How fast beside PyTorch? A large product with operands of each kind, then the step of base/14 with 128 images, in turn: the goals
# are a half of PyTorch's bf16 product, and its step.
device=${PEER_DEVICE:-cuda}
python=${IJEPA_PYTHON:-python3}
can="import sys, torch, safetensors; sys.exit('$device' == 'cuda' and not torch.cuda.is_available())"
if timeout 60 "$python" -c "$can" >/dev/null 2>&1; then
    peer product-torch 60 benches/peers/torch/product.py "${PEER_PRODUCT:-4096x4096x4096}" --ijepa "$ijepa" --adapter "$adapter" \
        --device "$device"
    peer step-torch 240 benches/peers/run.py --ijepa "$ijepa" --python "$python" --device "$device" --rounds 1 \
        --model "${PEER_MODEL:---preset base --patch 14 --batch 128} --adapter $adapter" \
        --only 'ijepa bf16,ijepa f16,PyTorch eager,PyTorch eager bf16,PyTorch sdpa bf16,PyTorch sdpa'
else
    say "-- PyTorch: $python has none for $device (IJEPA_PYTHON), so nothing is compared with it"
fi

# How near the ceilings? All kernels of base/14 with 128 images and of small, with gaps: shares of the FMA rate, of the matrix units'
# and of memory's. Then single products and attention, whose rates are to be divided by these ceilings.
bench base-kernels 90 --preset base --patch 14 --batch 128 --svg "$out/roofline-base.svg"
bench small-kernels 60 --preset small --batch 128 --svg "$out/roofline-small.svg"
for shape in 4096x768x3072 32768x768x3072 4096x4096x4096; do
    bench "matmul-$shape" 20 --matmul $shape --form nt
done
for shape in 128x64x12x64 128x256x12x64 16x1024x12x64 128x256x24x32 128x256x6x128; do
    bench "attention-$shape" 20 --attention $shape
done
bench rows 20 --rows 32768x768
# Where the driver has matrix units, f16 is multiplied on them (`way` says so); --variant tile is the same without.
for operands in bf16 f16; do
    bench "matmul-$operands" 20 --matmul 32768x768x3072 --form nt --after gelu --operands $operands
done
for form in nn nt tn; do
    bench "matmul-f16-$form" 20 --matmul 4096x4096x4096 --form $form --operands f16
done
bench matmul-f16-tile 20 --matmul 4096x4096x4096 --operands f16 --variant tile

# The step of base with operands of each kind, then with the tiles that are the quickest for it.
bench base 60 --preset base --patch 14 --batch 128 --step
bench base-bf16 60 --preset base --patch 14 --batch 128 --step --set meta.use_bfloat16=true
bench base-f16 60 --preset base --patch 14 --batch 128 --step --set meta.use_float16=true
step tune 60 "$ijepa" tune --preset base --patch 14 --batch 128 --seconds 40 --cache "$out/tune.json" --adapter "$adapter" &&
    tail -n 1 "$out/step.tmp" >>"$out/tune.jsonl"
step tune-f16 50 "$ijepa" tune --preset base --patch 14 --batch 128 --seconds 30 --set meta.use_float16=true \
    --cache "$out/tune.json" --adapter "$adapter" && tail -n 1 "$out/step.tmp" >>"$out/tune.jsonl"
export IJEPA_TUNE="$out/tune.json"
bench base-tuned 60 --preset base --patch 14 --batch 128 --step
bench base-f16-tuned 60 --preset base --patch 14 --batch 128 --step --set meta.use_float16=true
export IJEPA_TUNE=
for preset in nano demo; do
    bench "$preset" 40 --preset "$preset" --step
done
bench small 60 --preset small --batch 128 --step
bench nano-kernels 40 --preset nano --svg "$out/roofline-nano.svg"
bench huge 60 --preset huge --batch 16 --step
bench matmul-any 30 --matmul 4096x1152x384 --variant any
bench matmul-tile 30 --matmul 4096x1152x384 --variant tile

# Does it learn there, and do the whole model's iteration and the other tests pass?
step learns 150 "$ijepa" demo --out "$out/demo.tmp" --adapter "$adapter"
for picture in features.png masks.png loss.svg; do
    [ ! -f "$out/demo.tmp/$picture" ] || cp "$out/demo.tmp/$picture" "$out/"
done
rm -rf "$out/demo.tmp"
step trace 60 "$ijepa" trace --preset base --patch 14 --batch 128 --adapter "$adapter"
tests cli 90

rm -f "$out/step.tmp"
say "results in $out; failed:${failed:- nothing}"
[ -z "$failed" ]
