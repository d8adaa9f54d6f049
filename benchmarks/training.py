"""Time and quality of training: batch all beside a softmax classifier, the base model, lesson 04.

Run ``python -m benchmarks.training`` from the top of the repository.
"""

import datetime
import statistics
import tempfile
import time
from pathlib import Path

from tripletviz import experiments
from tripletviz._tensorflow import keras
from tripletviz.datasets import load_mnist
from tripletviz.lessons.runner import NOTEBOOKS, execute
from tripletviz.losses import BatchAllTripletLoss, FractionOfPositiveTriplets
from tripletviz.networks import conv_net
from tripletviz.params import load_params
from tripletviz.sampling import random_batches
from tripletviz.training import fit, untrained_network

BATCH_SIZE = 256
EPOCHS = 3
BASE_MODEL = Path(__file__).parents[1] / "experiments" / "base_model"


def epoch_seconds():
    """Median seconds an epoch of MNIST at B = 256: `(batch all, softmax classifier)`.

    The epochs alternate, so that whatever else the machine does meets both alike. Before them each
    has one epoch that is not counted, in which TensorFlow traces its graphs.
    """
    (x_train, y_train), _ = load_mnist()
    triplets = conv_net()
    triplets.compile(
        keras.optimizers.Adam(1e-3),
        BatchAllTripletLoss(0.5),
        metrics=[FractionOfPositiveTriplets(0.5)],
    )
    backbone = conv_net()
    classifier = keras.Sequential([backbone, keras.layers.Dense(10)])
    classifier.compile(
        keras.optimizers.Adam(1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )

    def batch_all_epoch(epoch):
        batches = random_batches(x_train, y_train, BATCH_SIZE, seed=epoch)
        triplets.fit(batches, shuffle=False, verbose=0)

    def softmax_epoch(epoch):
        classifier.fit(x_train, y_train, batch_size=BATCH_SIZE, verbose=0)

    times = {batch_all_epoch: [], softmax_epoch: []}
    for epoch in range(EPOCHS + 1):
        for run, seconds in times.items():
            start = time.perf_counter()
            run(epoch)
            seconds.append(time.perf_counter() - start)
    return tuple(statistics.median(seconds[1:]) for seconds in times.values())


def base_model():
    """Test R@1 of the base model, untrained and after its one epoch."""
    params = load_params(BASE_MODEL)
    data = experiments.LOADERS[params.dataset](params.profile)
    network = untrained_network(params, data[0][0])
    untrained = experiments.evaluate_network(network, data)
    fit(network, params, *data[0], progress=False)
    trained = experiments.evaluate_network(network, data)
    return untrained["recall_at_k"]["1"], trained["recall_at_k"]["1"]


def lesson_04():
    """Seconds of lesson 04, profile `laptop`: to the first player on the screen, and in all."""
    with tempfile.TemporaryDirectory() as folder:
        name = "04-train-on-mnist.ipynb"
        notebook = execute(NOTEBOOKS / name, Path(folder) / name, {"PROFILE": "laptop"})
    player = next(cell for cell in notebook.cells if "EmbeddingPlayer(" in cell.source)
    ran = notebook.metadata.papermill
    start, shown, end = map(
        datetime.datetime.fromisoformat,
        (ran.start_time, player.metadata.papermill.end_time, ran.end_time),
    )
    return (shown - start).total_seconds(), (end - start).total_seconds()


def measure():
    """Every number of the table of training."""
    return {
        "epoch_seconds": epoch_seconds(),
        "base_model": base_model(),
        "lesson_04": lesson_04(),
    }


def rows(measured):
    """Markdown table rows (what, bar, measured)."""
    batch_all, softmax = measured["epoch_seconds"]
    yield (
        "training `conv_net` with batch all at B = 256 against softmax, an epoch",
        "<= 1.2x",
        f"{batch_all / softmax:.2f}x ({batch_all:.1f} s against {softmax:.1f} s)",
    )
    untrained, trained = measured["base_model"]
    yield (
        "one epoch of `base_model`: test R@1 (10,000 queries, the other 9,999 as gallery)",
        ">= 0.985",
        f"{trained:.4f} (untrained {untrained:.4f})",
    )
    shown, end = measured["lesson_04"]
    yield (
        "lesson 04, profile `laptop`, from its start to the playing evolution",
        "< 90 s",
        f"{shown:.0f} s ({end:.0f} s to its end)",
    )


if __name__ == "__main__":
    for row in rows(measure()):
        print("| " + " | ".join(row) + " |")
