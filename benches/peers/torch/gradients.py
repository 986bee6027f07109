"""How far gradients of the first step are from PyTorch's in f32, ours in f32, bf16 and f16 and PyTorch's under autocast to bf16:
relative L2 over all of them. Part of `make bench-peers`.

    python gradients.py --ijepa PROGRAM [--config F.yaml]
"""

import argparse
import pathlib
import subprocess
import tempfile

import torch
from safetensors.torch import load_file
from step import Step

CONFIG = pathlib.Path(__file__).parent.parent / "step.yaml"


def of_pytorch(case, bf16):
    step = Step(case, "eager", "cpu", bf16)
    step.loss_of(*step.batches[0]).backward()
    networks = (("encoder", step.encoder), ("predictor", step.predictor))
    return {f"{network}.{name}": p.grad for network, module in networks for name, p in module.named_parameters() if p.grad is not None}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ijepa", required=True)
    parser.add_argument("--config", default=CONFIG)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        case, result = folder / "case.safetensors", folder / "result.safetensors"
        run = lambda *words: subprocess.run([args.ijepa, *words], check=True, capture_output=True)
        run("bench", "--config", args.config, "--step", "--record", case)
        found = {"PyTorch bf16": of_pytorch(case, True)}
        for kind, switch in ("f32", ""), ("bf16", "use_bfloat16"), ("f16", "use_float16"):
            config = folder / f"{kind}.yaml"
            text = pathlib.Path(args.config).read_text()
            config.write_text(text.replace("meta:\n", f"meta:\n  {switch}: true\n") if switch else text)
            run("replay", "--input", case, "--config", config, "--iterations-per-epoch", "8", "--out", result)
            prefix = "step.0.grad."
            found[f"ijepa {kind}"] = {name.removeprefix(prefix): t for name, t in load_file(result).items() if name.startswith(prefix)}
            result.unlink()
        whole = of_pytorch(case, False)
    for name, gradients in found.items():
        assert gradients.keys() == whole.keys(), gradients.keys() ^ whole.keys()
        square = lambda tensors: sum(t.double().square().sum().item() for t in tensors)
        away = square(gradients[key] - value for key, value in whole.items()) / square(whole.values())
        print(f"gradients of {name} are off PyTorch's f32 by {away ** 0.5:.1e}")


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
