"""Networks that lessons need trained: read if they are there, else trained, and said."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property

import filelock

# Everything that is the same for all; each differs from them in what it is named for.
_COMMON = {
    "margin": 0.5,
    "batch_size": 64,
    "classes_per_batch": 8,
    "images_per_class": 8,
    "embedding_size": 64,
    "snapshots": 12,
}
_RECIPES = {
    "batch_all": {"strategy": "batch_all"},
    "batch_hard": {"strategy": "batch_hard"},
    "semi_hard": {"strategy": "batch_semi_hard"},
    "classifier": {"strategy": "batch_all", "objective": "classification"},
    "six_digits": {
        "strategy": "batch_all",
        "held_out_classes": [6, 7, 8, 9],
        "batch_size": 60,
        "classes_per_batch": 6,  # there are no more
        "images_per_class": 10,
    },
}
_EPOCHS = {"ci": 2, "laptop": 3, "full": 5}


@dataclass(frozen=True)
class Trained:
    """A network that was trained for the lessons, with where it started.

    Attributes:
        network: `keras.Model`, images of shape (N, 28, 28) to embeddings of shape (N, 64).
        recording: `Recording` of 1,000 test images on the way.
        metrics: what was measured, as in an experiment's `metrics.json`: under `"untrained"` and
            `"trained"` what `evaluation.evaluate_embeddings` gives.
        params: the `Params` of the training.
        folder: path of the folder in which it lies, a model dir.
    """

    network: object
    recording: object
    metrics: dict
    params: object
    folder: object

    @cached_property
    def untrained(self):
        """The network as it was before its first update: the baseline."""
        from ..experiments import LOADERS
        from ..training import seen_classes, untrained_network

        (x_train, y_train), _ = LOADERS[self.params.dataset](self.params.profile)
        seen, _ = seen_classes(self.params, x_train, y_train)
        return untrained_network(self.params, seen)

    @cached_property
    def classifier(self):
        """The whole classifier, images to logits; `None` where no softmax layer was trained."""
        from ..experiments import load_network

        name = "classifier.keras"
        has_one = (self.folder / name).exists()
        return load_network(self.folder, name) if has_one else None


def trained(name, profile, *, seed=0):
    """A network trained on MNIST, from the cache if it is there, else trained now.

    The cache lies in the folder of the data, `trained/`, and may be deleted at any time.

    Args:
        name: `"batch_all"`, `"batch_hard"` or `"semi_hard"`; `"classifier"`, the same network with
            a softmax layer on it, trained by cross-entropy; or `"six_digits"`, batch all on the
            digits 0 to 5 only.
        profile: `Profile`, which decides how many images and epochs.
        seed: seed of weights and batches.

    Returns:
        `Trained`.

    Raises:
        ValueError: if there is no such recipe.
    """
    if name not in _RECIPES:
        raise ValueError(f"name must be one of {', '.join(_RECIPES)}; got {name!r}")
    from ..datasets import data_folder
    from ..experiments import train

    params = {
        **_COMMON,
        **_RECIPES[name],
        "profile": profile.name,
        "epochs": _EPOCHS[profile.name],
        "seed": seed,
    }
    text = json.dumps(params, indent=2)
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    folder = data_folder() / "trained" / f"{name}-{profile.name}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    # Two notebooks at once: the second waits for the first one's network.
    with filelock.FileLock(folder.parent / f".{folder.name}.lock"):
        (folder / "params.json").write_text(text, encoding="utf-8")
        is_there = (folder / "model.keras").exists()
        print(f"The network {name!r} {'was trained before' if is_there else 'is trained now'}.")
        experiment = train(folder, say=lambda line: None)
    return Trained(
        experiment.network,
        experiment.recording,
        experiment.metrics,
        experiment.params,
        folder,
    )
