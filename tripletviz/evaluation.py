"""How good an embedding is: nearest neighbours, recall@k and k-NN accuracy.

Two sets play a part. Each *query* is looked up among the items of the *gallery*, and its neighbours
are the items nearest to it. With no gallery given the queries are each other's gallery, and a query
never finds itself: it is left out by its position, so a second copy of it does count.
The search goes in blocks; no matrix of all distances is ever held. None of this needs TensorFlow.
"""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from ._validation import class_labels, finite_embeddings, positive_integer

METRICS = ("euclidean", "squared_euclidean", "cosine")

# Neighbours searched for beyond those asked for, so that near-ties can be put in their exact order.
_SPARE_NEIGHBORS = 8
# Numbers of one block of coordinate differences: 32 MB.
_BLOCK_NUMBERS = 4_000_000


def nearest_neighbors(queries, gallery=None, k=1, metric="euclidean"):
    """Find the k items of the gallery that are nearest to each query.

    Distances are computed in float64 from coordinate differences, so they are right for points that
    nearly coincide too. Items at exactly the same distance come in the order of their index; if
    more than eight items beyond the k-th are as far as it is, which of them are found is up to
    the search.

    Args:
        queries: Embeddings to look up, shape `(Q, dimensions)`.
        gallery: Embeddings to find, shape `(N, dimensions)`. `None`: each query is looked up among
            the other queries.
        k: Number of neighbours, at most `N`, or `Q - 1` with no gallery given.
        metric: "euclidean", "squared_euclidean" or "cosine" (1 - cosine of the angle, 0 to 2; a
            zero vector has distance 1 to everything, as in scikit-learn).

    Returns:
        Two arrays of shape `(Q, k)`, nearest first: distances, `float64`, and indices into the
        gallery, `int64`.

    Raises:
        TypeError: If `k` is not an integer.
        ValueError: If embeddings are empty, not two-dimensional, not finite, or of different
            dimensions; if `k` is larger than the gallery, or the metric unknown.

    Example:

    >>> nearest_neighbors([[0.0], [1.0], [3.0]], k=1)[1].ravel()
    array([1, 0, 1])
    """
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}.")
    queries, gallery, one_set = _sets(queries, gallery)
    k = _neighbor_count(k, len(gallery), one_set)
    if metric == "cosine":
        queries, gallery = _on_unit_sphere(queries, 0), _on_unit_sphere(gallery, 1)
    squared, indices = _candidates(queries, gallery, k, one_set)
    order = np.lexsort((indices, squared), axis=1)[:, :k]
    squared = np.take_along_axis(squared, order, axis=1)
    indices = np.take_along_axis(indices, order, axis=1)
    if metric == "euclidean":
        return np.sqrt(squared), indices
    # Between unit vectors, 1 - cosine is half the squared distance.
    return (squared / 2 if metric == "cosine" else squared), indices


def recall_at_k(
    queries, query_labels, gallery=None, gallery_labels=None, k=(1, 2, 4, 8), metric="euclidean"
):
    """Compute recall@k (R@k): the share of queries with one of their class among the k nearest.

    A query whose class has no (other) member in the gallery cannot be a hit and counts as a miss.

    Args:
        queries: Embeddings to look up, shape `(Q, dimensions)`.
        query_labels: Their classes, integers of shape `(Q,)` or `(Q, 1)`.
        gallery: Embeddings to find, shape `(N, dimensions)`. `None`: each query is looked up among
            the other queries.
        gallery_labels: Their classes; given if and only if `gallery` is.
        k: One number of neighbours or several, each at most the size of the gallery.
        metric: As in `nearest_neighbors`.

    Returns:
        For one `k`, a `float` from 0 to 1; for several, a dictionary from each `k` to its value.

    Raises:
        TypeError: If a `k` is not an integer.
        ValueError: As `nearest_neighbors`, and if labels are not one integer an embedding.

    Example:

    >>> recall_at_k([[0.0], [1.0], [3.0]], [0, 1, 1], k=(1, 2))
    {1: 0.3333333333333333, 2: 0.6666666666666666}

    Reference:

    - Jégou, Douze and Schmid, *Product Quantization for Nearest Neighbor Search*, 2011 (recall@R);
      for classes: Oh Song et al., *Deep Metric Learning via Lifted Structured Feature Embedding*,
      2016, section 6, https://arxiv.org/abs/1511.06452
    """
    several = np.ndim(k) > 0
    counts = [positive_integer(count, "k") for count in (k if several else [k])]
    if not counts:
        raise ValueError("k must be a number of neighbours or several, got none.")
    wanted, found = _neighbor_labels(
        queries, query_labels, gallery, gallery_labels, max(counts), metric
    )
    hits = found == wanted[:, np.newaxis]
    recall = {count: float(hits[:, :count].any(axis=1).mean()) for count in counts}
    return recall if several else recall[counts[0]]


def knn_accuracy(queries, query_labels, gallery=None, gallery_labels=None, k=1, metric="euclidean"):
    """Compute the accuracy of classifying queries by a majority vote of their k neighbours.

    Where several classes have equally many votes, the one whose member is nearest wins. A query
    whose class has no (other) member in the gallery is classified wrongly.

    Args:
        queries: Embeddings to classify, shape `(Q, dimensions)`.
        query_labels: Their true classes, integers of shape `(Q,)` or `(Q, 1)`.
        gallery: Embeddings that vote, shape `(N, dimensions)`, as a rule the training images'.
            `None`: each query is classified by the other queries.
        gallery_labels: Their classes; given if and only if `gallery` is.
        k: Number of neighbours that vote.
        metric: As in `nearest_neighbors`.

    Returns:
        The share of queries classified rightly, a `float` from 0 to 1.

    Raises:
        TypeError: If `k` is not an integer.
        ValueError: As `nearest_neighbors`, and if labels are not one integer an embedding.

    Example:

    >>> knn_accuracy([[0.0], [9.0]], [0, 1], [[1.0], [2.0], [8.0]], [0, 0, 1], k=3)
    0.5
    """
    wanted, found = _neighbor_labels(queries, query_labels, gallery, gallery_labels, k, metric)
    # Column by column, each neighbour gets the votes of its class; the first maximum is nearest.
    votes = np.stack([(found == column[:, np.newaxis]).sum(axis=1) for column in found.T], axis=1)
    predicted = np.take_along_axis(found, votes.argmax(axis=1)[:, np.newaxis], axis=1)[:, 0]
    return float((predicted == wanted).mean())


def _neighbor_labels(queries, query_labels, gallery, gallery_labels, k, metric):
    """Return the classes of the queries, `(Q,)`, and those of their neighbours, `(Q, k)`."""
    if (gallery is None) != (gallery_labels is None):
        given, missing = "gallery", "gallery_labels"
        if gallery is None:
            given, missing = missing, given
        raise ValueError(f"gallery and gallery_labels go together, got {given} but no {missing}.")
    query_labels = class_labels(query_labels, len(queries), "query_labels", of="queries")
    if gallery is None:
        gallery_labels = query_labels
    else:
        gallery_labels = class_labels(gallery_labels, len(gallery), "gallery_labels", of="gallery")
    return query_labels, gallery_labels[nearest_neighbors(queries, gallery, k, metric)[1]]


def _sets(queries, gallery):
    """Return checked queries and gallery, and whether they are one set."""
    queries = finite_embeddings(queries, "queries")
    if gallery is None:
        return queries, queries, True
    gallery = finite_embeddings(gallery, "gallery")
    if queries.shape[1] != gallery.shape[1]:
        raise ValueError(
            f"queries and gallery must have the same dimensions, got shapes {queries.shape} and "
            f"{gallery.shape}."
        )
    return queries, gallery, False


def _neighbor_count(k, gallery_size, one_set):
    k = positive_integer(k, "k")
    most = gallery_size - 1 if one_set else gallery_size
    if k > most:
        owner = "other queries" if one_set else "items of the gallery"
        raise ValueError(f"k must be at most the number of {owner}, {most}, got {k}.")
    return k


def _on_unit_sphere(embeddings, spare_axis):
    """Scale rows to unit norm, and turn zero rows to an axis of their own.

    Queries and gallery use different ones of two added axes, so that a zero vector is at a right
    angle to everything, the other set's zero vectors included: cosine distance 1.
    """
    scale = np.abs(embeddings).max(axis=1, keepdims=True)
    zero = scale[:, 0] == 0
    scale[zero] = 1
    # First by the largest coordinate, since squares of tiny ones would vanish.
    embeddings = embeddings / scale
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    norms[zero] = 1
    axes = np.zeros((len(embeddings), 2))
    axes[zero, spare_axis] = 1
    return np.hstack([embeddings / norms, axes])


def _candidates(queries, gallery, k, one_set):
    """Return squared distances and indices of at least `k` nearest items, unordered.

    A query itself, where queries and gallery are one set, stands at an infinite distance.
    """
    count = min(k + one_set + _SPARE_NEIGHBORS, len(gallery))
    # The search multiplies matrices, which loses digits far from the origin: move the origin.
    center = gallery.mean(axis=0)
    search = NearestNeighbors(n_neighbors=count, algorithm="brute").fit(gallery - center)
    indices = search.kneighbors(queries - center, return_distance=False)
    squared = np.empty(indices.shape)
    block = max(1, _BLOCK_NUMBERS // (count * gallery.shape[1]))
    for start in range(0, len(queries), block):
        rows = slice(start, start + block)
        differences = gallery[indices[rows]] - queries[rows, np.newaxis]
        squared[rows] = np.einsum("qcd,qcd->qc", differences, differences)
    if one_set:
        squared[indices == np.arange(len(queries))[:, np.newaxis]] = np.inf
    return squared, indices
