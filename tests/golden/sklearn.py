"""What scikit-learn's neighbours and logistic regression make of features: the figures that `ijepa probe` is held to.

sklearn.py OUT.safetensors                        makes sklearn.safetensors: drawn features, with the figures in its metadata
sklearn.py TRAIN.safetensors TEST.safetensors [PROBE.json]
                                                  the figures of features that `ijepa embed` wrote of both parts of a set with a folder
                                                  for each class, beside those in a probe.json of the same weights

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


def drawn():
    """Ten classes of 12 channels that overlap, of unlike scales and off the origin; 500 to fit on, 1000 to score."""
    rng = np.random.default_rng(7)
    centres = rng.normal(size=(10, 12))
    scales, offset = rng.uniform(0.2, 5, 12), rng.normal(size=12)
    sets = []
    for count in (500, 1000):
        labels = np.arange(count, dtype=np.uint32) % 10
        values = (centres[labels] + 1.1 * rng.normal(size=(count, 12)) + offset) * scales
        sets.append((values.astype(np.float32), labels))
    return sets


def embedded(path):
    with safe_open(path, "numpy") as file:
        names = json.loads(file.metadata()["names"])
        return file.get_tensor("features").astype(np.float64), np.array([name.split("/")[-2] for name in names])


if len(sys.argv) == 2:
    train, test = drawn()
    wide = [(x.astype(np.float64), y) for x, y in (train, test)]
    tensors = {"train": train[0], "train_labels": train[1], "test": test[0], "test_labels": test[1]}
    save_file(tensors, sys.argv[1], {"figures": json.dumps(figures(*wide))})
    print(json.dumps(figures(*wide), indent=1))
else:
    train, test = embedded(sys.argv[1]), embedded(sys.argv[2])
    found = figures(train, test)
    print(json.dumps(found))
    if len(sys.argv) > 3:
        worst = 0
        for probe in json.load(open(sys.argv[3]))["probes"]:
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
