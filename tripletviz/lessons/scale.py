"""What the lesson on scale tries: short trainings that are fair to each other, and two replicas.

Importing it does not import TensorFlow.
"""

import contextlib
import itertools
import time
from dataclasses import dataclass

import numpy as np

from .costs import MARGIN, prepared


@dataclass(frozen=True)
class ShortTraining:
    """What was measured in one training.

    Attributes:
        updates: int array `(S,)`: updates made before each look; the first is 0.
        recall: float array `(S,)`: R@1 at each look; each probe image is a query, the other probe
            images are its gallery.
        seconds: how long it took, without the looks and without what TensorFlow prepares once.
    """

    updates: np.ndarray
    recall: np.ndarray
    seconds: float


class Trainer:
    """Trains one network with batch all again and again, each time from the same start.

    The number of updates is given, not the number of epochs: so trainings with more data, or with
    another network, can be compared. Adam with a learning rate of 0.001, random batches.

    Args:
        network: a name of `costs.NETWORKS`.
        probe: images and labels to look at, `(Q, 28, 28)` and `(Q,)`.
        settle: images by which batch normalisation settles before the start.
    """

    def __init__(self, network, probe, settle):
        from ..networks import settle_batch_norm

        self.probe, self._step = probe, prepared(network)
        self._step.reset()
        if network.startswith("conv"):
            settle_batch_norm(self._step.model, settle, batch_size=32, batches=40)
            self._step.start_here()

    def train(self, images, labels, *, updates, batch_size=64, looks=2, seed=0):
        """Train from the start.

        Args:
            images, labels: uint8 `(N, 28, 28)` and integers `(N,)`; seen again and again, in
                another order each time, if there are fewer than the updates use up.
            updates: number of batches.
            batch_size: images a batch.
            looks: how often to look at the probe, the start and the end included.
            seed: of the batches.

        Returns:
            `ShortTraining`.
        """
        labels = np.asarray(labels, np.int64)
        # The first call for a size of batch prepares; it must not count as training.
        self._step.update(images[:batch_size], labels[:batch_size])
        self._step.reset()
        places = np.unique(np.linspace(0, updates, looks).round().astype(int))
        recall, seconds = [self.recall()], 0.0
        batches = _plan(len(images), batch_size, updates, seed)
        for first, last in itertools.pairwise(places):
            start = time.perf_counter()
            for batch in batches[first:last]:
                self._step.update(images[batch], labels[batch])
            seconds += time.perf_counter() - start
            recall.append(self.recall())
        return ShortTraining(places, np.array(recall), seconds)

    def recall(self):
        """R@1 of the probe as the network is now."""
        from ..evaluation import recall_at_k

        images, labels = self.probe
        return recall_at_k(self.embed(images), labels, k=1)

    def embed(self, images):
        """Embeddings of images as the network is now: float32 array `(N, 64)`."""
        parts = np.array_split(images, -(-len(images) // 1000))
        return np.concatenate([self._step.embed(part) for part in parts])

    def gradient(self, images, labels):
        """All weights' gradient of the loss of a batch as the network is now: one float32 array."""
        from .._tensorflow import tf
        from ..losses import BatchAllTripletLoss

        network, loss = self._step.model, BatchAllTripletLoss(MARGIN)
        with tf.GradientTape() as tape:
            value = loss(np.asarray(labels, np.int64), network(images, training=True))
        gradients = tape.gradient(value, network.trainable_variables)
        return np.concatenate([np.ravel(gradient) for gradient in gradients])


def two_replicas():
    """A `tf.distribute.MirroredStrategy` of two devices that this one processor plays.

    Real devices would be two GPUs. TensorFlow can also pretend that the processor is two devices:
    nothing gets faster by it, but what is computed where is the same, mistakes included. It must be
    told so before it computes anything, so call this first.

    Returns:
        The strategy; `num_replicas_in_sync` is 2.

    Raises:
        RuntimeError: if TensorFlow has begun with one device; only a fresh kernel helps then.
    """
    from .._tensorflow import tf

    (processor, *_) = tf.config.list_physical_devices("CPU")
    two = [tf.config.LogicalDeviceConfiguration()] * 2
    with contextlib.suppress(RuntimeError):  # it has begun already, perhaps with two devices
        tf.config.set_logical_device_configuration(processor, two)
    if len(tf.config.list_logical_devices("CPU")) < 2:
        raise RuntimeError(
            "TensorFlow has begun to work with one device. Restart the kernel, and run the cells "
            "from the top."
        )
    return tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])


def on_replicas(strategy, function, *arrays):
    """Call a function on every replica, each with its own part of the batch.

    Args:
        strategy: of `two_replicas`.
        function: of the parts of the arrays; gives back tensors, or a tuple of them.
        *arrays: of equal length. Replica 0 gets the first part, and so on.

    Returns:
        List with what the function gave on each replica, as NumPy arrays.
    """
    from .._tensorflow import tf

    count = strategy.num_replicas_in_sync
    parts = [np.split(np.asarray(array), count) for array in arrays]

    def own(array):
        return strategy.experimental_distribute_values_from_function(
            lambda context: tf.constant(array[context.replica_id_in_sync_group])
        )

    given = strategy.run(function, args=tuple(own(array) for array in parts))
    by_output = [strategy.experimental_local_results(each) for each in tf.nest.flatten(given)]
    results = [tuple(each.numpy() for each in replica) for replica in zip(*by_output, strict=True)]
    return [each if isinstance(given, tuple) else each[0] for each in results]


def fashion_mnist(profile):
    """Fashion-MNIST if it lies in the data folder; nothing is fetched here.

    Args:
        profile: `Profile`.

    Returns:
        What `datasets.load_fashion_mnist` gives; `None`, and a line that says so, if it is not
        there.
    """
    from ..datasets import data_folder, load_fashion_mnist

    if (data_folder() / "fashion-mnist.npz").exists():
        return load_fashion_mnist(profile.name)
    print(
        "Fashion-MNIST is not on this computer, so this comparison is left out. To fetch it once: "
        "python -m tripletviz fetch --dataset fashion_mnist"
    )
    return None


def slow_batches(count, seconds=0.005):
    """A dataset of numbers, each of which takes a while to prepare, as from a slow disk.

    They are prepared one by one, as they are asked for, unless `prefetch` is added.

    Args:
        count: of batches.
        seconds: that each takes.

    Returns:
        `tf.data.Dataset`.
    """
    from .._tensorflow import tf

    def prepare(number):
        time.sleep(seconds)
        return number

    batches = tf.data.Dataset.range(count).map(
        lambda number: tf.numpy_function(prepare, [number], tf.int64)
    )
    # TensorFlow would add a prefetch by itself.
    options = tf.data.Options()
    options.experimental_optimization.inject_prefetch = False
    return batches.with_options(options)


def hardest_distances(embeddings, labels, devices):
    """How hard the hardest triplets are, if each device looks in its own part only.

    Args:
        embeddings: float array `(B, D)`.
        labels: integers `(B,)`.
        devices: number of contiguous parts.

    Returns:
        Mean distance to the farthest positive and to the nearest negative, over the anchors that
        have both in their part; NaN if none has.
    """
    from scipy.spatial.distance import cdist

    farthest, nearest = [], []
    parts = zip(np.split(embeddings, devices), np.split(labels, devices), strict=True)
    for points, classes in parts:
        for anchor, distances in enumerate(cdist(points, points)):
            same = classes == classes[anchor]
            if same.sum() > 1 and not same.all():
                farthest.append(distances[same].max())
                nearest.append(distances[~same].min())
    return (np.mean(farthest), np.mean(nearest)) if farthest else (np.nan, np.nan)


def _plan(count, batch_size, updates, seed):
    from ..sampling import random_plan

    epochs = -(-updates // (count // batch_size))
    plans = [random_plan(count, batch_size, seed, epoch) for epoch in range(epochs)]
    return np.concatenate(plans)[:updates]
