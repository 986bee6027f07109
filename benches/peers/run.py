"""The same training steps by ijepa and by peers, in turn (A B A B ...): `make bench-peers`.

    python run.py --ijepa PROGRAM --python PYTHON_WITH_TORCH [--burn FOLDER_OF_PROGRAMS] [--rounds N]
        [--model '--config F.yaml'] [--device cpu|cuda] [--only NAMES]

ijepa writes what its steps are fed to a file; every contender takes the same steps from it, and prints its losses and rates
as JSON in its last line. Losses must agree before rates mean anything. A contender that fails is named with its error, and
the others go on. Exit code 1 where losses disagree.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
# Relative, of a loss in f32; bf16 rounds to 8 bits.
AGREE, AGREE_16 = 1e-4, 1e-2
# Seconds that a contender may take, pipelines and all.
LIMIT = 300
# Contenders that run only where --only names them.
NAMED_ONLY = ("ijepa bf16", "ijepa f16", "PyTorch sdpa bf16")


def last_json(command):
    """The contender's figures, or the reason why there are none."""
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        return None, f"no result within {LIMIT} s"
    except OSError as error:
        return None, str(error)
    lines = [line for line in run.stdout.splitlines() if line.startswith("{")]
    if run.returncode == 0 and lines:
        return json.loads(lines[-1]), None
    error = [line for line in run.stderr.splitlines() if line.strip()]
    return None, f"exit code {run.returncode}: {error[-1] if error else 'no message'}"


def contenders(args, case):
    step = HERE / "torch" / "step.py"
    python = [args.python, step, case, "--device", args.device]
    ours = [args.ijepa, "bench", *args.model.split(), "--step"]
    named = {
        "ijepa": ours,
        "ijepa bf16": [*ours, "--set", "meta.use_bfloat16=true"],
        "ijepa f16": [*ours, "--set", "meta.use_float16=true"],
        "PyTorch eager": python,
        "PyTorch sdpa": [*python, "--mode", "sdpa"],
        "PyTorch compile": [*python, "--mode", "compile"],
        "PyTorch eager bf16": [*python, "--bf16"],
        "PyTorch sdpa bf16": [*python, "--mode", "sdpa", "--bf16"],
    }
    if args.burn:
        for program in sorted(pathlib.Path(args.burn).glob("burn-*")):
            if program.is_file() and not program.suffix:
                named[program.name.replace("-", " ")] = [program, case]
    wanted = args.only.split(",") if args.only else [name for name in named if name not in NAMED_ONLY]
    return {name: command for name, command in named.items() if name == "ijepa" or name in wanted}


def off(losses, ours):
    return max(abs(a - b) / abs(b) for a, b in zip(losses, ours, strict=True))


def spread(values):
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ijepa", required=True)
    parser.add_argument("--python", required=True)
    parser.add_argument("--burn")
    parser.add_argument("--model", default=f"--config {HERE / 'step.yaml'}", help="as `ijepa bench` takes it, in one word")
    parser.add_argument("--device", default="cpu", help="PyTorch's: cpu or cuda")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="contenders' names, with commas; ijepa always runs")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        case = pathlib.Path(folder) / "case.safetensors"
        wrote, error = last_json([args.ijepa, "bench", *args.model.split(), "--step", "--record", case])
        if error:
            sys.exit(f"ijepa: {error}")
        commands = contenders(args, case)
        rates = {name: [] for name in commands}
        products = {name: [] for name in commands}
        errors, wrong, losses_off = {}, {}, {}
        for number in range(args.rounds):
            for name, command in commands.items():
                if name in errors:
                    continue
                print(f"round {number + 1} of {args.rounds}: {name}", file=sys.stderr)
                figures, error = last_json(command)
                if error:
                    errors[name] = error
                    continue
                rates[name].append(figures["images_per_s"])
                if "matmul_gflops" in figures:
                    products[name].append(figures["matmul_gflops"])
                print(f"  {figures['images_per_s']:.4g} images/s", file=sys.stderr)
                far = losses_off[name] = off(figures["losses"], wrote["losses"])
                if far > (AGREE_16 if "16" in name else AGREE):
                    wrong[name] = far
            product, _ = last_json([args.ijepa, "bench", "--matmul", "2048x384x384"])
            if product:
                products["ijepa"].append(product["gflops"])
    print(f"{'':22}{'images/s':>26}{'ijepa / peer':>26}{'2048x384x384, GFLOP/s':>28}")
    summary = {}
    for name in commands:
        if name in errors:
            print(f"{name:22}  {errors[name]}")
            continue
        ratios = [a / b for a, b in zip(rates["ijepa"], rates[name])]
        of_products = spread(products[name]) if products[name] else ""
        print(f"{name:22}{spread(rates[name]):>26}{spread(ratios):>26}{of_products:>28}")
        summary[name] = {"images_per_s": rates[name], "ratio": ratios, "matmul_gflops": products[name]}
    print(f"on {wrote['adapter']}, PyTorch on {args.device}; median (least to most) of {args.rounds} rounds in turn")
    for name in rates:
        if name in errors or not name.startswith("PyTorch") or "16" not in name:
            continue
        for ours in ("ijepa bf16", "ijepa f16"):
            if rates.get(ours):
                print(f"{ours} / {name}: {spread([a / b for a, b in zip(rates[ours], rates[name])])}")
    print("losses off by", ", ".join(f"{far:.1e} ({name})" for name, far in losses_off.items()))
    for name, far in wrong.items():
        print(f"{name}: its losses are off by {far:.1e} of ours: its rate means nothing")
    print(json.dumps({"peers": summary, "errors": errors}))
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
