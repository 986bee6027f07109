"""What scikit-learn's neighbours and logistic regression make of features: the figures that `ijepa probe` is held to.

sklearn.py TRAIN.safetensors TEST.safetensors                     of features that `ijepa embed` wrote of both parts of a set with a
                                                                  folder for each class
sklearn.py TRAIN.safetensors TEST.safetensors PROBE.json          the same beside those in a probe.json of the same weights
sklearn.py TRAIN.safetensors TEST.safetensors OUT.safetensors     makes sklearn.safetensors: such features in eight bits, with the
                                                                  figures of these in its metadata

Needs scikit-learn, numpy and safetensors. Run as `python -I`: this file has the name of the package."""
import json
import sys

import numpy as np
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from sklearn import __version__
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

TEMPERATURE = 0.07
NEIGHBOURS = [1, 3, 5, 10, 20, 50, 100, 200]
DECAYS = [0.0, 1e-3, 1e-2, 0.1]


def neighbours(train, test, k, centred):
    (x, y), (asked, truth) = train, test
    if centred:
        mean = x.mean(axis=0)
        x, asked = x - mean, asked - mean
    votes = KNeighborsClassifier(k, metric="cosine", weights=lambda distance: np.exp((1 - distance) / TEMPERATURE))
    return 100 * votes.fit(x, y).score(asked, truth)


def logistic(train, test, decay):
    """Mean cross-entropy + decay / 2 |w|^2 over standardised features; the bias is not decayed."""
    (x, y), (asked, truth) = train, test
    scaler = StandardScaler().fit(x)
    c = 1 / (len(x) * decay) if decay else 1e9
    model = LogisticRegression(C=c, max_iter=5000, tol=1e-7)
    return 100 * model.fit(scaler.transform(x), y).score(scaler.transform(asked), truth)


def figures(train, test):
    return {
        "scikit-learn": __version__,
        "knn": {str(k): [neighbours(train, test, k, centred) for centred in (False, True)]
                for k in NEIGHBOURS if k <= len(train[0])},
        "linear": {str(decay): logistic(train, test, decay) for decay in DECAYS},
    }


def rounded(train, test):
    """Features in eight bits, [n, D] u8, and the same again as numbers: level * scale + offset, [D] each."""
    offset, most = train.min(axis=0), train.max(axis=0)
    scale, offset = ((most - offset) / 255).astype(np.float32), offset.astype(np.float32)
    levels = [np.clip(np.rint((x - offset) / scale), 0, 255).astype(np.uint8) for x in (train, test)]
    # As f32, which is what is read.
    values = [(x.astype(np.float32) * scale + offset).astype(np.float64) for x in levels]
    return {"train": levels[0], "test": levels[1], "scale": scale, "offset": offset}, values


def embedded(path):
    with safe_open(path, "numpy") as file:
        names = json.loads(file.metadata()["names"])
        return file.get_tensor("features").astype(np.float64), np.array([name.split("/")[-2] for name in names])


train, test = embedded(sys.argv[1]), embedded(sys.argv[2])
compared = sys.argv[3] if len(sys.argv) > 3 else ""
if compared.endswith(".safetensors"):
    tensors, (x, asked) = rounded(train[0], test[0])
    classes = sorted(set(train[1]))
    for name, labels in ("train_labels", train[1]), ("test_labels", test[1]):
        tensors[name] = np.searchsorted(classes, labels).astype(np.uint8)
    found = json.dumps(figures((x, train[1]), (asked, test[1])), indent=1)
    save_file(tensors, compared, {"figures": found})
    print(found)
elif compared:
    worst = 0
    for probe in json.load(open(compared))["probes"]:
        if probe["features"] != "learned" or probe["method"] not in ("knn", "linear"):
            continue
        chosen = probe["chosen"]
        if probe["method"] == "knn":
            theirs = neighbours(train, test, chosen["k"], chosen["centred"])
        else:
            theirs = logistic(train, test, chosen["decay"])
        off = abs(theirs - probe["accuracy"])
        worst = max(worst, off)
        print(f"{probe['method']:8} {chosen}: ijepa {probe['accuracy']:.2f}, scikit-learn {theirs:.2f}")
    sys.exit(f"off by {worst:.2f} points" if worst > 0.5 else 0)
else:
    print(json.dumps(figures(train, test)))
