"""Weights between ijepa and PyTorch, transformers and timm: files of each are read by the other, features must agree within 1e-4,
and what goes out and comes in again must have the same bits. Everything is made here, small, with random weights.

check.py IJEPA FOLDER    IJEPA is the program, FOLDER is emptied and used. Prints a table; exits 1 where something differs.
"""

import copy
import json
import os
import shutil
import subprocess
import sys

os.environ["HF_HUB_OFFLINE"] = "1"  # everything is made here
os.environ["TOKENIZERS_PARALLELISM"] = "false"

import numpy as np
import onnx
import onnxruntime
import safetensors.torch
import timm
import torch
import transformers
from huggingface_hub import ModelCard
from PIL import Image
from timm.models.vision_transformer import Block, VisionTransformer
from transformers import AutoImageProcessor, IJepaConfig, IJepaForImageClassification, IJepaModel

CROP, PATCH, WIDTH, DEPTH, HEADS = 32, 8, 48, 2, 3
PRED_WIDTH, PRED_DEPTH = 24, 2
LIMIT = 1e-4
MEAN, STD = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
CONFIG = f"""
data: {{batch_size: 4, crop_size: {CROP}, eval_transform: exact}}
mask: {{patch_size: {PATCH}, min_keep: 1, pred_mask_scale: [0.2, 0.3]}}
meta:
  model_name: vit_custom
  pred_emb_dim: {PRED_WIDTH}
  pred_depth: {PRED_DEPTH}
  model: {{embed_dim: {WIDTH}, depth: {DEPTH}, num_heads: {HEADS}, mlp_ratio: 4.0}}
optimization: {{epochs: 10, warmup: 1}}
"""

IJEPA, PLACE = os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])
RESULTS = []


def at(*names):
    return os.path.join(PLACE, *names)


def ijepa(*arguments, code=0):
    arguments = list(arguments)
    adapter = os.environ.get("IJEPA_TEST_ADAPTER")
    if adapter and arguments[0] in ("train", "finetune", "embed", "probe"):
        arguments += ["--adapter", adapter]
    done = subprocess.run([IJEPA, *arguments], capture_output=True, text=True)
    if done.returncode != code:
        sys.exit(f"ijepa {' '.join(arguments)} ended with {done.returncode}: {done.stderr}")
    return done.stdout + done.stderr


def note(what, difference, limit):
    RESULTS.append((what, difference, limit))
    print(f"{what:<62} {difference:9.2e}  {'ok' if difference <= limit else 'TOO LARGE'}", flush=True)


def make_images():
    """Pictures of the crop's size, so that no resampling has a say; and one wide one for the processor."""
    draw = np.random.default_rng(0)
    pixels = []
    for i in range(10):
        coarse = draw.integers(0, 256, (4, 4, 3), dtype=np.uint8)
        image = Image.fromarray(coarse).resize((CROP, CROP), Image.BILINEAR)
        os.makedirs(at("photos", f"class{i % 2}"), exist_ok=True)
        image.save(at("photos", f"class{i % 2}", f"{i:02}.png"))
        pixels.append((f"class{i % 2}/{i:02}.png", np.array(image)))
    images = {name: torch.tensor(p).float() / 255 for name, p in pixels}
    return {name: ((image - MEAN) / STD).permute(2, 0, 1) for name, image in images.items()}


def make_others():
    """Pictures to score probes and classifiers on."""
    draw = np.random.default_rng(1)
    for i in range(6):
        os.makedirs(at("others", f"class{i % 2}"), exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (CROP, CROP, 3), dtype=np.uint8)).save(at("others", f"class{i % 2}", f"{i}.png"))


def card(folder, *metrics):
    """The figures that Hugging Face's library finds in a model card must be these."""
    found = ModelCard.load(os.path.join(folder, "README.md"))
    results = found.data.eval_results
    assert [result.metric_name for result in results] == list(metrics), results
    assert all(result.task_type == "image-classification" and result.metric_type == "accuracy" for result in results)
    assert all(result.dataset_name == "others, 6 test images" for result in results), results
    assert all(0 <= result.metric_value <= 100 for result in results), results
    assert found.data.pipeline_tag in ("image-feature-extraction", "image-classification")


def ours(weights, *more):
    """Features by `ijepa embed`, in the order of the names."""
    out = at("features.safetensors")
    if os.path.exists(out):
        os.remove(out)
    ijepa("embed", "--weights", weights, "--data", at("photos"), "--out", out, "--quiet", *more)
    with safetensors.safe_open(out, "pt") as file:
        names = json.loads(file.metadata()["names"])
        return dict(zip(names, file.get_tensor("features")))


def compare(what, mine, images, features, limit=LIMIT):
    names = sorted(images)
    assert sorted(mine) == names, sorted(mine)
    with torch.no_grad():
        theirs = features(torch.stack([images[name] for name in names]))
    difference = (torch.stack([mine[name] for name in names]) - theirs).abs().max().item()
    assert theirs.std() > 0.01, "features of random weights that say nothing"
    note(what, difference, limit)


class Wrapped(torch.nn.Module):
    """What DistributedDataParallel does to names."""

    def __init__(self, module):
        super().__init__()
        self.module = module


class Predictor(torch.nn.Module):
    """The reference's predictor as far as names, shapes and order go."""

    def __init__(self):
        super().__init__()
        norm = lambda width, **more: torch.nn.LayerNorm(width, eps=1e-6)
        self.predictor_embed = torch.nn.Linear(WIDTH, PRED_WIDTH)
        self.mask_token = torch.nn.Parameter(torch.randn(1, 1, PRED_WIDTH) * 0.02)
        patches = (CROP // PATCH) ** 2
        self.predictor_pos_embed = torch.nn.Parameter(torch.randn(1, patches, PRED_WIDTH), requires_grad=False)
        blocks = [Block(PRED_WIDTH, HEADS, 4.0, qkv_bias=True, norm_layer=norm) for _ in range(PRED_DEPTH)]
        self.predictor_blocks = torch.nn.ModuleList(blocks)
        self.predictor_norm = norm(PRED_WIDTH)
        self.predictor_proj = torch.nn.Linear(PRED_WIDTH, WIDTH)


def vit(**more):
    settings = dict(img_size=CROP, patch_size=PATCH, embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS, num_classes=0)
    settings |= dict(class_token=False, global_pool="avg", fc_norm=False) | more
    model = VisionTransformer(**settings).eval()
    with torch.no_grad():  # fresh weights of 0.02 say little of positions and biases
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def groups(encoder, predictor):
    """The reference's `init_opt`."""
    plain = lambda name, p: "bias" not in name and len(p.shape) != 1
    pick = lambda module, wanted: [p for n, p in module.named_parameters() if plain(n, p) == wanted]
    return [
        {"params": pick(encoder, True)},
        {"params": pick(predictor, True)},
        {"params": pick(encoder, False), "WD_exclude": True, "weight_decay": 0},
        {"params": pick(predictor, False), "WD_exclude": True, "weight_decay": 0},
    ]


def reference(path):
    """A checkpoint as the reference's `save_checkpoint` makes it, after three steps of AdamW."""
    encoder, predictor, target = Wrapped(vit()), Wrapped(Predictor()), Wrapped(vit())
    for module in (encoder.module, target.module):
        module.pos_embed.requires_grad_(False)
    opt = torch.optim.AdamW(groups(encoder, predictor))
    for _ in range(3):
        for parameter in [*encoder.parameters(), *predictor.parameters()]:
            parameter.grad = torch.randn_like(parameter) if parameter.requires_grad else None
        opt.step()
    checkpoint = {
        "encoder": encoder.state_dict(),
        "predictor": predictor.state_dict(),
        "opt": opt.state_dict(),
        "scaler": None,
        "target_encoder": target.state_dict(),
        "epoch": 1,
        "loss": 0.25,
        "batch_size": 4,
        "world_size": 1,
        "lr": 1e-3,
    }
    torch.save(checkpoint, path)
    return checkpoint, target.module, encoder.module


def same(what, a, b):
    """Equal keys in order, and equal bits."""
    assert list(a) == list(b), (what, list(a)[:5], list(b)[:5])
    worst = 0.0
    for key in a:
        if not torch.equal(a[key], b[key]):
            worst = max(worst, (a[key] - b[key]).abs().max().item() + 1e-30)
    note(what, worst, 0.0)


# What a new GradScaler's state has (one that is on needs a CUDA device).
FRESH_SCALER = ("scale", "growth_factor", "backoff_factor", "growth_interval", "_growth_tracker")


def load_strictly(path):
    """As the reference's `load_checkpoint` does, with its modules and optimiser."""
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    encoder, predictor, target = Wrapped(vit()), Wrapped(Predictor()), Wrapped(vit())
    encoder.load_state_dict(checkpoint["encoder"])
    predictor.load_state_dict(checkpoint["predictor"])
    target.load_state_dict(checkpoint["target_encoder"])
    for module in (encoder.module.pos_embed, predictor.module.predictor_pos_embed):
        module.requires_grad_(False)
    opt = torch.optim.AdamW(groups(encoder, predictor))
    opt.load_state_dict(copy.deepcopy(checkpoint["opt"]))  # a step counts on in what it was given
    for parameter in [*encoder.parameters(), *predictor.parameters()]:
        parameter.grad = torch.randn_like(parameter) if parameter.requires_grad else None
    opt.step()
    scaler = torch.amp.GradScaler("cuda", enabled=False)
    scaler.load_state_dict(checkpoint["scaler"])  # does nothing where it is off
    assert set(checkpoint["scaler"]) == set(FRESH_SCALER), checkpoint["scaler"]
    return checkpoint, encoder.module, target.module


def hugging_face_in(images):
    torch.manual_seed(1)
    settings = IJepaConfig(
        hidden_size=WIDTH, num_hidden_layers=DEPTH, num_attention_heads=HEADS, intermediate_size=4 * WIDTH,
        image_size=CROP, patch_size=PATCH, layer_norm_eps=1e-6,
    )  # fmt: skip
    model = IJepaModel(settings).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    features = lambda pixels: model(pixels).last_hidden_state.mean(1)
    config = ("--config", at("config.yaml"))  # images as they are; without it they are cut from larger ones
    version = f"transformers {transformers.__version__}"
    model.save_pretrained(at("hf"))
    compare(f"in   hf, {version}", ours(at("hf"), *config), images, features)
    compare("in   hf, the file alone", ours(at("hf", "model.safetensors"), *config), images, features)
    model.save_pretrained(at("sharded"), max_shard_size="40KB")
    assert os.path.exists(at("sharded", "model.safetensors.index.json"))
    compare("in   hf, in several files", ours(at("sharded"), *config), images, features)
    os.makedirs(at("modules"))
    safetensors.torch.save_file(model.state_dict(), at("modules", "model.safetensors"))
    shutil.copy(at("hf", "config.json"), at("modules", "config.json"))
    compare("in   hf, names of the modules", ours(at("modules"), *config), images, features)
    for name, kind in (("fp16", torch.float16), ("bf16", torch.bfloat16), ("fp64", torch.float64)):
        model.to(kind).save_pretrained(at(name))
        model.to(torch.float32)  # rounded, for the comparison
        compare(f"in   hf, {name}", ours(at(name), *config), images, features)
    said = ijepa("info", at("hf"))
    assert "Hugging Face" in said and f"{WIDTH} wide, {DEPTH} blocks, {HEADS} heads" in said, said


def timm_in(images):
    torch.manual_seed(2)
    model = vit()
    os.makedirs(at("timm"))
    safetensors.torch.save_file(model.state_dict(), at("timm", "model.safetensors"))
    config = ("--config", at("config.yaml"))
    compare(f"in   timm {timm.__version__}", ours(at("timm", "model.safetensors"), *config), images, model)
    torch.save(model.state_dict(), at("timm", "vit.pth"))
    compare("in   timm, torch.save of the state dict", ours(at("timm", "vit.pth"), *config), images, model)
    torch.save({"model": model.state_dict()}, at("timm", "mae.pth"))
    compare("in   timm, torch.save under \"model\"", ours(at("timm", "mae.pth"), *config), images, model)
    # Rows that do not follow each other.
    strided = {name: t.t().contiguous().t() if t.dim() == 2 else t for name, t in model.state_dict().items()}
    torch.save(strided, at("timm", "strided.pth"))
    compare("in   timm, torch.save of transposed tensors", ours(at("timm", "strided.pth"), *config), images, model)
    torch.save(model.state_dict(), at("timm", "old.pth"), _use_new_zipfile_serialization=False)
    said = ijepa("info", at("timm", "old.pth"), code=2)
    assert "before its version 1.6" in said, said
    torch.save(model, at("timm", "program.pth"))
    said = ijepa("info", at("timm", "program.pth"), code=2)
    assert "which is no part of weights" in said, said


def reference_in(images):
    torch.manual_seed(3)
    os.makedirs(at("ref"))
    path = at("ref", "jepa-latest.pth.tar")
    checkpoint, target, encoder = reference(path)
    config = ("--config", at("config.yaml"))
    compare(f"in   pth, torch {torch.__version__}, target encoder", ours(path, *config), images, target)
    compare("in   pth, context encoder", ours(path, *config, "--encoder", "context"), images, encoder)
    said = ijepa("info", path)
    assert "AdamW's state     in it, after 3 steps" in said and "epoch 1, loss 0.25" in said, said
    # Out and in again: all three networks and the optimiser, name by name, bit by bit.
    ijepa("export", "--weights", path, *config, "--to", "pth", "--out", at("ref-again"))
    again, _, _ = load_strictly(at("ref-again", "jepa-latest.pth.tar"))
    for key in ("encoder", "predictor", "target_encoder"):
        same(f"     pth in and out, {key}", checkpoint[key], again[key])
    a, b = checkpoint["opt"], again["opt"]
    assert [g["params"] for g in a["param_groups"]] == [g["params"] for g in b["param_groups"]]
    assert list(a["state"]) == list(b["state"])
    flat = lambda opt: {f"{i} {name}": value for i, state in opt["state"].items() for name, value in state.items()}
    same("     pth in and out, opt", flat(a), flat(b))
    assert (again["epoch"], again["loss"], again["batch_size"], again["lr"]) == (1, 0.25, 4, 1e-3)
    # An official run goes on: two iterations an epoch.
    said = ijepa("train", "--from", path, *config, "--data", at("photos"), "--out", at("goes-on"), "--steps", "4")
    assert "going on with the reference's run" in said and "going on from step 2, to step 4" in said, said
    return path


def run_out(images):
    """A run of ours, of which everything is exported."""
    config = ("--config", at("config.yaml"))
    ijepa("train", *config, "--data", at("photos"), "--out", at("run"), "--steps", "3", "--set", "optimization.lr=0.02", "--quiet")
    mine = {which: ours(at("run"), "--encoder", which) for which in ("target", "context")}
    probe = ("--data", at("photos"), "--test", at("others"), "--method", "all", "--k", "1", "--quiet")
    ijepa("probe", "--weights", at("run"), *probe, "--out", at("run", "probe"))

    for which in ("target", "context"):
        out = at(f"out-hf-{which}")
        ijepa("export", "--weights", at("run"), "--to", "hf", "--encoder", which, "--out", out)
        model, info = IJepaModel.from_pretrained(out, output_loading_info=True)
        assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
        features = lambda pixels: model.eval()(pixels).last_hidden_state.mean(1)
        compare(f"out  hf, {which} encoder", mine[which], images, features)
        again = lambda _: torch.stack([mine[which][n] for n in sorted(mine[which])])
        compare(f"     hf out and in, {which} encoder (features)", ours(out, *config), images, again, 0.0)
    card(at("out-hf-target"), *(f"Accuracy, {method} probe" for method in ("k-NN", "linear", "attentive")))
    processor = AutoImageProcessor.from_pretrained(at("out-hf-target"))
    picture = Image.open(at("photos", "class0", "00.png"))
    pixels = processor(picture, return_tensors="pt")["pixel_values"]
    note("out  hf, AutoImageProcessor's pixels", (pixels[0] - images["class0/00.png"]).abs().max().item(), 1e-5)
    wide = Image.open(at("photos", "class0", "00.png")).resize((91, 57))
    assert processor(wide, return_tensors="pt")["pixel_values"].shape == (1, 3, CROP, CROP)

    ijepa("export", "--weights", at("run"), "--to", "timm", "--out", at("out-timm"))
    model = timm.create_model(f"local-dir:{at('out-timm')}", pretrained=True).eval()
    compare("out  timm, local-dir", mine["target"], images, model)
    settings = json.load(open(at("out-timm", "config.json")))
    model = timm.create_model(
        settings["architecture"], num_classes=0, checkpoint_path=at("out-timm", "model.safetensors"), **settings["model_args"]
    )
    compare("out  timm, checkpoint_path", mine["target"], images, model.eval())

    kinds = (("float32", (), LIMIT), ("weights beside", ("--beside",), LIMIT), ("float16", ("--half",), 2e-2))
    for name, more, limit in kinds:
        ijepa("export", "--weights", at("run"), "--to", "onnx", "--out", at("out-onnx " + name), *more)
        path = at("out-onnx " + name, "model.onnx")
        onnx.checker.check_model(path, full_check=True)
        session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
        for batch in (1, len(images)):  # any number of images
            some = {n: images[n] for n in sorted(images)[:batch]}
            features = lambda pixels: torch.tensor(session.run(["features"], {"pixel_values": pixels.numpy()})[0])
            compare(f"out  onnx, {name}, batch of {batch}", {n: mine["target"][n] for n in some}, some, features, limit)

    ijepa("export", "--weights", at("run"), "--to", "pth", "--out", at("out-pth"))
    checkpoint, encoder, target = load_strictly(at("out-pth", "jepa-latest.pth.tar"))
    compare("out  pth, weights_only, target encoder", mine["target"], images, target.eval())
    compare("out  pth, weights_only, context encoder", mine["context"], images, encoder.eval())
    own = safetensors.torch.load_file(at("run", "latest.safetensors"))
    for key in ("encoder", "predictor", "target_encoder"):
        own_part = {f"module.{n.removeprefix(key + '.')}": own[n] for n in own if n.startswith(key + ".")}
        theirs = checkpoint[key]
        assert set(own_part) <= set(theirs), set(own_part) - set(theirs)
        same(f"out  pth, {key}", {n: theirs[n] for n in own_part}, own_part)
    steps = {float(state["step"]) for state in checkpoint["opt"]["state"].values()}
    assert steps == {3.0}, steps

    ijepa("export", "--weights", at("run"), "--to", "safetensors", "--out", at("out-st"))
    theirs = safetensors.torch.load_file(at("out-st", "ijepa.safetensors"))
    names = sorted(n for n in own if not n.startswith(("mean.", "square.")))
    same("out  safetensors", {n: theirs[n] for n in names}, {n: own[n] for n in names})

    # The run goes on from its own exported dictionary to the very weights that it would have come to.
    extended = ("--steps", "6", "--quiet")
    ijepa("train", "--from", at("run", "latest.safetensors"), "--data", at("photos"), "--out", at("on-own"), *extended)
    ijepa("train", "--from", at("out-pth", "jepa-latest.pth.tar"), "--data", at("photos"), "--out", at("on-pth"), *extended)
    a, b = (safetensors.torch.load_file(at(run, "latest.safetensors")) for run in ("on-own", "on-pth"))
    same("     pth out and in, three steps later", a, b)


def tuned_out(images):
    """A classifier of ours, exported with its classes; its logits are those of our features."""
    recipe = ("--steps", "4", "--batch", "5", "--lr", "0.01", "--quiet")
    ijepa("finetune", "--weights", at("run"), "--data", at("photos"), "--test", at("others"), "--out", at("tuned"), *recipe)
    own = safetensors.torch.load_file(at("tuned", "latest.safetensors"))
    mine = {name: own["head.weight"] @ feature + own["head.bias"] for name, feature in ours(at("tuned")).items()}
    for kind in ("hf", "timm", "onnx"):
        ijepa("export", "--weights", at("tuned"), "--to", kind, "--out", at(f"tuned-{kind}"))

    card(at("tuned-hf"), "Accuracy")
    model, info = IJepaForImageClassification.from_pretrained(at("tuned-hf"), output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys")), info
    assert model.config.id2label == {0: "class0", 1: "class1"}, model.config.id2label
    compare("out  hf, classifier's logits", mine, images, lambda pixels: model.eval()(pixels).logits)
    model = timm.create_model(f"local-dir:{at('tuned-timm')}", pretrained=True).eval()
    assert model.pretrained_cfg["label_names"] == ["class0", "class1"], model.pretrained_cfg
    compare("out  timm, classifier's logits", mine, images, model)
    path = at("tuned-onnx", "model.onnx")
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    assert json.loads(session.get_modelmeta().custom_metadata_map["classes"]) == ["class0", "class1"]
    logits = lambda pixels: torch.tensor(session.run(["logits"], {"pixel_values": pixels.numpy()})[0])
    compare("out  onnx, classifier's logits", mine, images, logits)


def main():
    shutil.rmtree(PLACE, ignore_errors=True)
    os.makedirs(PLACE)
    torch.set_num_threads(2)
    images = make_images()
    make_others()
    with open(at("config.yaml"), "w") as file:
        file.write(CONFIG)
    hugging_face_in(images)
    timm_in(images)
    reference_in(images)
    run_out(images)
    tuned_out(images)
    bad = [what for what, difference, limit in RESULTS if not difference <= limit]
    print(f"{len(RESULTS)} comparisons, {len(bad)} too far apart")
    sys.exit(1 if bad else 0)


main()
