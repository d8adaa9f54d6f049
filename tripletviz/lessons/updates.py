"""One update of a network, compiled: what every small training of the lessons is made of.

Importing it does not import TensorFlow.
"""

import numpy as np


def compiled_update(network, optimizer, loss, *, settled=False, also=None):
    """A compiled function of a batch of images and labels that makes one update.

    Args:
        network: `keras.Model` from images to embeddings.
        optimizer: `keras.optimizers.Optimizer`; its variables are made here if they are not there.
        loss: function of labels and embeddings.
        settled: whether batch normalisation keeps its averages, instead of following the batches.
        also: function of embeddings and gradients: what the update gives besides the loss.

    Returns:
        A function of images and labels. It gives the loss before the update; with `also`, the loss
        and what `also` gave.
    """
    from .._tensorflow import tf

    if not optimizer.built:
        optimizer.build(network.trainable_variables)

    @tf.function
    def update(images, labels):
        with tf.GradientTape() as tape:
            embeddings = network(images, training=not settled)
            value = loss(labels, embeddings)
        gradients = tape.gradient(value, network.trainable_variables)
        optimizer.apply_gradients(zip(gradients, network.trainable_variables, strict=True))
        return value if also is None else (value, also(embeddings, gradients))

    return update


def fraction_positive(distances, labels, margin):
    """Share of the valid triplets with a loss above 0; for a few hundred points the fastest way.

    Args:
        distances: float64 array `(B, B)`.
        labels: int array `(B,)`.
        margin: number, at least 0.

    Returns:
        Number from 0 to 1; NaN where there is no valid triplet.
    """
    positive = valid = 0
    for anchor, row in enumerate(distances):
        same = labels == labels[anchor]
        negatives = np.sort(row[~same])
        same[anchor] = False
        positive += np.searchsorted(negatives, row[same] + margin).sum()
        valid += same.sum() * len(negatives)
    return float(positive / valid) if valid else float("nan")
