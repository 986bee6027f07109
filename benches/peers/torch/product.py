"""One product by ijepa and by PyTorch in turn, with operands in f32, bf16 and f16: the last line is JSON.

    python product.py MxKxN --ijepa PROGRAM [--adapter auto] [--device cpu|cuda] [--rounds N]

f32 is f32: without TF32. The share is ijepa's best rate of PyTorch's best.
"""

import argparse
import json
import subprocess

import torch
from step import matmul_gflops

KINDS = {"f32": torch.float32, "bf16": torch.bfloat16, "f16": torch.float16}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape")
    parser.add_argument("--ijepa", required=True)
    parser.add_argument("--adapter", default="auto")
    parser.add_argument("--device", default="cuda", help="PyTorch's: cpu or cuda")
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = False
    sizes = [int(size) for size in args.shape.split("x")]
    shares = {}
    for kind, dtype in KINDS.items():
        ours, theirs = [], []
        for _ in range(args.rounds):
            command = [args.ijepa, "bench", "--matmul", args.shape, "--operands", kind, "--adapter", args.adapter]
            said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            ours.append(json.loads(said.splitlines()[-1])["gflops"])
            theirs.append(matmul_gflops(args.device, *sizes, dtype=dtype))
        share = max(ours) / max(theirs)
        print(f"{args.shape} {kind:4}  ijepa {max(ours):.4g} GFLOP/s, PyTorch {max(theirs):.4g}, share {share:.3f}", flush=True)
        shares[kind] = {"ijepa": ours, "PyTorch": theirs, "share": share}
    # Matrix units take f16 here, and bf16 is what PyTorch trains with.
    across = max(shares["f16"]["ijepa"]) / max(shares["bf16"]["PyTorch"])
    print(f"{args.shape}  ijepa f16 / PyTorch bf16: {across:.3f}", flush=True)
    print(json.dumps({"product": args.shape, "torch": torch.__version__, "device": args.device, **shares}))


if __name__ == "__main__":
    main()
