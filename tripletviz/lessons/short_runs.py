"""Trainings of a second each, healthy and broken, for the lesson on what goes wrong.

All start from the same small network and see digits of the MNIST sample, so that what differs
between two runs is what was changed. TensorFlow is imported by the first `Bench`.
"""

from dataclasses import dataclass

import numpy as np

from ..datasets import load_mnist_sample
from .updates import compiled_update, fraction_positive

MARGIN = 0.5
CLASSES_PER_BATCH, IMAGES_PER_CLASS = 8, 4
STEPS = 60
_EVERY = 4  # steps between two looks at the probe
_PROBE_PER_CLASS, _TRAINING_PER_CLASS = 20, 100


@dataclass(frozen=True)
class ShortRun:
    """What was measured in one training.

    Attributes:
        loss: float array `(T,)`: of each batch, before its update; NaN where it was none.
        steps: int array `(S,)`: updates made before each look at the probe; the first is 0.
        curves: name -> float array `(S,)`: `"fraction of positive triplets"` and `"R@1"` of the
            probe (each of its images a query, the others the gallery), `"mean embedding norm"` and
            `"mean distance"` of two embeddings. NaN where an embedding was not finite.
    """

    loss: np.ndarray
    steps: np.ndarray
    curves: dict

    @property
    def collapsed(self) -> bool:
        """Whether two embeddings of the probe lie, on average, within 5 % of the margin at last."""
        return bool(self.curves["mean distance"][-1] < 0.05 * MARGIN)


class Bench:
    """A small network, 1,000 digits to train it on, and 200 others, the probe, to look at.

    The network is `conv_net` with 4 and 8 filters and an embedding of 8 dimensions; its batch
    normalisation is settled before the first look. Each training starts from the same weights.

    Args:
        seed: of the weights and of the batches.

    Attributes:
        images, labels: what there is to train on, in order of class.
        batches: int array `(STEPS, 32)`: P x K batches, as indices.
        network: `keras.Model`.
    """

    def __init__(self, seed=0):
        images, labels = load_mnist_sample()
        members = np.argsort(labels, kind="stable").reshape(10, -1)
        probe = members[:, :_PROBE_PER_CLASS].ravel()
        training = members[:, -_TRAINING_PER_CLASS:].ravel()
        self.probe_images, self.probe_labels = images[probe], labels[probe].astype(np.int64)
        self.images, self.labels = images[training], labels[training].astype(np.int64)
        self._updates = {}
        self.use_seed(seed)

    def use_seed(self, seed):
        """Take the weights and the batches that belong to a seed for the next trainings."""
        from .._tensorflow import tf
        from ..networks import conv_net, settle_batch_norm
        from ..sampling import pk_plan

        shape = CLASSES_PER_BATCH, IMAGES_PER_CLASS
        epochs = [pk_plan(self.labels, *shape, seed=seed, epoch=epoch) for epoch in range(2)]
        self.batches = np.concatenate(epochs)[:STEPS]
        fresh = conv_net(embedding_size=8, channels=4, seed=seed)
        # By the batches of its own training, and often enough that the start is forgotten.
        settle_batch_norm(fresh, self.images[self.batches.ravel()], batch_size=32, batches=100)
        self._start = fresh.get_weights()
        if not hasattr(self, "network"):
            self.network = fresh
            self._embed = tf.function(lambda images: fresh(images, training=False))
        self.reset()

    def reset(self):
        """Give the network the weights of the start again."""
        self.network.set_weights(self._start)

    def train(
        self, loss, learning_rate, *, batches=None, images=None, labels=None, settled=False
    ) -> ShortRun:
        """Train with Adam from the start, one update a batch.

        Args:
            loss: function of labels and embeddings. It is compiled the first time.
            learning_rate: of Adam, constant.
            batches: int array `(T, B)`: indices of each batch; `Bench.batches` if None.
            images, labels: in place of the bench's own.
            settled: whether batch normalisation keeps the averages of the start, instead of
                following the batches.

        Returns:
            `ShortRun`.
        """
        batches = self.batches if batches is None else batches
        images = self.images if images is None else images
        labels = self.labels if labels is None else labels
        update, optimizer = self._update_of(loss, settled)
        self.reset()
        for variable in optimizer.variables:
            variable.assign(np.zeros(variable.shape))
        optimizer.learning_rate = learning_rate
        losses, steps, looks = [], [0], [self._look()]
        for done, batch in enumerate(batches, 1):
            losses.append(float(update(images[batch], labels[batch])))
            if done % _EVERY == 0 or done == len(batches):
                steps.append(done)
                looks.append(self._look())
        curves = {name: np.array([look[name] for look in looks]) for name in looks[0]}
        return ShortRun(np.array(losses), np.array(steps), curves)

    def first_loss(self, loss, *, batches=None, images=None, labels=None, settled=False):
        """A loss of the first batch, with the weights of the start; arguments as for `train`."""
        batch = (self.batches if batches is None else batches)[0]
        images = self.images if images is None else images
        labels = self.labels if labels is None else labels
        self.reset()
        return float(loss(labels[batch], self.network(images[batch], training=not settled)))

    def _update_of(self, loss, settled):
        if (loss, settled) not in self._updates:
            from .._tensorflow import keras

            optimizer = keras.optimizers.Adam()
            update = compiled_update(self.network, optimizer, loss, settled=settled)
            self._updates[loss, settled] = update, optimizer
        return self._updates[loss, settled]

    def _look(self):
        from scipy.spatial.distance import pdist, squareform

        from ..evaluation import recall_at_k

        points = self._embed(self.probe_images).numpy().astype(np.float64)
        names = "fraction of positive triplets", "mean embedding norm", "mean distance", "R@1"
        if not np.isfinite(points).all():
            return dict.fromkeys(names, np.nan)
        distances = pdist(points)
        fraction = fraction_positive(squareform(distances), self.probe_labels, MARGIN)
        norm, recall = np.linalg.norm(points, axis=1), recall_at_k(points, self.probe_labels, k=1)
        return dict(zip(names, (fraction, norm.mean(), distances.mean(), recall), strict=True))


def batch_hard(labels, embeddings):
    """The package's batch hard with the margin of this module."""
    from ..losses import batch_hard_triplet_loss

    return batch_hard_triplet_loss(labels, embeddings, MARGIN)


def batch_all(labels, embeddings):
    """The package's batch all with the margin of this module."""
    from ..losses import batch_all_triplet_loss

    return batch_all_triplet_loss(labels, embeddings, MARGIN)[0]


def batch_semi_hard(labels, embeddings):
    """The package's batch semi-hard with the margin of this module."""
    from ..losses import batch_semi_hard_triplet_loss

    return batch_semi_hard_triplet_loss(labels, embeddings, MARGIN)


def home_made_batch_hard(labels, embeddings):
    """Batch hard as it is often written. Three faults hide in it; lesson 05 finds them."""
    from tripletviz._tensorflow import tf

    differences = embeddings[:, None] - embeddings[None, :]
    self_pairs = tf.eye(len(embeddings))
    # The root has no slope at 0, so the zeros of the diagonal are lifted to 1 and put back.
    d = tf.sqrt(tf.reduce_sum(differences**2, axis=-1) + self_pairs) - self_pairs
    same = tf.cast(labels[:, None] == labels[None, :], d.dtype)
    farthest_positive = tf.reduce_max((same - self_pairs) * d, axis=1)
    # What is no negative is put out of reach, so that the minimum passes it by.
    out_of_reach = tf.reduce_max(d, axis=1, keepdims=True)
    nearest_negative = tf.reduce_min(d + out_of_reach * same, axis=1)
    return tf.reduce_mean(tf.maximum(farthest_positive - nearest_negative + MARGIN, 0))


CAUSES = {
    "collapse": "the hardest triplets drew all embeddings into one point",
    "one-class batches": "each batch holds images of one class only, so there is no negative",
    "no class twice": "each batch holds one image of each class, so there is no positive",
    "identical images": "a batch held the same picture twice, at distance 0",
    "learning rate too high": "each step throws the points far out, for every strategy",
    "label shape": "labels of shape (B, 1) met a loss that expects (B,)",
    "nothing is wrong": "the loss is level, and the network learns",
}
"""What may be wrong with a broken run: name -> in words."""


def broken_runs(bench) -> dict[str, ShortRun]:
    """Five broken trainings, each with another cause of `CAUSES`, under letters.

    Args:
        bench: `Bench`.

    Returns:
        Dictionary from "A" to "E" to `ShortRun`.
    """
    return {
        letter: bench.train(loss, rate, **data) for letter, loss, rate, _, data in _faulty(bench)
    }


def first_losses(bench) -> dict[str, tuple[float, float]]:
    """What each broken training computed for its first batch, and what the package computes.

    Args:
        bench: `Bench`.

    Returns:
        Dictionary from "A" to "E" to two numbers: the loss as it was trained with; and the same
        loss by the package, for the same images and labels of shape `(B,)`.
    """
    found = {}
    for letter, loss, _, of_package, data in _faulty(bench):
        right = data | {"labels": np.ravel(data.get("labels", bench.labels))}
        found[letter] = bench.first_loss(loss, **data), bench.first_loss(of_package, **right)
    return found


def _faulty(bench):
    # What is wrong with each is the exercise of lesson 05: read on after you have solved it.
    sorted_by_class = np.arange(len(bench.images)).reshape(10, -1)[:, :96].reshape(-1, 32)
    sorted_by_class = np.concatenate([sorted_by_class, sorted_by_class])
    pictures = bench.images.reshape(10, _TRAINING_PER_CLASS, *bench.images.shape[1:]).copy()
    pictures[:, 5:10] = np.roll(pictures, 4, axis=0)[:, 70:75]
    pictures = pictures.reshape(bench.images.shape)
    one_class = {"batches": sorted_by_class, "settled": True}
    return (
        ("A", home_made_batch_hard, 0.003, batch_hard, one_class),
        ("B", batch_semi_hard, 1.0, batch_semi_hard, {}),
        ("C", home_made_batch_hard, 0.01, batch_hard, {"labels": bench.labels[:, None]}),
        ("D", batch_hard, 0.03, batch_hard, {}),
        ("E", home_made_batch_hard, 0.003, batch_hard, {"images": pictures}),
    )


def grid_of_runs(runs, title=None):
    """Loss, fraction, norm and R@1 of several runs side by side: see `figures.curve_grid`."""
    from ..figures import curve_grid

    columns = {
        name: {
            "loss": (np.arange(len(run.loss)), run.loss),
            "positive triplets": (run.steps, run.curves["fraction of positive triplets"]),
            "mean norm": (run.steps, run.curves["mean embedding norm"]),
            "R@1": (run.steps, run.curves["R@1"]),
        }
        for name, run in runs.items()
    }
    panels = {
        "loss": {"range": (0, 5), "level": MARGIN, "height": 1.8},
        "positive triplets": {"range": (-0.05, 1.05)},
        "mean norm": {"log": True, "range": (1e-3, 1e5)},
        "R@1": {"range": (-0.05, 1.05)},
    }
    return curve_grid(columns, panels, title)
