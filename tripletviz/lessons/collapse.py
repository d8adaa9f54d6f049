"""Trains the small network of the collapse simulator, live or for its recorded runs.

`tripletviz.lessons.collapse_runs` makes the recorded runs and measures how reliably each recipe
does what it promises.

Measured on two CPU cores with seeds 0 to 9 and the digits 0 to 4 of the MNIST sample (500 images
to train on, a probe of 200 others); R@1 is the mean of the seeds:

| recipe | collapsed | healthy | R@1 untrained | R@1 trained | mean distance at the end |
| --- | --- | --- | --- | --- | --- |
| Batch hard, high learning rate | 10 of 10 | 0 | 0.37 | 0.20 | 0, exactly |
| Soft margin, the same | 10 of 10 | 0 | 0.37 | 0.20 | 0, exactly |
| Lower learning rate | 0 | 10 of 10 | 0.37 | 0.91 | 1.6 to 2.3 |
| Batch all instead | 0 | 10 of 10 | 0.37 | 0.91 | 4.5 to 7.5 |
| Semi-hard instead | 0 | 10 of 10 | 0.37 | 0.93 | 32 to 43 |
| Batch all first, then batch hard | 0 | 10 of 10 | 0.37 | 0.93 | 2.9 to 4.3 |
| Easier batches | 0 | 10 of 10 | 0.37 | 0.80 | 0.79 to 1.9 |
| Semi-hard on the unit circle | 0 | 10 of 10 | 0.30 | 0.89 | 1.2 to 1.3 |
| Larger margin | 10 of 10 | 0 | 0.37 | 0.20 | 0, exactly |
| Larger batches | 10 of 10 | 0 | 0.37 | 0.20 | 0, exactly |
| L2 normalisation alone | 10 of 10 | 0 | 0.30 | 0.42 | 0.003 to 0.018 |

What counts as collapsed and as healthy: see `CollapseRun.verdict`. All this holds for this network
and two dimensions. Without its batch normalisation a lower learning rate did not save it reliably;
and what does not save it here may well help in more dimensions.
"""

import json
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from .._files import whole
from ..datasets import load_mnist_sample
from ..widgets.collapse_simulator import (
    SNAPSHOTS,
    CollapseRun,
    CollapseSettings,
    CollapseSimulator,
    Recipe,
)
from .telling import Pace, import_tensorflow
from .updates import compiled_update

RUNS = Path(__file__).resolve().parents[2] / "data" / "collapse-runs.npz"
LARGEST = 400_000
DIGITS = (0, 1, 2, 3, 4)
"""Ten classes crowd a plane: batch hard learned next to nothing there at any rate tried."""

PROBE_SIZE = 200
TRAINING_PER_CLASS = 100

_ACCIDENT = CollapseSettings()
_COLLAPSES, _CURES, _FAILS = "It collapses", "What saves it", "What does not save it"

RECIPES = (
    Recipe(
        "Batch hard, high learning rate",
        _COLLAPSES,
        _ACCIDENT,
        "The farthest positive pulls each anchor across the whole cloud, the nearest negative "
        "pushes it in any direction: on balance all points draw together, and large steps end in "
        "one place.",
    ),
    Recipe(
        "Soft margin, the same",
        _COLLAPSES,
        replace(_ACCIDENT, soft_margin=True),
        "Without a margin the loss ends at ln 2 instead. The collapse is the same.",
    ),
    Recipe(
        "Lower learning rate",
        _CURES,
        replace(_ACCIDENT, learning_rate=0.003),
        "A tenth of the learning rate, all else the same: small steps give the classes time to "
        "come apart before everything has met.",
    ),
    Recipe(
        "Batch all instead",
        _CURES,
        replace(_ACCIDENT, strategy="batch_all"),
        "The mean over all positive triplets (those with a loss above 0): the many moderate ones "
        "outweigh the few hardest.",
    ),
    Recipe(
        "Semi-hard instead",
        _CURES,
        replace(_ACCIDENT, strategy="batch_semi_hard"),
        "The pushes come from negatives that lie farther than the positive, and so they pull the "
        "cloud apart.",
    ),
    Recipe(
        "Batch all first, then batch hard",
        _CURES,
        replace(_ACCIDENT, warm_up=75),
        "75 steps of batch all pull the classes apart; the hardest triplets do no harm then.",
    ),
    Recipe(
        "Easier batches",
        _CURES,
        replace(_ACCIDENT, classes_per_batch=3, images_per_class=3),
        "Three classes with three images each: the hardest of two positives and six negatives is "
        "less hard than that of five and twenty-four.",
    ),
    Recipe(
        "Semi-hard on the unit circle",
        _CURES,
        replace(_ACCIDENT, strategy="batch_semi_hard", normalize=True),
        "Semi-hard alone drives the points far outwards. With L2 normalisation they stay on a "
        "circle, where no distance exceeds 2.",
    ),
    Recipe(
        "Larger margin",
        _FAILS,
        replace(_ACCIDENT, margin=2.0),
        "As long as every loss is above 0, the gradient does not know the margin: the points "
        "take the same way, and only the loss stops higher.",
    ),
    Recipe(
        "Larger batches",
        _FAILS,
        replace(_ACCIDENT, images_per_class=20),
        "The hardest of twenty is harder than the hardest of six.",
    ),
    Recipe(
        "L2 normalisation alone",
        _FAILS,
        replace(_ACCIDENT, normalize=True),
        "On the unit circle the points cannot shrink to the origin, but they can gather in one "
        "place of the circle.",
    ),
)
"""Each changes one thing of the first; the semi-hard one on the circle two."""


def collapse_simulator(images=None, labels=None, **traits) -> CollapseSimulator:
    """The collapse simulator with a *train* button that trains.

    Training happens in the kernel, in a few seconds; the first time TensorFlow is imported, which
    takes some more. Nothing is imported before.

    Args:
        images: uint8 array `(M, H, W)`, pixel values 0 to 255; the digits 0 to 4 of the MNIST
            sample if None, for which there are recorded runs to play.
        labels: integer array `(M,)`: their classes, at least 2, with at least 8 images each.
        **traits: as for `CollapseSimulator`.

    Returns:
        `CollapseSimulator`.

    Raises:
        ValueError: if images and labels do not fit, or only one of them is given.

    Example:

    >>> collapse_simulator(recipe="Lower learning rate")
    """
    data = split(images, labels)
    runs = load_runs() if images is None and RUNS.exists() else {}
    widget = CollapseSimulator(data["probe_labels"], recipes=RECIPES, runs=runs, **traits)
    widget.on_train(lambda widget: _train_live(widget, data))
    return widget


def split(images=None, labels=None) -> dict:
    """A probe to look at and other images to train on, the same number of each class.

    The probe takes the first images of each class, `PROBE_SIZE` in all; training the next
    `TRAINING_PER_CLASS`. Of a class with few images at most half go to the probe.

    Args:
        images, labels: as for `collapse_simulator`.

    Returns:
        Dictionary with the arrays `probe_images`, `probe_labels`, `images`, `labels`.

    Raises:
        ValueError: as `collapse_simulator`.
    """
    if (images is None) != (labels is None):
        raise ValueError("`images` and `labels` go together: give both or none.")
    if images is None:
        images, labels = load_mnist_sample()
        chosen = np.isin(labels, DIGITS)
        images, labels = images[chosen], labels[chosen]
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise ValueError(
            "`images` must have shape (M, height, width) and `labels` (M,), "
            f"got {images.shape} and {labels.shape}."
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"`labels` must be integers, got dtype {labels.dtype}.")
    classes, counts = np.unique(labels, return_counts=True)
    if len(classes) < 2 or counts.min() < 8:
        raise ValueError(
            "there must be at least 2 classes with at least 8 images each, "
            f"got {len(classes)} classes, the smallest with {min(counts, default=0)} images."
        )
    each = min(PROBE_SIZE // len(classes), counts.min() // 2)
    members = [np.flatnonzero(labels == label) for label in classes]
    probe = np.concatenate([m[:each] for m in members])
    training = np.concatenate([m[each : each + TRAINING_PER_CLASS] for m in members])
    return {
        "probe_images": images[probe],
        "probe_labels": labels[probe].astype(np.int64),
        "images": images[training],
        "labels": labels[training].astype(np.int64),
    }


def train_run(
    settings: CollapseSettings,
    images=None,
    labels=None,
    *,
    on_progress: Callable[[CollapseRun], None] | None = None,
) -> CollapseRun:
    """Train the small network once. Imports TensorFlow.

    The network is `conv_net` with 8 and 16 filters and an embedding of two dimensions; it has
    batch normalisation, which is settled before the untrained network is measured. Adam, constant
    learning rate, batches of P classes x K images. The losses are the package's own.

    Args:
        settings: `CollapseSettings`.
        images, labels: as for `collapse_simulator`.
        on_progress: called at every snapshot but the last with the `CollapseRun` so far.

    Returns:
        `CollapseRun` of the probe (see `split`). It ends early, `diverged`, if the loss or an
        embedding is no longer finite.

    Raises:
        ValueError: if the settings ask for more classes or images than there are.

    Example:

    >>> train_run(CollapseSettings(seed=3)).verdict
    'collapsed'
    """
    return _Training(settings, split(images, labels)).run(on_progress)


class _Training:
    """One training, step by step."""

    def __init__(self, settings: CollapseSettings, data: dict):
        from .._tensorflow import keras
        from ..networks import conv_net, settle_batch_norm
        from ..sampling import pk_batches, pk_plan

        self.settings, self.data = settings, data
        shape = settings.classes_per_batch, settings.images_per_class
        an_epoch = len(pk_plan(data["labels"], *shape))
        self.batches = pk_batches(
            data["images"],
            data["labels"],
            *shape,
            seed=settings.seed,
            epochs=settings.steps // an_epoch + 1,
        )
        self.network = conv_net(
            image_shape=data["images"].shape[1:],
            embedding_size=2,
            channels=8,
            normalize=settings.normalize,
            seed=settings.seed,
        )
        settle_batch_norm(self.network, data["images"], batch_size=min(50, len(data["images"])))
        self.optimizer = keras.optimizers.Adam(settings.learning_rate)

    def run(self, on_progress) -> CollapseRun:
        settings = self.settings
        update = self._updater("batch_all" if settings.warm_up else settings.strategy)
        self.embed = self._embedder()
        moments = np.unique(np.linspace(0, settings.steps, SNAPSHOTS).round().astype(int)).tolist()
        losses, gradients, snapshots = [], [], [self._measure()]
        for done, (images, labels) in enumerate(self.batches.take(settings.steps), 1):
            if done - 1 == settings.warm_up > 0:
                update = self._updater(settings.strategy)
            loss, gradient = (float(value) for value in update(images, labels))
            losses.append(loss)
            gradients.append(gradient)
            snapshot = self._measure() if done in moments else None
            broken = snapshot is not None and snapshot["points"] is None
            if broken or not np.isfinite(loss):
                return self._run(moments, snapshots, losses, gradients, diverged=True)
            if snapshot is not None:
                snapshots.append(snapshot)
                if on_progress is not None and done < settings.steps:
                    on_progress(self._run(moments, snapshots, losses, gradients))
        return self._run(moments, snapshots, losses, gradients)

    def _updater(self, strategy):
        """A compiled function of a batch: updates the weights, gives loss and gradient norm."""
        from .._tensorflow import tf
        from ..losses import LOSS_CLASSES

        def norm(embeddings, gradients):
            # In float64 squares do not vanish: a norm of 0 means that every entry is 0.
            return tf.linalg.global_norm([tf.cast(g, tf.float64) for g in gradients])

        margin = "soft" if self.settings.soft_margin else self.settings.margin
        loss = LOSS_CLASSES[strategy](margin)
        return compiled_update(self.network, self.optimizer, loss, also=norm)

    def _embedder(self):
        from .._tensorflow import tf

        return tf.function(lambda images: self.network(images, training=False))

    def _measure(self) -> dict:
        """The probe's embedding and what is measured on it; points None if not finite."""
        from scipy.spatial.distance import pdist

        from ..evaluation import recall_at_k
        from ..triplets import count_triplets

        labels = self.data["probe_labels"]
        points = self.embed(self.data["probe_images"]).numpy()
        if not np.isfinite(points).all():
            return {"points": None}
        soft = self.settings.soft_margin
        counts = count_triplets(labels, points, 0.0 if soft else self.settings.margin)
        distances = pdist(points.astype(np.float64))
        return {
            "points": points,
            "fraction positive": (counts.hard + counts.semi_hard) / counts.valid,
            "norm": np.linalg.norm(points.astype(np.float64), axis=1).mean(),
            "spread": distances.mean(),
            "diameter": distances.max(),
            "R@1": recall_at_k(points, labels, k=1),
        }

    def _run(self, moments, snapshots, losses, gradients, diverged=False) -> CollapseRun:
        return CollapseRun(
            settings=self.settings,
            steps=np.array(moments[: len(snapshots)]),
            points=np.stack([snapshot["points"] for snapshot in snapshots]),
            loss=np.array(losses),
            gradient=np.array(gradients),
            curves={
                name: np.array([snapshot[name] for snapshot in snapshots], float)
                for name in snapshots[0]
                if name != "points"
            },
            diverged=diverged,
        )


def _train_live(widget: CollapseSimulator, data: dict) -> None:
    """What the *train* button does: trains with the widget's settings and shows how it goes."""
    settings = widget.settings
    import_tensorflow(widget)
    start = time.perf_counter()
    widget.report("training", "Building the network ...")
    training = _Training(settings, data)
    pace = Pace()

    def show(run):
        if not pace.is_due():
            return
        done = int(run.steps[-1])
        widget.show_run(run, complete=False)
        widget.report(
            "training", f"Step {done} of {settings.steps}", progress=done / settings.steps
        )

    run = training.run(show)
    widget.show_run(run)
    seconds = time.perf_counter() - start
    widget.report("done", f"Trained {len(run.loss)} steps in {seconds:.1f} s.", progress=1.0)


# Recorded runs -----------------------------------------------------------------------------------


def save_runs(runs: dict[str, CollapseRun], path=RUNS) -> None:
    """Write runs by name as one `.npz`, whole or not at all.

    Points are kept as differences from each snapshot's mean, in float16 and in units of the largest
    of them, so that a cluster has three digits of its own size wherever it lies and however small
    it is. Curves keep all digits.

    Args:
        runs: mapping from name to `CollapseRun`.
        path: where to write.
    """
    arrays = {"names": np.array(list(runs))}
    for number, run in enumerate(runs.values()):
        centers = run.points.mean(axis=1, keepdims=True)
        differences = run.points - centers
        sizes = np.abs(differences).max(axis=(1, 2), keepdims=True)
        sizes[sizes == 0] = 1
        arrays |= {
            f"{number} settings": np.array(json.dumps(asdict(run.settings))),
            f"{number} steps": run.steps,
            f"{number} centers": centers,
            f"{number} sizes": sizes,
            f"{number} differences": (differences / sizes).astype(np.float16),
            f"{number} loss": run.loss,
            f"{number} gradient": run.gradient,
            f"{number} diverged": np.array(run.diverged),
            **{f"{number} curve {name}": values for name, values in run.curves.items()},
        }
    with whole(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_runs(path=RUNS) -> dict[str, CollapseRun]:
    """Read what `save_runs` wrote. Imports no TensorFlow.

    Returns:
        Dictionary from name to `CollapseRun`.

    Raises:
        FileNotFoundError: if the file is not there.
    """
    with np.load(path, allow_pickle=False) as file:
        arrays = dict(file)
    return {
        str(name): _read_run(arrays, f"{number} ") for number, name in enumerate(arrays["names"])
    }


def _read_run(arrays: dict, prefix: str) -> CollapseRun:
    own = {name.removeprefix(prefix): v for name, v in arrays.items() if name.startswith(prefix)}
    return CollapseRun(
        settings=CollapseSettings(**json.loads(str(own["settings"]))),
        steps=own["steps"],
        points=own["centers"] + own["sizes"] * own["differences"].astype(np.float32),
        loss=own["loss"],
        gradient=own["gradient"],
        curves={
            name.removeprefix("curve "): values
            for name, values in own.items()
            if name.startswith("curve ")
        },
        diverged=bool(own["diverged"]),
    )
