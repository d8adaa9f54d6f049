"""From a model dir's `params.json` to a trained, evaluated network, and back from the files.

A model dir holds `params.json`; training adds `model.keras`, `recording.npz` and `metrics.json`.
"""

import json
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import datasets
from ._tensorflow import keras
from .callbacks import EmbeddingRecorder, Interruptible, ProgressBar, Recording, probe_indices
from .evaluation import knn_accuracy, recall_at_k
from .losses import LOSS_CLASSES, FractionOfPositiveTriplets
from .networks import conv_net, settle_batch_norm
from .params import ExperimentError, Params, load_params
from .sampling import pk_batches, random_batches

LOADERS = {"mnist": datasets.load_mnist, "fashion_mnist": datasets.load_fashion_mnist}


@dataclass(frozen=True)
class Experiment:
    """A trained network with what was recorded and measured on the way.

    Attributes:
        params: the `Params` it was trained with.
        network: the `keras.Model` from images to embeddings.
        recording: the `Recording` of its probe set.
        metrics: what `evaluate_network` found, `"untrained"` and `"trained"` (which is missing if
            the training diverged).
        finished: whether training ran to its end, neither interrupted nor diverged.
    """

    params: Params
    network: keras.Model
    recording: Recording
    metrics: dict
    finished: bool


def build_network(params):
    """The untrained network that `params` describes."""
    return conv_net(
        embedding_size=params.embedding_size,
        channels=params.channels,
        batch_norm=params.batch_norm,
        normalize=params.normalize,
        seed=params.seed,
    )


def untrained_network(params, images):
    """The network that `params` describe, its batch normalisation settled, its weights random.

    Args:
        params: `Params`.
        images: uint8 array `(N, H, W)`: the training images; a few thousand are shown to it.
    """
    network = build_network(params)
    if params.batch_norm:
        settle_batch_norm(network, images, batch_size=min(64, len(images)))
    return network


def make_batches(params, images, labels):
    """The batches that `params` describes, and how many of them make an epoch.

    Args:
        params: `Params`.
        images: uint8 array `(N, H, W)`.
        labels: int array `(N,)`.

    Returns:
        `(dataset, steps_per_epoch)`; the dataset runs through all epochs once.

    Raises:
        ExperimentError: if the data has too few images or classes for these batches.
    """
    try:
        if params.classes_per_batch is None:
            dataset = random_batches(
                images, labels, params.batch_size, seed=params.seed, epochs=params.epochs
            )
        else:
            dataset = pk_batches(
                images,
                labels,
                params.classes_per_batch,
                params.images_per_class,
                seed=params.seed,
                epochs=params.epochs,
            )
    except ValueError as error:
        raise ExperimentError(f"these parameters do not fit the data: {error}") from None
    return dataset, int(dataset.cardinality()) // params.epochs


def fit(network, params, images, labels, *, probe=None, progress=True):
    """Train a network in place, as `params` say.

    A `KeyboardInterrupt` (Ctrl-C, or the stop button of a notebook) ends training cleanly: the
    network keeps what it has learnt so far, and what was recorded is returned.

    Args:
        network: `keras.Model` from images to embeddings.
        params: `Params`.
        images: uint8 array `(N, H, W)`: the training images.
        labels: int array `(N,)`.
        probe: `(images, labels)` of the probe set to record, by default the first 100 training
            images of each class.
        progress: whether to show how far training is.

    Returns:
        `(recording, finished)`: a `Recording`, and whether training ran to its end. One that is
        interrupted, or diverges, did not.

    Raises:
        ExperimentError: if the data has too few images or classes for these batches.
    """
    dataset, steps = make_batches(params, images, labels)
    total_steps = steps * params.epochs
    if probe is None:
        chosen = probe_indices(labels)
        probe = images[chosen], labels[chosen]
    recorder = EmbeddingRecorder(
        *probe,
        total_steps=total_steps,
        strategy=params.strategy,
        margin=params.margin,
        squared=params.squared,
        snapshots=params.snapshots,
    )
    soft = params.margin == "soft"
    network.compile(
        optimizer=keras.optimizers.Adam(params.learning_rate),
        loss=LOSS_CLASSES[params.strategy](params.margin, params.squared),
        metrics=[] if soft else [FractionOfPositiveTriplets(params.margin, params.squared)],
    )
    callbacks = [recorder, ProgressBar(total_steps, recorder=recorder)] if progress else [recorder]
    with Interruptible(*callbacks) as training:
        network.fit(
            dataset,
            epochs=params.epochs,
            steps_per_epoch=steps,
            shuffle=False,
            callbacks=callbacks,
            verbose=0,
        )
    return recorder.recording(), training.finished and not recorder.diverged


def embed(network, images, batch_size=1000):
    """Embeddings of images, as a float32 array `(N, D)`.

    Args:
        network: `keras.Model` from images to embeddings.
        images: uint8 array `(N, H, W)`.
        batch_size: images at a time.
    """
    return np.asarray(network.predict(images, batch_size=batch_size, verbose=0), np.float32)


def evaluate_network(network, data):
    """How good a network's embeddings are on test images it has not seen.

    - `"recall_at_k"`: every test image is a query, all *other* test images are the gallery.
    - `"knn_accuracy"`: every test image is a query, the training images are the gallery; by the
      nearest neighbour (`"1"`) and by a vote of five (`"5"`).

    Args:
        network: `keras.Model` from images to embeddings.
        data: `(x_train, y_train), (x_test, y_test)`.

    Returns:
        Dictionary of the two, and of the numbers of `"queries"` and `"training_gallery"`, ready
        for JSON.
    """
    (x_train, y_train), (x_test, y_test) = data
    gallery, queries = embed(network, x_train), embed(network, x_test)
    recall = recall_at_k(queries, y_test, k=(1, 2, 4, 8))
    return {
        "queries": len(queries),
        "training_gallery": len(gallery),
        "recall_at_k": {str(k): value for k, value in recall.items()},
        "knn_accuracy": {
            str(k): knn_accuracy(queries, y_test, gallery, y_train, k=k) for k in (1, 5)
        },
    }


def train(model_dir, *, progress=True, say=print):
    """Train the experiment of a model dir from the beginning, evaluate it, and write its files.

    Args:
        model_dir: path of a folder with `params.json`.
        progress: whether to show how far training is.
        say: function that is given each line worth telling.

    Returns:
        `Experiment`. If training was interrupted, the files hold what was reached.

    Raises:
        ExperimentError: if the model dir or its parameters are not usable.
    """
    model_dir = Path(model_dir)
    params = load_params(model_dir)
    data = LOADERS[params.dataset](params.profile)
    (x_train, y_train), (x_test, y_test) = data
    network = untrained_network(params, x_train)
    say(f"{len(x_train):,} training and {len(x_test):,} test images of {params.dataset}")
    untrained = evaluate_network(network, data)
    say(_summary("Untrained", untrained))
    chosen = probe_indices(y_test)
    start = time.perf_counter()
    recording, finished = fit(
        network,
        params,
        x_train,
        y_train,
        probe=(x_test[chosen], y_test[chosen]),
        progress=progress,
    )
    seconds = time.perf_counter() - start
    usable = bool(np.isfinite(recording.embeddings[-1]).all())
    done = "Trained" if finished else "Interrupted; what was learnt is kept"
    done = done if usable else "Diverged; what was recorded is kept"
    say(f"{done}: {recording.steps[-1]:,} steps in {seconds:.0f} s")
    metrics = {
        "untrained": untrained,
        "steps": int(recording.steps[-1]),
        "finished": finished,
        "seconds": round(seconds, 1),
    }
    # Written before the evaluation, so that nobody loses a training by being impatient with that.
    _write(model_dir, network, recording, metrics)
    if usable:
        metrics["trained"] = evaluate_network(network, data)
        say(_summary("Trained", metrics["trained"]))
        _write_metrics(model_dir, metrics)
    return Experiment(params, network, recording, metrics, finished)


def evaluate(model_dir, *, say=print):
    """Evaluate the trained network of a model dir on all test images.

    Args:
        model_dir: path of a folder in which `train` has run.
        say: function that is given each line worth telling.

    Returns:
        Dictionary as of `evaluate_network`.

    Raises:
        ExperimentError: if the model dir or its parameters are not usable, nothing is trained, or
            the training diverged.
    """
    model_dir = Path(model_dir)
    params = load_params(model_dir)
    network = load_network(model_dir)
    data = LOADERS[params.dataset](params.profile)
    try:
        metrics = evaluate_network(network, data)
    except ValueError as error:  # a training that diverged leaves a network of NaN
        raise ExperimentError(f"{model_dir}: its network is of no use: {error}") from None
    say(_summary("Trained", metrics))
    return metrics


def load_network(model_dir):
    """The trained network of a model dir.

    Raises:
        ExperimentError: if there is none, or its file cannot be read.
    """
    path = Path(model_dir) / "model.keras"
    if not path.exists():
        raise ExperimentError(f"{model_dir} has no model.keras yet; train it first")
    if not zipfile.is_zipfile(path):
        raise ExperimentError(f"{path} is damaged, or no model that Keras saved; train it again")
    try:
        return keras.models.load_model(path)
    except (ValueError, OSError) as error:
        raise ExperimentError(f"{path} cannot be read: {str(error).splitlines()[0]}") from None


def _write(model_dir, network, recording, metrics):
    partial = model_dir / ".model.part.keras"
    network.save(partial)
    partial.replace(model_dir / "model.keras")
    recording.save(model_dir / "recording.npz")
    _write_metrics(model_dir, metrics)


def _write_metrics(model_dir, metrics):
    partial = model_dir / ".metrics.json.part"
    partial.write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")
    partial.replace(model_dir / "metrics.json")


def _summary(name, metrics):
    queries, gallery = metrics["queries"], metrics["training_gallery"]
    return (
        f"{name}: test R@1 {metrics['recall_at_k']['1']:.4f} ({queries:,} queries, the other "
        f"{queries - 1:,} as gallery), 1-NN accuracy {metrics['knn_accuracy']['1']:.4f} "
        f"(gallery: {gallery:,} training images)"
    )
