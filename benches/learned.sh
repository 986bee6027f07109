#!/bin/sh
# The tables of RESULTS.md about what is learned from photographs, again: `make bench-learned DATA=folder SECTIONS='probes sklearn'`.
#
#   benches/learned.sh SECTION...      what each measures is beside its name below; all of them take hours
#
# The first line says by which commit, when and where. Figures are per cent of test images unless they say otherwise.
#
# DATA=folder    cifar10-train.tar and cifar10-test.tar (500 and 100 images of each of CIFAR-10's classes, as JPEG), photos.tar (80 and
#                12 photos of each of ten kinds of clothes, clothing-dataset-small, CC0); members are train/CLASS/FILE or test/CLASS/FILE
# RUNS=folder    where trained encoders are kept, and found again; else they are gone at the end
# STEPS=n EPOCHS=n SEEDS='0 1 2'     of each training, of each fine-tuning (few labels: six times as many), of `photographs` and
#                `bits`: with small ones, and few images in DATA, any section can be tried within a minute or two
# IJEPA=path     the program; else ./target/release/ijepa
# PYTHON=path    with scikit-learn, Pillow and safetensors; else that of `benches/peers/setup --sklearn`
# TORCH=path     with PyTorch and Pillow; else that of `benches/peers/setup --torch`; where it is missing its rows are, too
set -eu
[ $# -gt 0 ] || { echo "benches/learned.sh: which section? one of" $(sed -n 's/^\([a-z]*\)() { # .*/\1/p' "$0") >&2; exit 2; }
data=$(cd "${DATA:?a folder with cifar10-train.tar, cifar10-test.tar and photos.tar}" && pwd)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
trap 'exit 1' INT TERM
mkdir -p "${RUNS:-$place/runs}"
runs=$(cd "${RUNS:-$place/runs}" && pwd)
cd "$(dirname "$0")/.."
ijepa=${IJEPA:-target/release/ijepa}
python=${PYTHON:-target/peers/sklearn/bin/python}
torch=${TORCH:-target/peers/venv/bin/python}
steps=${STEPS:-1250} epochs=${EPOCHS:-10} seeds=${SEEDS:-0 1 2}
train=$data/cifar10-train.tar test=$data/cifar10-test.tar photos=$data/photos.tar
export IJEPA_TUNE= # nothing that was tuned here has a say

benches/machine.sh

# Runs a command and shows what it says where it fails.
quietly() { "$@" >"$place/said" 2>&1 || { cat "$place/said" >&2; exit 1; }; }

# trained SEED KIND DATA: `nano` on DATA, with operands of that kind; $run is its folder.
trained() {
    run=$runs/nano-$(basename "$3" .tar)-$1-$2-$steps
    [ -f "$run/latest.safetensors" ] && return
    began=$(date +%s)
    case $2 in f32) set -- "$1" "$3" ;; bf16) set -- "$1" "$3" --set meta.use_bfloat16=true ;; f16) set -- "$1" "$3" --set meta.use_float16=true ;; esac
    rm -rf "$run.part" "$run"
    seed=$1 of=$2
    shift 2
    quietly "$ijepa" train --preset nano --steps "$steps" --seed "$seed" --data "$of" "$@" --out "$run.part" --quiet
    mv "$run.part" "$run"
    echo "$(basename "$run"): trained in $(($(date +%s) - began)) s; the monitor says $(sed -n '$s/.*,//p' "$run/monitor.csv")"
}

# Rows of a probe's table.
probe() { "$ijepa" probe --weights "$run" "$@" 2>"$place/said" || { cat "$place/said" >&2; exit 1; }; }

photographs() { # what nano learns, beside raw pixels and the untrained encoder: k-NN and linear
    for seed in $seeds; do
        trained "$seed" f32 "$train"
        echo "seed $seed"
        probe --data "$train" --test "$test"
    done
    trained 0 f32 "$photos"
    echo "photos.tar"
    probe --data "$photos"
    trained 0 f32 "$test"
    echo "cifar10-test.tar, by the monitor"
    sed -n '1,2p;$p' "$run/monitor.csv"
}

bits() { # what nano learns with operands of 32 and 16 bits: k-NN and linear of the learned features
    for seed in $seeds; do for kind in f32 bf16 f16; do
        trained "$seed" $kind "$train"
        echo "seed $seed, $kind  $(probe --data "$train" --test "$test" | grep learned)"
    done; done
}

sklearn() { # k-NN and linear as scikit-learn has them on the same features
    trained 0 f32 "$train"
    quietly "$ijepa" embed --weights "$run" --data "$train" --out "$place/train.safetensors" --quiet
    quietly "$ijepa" embed --weights "$run" --data "$test" --split test --out "$place/test.safetensors" --quiet
    for method in knn linear; do
        probe --data "$train" --test "$test" --method $method --out "$place/$method"
        "$python" -I tests/golden/sklearn.py "$place/train.safetensors" "$place/test.safetensors" "$place/$method/probe.json"
    done
}

probes() { # all methods; with fewer labels, of the last four blocks, of the context encoder, on images of another kind
    trained 0 f32 "$train"
    for of in '' '--label-fraction 0.1' '--label-fraction 0.01'; do
        echo "--method all $of"
        probe --data "$train" --test "$test" --method all $of
    done
    for of in '--method knn --features last4' '--method linear --features last4' '--method linear --encoder context'; do
        echo "$of"
        probe --data "$train" --test "$test" $of
    done
    for of in '--method all' '--method linear --features last4'; do
        echo "photos.tar, $of"
        probe --data "$photos" $of
    done
}

finetune() { # end to end with labels, beside PyTorch; then with 50 labels of each class, begun and from scratch
    trained 0 f32 "$train"
    tune() { quietly "$ijepa" finetune --weights "$run" --test "$test" "$@"; grep -E '^(epoch [0-9]+:|test accuracy)' "$place/said"; }
    tune --data "$train" --epochs "$epochs" --out "$place/tuned"
    if [ -x "$torch" ]; then
        quietly "$ijepa" export --weights "$run" --to safetensors --out "$place/start"
        "$torch" benches/peers/torch/finetune.py "$place/start/ijepa.safetensors" "$place/tuned/latest.safetensors" --data "$train" --test "$test"
    else
        echo "PyTorch: none here (benches/peers/setup --torch)"
    fi
    mkdir "$place/few"
    tar -tf "$train" | sort | awk -F/ '/[^\/]$/ && ++n[$(NF - 1)] <= 50' >"$place/list"
    tar -xf "$train" -C "$place/few" -T "$place/list"
    for plain in '' '--augment 0 --mixup 0 --drop-path 0'; do for scratch in '' --from-scratch; do
        rm -rf "$place/tuned"
        echo "50 labels of each class $plain $scratch"
        tune --data "$place/few" --epochs $((6 * epochs)) $plain $scratch --out "$place/tuned" | tail -n 1
    done; done
}

centring() { # precision@10 and the cosine with the nearest that 99 % don't reach, plain and less the mean, trained and untrained
    trained 0 f32 "$train"
    quietly "$ijepa" train --preset nano --steps 1 --seed 0 --data "$train" --set optimization.lr=0 --set optimization.start_lr=0 \
        --set optimization.final_lr=0 --out "$place/untrained" --quiet
    mkdir "$place/cifar10"
    for archive in "$train" "$test"; do tar -xf "$archive" -C "$place/cifar10"; done
    for of in "$photos" "$place/cifar10"; do for weights in "$run" "$place/untrained"; do
        rm -f "$place"/f.*
        quietly "$ijepa" embed --weights "$weights" --data "$of" --split all --out "$place/f.npy" --quiet
        echo "$(basename "$of"), $(basename "$weights")"
        "$python" benches/copies.py near "$place/f.npy"
    done; done
}

copies() { # what of copies of 100 photos (benches/copies.py) features reach, and `search duplicates` finds
    trained 0 f32 "$train"
    "$python" benches/copies.py make "$photos" "$place/five" jpeg40 two-thirds one-and-a-half brighter cut-4
    quietly "$ijepa" embed --weights "$run" --data "$place/five" --split all --out "$place/five.npy" --quiet
    "$python" benches/copies.py reach "$place/five.npy"
    quietly "$ijepa" search index "$place/five" --weights "$run" --index "$place/five.ijepa-index" --quiet
    for by in '0.95 --pixels 0' '0.90 --pixels 0' '0.6 --pixels 0.97' '0.6 --pixels 0.98' '0.6 --pixels 0.95'; do
        "$ijepa" search duplicates --index "$place/five.ijepa-index" --above $by --json 2>/dev/null >"$place/found.json"
        echo "--above $by: $("$python" benches/copies.py pairs "$place/found.json" | sed -n 1p)"
    done
    "$python" benches/copies.py make "$photos" "$place/nine" $("$python" benches/copies.py kinds)
    quietly "$ijepa" search index "$place/nine" --weights "$run" --index "$place/nine.ijepa-index" --quiet
    for by in '' '--pixels 0'; do
        began=$(date +%s%N)
        "$ijepa" search duplicates --index "$place/nine.ijepa-index" $by --json 2>/dev/null >"$place/found.json"
        echo "all kinds ${by:-by default}, in $((($(date +%s%N) - began) / 1000000)) ms: $("$python" benches/copies.py pairs "$place/found.json")"
    done
}

embed() { # the most memory that `embed` takes: nano, of 1,000 images and of 5,000; a ViT-B from a Hugging Face folder
    [ -x /usr/bin/time ] || { echo "no /usr/bin/time here"; return; }
    most() { echo "$*: $(/usr/bin/time -f '%M KiB' "$ijepa" embed --out "$place/e.npy" --quiet "$@" 2>&1 | tail -n 1)"; rm -f "$place"/e.*; }
    trained 0 f32 "$train"
    for split in test all; do most --weights "$run" --data generated:glyphs --split $split; done
    quietly "$ijepa" train --preset base --batch 1 --steps 1 --data "$photos" --out "$place/base" --quiet
    quietly "$ijepa" export --weights "$place/base" --to hf --out "$place/hf"
    most --weights "$place/hf" --batch 2 --data "$photos" --split test
}

for section in "$@"; do
    case $section in
    photographs | bits | sklearn | probes | finetune | centring | copies | embed) ;;
    *) echo "benches/learned.sh: there is no section $section" >&2; exit 2 ;;
    esac
    echo "== $section: $(sed -n "s/^$section() { # //p" "$0")"
    $section
done
