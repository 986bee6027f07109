"""Copies of pictures, and what features say of them: for benches/learned.sh. Needs Pillow and NumPy.

    copies.py make PHOTOS.tar FOLDER KIND...   all photos into FOLDER/photos, and copies of 100 of them into FOLDER/copies/KIND
    copies.py kinds                            all kinds, in one line
    copies.py near F.npy                       `ijepa embed --out F.npy`: how near the nearest are, plain and less the mean
    copies.py reach F.npy                      of a folder of `make`: the cosine of copies with their original
    copies.py pairs F.json                     `ijepa search duplicates --json` of such a folder: pairs found, right and wrong
"""

import io
import json
import pathlib
import random
import sys
import tarfile

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

COPIED = 100


def scaled(image, by):
    return image.resize([max(1, round(side * by)) for side in image.size], Image.BICUBIC)


def cut(image, left, top, right, bottom):
    """Without these shares of its width or height at each side."""
    w, h = image.size
    return image.crop((round(w * left), round(h * top), w - round(w * right), h - round(h * bottom)))


# Of each kind: the copy, and the quality of its JPEG. `draw` is the photo's own.
KINDS = {
    "jpeg40": (lambda image, draw: image, 40),
    "two-thirds": (lambda image, draw: scaled(image, 2 / 3), 90),
    "one-and-a-half": (lambda image, draw: scaled(image, 3 / 2), 90),
    "brighter": (lambda image, draw: ImageEnhance.Brightness(image).enhance(1.1), 90),
    "cut-4": (lambda image, draw: cut(image, *[0.04] * 4), 90),
    "cut-to-10": (lambda image, draw: cut(image, *[draw.uniform(0, 0.1)] * 4), 90),
    "cut-to-6-each": (lambda image, draw: cut(image, *[draw.uniform(0, 0.06) for _ in range(4)]), 90),
    "grey": (lambda image, draw: ImageOps.grayscale(image).convert("RGB"), 90),
    "mirrored": (lambda image, draw: ImageOps.mirror(image), 90),
}


def make(archive, folder, kinds):
    """Photos keep their bytes; every so many of them, in the order of their names, is copied."""
    folder = pathlib.Path(folder)
    with tarfile.open(archive) as tar:
        members = sorted((member for member in tar if member.isfile()), key=lambda member: member.name)
        read = {member.name: tar.extractfile(member).read() for member in members}
    names = list(read)
    copied = names[:: max(1, len(names) // COPIED)][:COPIED]
    for name, data in read.items():
        path = folder / "photos" / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    for kind in kinds:
        copy, quality = KINDS[kind]
        into = folder / "copies" / kind
        into.mkdir(parents=True, exist_ok=True)
        for name in copied:
            image = Image.open(io.BytesIO(read[name])).convert("RGB")
            flat = name.replace("/", "+")
            copy(image, random.Random(kind + name)).save(into / f"{flat}.jpg", quality=quality)


def picture(path):
    """Which picture a file shows, and which kind of copy it is ('' for a photo)."""
    *folders, name = pathlib.PurePath(path).parts
    if "copies" in folders:
        return name.removesuffix(".jpg"), folders[-1]
    return "+".join(folders[folders.index("photos") + 1 :] + [name]), ""


def embedded(path):
    return np.load(path).astype(np.float64), json.loads(pathlib.Path(path.removesuffix(".npy") + ".names.json").read_text())


def cosines(features):
    rows = features / np.linalg.norm(features, axis=1, keepdims=True)
    found = rows @ rows.T
    np.fill_diagonal(found, -2)
    return found


def near(path):
    features, names = embedded(path)
    classes = np.array([name.split("/")[-2] for name in names])
    for way, values in ("plain", features), ("less the mean", features - features.mean(0)):
        found = cosines(values)
        ten = np.argsort(-found, axis=1)[:, :10]
        right = 100 * (classes[ten] == classes[:, None]).mean()
        print(f"{len(names)} images, {way}: precision@10 {right:.1f} %, cosine {np.quantile(found.max(1), 0.99):.3f}")


def reach(path):
    features, names = embedded(path)
    shown = [picture(name) for name in names]
    found = cosines(features - features.mean(0))
    originals = [i for i, (_, kind) in enumerate(shown) if not kind]
    at = {shown[i][0]: place for place, i in enumerate(originals)}
    for of in sorted({kind for _, kind in shown if kind}, key=list(KINDS).index):
        copies = [i for i, (_, kind) in enumerate(shown) if kind == of]
        own = np.array([at[shown[i][0]] for i in copies])
        among = found[np.ix_(copies, originals)]
        first = (among.argmax(1) == own).sum()
        cosine = np.quantile(among[np.arange(len(copies)), own], 0.05)
        print(f"{of:15} {cosine:.3f} for 95 % of {len(copies)}; {first} find their original first")


def pairs(path):
    groups = json.loads(pathlib.Path(path).read_text())["groups"]
    found = [[picture(image) for image in pair["images"]] for group in groups for pair in group["pairs"]]
    same = [pair for pair in found if pair[0][0] == pair[1][0]]
    print(f"{len(groups)} groups, {len(same)} pairs of one picture, {len(found) - len(same)} of others")
    for of in KINDS:
        if count := sum({first[1], second[1]} == {"", of} for first, second in same):
            print(f"  {of:15} {count} found with their original")


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["make", archive, folder, *kinds]:
            make(archive, folder, kinds)
        case ["kinds"]:
            print(*KINDS)
        case ["near", path]:
            near(path)
        case ["reach", path]:
            reach(path)
        case ["pairs", path]:
            pairs(path)
        case _:
            sys.exit(__doc__)
