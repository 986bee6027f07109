#!/bin/sh
# The tables of RESULTS.md about speed and memory, measured again: on a quiet machine, whose adapter `--adapter auto` picks.
# Those about photographs: benches/learned.sh.
#
#   benches/tables.sh [SECTION...]      all without names, some 25 minutes; what each measures is beside its name below
#   benches/tables.sh learn             what is learned in f32, bfloat16 and float16, three seeds each: not among all, some 20 minutes
#   benches/tables.sh iteration         of ViT-B/14 and ViT-H/14: not among all, some 5 minutes and 13 GB of memory
#
# The first line says by which commit, when and where.
#
# IJEPA=path   the program; else ./target/release/ijepa
# ROUNDS=n     how often what is compared takes turns; default 3
# SEEDS='0 1 2' STEPS=n     of `learn`, to try it within a minute
set -eu
cd "$(dirname "$0")/.."
ijepa=${IJEPA:-target/release/ijepa}
rounds=${ROUNDS:-3}
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
trap 'exit 1' INT TERM
export IJEPA_TUNE= # nothing that was tuned here has a say
step=benches/peers/step.yaml

benches/machine.sh

# What a measurement says but for its JSON.
bench() { "$ijepa" bench "$@" 2>&1 | grep -v '^{'; }
turns() { seq "$rounds"; }

products() { # each shape alone
    for shape in 4096x1152x384 2048x96x384 2048x384x96 2048x96x288 2048x96x96 2048x48x96 416x96x384 416x384x96 2816x48x192 2816x192x48; do
        echo "$shape  $(bench --matmul $shape | grep GFLOP)"
    done
    for variant in tile any; do
        echo "4096x1152x384, $variant  $(bench --matmul 4096x1152x384 --variant $variant | grep GFLOP)"
    done
}

by_hand() { # a product and what follows it, beside kernels that were written for its shape alone
    if tools/cargo --found >/dev/null; then
        tools/cargo bench --quiet --bench by_hand
    else
        echo "left out: no cargo here"
    fi
}

odd() { # sizes that are no multiples of four, alone and with bias and GELU after
    for round in $(turns); do for shape in 4096x1152x384 4095x1152x384 4096x1153x384 4096x1152x385 4097x1153x385; do for form in nn nt tn; do
        for after in nothing gelu; do
            echo "$shape $form $after  $(bench --matmul $shape --form $form --after $after | grep GFLOP)"
        done
    done; done; done
}

bits() { # each form with operands of each kind, in turn; a step of another width in turn
    for round in $(turns); do for form in nn nt tn; do for operands in f32 bf16 f16; do
        echo "$form $operands  $(bench --matmul 4096x1152x384 --form $form --operands $operands | grep GFLOP)"
    done; done; done
    for round in $(turns); do for of in use_bfloat16=false use_bfloat16=true use_float16=true; do
        echo "$of  $(bench --config $step --step --set meta.$of | grep images/s)"
        echo "nano $of  $(bench --preset nano --step --set meta.$of | grep images/s)"
    done; done
}

attention() { # beside a product's rate
    for round in $(turns); do for shape in 32x64x4x8 32x64x4x16 32x64x3x32 2x256x6x64 128x28x3x16 32x22x3x32; do
        echo "$shape  $(bench --attention $shape | grep -E '^(product|forward|backward)' | tr -s ' ' | tr '\n' ';')"
    done; done
}

rows() { # norms, sums of columns, gathers and the optimiser beside a copy
    for round in $(turns); do for shape in 2048x96 4096x384 2816x48; do
        echo "$shape  $(bench --rows $shape | sed -n 's/^\([a-z_ ]*[a-z]\)  *[0-9.]* GB\/s  \([0-9.]*\) of.*/\1 \2/p' | tr '\n' ';')"
    done; done
}

first() { # the first step and `doctor`, with no shader cache and with one that was filled just before
    for preset in demo nano; do
        cache=$place/cache-$preset
        mkdir "$cache"
        for way in cold warm; do
            echo "$preset, $way  $(MESA_SHADER_CACHE_DIR=$cache bench --preset $preset --step | grep 'first step')"
        done
    done
    mkdir "$place/cache-doctor"
    for way in cold warm; do
        began=$(date +%s%N)
        said=$(MESA_SHADER_CACHE_DIR=$place/cache-doctor "$ijepa" doctor | grep -o '[0-9]* pipelines')
        echo "doctor, $way  $said, $((($(date +%s%N) - began) / 1000000)) ms"
    done
}

steps() { # whole steps
    for preset in demo nano; do bench --preset $preset --step; done
}

gaps() { # what of a step no kernel accounts for
    for preset in nano small; do
        batch=$([ $preset = small ] && echo 2 || echo 32)
        bench --preset $preset --batch "$batch" | grep -iE 'gaps|step'
    done
}

recompute() { # a step with blocks computed again, in turn with one that keeps them
    for round in $(turns); do for more in '' --checkpoint-activations; do
        echo "${more:-kept}  $(bench --preset tiny --batch 2 --set data.crop_size=160 --step $more | grep images/s)"
    done; done
}

predict() { # what cost and shares of ceilings say of a step, by two networks of other widths, beside the step
    bench_to() { name=$1; shift; "$ijepa" bench "$@" >"$place/$name.txt" 2>"$place/$name.err" || { cat "$place/$name.err" >&2; exit 1; }; }
    for round in $(turns); do
        bench_to small --preset small --batch 2
        bench_to demo --preset demo
        bench_to nano --preset nano
        bench_to step --config $step
        for of in 'nano demo small' 'demo nano small' 'step nano small'; do
            set -- $of
            echo "$1, with the shares of $2 and $3: $(bench --predict same --of "$place/$1.txt" \
                --shares "$place/$2.txt" "$place/$3.txt" | grep measured:)"
        done
    done
}

memory() { # by the plan, and by the driver's allocator where it tells
    "$ijepa" info --preset base --patch 14 --batch 32 | grep together
    "$ijepa" info --preset base --patch 14 --batch 32 --checkpoint-activations | grep together
    "$ijepa" info --preset base --patch 14 --batch 32 --set meta.use_bfloat16=true | grep together
    for bits in '' --set=meta.use_bfloat16=true; do "$ijepa" info --preset base --batch 32 $bits | grep together; done
    for bits in '' --set=meta.use_float16=true; do
        "$ijepa" info --preset huge --batch 1 --checkpoint-activations $bits | grep together
    done
    dry() { "$ijepa" train --data generated:glyphs --dry-run "$@" 2>/dev/null | grep -E 'takes|parts'; }
    for batch in 1 8 32; do dry --preset demo --batch $batch; done
    dry --preset demo --set meta.use_bfloat16=true
    dry --preset demo --accumulate auto --memory 0.02
    dry --preset small --batch 8
}

tune() { # every way for every product of a preset
    "$ijepa" tune --preset nano --seconds 60 --cache "$place/tune.json" 2>&1 | grep -v "^{" | tail -n 3
}

learn() { # k-NN and linear accuracy of what `demo` learns
    for seed in ${SEEDS:-0 1 2}; do for of in use_bfloat16=false use_bfloat16=true use_float16=true; do
        run=$place/$seed-$of
        "$ijepa" train --preset demo --data generated:glyphs --seed $seed --set meta.$of ${STEPS:+--steps "$STEPS"} --out "$run" --quiet
        echo "seed $seed, $of  $("$ijepa" probe --weights "$run" --data generated:glyphs 2>/dev/null | grep learned)"
        rm -rf "$run"
    done; done
}

iteration() { # one iteration of ViT-B/14 and ViT-H/14: its loss, time and memory of the process
    for of in '--preset base --patch 14 --batch 2' '--preset base --patch 14 --batch 8' \
        '--preset base --patch 14 --batch 32 --checkpoint-activations' '--preset huge --batch 1 --checkpoint-activations'; do
        /usr/bin/time -f '%e s, %M KiB' "$ijepa" trace $of >"$place/trace" 2>&1 || { cat "$place/trace"; exit 1; }
        echo "$of: $(grep -o 'loss[: ]*[0-9.]*' "$place/trace" | tail -n 1), $(tail -n 1 "$place/trace")"
    done
}

for section in ${*:-products by_hand odd bits attention rows first steps gaps recompute predict memory tune}; do
    case $section in
    products | by_hand | odd | bits | attention | rows | first | steps | gaps | recompute | predict | memory | tune | learn | iteration) ;;
    *) echo "benches/tables.sh: there is no section $section" >&2; exit 2 ;;
    esac
    echo "== $section: $(sed -n "s/^$section() { # //p" "$0")"
    $section
done
