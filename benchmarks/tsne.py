"""Time and faithfulness of the t-SNE picture of 10,000 test embeddings.

Run ``python -m benchmarks.tsne`` from the top of the repository.
"""

import time

from sklearn.manifold import trustworthiness

from tripletviz._tensorflow import keras
from tripletviz.datasets import load_mnist
from tripletviz.evaluation import recall_at_k
from tripletviz.losses import BatchAllTripletLoss
from tripletviz.networks import conv_net
from tripletviz.projection import tsne
from tripletviz.sampling import random_batches

NEIGHBOURS = 12


def measure():
    """Seconds for the picture, its trustworthiness, and R@1 in it and in the embedding."""
    (x_train, y_train), (x_test, y_test) = load_mnist()
    network = conv_net()
    network.compile(keras.optimizers.Adam(1e-3), BatchAllTripletLoss(0.5))
    network.fit(random_batches(x_train, y_train, 64, seed=0), shuffle=False, verbose=0)
    embeddings = network.predict(x_test, batch_size=1000, verbose=0)
    start = time.perf_counter()
    points = tsne(embeddings)
    seconds = time.perf_counter() - start
    return {
        "seconds": seconds,
        "trustworthiness": trustworthiness(embeddings, points, n_neighbors=NEIGHBOURS),
        "recall": [recall_at_k(each, y_test, k=1) for each in (points, embeddings)],
    }


def rows(measured):
    """Markdown table rows (what, bar, measured)."""
    picture, embedding = measured["recall"]
    yield (
        "t-SNE of 10,000 test embeddings, perplexity 25",
        "<= 45 s",
        f"{measured['seconds']:.0f} s (trustworthiness of {NEIGHBOURS} neighbours "
        f"{measured['trustworthiness']:.3f}; R@1 in the picture {picture:.3f}, in the embedding "
        f"{embedding:.3f})",
    )


if __name__ == "__main__":
    for row in rows(measure()):
        print("| " + " | ".join(row) + " |")
