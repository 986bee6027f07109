"""The training step of a recorded case in PyTorch, as the published code takes it: the last line is JSON.

    python step.py CASE.safetensors [--mode eager|sdpa|compile] [--device cpu|cuda] [--bf16]

A case comes from `ijepa bench --step --record CASE.safetensors`: weights, images, masks and rates. Written from the paper
and the names in the file alone. Attention is the two products and a softmax (`eager`, as published) or PyTorch's fused one
(`sdpa`); `compile` is `eager` under torch.compile.
"""

import argparse
import copy
import json
import resource
import sys
import time

import torch
from safetensors import safe_open
from torch import nn
from torch.nn import functional as F


class Attention(nn.Module):
    def __init__(self, dim, heads, fused):
        super().__init__()
        self.heads, self.fused, self.scale = heads, fused, (dim // heads) ** -0.5
        self.qkv = nn.Linear(dim, 3 * dim)
        self.proj = nn.Linear(dim, dim)

    def forward(self, x):  # [B, N, D]
        b, n, d = x.shape
        q, k, v = self.qkv(x).reshape(b, n, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        if self.fused:
            y = F.scaled_dot_product_attention(q, k, v)
        else:
            y = ((q @ k.transpose(-2, -1)) * self.scale).softmax(-1) @ v
        return self.proj(y.transpose(1, 2).reshape(b, n, d))


class Mlp(nn.Module):
    def __init__(self, dim, hidden):
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, x):
        return self.fc2(F.gelu(self.fc1(x)))


class Block(nn.Module):
    def __init__(self, dim, heads, hidden, fused):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn = Attention(dim, heads, fused)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        self.mlp = Mlp(dim, hidden)

    def forward(self, x):
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


def rows(x, index):
    """[B, N, D] and [B, K] -> [B, K, D]"""
    return x.gather(1, index.unsqueeze(-1).expand(-1, -1, x.shape[-1]))


class PatchEmbed(nn.Module):
    def __init__(self, patch, dim):
        super().__init__()
        self.proj = nn.Conv2d(3, dim, patch, patch)

    def forward(self, images):
        return self.proj(images).flatten(2).transpose(1, 2)


class Encoder(nn.Module):
    def __init__(self, case, fused):
        super().__init__()
        dim = case["dim"]
        self.patch_embed = PatchEmbed(case["patch"], dim)
        self.pos_embed = nn.Parameter(torch.zeros(1, case["patches"], dim), requires_grad=False)
        self.blocks = nn.ModuleList(
            Block(dim, case["heads"], case["hidden"], fused) for _ in range(case["depth"])
        )
        self.norm = nn.LayerNorm(dim, eps=1e-6)

    def forward(self, images, masks=None):
        x = self.patch_embed(images) + self.pos_embed
        if masks is not None:
            x = torch.cat([rows(x, mask) for mask in masks])
        for block in self.blocks:
            x = block(x)
        return self.norm(x)


class Predictor(nn.Module):
    def __init__(self, case, fused):
        super().__init__()
        dim, width = case["dim"], case["pred_dim"]
        self.predictor_embed = nn.Linear(dim, width)
        self.mask_token = nn.Parameter(torch.zeros(1, 1, width))
        self.predictor_pos_embed = nn.Parameter(torch.zeros(1, case["patches"], width), requires_grad=False)
        self.predictor_blocks = nn.ModuleList(
            Block(width, case["heads"], 4 * width, fused) for _ in range(case["pred_depth"])
        )
        self.predictor_norm = nn.LayerNorm(width, eps=1e-6)
        self.predictor_proj = nn.Linear(width, dim)

    def forward(self, context, masks_enc, masks_pred):
        batch = masks_enc[0].shape[0]
        positions = self.predictor_pos_embed.expand(batch, -1, -1)
        x = self.predictor_embed(context) + torch.cat([rows(positions, mask) for mask in masks_enc])
        kept = x.shape[1]
        # Mask-major, then context mask, then image.
        asked = torch.cat([rows(positions, mask) for mask in masks_pred for _ in masks_enc]) + self.mask_token
        x = torch.cat([x.repeat(len(masks_pred), 1, 1), asked], 1)
        for block in self.predictor_blocks:
            x = block(x)
        return self.predictor_proj(self.predictor_norm(x)[:, kept:])


class Step:
    def __init__(self, path, mode, device, bf16):
        with safe_open(path, "pt", device=device) as file:
            self.case = case = json.loads(file.metadata()["case"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        fused = mode == "sdpa"
        self.encoder = Encoder(case, fused).to(device)
        self.predictor = Predictor(case, fused).to(device)
        for name, module in (("encoder", self.encoder), ("predictor", self.predictor)):
            own = {key.removeprefix(name + "."): value for key, value in tensors.items() if key.startswith(name + ".")}
            module.load_state_dict(own)
        self.target = copy.deepcopy(self.encoder).requires_grad_(False)
        self.batches = []
        while (key := f"step.{len(self.batches)}") + ".images" in tensors:
            lists = lambda kind: [
                tensors[f"{key}.masks_{kind}.{k}"].long() for k in range(case[f"num_{kind}"])
            ]
            self.batches.append((tensors[f"{key}.images"], lists("enc"), lists("pred")))
        trained = [*self.encoder.named_parameters(), *self.predictor.named_parameters()]
        trained = [(name, p) for name, p in trained if p.requires_grad]
        decayed = lambda name, p: p.ndim > 1 and "bias" not in name
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [p for name, p in trained if decayed(name, p)], "weight_decay": case["wd"]},
                {"params": [p for name, p in trained if not decayed(name, p)], "weight_decay": 0.0},
            ],
            lr=case["lr"],
        )
        self.autocast = torch.autocast(device.split(":")[0], torch.bfloat16, enabled=bf16)
        self.device = device
        if mode == "compile":
            self.loss_of = torch.compile(self.loss_of)
        self.taken = 0

    def loss_of(self, images, masks_enc, masks_pred):
        with self.autocast:
            with torch.no_grad():
                targets = self.target(images)
                targets = F.layer_norm(targets, targets.shape[-1:])
                targets = torch.cat([rows(targets, mask) for mask in masks_pred for _ in masks_enc])
            predictions = self.predictor(self.encoder(images, masks_enc), masks_enc, masks_pred)
            return F.smooth_l1_loss(predictions, targets)

    def step(self):
        images, masks_enc, masks_pred = self.batches[self.taken % len(self.batches)]
        self.taken += 1
        loss = self.loss_of(images, masks_enc, masks_pred)
        loss.backward()
        self.optimizer.step()
        self.optimizer.zero_grad()
        momentum = self.case["momentum"]
        with torch.no_grad():
            for own, other in zip(self.target.parameters(), self.encoder.parameters()):
                own.mul_(momentum).add_(other, alpha=1 - momentum)
        return loss.detach()

    def wait(self):
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()


def mebibytes(device):
    """What the process, or the GPU, held at its most."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated() / 2**20
    kibibytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return kibibytes / (2**20 if sys.platform == "darwin" else 2**10)


def matmul_gflops(device, m=2048, k=384, n=384, dtype=torch.float32):
    """Products of one size, so that the rate of the step can be set beside it."""
    a, b = torch.rand(m, k, device=device).to(dtype), torch.rand(k, n, device=device).to(dtype)
    a @ b
    best = 0.0
    for _ in range(5):
        began, count = time.perf_counter(), 0
        while (took := time.perf_counter() - began) < 0.2:
            for _ in range(8):
                c = a @ b
            if device.startswith("cuda"):
                torch.cuda.synchronize()
            count += 8
        best = max(best, 2 * m * k * n * count / took / 1e9)
    return best


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case")
    parser.add_argument("--mode", choices=("eager", "sdpa", "compile"), default="eager")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--seconds", type=float, default=1.0, help="of a round; five are timed")
    args = parser.parse_args()
    # f32 means f32: by itself cuDNN, which computes the patch embedding, would round operands to 10 bits on a GPU.
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    held = mebibytes(args.device)
    step = Step(args.case, args.mode, args.device, args.bf16)
    losses = [step.step().item() for _ in step.batches]
    rates = []
    for _ in range(5):
        began, count = time.perf_counter(), 0
        while True:
            for _ in step.batches:
                loss = step.step()
            step.wait()
            count += len(step.batches)
            if (took := time.perf_counter() - began) > args.seconds:
                break
        rates.append(count * step.case["batch"] / took)
    assert torch.isfinite(loss)
    mib = mebibytes(args.device) - held
    print(
        json.dumps(
            {
                "peer": f"PyTorch {torch.__version__} {args.mode}{' bf16' if args.bf16 else ''}, {args.device}",
                "losses": losses,
                "batch": step.case["batch"],
                "mib": mib,
                "images_per_s": max(rates),
                "images_per_s_slowest": min(rates),
                "matmul_gflops": matmul_gflops(args.device),
            }
        )
    )


if __name__ == "__main__":
    main()
