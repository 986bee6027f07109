"""What `ijepa finetune` does, in PyTorch, with the settings of a fine-tuning of ours: the last line is JSON.

    python finetune.py START.safetensors TUNED.safetensors --data TRAIN.tar --test TEST.tar [--seed N]

START has the encoder to begin with (`ijepa export --to safetensors` of the run), TUNED the settings (latest.safetensors of
the fine-tuned folder; none of its weights are used, but those of a drawn encoder where it was trained from scratch). Images
are small: all are held. Draws are PyTorch's and Python's own, so that only results can be compared, not steps.
"""

import argparse
import io
import json
import math
import random
import tarfile
import time

import torch
from PIL import Image, ImageEnhance, ImageOps
from safetensors import safe_open
from step import Attention, Mlp, PatchEmbed
from torch import nn
from torch.nn import functional as F

MEAN, STD, FILL = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), (124, 116, 104)


class Block(nn.Module):
    def __init__(self, dim, heads, hidden, drop):
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(dim, eps=1e-6), Attention(dim, heads, True)
        self.norm2, self.mlp = nn.LayerNorm(dim, eps=1e-6), Mlp(dim, hidden)
        self.drop = drop

    def scaled(self, branch):
        if not self.training or self.drop == 0.0:
            return branch
        keep = torch.rand(len(branch), 1, 1) >= self.drop
        return branch * keep / (1.0 - self.drop)

    def forward(self, x):
        x = x + self.scaled(self.attn(self.norm1(x)))
        return x + self.scaled(self.mlp(self.norm2(x)))


class Classifier(nn.Module):
    def __init__(self, tensors, heads, drop, classes):
        super().__init__()
        dim, _, patch, _ = tensors["patch_embed.proj.weight"].shape
        depth = 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("blocks."))
        hidden = len(tensors["blocks.0.mlp.fc1.weight"])
        self.patch_embed = PatchEmbed(patch, dim)
        self.pos_embed = nn.Parameter(torch.zeros_like(tensors["pos_embed"]), requires_grad=False)
        self.blocks = nn.ModuleList(Block(dim, heads, hidden, drop * i / max(depth - 1, 1)) for i in range(depth))
        self.norm = nn.LayerNorm(dim, eps=1e-6)
        self.load_state_dict(tensors)
        self.head = nn.Linear(dim, classes)
        nn.init.normal_(self.head.weight, std=0.02)
        nn.init.zeros_(self.head.bias)

    def forward(self, images):
        x = self.patch_embed(images) + self.pos_embed
        for block in self.blocks:
            x = block(x)
        return self.head(self.norm(x).mean(1))


def groups(model, settings):
    """A group for each tensor: its layer's rate, decay of matrices alone."""
    last = len(model.blocks) + 1
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            layer = 0 if name.startswith("patch_embed") else int(name.split(".")[1]) + 1 if "blocks" in name else last
            decay = settings["weight_decay"] if parameter.ndim > 1 else 0.0
            rate = settings["layer_decay"] ** (last - layer)
            yield {"params": [parameter], "weight_decay": decay, "rate": rate}


def read(path, folder):
    """[(image, class name)], of the folder where there is one."""
    found = []
    with tarfile.open(path) as tar:
        for member in tar:
            parts = member.name.split("/")
            if member.isfile() and (len(parts) == 2 or parts[0] == folder):
                image = Image.open(io.BytesIO(tar.extractfile(member).read())).convert("RGB")
                found.append((image, parts[-2]))
    return found


def warp(image, matrix):
    """`matrix` about the centre, between four pixels."""
    a, b, c, d, e, f = matrix
    half = image.size[0] / 2
    about = (a, b, c + half - a * half - b * half, d, e, f + half - d * half - e * half)
    return image.transform(image.size, Image.AFFINE, about, Image.BILINEAR, fillcolor=FILL)


def augment(image, magnitude):
    """Two operations, each with probability one half."""
    for _ in range(2):
        strength = min(max((magnitude + random.gauss(0.0, 0.5)) / 10.0, 0.0), 1.0)
        sign = random.choice((-1.0, 1.0))
        operation = random.choice((
            ImageOps.autocontrast,
            ImageOps.equalize,
            ImageOps.invert,
            lambda im: warp(im, turned(math.radians(sign * 30.0 * strength))),
            lambda im: ImageOps.posterize(im, 8 - int(4 * strength)),
            lambda im: ImageOps.solarize(im, 256 * (1.0 - strength)),
            lambda im: im.point([min(i + int(110 * strength), 255) if i < 128 else i for i in range(256)] * 3),
            lambda im: ImageEnhance.Color(im).enhance(1.0 + sign * 0.9 * strength),
            lambda im: ImageEnhance.Contrast(im).enhance(1.0 + sign * 0.9 * strength),
            lambda im: ImageEnhance.Brightness(im).enhance(1.0 + sign * 0.9 * strength),
            lambda im: ImageEnhance.Sharpness(im).enhance(1.0 + sign * 0.9 * strength),
            lambda im: warp(im, (1.0, sign * 0.3 * strength, 0.0, 0.0, 1.0, 0.0)),
            lambda im: warp(im, (1.0, 0.0, 0.0, sign * 0.3 * strength, 1.0, 0.0)),
            lambda im: warp(im, (1.0, 0.0, sign * 0.45 * strength * im.size[0], 0.0, 1.0, 0.0)),
            lambda im: warp(im, (1.0, 0.0, 0.0, 0.0, 1.0, sign * 0.45 * strength * im.size[0])),
        ))
        if random.random() < 0.5:
            image = operation(image)
    return image


def turned(angle):
    sin, cos = math.sin(angle), math.cos(angle)
    return (cos, -sin, 0.0, sin, cos, 0.0)


def cropped(image, scale, side):
    """RandomResizedCrop of torchvision."""
    if scale is None:
        return ImageOps.fit(image, (side, side), Image.BILINEAR)
    width, height = image.size
    for _ in range(10):
        area = width * height * random.uniform(*scale)
        ratio = math.exp(random.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            left, top = random.randint(0, width - w), random.randint(0, height - h)
            return image.crop((left, top, left + w, top + h)).resize((side, side), Image.BILINEAR)
    return ImageOps.fit(image, (side, side), Image.BILINEAR)


def pixels(images):
    """[B, 3, S, S], normalised"""
    flat = torch.stack([torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8) for image in images])
    x = flat.reshape(len(images), images[0].size[1], images[0].size[0], 3).permute(0, 3, 1, 2) / 255.0
    return (x - torch.tensor(MEAN).view(3, 1, 1)) / torch.tensor(STD).view(3, 1, 1)


def accuracy(model, images, labels):
    model.eval()
    with torch.no_grad():
        right = [model(x).argmax(1) == y for x, y in zip(images.split(100), labels.split(100))]
    model.train()
    return 100.0 * torch.cat(right).float().mean().item()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("start")
    parser.add_argument("tuned")
    parser.add_argument("--data", required=True)
    parser.add_argument("--test", required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--heads", type=int, default=3)
    args = parser.parse_args()
    random.seed(args.seed)
    torch.manual_seed(args.seed)
    with safe_open(args.tuned, "pt") as file:
        tuned = json.loads(file.metadata()["ijepa.progress"])["tuned"]
    settings, classes = tuned["settings"], tuned["classes"]
    with safe_open(args.start, "pt") as file:
        network = "target_encoder." if any(name.startswith("target_encoder.") for name in file.keys()) else "encoder."
        tensors = {n.removeprefix(network): file.get_tensor(n) for n in file.keys() if n.startswith(network)}
    model = Classifier(tensors, args.heads, settings["drop_path"], len(classes)).train()
    side = model.patch_embed.proj.kernel_size[0] * math.isqrt(tensors["pos_embed"].shape[1])
    train, test = read(args.data, "train"), read(args.test, "test")
    labels = torch.tensor([classes.index(name) for _, name in train])
    test_images = pixels([ImageOps.fit(image, (side, side), Image.BILINEAR) for image, _ in test])
    test_labels = torch.tensor([classes.index(name) for _, name in test])
    optimizer = torch.optim.AdamW(list(groups(model, settings)), lr=settings["lr"])
    steps, batch, peak = settings["steps"], settings["batch"], settings["lr"]
    warmup, smoothing, final = int(settings["warmup"] * steps), settings["label_smoothing"], 1e-3 * peak
    began, order = time.perf_counter(), []
    for step in range(1, steps + 1):
        if len(order) < batch:
            order = torch.randperm(len(train))
        now, order = order[:batch], order[batch:]
        images = [cropped(train[i][0], settings["crop_scale"], side) for i in now]
        images = [ImageOps.mirror(im) if settings["flip"] and random.random() < 0.5 else im for im in images]
        if settings["augment"] > 0.0:
            images = [augment(image, settings["augment"]) for image in images]
        x, y = pixels(images), F.one_hot(labels[now], len(classes)) * (1.0 - smoothing) + smoothing / len(classes)
        if settings["mixup"] > 0.0:
            share = random.betavariate(settings["mixup"], settings["mixup"])
            x, y = share * x + (1.0 - share) * x.flip(0), share * y + (1.0 - share) * y.flip(0)
        progress = (step - warmup) / max(steps - warmup, 1)
        cosine = final + (peak - final) * 0.5 * (1.0 + math.cos(math.pi * progress))
        lr = peak * step / warmup if step < warmup else cosine
        for group in optimizer.param_groups:
            group["lr"] = lr * group["rate"]
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % (len(train) // batch) == 0 or step == steps:
            print(f"step {step}/{steps} loss {loss.item():.4f} test {accuracy(model, test_images, test_labels):.1f} %", flush=True)
    result = {"accuracy": accuracy(model, test_images, test_labels), "seconds": time.perf_counter() - began}
    print(json.dumps({"peer": f"PyTorch {torch.__version__}", "seed": args.seed, "settings": settings, **result}))


if __name__ == "__main__":
    main()
