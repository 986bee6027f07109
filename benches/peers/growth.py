"""How a training step grows with batch, tokens, width and depth, ours and PyTorch's, in one run: `make bench-growth`.

    python growth.py --ijepa PROGRAM --python PYTHON_WITH_TORCH [--rounds N] [--device cpu|cuda] [--svg F.svg]

Each axis goes over eight times its first size, the others as in step.yaml. Both take the same recorded steps in turn; losses
must agree. Time is that of the fastest round; memory is the plan's for ours (buffers on the adapter), and for PyTorch what the
process holds at its most, less what it held before the model was made, or what its allocator gave on a GPU. The last row of an
axis has the exponents of the last doubling: 1 where time follows the size.
"""

import argparse
import json
import math
import pathlib
import sys
import tempfile

from run import AGREE, last_json, off

HERE = pathlib.Path(__file__).parent
# Of each axis: settings for each size.
AXES = {
    "batch": {n: {"data.batch_size": n} for n in (4, 8, 16, 32)},
    "tokens": {(c // 4) ** 2: {"data.crop_size": c, "mask.min_keep": 2} for c in (24, 32, 48, 68)},
    "width": {d: {"meta.model.embed_dim": d, "meta.pred_emb_dim": d // 2} for d in (48, 96, 192, 384)},
    "depth": {n: {"meta.model.depth": n} for n in (1, 2, 4, 8)},
}


def measured(args, settings, folder):
    """Milliseconds and MiB of ours and of PyTorch's for the same steps; the best of the rounds."""
    case = pathlib.Path(folder) / "case.safetensors"
    sets = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    ours = [args.ijepa, "bench", "--config", args.config, "--step", *sets]
    torch = [args.python, HERE / "torch" / "step.py", case, "--device", args.device, "--seconds", "0.5"]
    best = {}
    for number in range(args.rounds):
        for name, command in (("ijepa", [*ours, "--record", case]), ("PyTorch", torch)):
            figures, error = last_json(command)
            if error:
                sys.exit(f"{name} with {settings}: {error}")
            figures["ms"] = figures.get("ms") or 1e3 * figures["batch"] / figures["images_per_s"]
            if name not in best or figures["ms"] < best[name]["ms"]:
                best[name] = figures
    far = off(best["PyTorch"]["losses"], best["ijepa"]["losses"])
    if far > AGREE:
        sys.exit(f"{settings}: losses differ by {far:.1e}: times mean nothing")
    return {name: {"ms": figures["ms"], "mib": figures["mib"]} for name, figures in best.items()}


def exponent(sizes, values):
    return math.log(values[-1] / values[-2]) / math.log(sizes[-1] / sizes[-2])


def picture(table, path):
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, rows = pyplot.subplots(2, len(table), figsize=(12, 6), layout="constrained")
    colours = {"ijepa": "#0072b2", "PyTorch": "#d55e00"}  # told apart by every eye
    for column, (axis, points) in enumerate(table.items()):
        for row, (unit, label) in enumerate((("ms", "ms a step"), ("mib", "MiB"))):
            plot = rows[row][column]
            sizes = list(points)
            for name, colour in colours.items():
                values = [points[size][name][unit] for size in sizes]
                plot.plot(sizes, values, marker="o", color=colour, label=name)
            plot.set_xscale("log", base=2)
            plot.set_yscale("log", base=2)
            plot.set_xticks(sizes, [str(size) for size in sizes])
            plot.set_xlabel(axis)
            plot.grid(alpha=0.3)
            if column == 0:
                plot.set_ylabel(label)
    rows[0][0].legend()
    figure.savefig(path, metadata={"Date": None})


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ijepa", required=True)
    parser.add_argument("--python", required=True)
    parser.add_argument("--config", default=HERE / "step.yaml")
    parser.add_argument("--device", default="cpu", help="PyTorch's: cpu or cuda")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--svg")
    args = parser.parse_args()
    table, known = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for axis, points in AXES.items():
            table[axis] = {}
            for size, settings in points.items():
                print(f"{axis} {size}", file=sys.stderr)
                key = json.dumps(settings)
                known[key] = known.get(key) or measured(args, settings, folder)
                table[axis][size] = known[key]
    print("| axis | size | ms, ours | ms, PyTorch | ratio | MiB, ours | MiB, PyTorch |\n|---|---|---|---|---|---|---|")
    for axis, points in table.items():
        for size, of in points.items():
            ours, torch = of["ijepa"], of["PyTorch"]
            print(
                f"| {axis} | {size} | {ours['ms']:.1f} | {torch['ms']:.1f} | {torch['ms'] / ours['ms']:.2f} "
                f"| {ours['mib']:.0f} | {torch['mib']:.0f} |"
            )
        sizes = list(points)
        powers = [
            exponent(sizes, [points[size][name][unit] for size in sizes])
            for unit in ("ms", "mib")
            for name in ("ijepa", "PyTorch")
        ]
        print(f"| {axis} | last exponent | {powers[0]:.2f} | {powers[1]:.2f} | | {powers[2]:.2f} | {powers[3]:.2f} |")
    if args.svg:
        picture(table, args.svg)
    print(json.dumps({"growth": table}))


if __name__ == "__main__":
    main()
