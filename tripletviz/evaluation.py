"""How good an embedding is: neighbours, recall@k, R-precision, MAP@R, k-NN, NMI, verification.

Two sets play a part. Each *query* is looked up among the items of the *gallery*, and its neighbours
are the items nearest to it. With no gallery given the queries are each other's gallery, and a query
never finds itself: it is left out by its position, so a second copy of it does count.
The search goes in blocks; no matrix of all distances is ever held. None of this needs TensorFlow.

Matrix products find quickly what is near, to within an error that can be bounded. Whatever that
bound leaves undecided is decided by distances computed from coordinate differences in float64, so
the speed costs no exactness.
"""

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import normalized_mutual_info_score
from threadpoolctl import threadpool_limits

from ._validation import (
    class_labels,
    finite_embeddings,
    non_negative_integer,
    positive_integer,
)

METRICS = ("euclidean", "squared_euclidean", "cosine")

# Neighbours ranked beyond those asked for, to see that none of them might belong among those.
_SPARE_NEIGHBORS = 8
# Items beyond k that may be as near as the k-th within the error of a float32 product; with more,
# a float64 product is less work than their exact distances.
_SPARE_CANDIDATES = 500
# Numbers of one block of distances or coordinate differences: at most 32 MB for each thread.
_BLOCK_NUMBERS = 4_000_000
# More threads would hold more blocks at a time, and soon wait for the memory.
_MOST_THREADS = 8
# Coordinates whose squares, and sums of them, float64 can hold.
_LARGEST_COORDINATE = 1e150

_RECALL_AT = (1, 2, 4, 8)
_VOTES_OF = (1, 5)


def nearest_neighbors(queries, gallery=None, k=1, metric="euclidean"):
    """Find the k items of the gallery that are nearest to each query.

    Distances are computed in float64 from coordinate differences, so they are right for points that
    nearly coincide too. Items at exactly the same distance come in the order of their index.

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
        ValueError: If embeddings are empty, not two-dimensional, not finite, beyond 1e150, or of
            different dimensions; if `k` is larger than the gallery, or the metric unknown.

    Example:

    >>> nearest_neighbors([[0.0], [1.0], [3.0]], k=1)[1].ravel()
    array([1, 0, 1])
    """
    queries, gallery, one_set = _sets(queries, gallery, metric)
    k = _neighbor_count(k, len(gallery), one_set)
    squared, indices = _nearest(queries, gallery, k, one_set)
    return _from_squared(squared, metric), indices


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
    return _vote_accuracy(wanted, found)


def precision_at_1(queries, query_labels, gallery=None, gallery_labels=None, metric="euclidean"):
    """Compute precision@1: the share of queries whose nearest neighbour is of their class.

    It equals recall@1, and the accuracy of a classification by the one nearest neighbour.

    Args:
        queries: Embeddings to look up, shape `(Q, dimensions)`.
        query_labels: Their classes, integers of shape `(Q,)` or `(Q, 1)`.
        gallery: Embeddings to find, shape `(N, dimensions)`. `None`: each query is looked up among
            the other queries.
        gallery_labels: Their classes; given if and only if `gallery` is.
        metric: As in `nearest_neighbors`.

    Returns:
        A `float` from 0 to 1. A query whose class has no (other) member in the gallery counts as 0.

    Raises:
        ValueError: As `recall_at_k`.

    Example:

    >>> precision_at_1([[0.0], [1.0], [3.0]], [0, 1, 1])
    0.3333333333333333
    """
    return recall_at_k(queries, query_labels, gallery, gallery_labels, 1, metric)


def r_precision(queries, query_labels, gallery=None, gallery_labels=None, metric="euclidean"):
    """Compute R-precision: the share of a query's class among its R nearest, averaged.

    R is the number of items of the gallery that are of the query's class, the query itself not
    among them. So 1.0 means that every query has all of its class before all other items.

    A query whose class has no (other) member in the gallery (R = 0) counts as 0, as it does for
    `recall_at_k`. Some libraries leave such queries out instead.

    Args:
        queries: Embeddings to look up, shape `(Q, dimensions)`.
        query_labels: Their classes, integers of shape `(Q,)` or `(Q, 1)`.
        gallery: Embeddings to find, shape `(N, dimensions)`. `None`: each query is looked up among
            the other queries.
        gallery_labels: Their classes; given if and only if `gallery` is.
        metric: As in `nearest_neighbors`; ties too are decided as there, by index.

    Returns:
        A `float` from 0 to 1.

    Raises:
        ValueError: As `recall_at_k`.

    Example:

    >>> r_precision([[0.0], [1.0], [3.0], [7.0]], [0, 1, 0, 0])
    0.375

    Reference:

    - Musgrave, Belongie and Lim, *A Metric Learning Reality Check*, 2020, section 3.2,
      https://arxiv.org/abs/2003.08505
    """
    retrieval = _retrieve(queries, query_labels, gallery, gallery_labels, metric)
    return float(retrieval.r_precision.mean())


def map_at_r(queries, query_labels, gallery=None, gallery_labels=None, metric="euclidean"):
    """Compute MAP@R: like R-precision, but hits count more the nearer they are.

    For one query, the mean over the first R ranks of P(i), where P(i) is the share of its class
    among its i nearest if the i-th is of its class, and 0 if not. Then the mean over all queries.

    A query whose class has no (other) member in the gallery (R = 0) counts as 0, as it does for
    `recall_at_k`. Some libraries leave such queries out instead.

    Args:
        queries: Embeddings to look up, shape `(Q, dimensions)`.
        query_labels: Their classes, integers of shape `(Q,)` or `(Q, 1)`.
        gallery: Embeddings to find, shape `(N, dimensions)`. `None`: each query is looked up among
            the other queries.
        gallery_labels: Their classes; given if and only if `gallery` is.
        metric: As in `nearest_neighbors`; ties too are decided as there, by index.

    Returns:
        A `float` from 0 to 1, at most the R-precision.

    Raises:
        ValueError: As `recall_at_k`.

    Example:

    >>> map_at_r([[0.0], [1.0], [3.0], [7.0]], [0, 1, 0, 0])
    0.25

    Reference:

    - Musgrave, Belongie and Lim, *A Metric Learning Reality Check*, 2020, section 3.2,
      https://arxiv.org/abs/2003.08505
    """
    retrieval = _retrieve(queries, query_labels, gallery, gallery_labels, metric)
    return float(retrieval.average_precision.mean())


def nmi(embeddings, labels, seed=0):
    """Compare clusters found without labels to the classes, by normalized mutual information.

    The clusters are those of k-means, as many as there are classes, the best of five starts.

    Args:
        embeddings: Shape `(N, dimensions)`.
        labels: Their classes, integers of shape `(N,)` or `(N, 1)`.
        seed: Non-negative integer that the starts of k-means depend on.

    Returns:
        A `float` from 0 (clusters tell nothing about classes) to 1 (clusters are the classes):
        the mutual information over the mean of both entropies. With a single class it is 1.

    Raises:
        TypeError: If the seed is not an integer.
        ValueError: If embeddings are empty, not two-dimensional or not finite, labels are not one
            integer an embedding, or the seed is negative.

    Example:

    >>> nmi([[0.0], [0.1], [5.0], [5.1]], [3, 3, 8, 8])
    1.0

    Reference:

    - Manning, Raghavan and Schütze, *Introduction to Information Retrieval*, 2008, section 16.3
    """
    embeddings = _bounded_embeddings(embeddings, "embeddings")
    labels = class_labels(labels, len(embeddings))
    state = np.random.SeedSequence(non_negative_integer(seed, "seed")).generate_state(1)
    kmeans = KMeans(len(np.unique(labels)), n_init=5, random_state=int(state[0]))
    # One thread is faster on some thousand points, and always adds up in the same order.
    with threadpool_limits(1), warnings.catch_warnings():
        # Fewer distinct points than classes: there are fewer clusters then, and that is the answer.
        warnings.simplefilter("ignore", ConvergenceWarning)
        clusters = kmeans.fit_predict(embeddings)
    return float(normalized_mutual_info_score(labels, clusters))


@dataclass(frozen=True)
class VerificationCurve:
    """How often pairs are accepted as "the same class", for every threshold on their distance.

    A pair is accepted if and only if its distance is at most the threshold. Every distance that
    occurs is a threshold; between two of them nothing changes.

    Attributes:
        thresholds: float64 array `(T,)`, strictly increasing: the largest number below all
            distances (nothing is accepted), then every distance.
        false_accept_rate: float64 array `(T,)`: the share of impostor pairs (two classes) accepted,
            from 0 to 1.
        true_accept_rate: float64 array `(T,)`: the share of genuine pairs (one class) accepted,
            from 0 to 1.
        genuine_pairs: Their number.
        impostor_pairs: Their number.
    """

    thresholds: np.ndarray
    false_accept_rate: np.ndarray
    true_accept_rate: np.ndarray
    genuine_pairs: int
    impostor_pairs: int

    @property
    def roc_auc(self):
        """Area under the true accept rate as a function of the false accept rate.

        It is the chance that a genuine pair is nearer than an impostor pair, ties counting half.
        """
        return float(np.trapezoid(self.true_accept_rate, self.false_accept_rate))

    @property
    def equal_error_rate(self):
        """The rate at which as many impostors are accepted as genuine pairs are rejected.

        Where no threshold makes the two equal, the curve is taken as straight between the last
        threshold with fewer false accepts than false rejects and the next.
        """
        excess = self.false_accept_rate - (1 - self.true_accept_rate)
        after = int(np.argmax(excess >= 0))  # never the first, where it is -1
        share = -excess[after - 1] / (excess[after] - excess[after - 1])
        low, high = self.false_accept_rate[after - 1 : after + 1]
        return float(low + share * (high - low))

    def at_false_accept_rate(self, rate):
        """The largest threshold with at most this false accept rate, and what it accepts.

        Args:
            rate: From 0 to 1.

        Returns:
            `(threshold, true accept rate)`, two `float`s. Where already the smallest distance is
            one impostor too many, the threshold is the largest number below it, and nothing is
            accepted.

        Raises:
            ValueError: If the rate is not from 0 to 1.
        """
        if not 0 <= rate <= 1:
            raise ValueError(f"a false accept rate must be from 0 to 1, got {rate}.")
        last = np.searchsorted(self.false_accept_rate, rate, side="right") - 1
        return float(self.thresholds[last]), float(self.true_accept_rate[last])


def verification_curve(embeddings, labels, *, metric="euclidean", max_items=2000, seed=0):
    """Compute which shares of genuine and of impostor pairs each threshold accepts.

    The pairs are all pairs of two items. Of more than `max_items` items that many are drawn, as
    evenly over the classes as these have members: 2,000 give 1,999,000 pairs.

    Args:
        embeddings: Shape `(N, dimensions)`.
        labels: Their classes, integers of shape `(N,)` or `(N, 1)`.
        metric: As in `nearest_neighbors`.
        max_items: Largest number of items to pair, at least 2.
        seed: Non-negative integer that the draw depends on.

    Returns:
        A `VerificationCurve`.

    Raises:
        TypeError: If `max_items` or the seed is not an integer.
        ValueError: As `nearest_neighbors`; if labels are not one integer an embedding; if there is
            no pair of the same class, or none of different classes.

    Example:

    >>> curve = verification_curve([[0.0], [1.0], [3.0]], [0, 0, 1])
    >>> curve.thresholds[1:], curve.false_accept_rate[1:], curve.true_accept_rate[1:]
    (array([1., 2., 3.]), array([0. , 0.5, 1. ]), array([1., 1., 1.]))
    """
    labels = class_labels(labels, len(embeddings))
    chosen = balanced_choice(labels, positive_integer(max_items, "max_items"), seed)
    labels = labels[chosen]
    embeddings = _bounded_embeddings(embeddings, "embeddings")[chosen]
    distances, is_genuine = pair_distances(embeddings, labels, metric)
    genuine, impostor = np.sort(distances[is_genuine]), np.sort(distances[~is_genuine])
    if not len(genuine) or not len(impostor):
        raise ValueError(
            "verification needs pairs of the same class and pairs of different classes, got "
            f"{len(genuine)} and {len(impostor)} of {len(labels)} items."
        )
    thresholds = np.unique(distances)
    thresholds = np.concatenate([[np.nextafter(thresholds[0], -np.inf)], thresholds])
    return VerificationCurve(
        thresholds=thresholds,
        false_accept_rate=np.searchsorted(impostor, thresholds, side="right") / len(impostor),
        true_accept_rate=np.searchsorted(genuine, thresholds, side="right") / len(genuine),
        genuine_pairs=len(genuine),
        impostor_pairs=len(impostor),
    )


def verification(
    embeddings, labels, *, false_accept_rate=1e-3, metric="euclidean", max_items=2000, seed=0
):
    """Measure how well distances tell pairs of one class from pairs of two.

    The pairs are those of `verification_curve`; a pair is accepted if and only if its distance is
    at most a threshold.

    Args:
        embeddings: Shape `(N, dimensions)`.
        labels: Their classes, integers of shape `(N,)` or `(N, 1)`.
        false_accept_rate: Share of impostor pairs that may be accepted, from 0 to 1.
        metric: As in `nearest_neighbors`.
        max_items: Largest number of items to pair; of more, that many are drawn.
        seed: Non-negative integer that the draw depends on.

    Returns:
        Dictionary of Python numbers:

        - `"pairs"`: their number, genuine and impostor pairs together.
        - `"roc_auc"`, `"equal_error_rate"`: as in `VerificationCurve`.
        - `"false_accept_rate"`: the one given.
        - `"true_accept_rate"`: the share of genuine pairs accepted at `"threshold"`.
        - `"threshold"`: the largest distance at which no more impostor pairs are accepted than
          that.

    Raises:
        TypeError: As `verification_curve`.
        ValueError: As `verification_curve`, and if the false accept rate is not from 0 to 1.

    Example:

    >>> measured = verification([[0.0], [1.0], [3.0]], [0, 0, 1], false_accept_rate=0.5)
    >>> measured["threshold"], measured["true_accept_rate"], measured["roc_auc"]
    (2.0, 1.0, 1.0)

    Reference:

    - Schroff, Kalenichenko and Philbin, *FaceNet*, 2015, section 4,
      https://arxiv.org/abs/1503.03832
    """
    curve = verification_curve(embeddings, labels, metric=metric, max_items=max_items, seed=seed)
    threshold, true_accept_rate = curve.at_false_accept_rate(false_accept_rate)
    return {
        "pairs": curve.genuine_pairs + curve.impostor_pairs,
        "roc_auc": curve.roc_auc,
        "equal_error_rate": curve.equal_error_rate,
        "false_accept_rate": float(false_accept_rate),
        "true_accept_rate": true_accept_rate,
        "threshold": threshold,
    }


def balanced_choice(labels, count, seed=0):
    """Choose some items, as evenly over the classes as these have members.

    Classes take turns with two items each, so that even many small classes give genuine pairs.

    Args:
        labels: Integer array `(N,)`.
        count: How many items; all of them if there are no more.
        seed: Non-negative integer; the same seed always gives the same items.

    Returns:
        Increasing integer array `(min(count, N),)` of indices.
    """
    labels = np.asarray(labels)
    generator = np.random.default_rng(non_negative_integer(seed, "seed"))
    if len(labels) <= count:
        return np.arange(len(labels))
    shuffled = generator.permutation(len(labels))
    classes, class_of, sizes = np.unique(labels[shuffled], return_inverse=True, return_counts=True)
    by_class = np.argsort(class_of, kind="stable")
    turn = np.empty(len(labels), np.int64)
    turn[by_class] = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    class_turn = generator.permutation(len(classes))[class_of]
    return np.sort(shuffled[np.lexsort((turn, class_turn, turn // 2))[:count]])


def pair_distances(embeddings, labels, metric="euclidean"):
    """Measure all pairs of two items, as verification does.

    Args:
        embeddings: Float array `(N, dimensions)`.
        labels: Integer array `(N,)`.
        metric: One of `METRICS`.

    Returns:
        Two arrays `(N * (N - 1) / 2,)` in the order of `numpy.triu_indices(N, 1)`: float64
        distances, and whether both items are of one class (genuine).

    Raises:
        ValueError: If the embeddings are not finite or of another shape; if labels are not one
            integer an embedding, or the metric is unknown.

    Example:

    >>> pair_distances([[0.0], [1.0], [3.0]], [0, 0, 1])
    (array([1., 3., 2.]), array([ True, False, False]))
    """
    labels = class_labels(labels, len(embeddings))
    ones, others, _ = _sets(embeddings, None, metric)
    if len(ones) < 2:
        return np.zeros(0), np.zeros(0, bool)
    squared = [cdist(ones[[i]], others[i + 1 :], "sqeuclidean")[0] for i in range(len(ones) - 1)]
    is_genuine = [labels[i] == labels[i + 1 :] for i in range(len(labels) - 1)]
    return _from_squared(np.concatenate(squared), metric), np.concatenate(is_genuine)


def evaluate_embeddings(
    queries, query_labels, gallery, gallery_labels, *, held_out_classes=(), seed=0
):
    """Evaluate an embedding in every way of this room, doing shared work once.

    Args:
        queries: Embeddings of test items, shape `(Q, dimensions)`.
        query_labels: Their classes, integers of shape `(Q,)` or `(Q, 1)`.
        gallery: Embeddings of training items, shape `(N, dimensions)`.
        gallery_labels: Their classes, integers of shape `(N,)` or `(N, 1)`.
        held_out_classes: Classes that no training has seen. They are evaluated apart too, and so
            are the other ones.
        seed: Non-negative integer that the starts of k-means and the draw of pairs depend on.

    Returns:
        Dictionary of Python numbers, ready for JSON. Euclidean distances throughout.

        - `"queries"`, `"training_gallery"`: how many.
        - `"recall_at_k"` (`"1"`, `"2"`, `"4"`, `"8"`), `"precision_at_1"`, `"r_precision"`,
          `"map_at_r"`: each query against all *other queries*.
        - `"knn_accuracy"` (`"1"`, `"5"`): each query against the training gallery.
        - `"nmi"`: of the queries.
        - `"verification"`: as `verification`, of the queries.
        - `"seen"`, `"held_out"`: with held-out classes, the same again of those queries and
          training items alone that are of seen, and of held-out, classes.

        A number of neighbours that is larger than the gallery is left out.

    Raises:
        TypeError: If the seed is not an integer.
        ValueError: As the functions that measure each; if a held-out class has no query, or if
            fewer than two classes of queries, or no training items, are seen, or are held out.

    Example:

    >>> measured = evaluate_embeddings(
    ...     [[0.0], [1.0], [6.0], [7.0]], [0, 0, 1, 1], [[0.4], [1.1], [6.5]], [0, 1, 1]
    ... )
    >>> measured["recall_at_k"], measured["knn_accuracy"]
    ({'1': 1.0, '2': 1.0}, {'1': 0.75})
    """
    queries, gallery, _ = _sets(queries, gallery, "euclidean")
    query_labels, gallery_labels = _labels_of_sets(queries, query_labels, gallery, gallery_labels)
    parts = _seen_and_held_out(query_labels, gallery_labels, held_out_classes)
    result = _evaluate(queries, query_labels, gallery, gallery_labels, seed)
    for name, (of_queries, of_gallery) in parts.items():
        result[name] = _evaluate(
            queries[of_queries],
            query_labels[of_queries],
            gallery[of_gallery],
            gallery_labels[of_gallery],
            seed,
        )
    return result


def _evaluate(queries, query_labels, gallery, gallery_labels, seed):
    """The dictionary of `evaluate_embeddings`, all classes together."""
    verified = verification(queries, query_labels, seed=seed)
    recall_at = [k for k in _RECALL_AT if k < len(queries)]
    votes_of = [k for k in _VOTES_OF if k <= len(gallery)]
    retrieval = _retrieve(queries, query_labels, k=max(recall_at))
    recall = {str(k): float(retrieval.hits[:, :k].any(axis=1).mean()) for k in recall_at}
    wanted, found = _neighbor_labels(
        queries, query_labels, gallery, gallery_labels, max(votes_of), "euclidean"
    )
    return {
        "queries": len(queries),
        "training_gallery": len(gallery),
        "recall_at_k": recall,
        "precision_at_1": recall["1"],
        "r_precision": float(retrieval.r_precision.mean()),
        "map_at_r": float(retrieval.average_precision.mean()),
        "knn_accuracy": {str(k): _vote_accuracy(wanted, found[:, :k]) for k in votes_of},
        "nmi": nmi(queries, query_labels, seed),
        "verification": verified,
    }


def _seen_and_held_out(query_labels, gallery_labels, held_out_classes):
    """Which queries and training items are `"seen"` and `"held_out"`; empty if none are."""
    held_out = class_labels(held_out_classes, name="held_out_classes")
    if not len(held_out):
        return {}
    unknown = np.setdiff1d(held_out, query_labels)
    if len(unknown):
        raise ValueError(
            f"held_out_classes must be classes of the queries, got {unknown.tolist()}, of which "
            "there is no query."
        )
    of_queries, of_gallery = np.isin(query_labels, held_out), np.isin(gallery_labels, held_out)
    parts = {"seen": (~of_queries, ~of_gallery), "held_out": (of_queries, of_gallery)}
    for name, (some_queries, some_gallery) in parts.items():
        classes = np.unique(query_labels[some_queries])
        if len(classes) < 2 or not some_gallery.any():
            raise ValueError(
                f"held_out_classes {held_out.tolist()} leave nothing to evaluate as {name}: at "
                "least two classes of queries, and training items of them, are wanted, got queries "
                f"of classes {classes.tolist()} and {some_gallery.sum()} training items."
            )
    return parts


def _neighbor_labels(queries, query_labels, gallery, gallery_labels, k, metric):
    """Return the classes of the queries, `(Q,)`, and those of their neighbours, `(Q, k)`."""
    query_labels, gallery_labels = _labels_of_sets(queries, query_labels, gallery, gallery_labels)
    return query_labels, gallery_labels[nearest_neighbors(queries, gallery, k, metric)[1]]


def _labels_of_sets(queries, query_labels, gallery, gallery_labels):
    """Return checked labels of the queries and of the gallery."""
    if (gallery is None) != (gallery_labels is None):
        given, missing = "gallery", "gallery_labels"
        if gallery is None:
            given, missing = missing, given
        raise ValueError(f"gallery and gallery_labels go together, got {given} but no {missing}.")
    query_labels = class_labels(query_labels, len(queries), "query_labels", of="queries")
    if gallery is None:
        return query_labels, query_labels
    return query_labels, class_labels(gallery_labels, len(gallery), "gallery_labels", of="gallery")


def _vote_accuracy(wanted, found):
    """Share of rows of `found`, nearest first, whose majority is the class wanted."""
    # Column by column, each neighbour gets the votes of its class; the first maximum is nearest.
    votes = np.stack([(found == column[:, np.newaxis]).sum(axis=1) for column in found.T], axis=1)
    predicted = np.take_along_axis(found, votes.argmax(axis=1)[:, np.newaxis], axis=1)[:, 0]
    return float((predicted == wanted).mean())


def _sets(queries, gallery, metric):
    """Return queries and gallery, checked and ready for Euclidean distances; are they one set?"""
    if metric not in METRICS:
        raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}.")
    queries = _bounded_embeddings(queries, "queries")
    one_set = gallery is None
    gallery = queries if one_set else _bounded_embeddings(gallery, "gallery")
    if queries.shape[1] != gallery.shape[1]:
        raise ValueError(
            f"queries and gallery must have the same dimensions, got shapes {queries.shape} and "
            f"{gallery.shape}."
        )
    if metric == "cosine":
        queries, gallery = _on_unit_sphere(queries, 0), _on_unit_sphere(gallery, 1)
    return queries, gallery, one_set


def _bounded_embeddings(embeddings, name):
    embeddings = finite_embeddings(embeddings, name)
    largest = np.abs(embeddings).max()
    if largest > _LARGEST_COORDINATE:
        raise ValueError(
            f"{name} must not exceed {_LARGEST_COORDINATE:g}, whose square float64 can hold, got "
            f"{largest:g}."
        )
    return embeddings


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


def _from_squared(squared, metric):
    """Turn squared distances between what `_sets` returned into the metric's own."""
    if metric == "euclidean":
        return np.sqrt(squared)
    # Between unit vectors, 1 - cosine is half the squared distance.
    return squared / 2 if metric == "cosine" else squared


def _in_blocks(work, count, block):
    """Call `work` with slices that cover `range(count)`, on several cores."""
    block = max(1, block)
    slices = [slice(start, min(start + block, count)) for start in range(0, count, block)]
    if len(slices) == 1:
        work(slices[0])
        return
    # The threads are ours: products that start threads of their own would fight over the cores.
    with (
        threadpool_limits(1, "blas"),
        ThreadPoolExecutor(min(os.cpu_count() or 1, _MOST_THREADS)) as threads,
    ):
        for _ in threads.map(work, slices):  # for the errors that it raises
            pass


class _Products:
    """Squared distances by matrix products: fast, and off by no more than is known.

    Products give |gallery item|^2 - 2 query . item: the squared distance less |query|^2, which is
    the same for all items of a query. All of it is in units of the largest coordinate, in powers of
    two, and from the gallery's centre, since products lose digits far from the origin.

    Args:
        queries, gallery: As `_sets` returns them.
        dtype: That of the products.

    Attributes:
        error: Array `(Q,)`: no product of a query is further than this from the squared distance
            that `_squared_distances` finds, less |query|^2.
    """

    def __init__(self, queries, gallery, dtype):
        center = gallery.mean(axis=0)
        queries, gallery = queries - center, gallery - center
        largest = max(np.abs(queries).max(), np.abs(gallery).max())
        exponent = -np.frexp(largest)[1]
        np.ldexp(queries, exponent, out=queries)
        np.ldexp(gallery, exponent, out=gallery)
        squared_norms = np.einsum("nd,nd->n", gallery, gallery)
        reach = np.linalg.norm(queries, axis=1) + np.sqrt(squared_norms.max())
        # With n dimensions and unit roundoff u = eps / 2: rounding the inputs, n + 1 products and
        # their sum, (n + 5) u; the exact distance's own rounding, (n + 5) u; a last bit that is
        # given another meaning, 2 u; rounding the bound itself is left room for. Underflow adds
        # less than the smallest normal number a dimension.
        precision, dimensions = np.finfo(dtype), gallery.shape[1]
        self.error = (dimensions + 8) * (float(precision.eps) * reach**2 + float(precision.tiny))
        self._left = np.hstack([-2 * queries, np.ones((len(queries), 1))]).astype(dtype)
        self._right = np.vstack([gallery.T, squared_norms]).astype(dtype)

    def __getitem__(self, rows):
        return self._left[rows] @ self._right


def _squared_distances(queries, gallery, query_of, item_of):
    """Squared distances of pairs, given by two arrays of indices, from coordinate differences."""
    squared = np.empty(len(item_of))
    block = max(1, _BLOCK_NUMBERS // gallery.shape[1])
    for start in range(0, len(squared), block):
        pairs = slice(start, start + block)
        differences = gallery[item_of[pairs]] - queries[query_of[pairs]]
        squared[pairs] = np.einsum("pd,pd->p", differences, differences)
    return squared


def _nearest(queries, gallery, k, one_set):
    """Return squared distances and indices of the `k` nearest items, both `(Q, k)`, in order."""
    own = np.arange(len(queries)) if one_set else None
    squared, indices, found = _search(queries, gallery, k, own, np.float32)
    rest = np.flatnonzero(~found)
    if len(rest):
        own = rest if one_set else None
        squared[rest], indices[rest], _ = _search(queries[rest], gallery, k, own, np.float64)
    return squared, indices


def _search(queries, gallery, k, own, dtype):
    """Find the nearest items among those whose products leave it open whether they are.

    Args:
        own: int array `(Q,)`: the index of each query in the gallery, or `None` if they are two
            sets.
        dtype: That of the products. float32: queries with too many candidates are left out.

    Returns:
        Squared distances and indices, both `(Q, k)`, in order, and whether a query was searched
        for, `(Q,)`.
    """
    wanted = k if own is None else k + 1  # a query is a candidate of its own, and then left out
    items, most = np.arange(len(gallery)), wanted + _SPARE_CANDIDATES
    if dtype == np.float64:
        # Nobody wants 60,000 candidates for each query of a collapsed embedding.
        items, most = _not_crowded(gallery, wanted), len(gallery)
    products = _Products(queries, gallery[items], dtype)
    squared, indices = np.empty((len(queries), k)), np.empty((len(queries), k), np.int64)
    found = np.empty(len(queries), bool)

    def search(rows):
        near = products[rows]
        limit = _upper_bound(near, wanted) + 2 * products.error[rows]
        is_candidate = near <= limit[:, np.newaxis].astype(dtype)
        found[rows] = [np.count_nonzero(row) <= most for row in is_candidate]
        is_candidate[~found[rows]] = False
        query_of, item_of = np.divmod(np.flatnonzero(is_candidate), len(items))
        query_of, item_of = query_of + rows.start, items[item_of]
        if own is not None:
            other = item_of != own[query_of]
            query_of, item_of = query_of[other], item_of[other]
        distances = _squared_distances(queries, gallery, query_of, item_of)
        order = np.lexsort((item_of, distances, query_of))
        done = rows.start + np.flatnonzero(found[rows])
        nearest = order[np.searchsorted(query_of, done)[:, np.newaxis] + np.arange(k)]
        squared[done], indices[done] = distances[nearest], item_of[nearest]

    _in_blocks(search, len(queries), _BLOCK_NUMBERS // len(gallery))
    return squared, indices, found


def _upper_bound(distances, k):
    """For each row a number that at least `k` of its values do not exceed, and hardly more do.

    The smallest value of each of many groups is enough to tell, and quicker than a partition.
    """
    rows, count = distances.shape
    width = max(1, count // max(1024, 8 * k))
    groups = count // width
    smallest = distances[:, : width * groups].reshape(rows, width, groups).min(axis=1)
    smallest.partition(k - 1, axis=1)
    return smallest[:, k - 1].astype(np.float64)


def _not_crowded(gallery, most):
    """Indices, in no order, of the items that have fewer than `most` exact copies before them."""
    # Adding zero makes -0.0 the same bytes as 0.0.
    as_bytes = (gallery + 0.0).view(f"V{gallery.itemsize * gallery.shape[1]}").ravel()
    _, group, sizes = np.unique(as_bytes, return_inverse=True, return_counts=True)
    order = np.argsort(group, kind="stable")
    copies_before = np.arange(len(gallery)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return order[copies_before < most]


@dataclass(frozen=True)
class _Retrieval:
    """What one pass over the distances tells about each query.

    Attributes:
        hits: bool array `(Q, k)`: whether each of the `k` nearest is of the query's class.
        r_precision: float array `(Q,)`.
        average_precision: float array `(Q,)`: the average precision at R.
    """

    hits: np.ndarray
    r_precision: np.ndarray
    average_precision: np.ndarray


def _retrieve(queries, query_labels, gallery=None, gallery_labels=None, metric="euclidean", k=1):
    """Rank the nearest items of each query, as many as its class has members, at least `k`."""
    query_labels, gallery_labels = _labels_of_sets(queries, query_labels, gallery, gallery_labels)
    queries, gallery, one_set = _sets(queries, gallery, metric)
    k = _neighbor_count(k, len(gallery), one_set)
    products = _Products(queries, gallery, np.float64)
    hits, unsure = np.empty((len(queries), k), bool), np.empty(len(queries), bool)
    relevant = np.empty(len(queries), np.int64)
    precision, average = np.empty((2, len(queries)))
    # Queries of one class have the same R: together, few ranks are computed in vain.
    by_class = np.argsort(query_labels, kind="stable")

    def keep(rows, found):
        hits[rows] = found[:, :k]
        precision[rows], average[rows] = _precisions_at_r(found, relevant[rows])

    def rank(block):
        rows = by_class[block]
        is_relevant = query_labels[rows, np.newaxis] == gallery_labels
        if one_set:
            is_relevant[np.arange(len(rows)), rows] = False
        relevant[rows] = is_relevant.sum(axis=1)
        found, unsure[rows] = _rank_by_products(
            products[rows],
            products.error[rows],
            is_relevant,
            np.maximum(relevant[rows], k),
            rows if one_set else None,
        )
        keep(rows, found)

    # Blocks that stay in the cache are partitioned faster.
    _in_blocks(rank, len(queries), _BLOCK_NUMBERS // (4 * len(gallery)))
    rest = by_class[unsure[by_class]]
    size = max(1, _BLOCK_NUMBERS // max(relevant.max(), k))
    for rows in (rest[start : start + size] for start in range(0, len(rest), size)):
        ranks = max(relevant[rows].max(), k)
        own = rows if one_set else None
        indices = _search(queries[rows], gallery, ranks, own, np.float64)[1]
        keep(rows, gallery_labels[indices] == query_labels[rows, np.newaxis])
    return _Retrieval(hits, precision, average)


def _rank_by_products(near, error, is_relevant, wanted, own):
    """Order a block of queries' items by nearness, and tell which of them are relevant.

    Args:
        near: float64 array `(B, N)` of products; it is overwritten.
        error: float array `(B,)`: how far off they may be.
        is_relevant: bool array `(B, N)`.
        wanted: int array `(B,)`: how many nearest items have to be right.
        own: int array `(B,)`: the index of each query among the items, or `None`.

    Returns:
        bool arrays `(B, ranks)`, whether the item at each rank is relevant, and `(B,)`, whether
        the error leaves room for another answer.
    """
    # The last bit of each number tells whether the item is relevant. So plain numbers are sorted,
    # several times as fast as indices are.
    bits = near.view(np.int64)
    bits &= -2
    bits |= is_relevant
    block, count = np.arange(len(near)), near.shape[1]
    if own is not None:
        near[block, own] = np.inf
    ranks = min(wanted.max() + _SPARE_NEIGHBORS, count)
    if ranks < count:
        near.partition(ranks - 1, axis=1)
    nearest = np.sort(near[:, :ranks], axis=1)
    found = (nearest.view(np.int64) & 1).astype(bool)
    may_swap = np.diff(nearest, axis=1) <= 2 * error[:, np.newaxis]
    unsure = (may_swap & (found[:, 1:] != found[:, :-1])).any(axis=1)
    if ranks < count:
        unsure |= nearest[:, -1] <= nearest[block, wanted - 1] + 2 * error
    return found, unsure


def _precisions_at_r(found, relevant):
    """R-precision and average precision at R of each row; 0 where nothing is relevant."""
    ranks = np.arange(1, found.shape[1] + 1)
    hits = found & (ranks <= relevant[:, np.newaxis])
    precision_at_hits = np.cumsum(hits, axis=1) / ranks * hits
    count = np.maximum(relevant, 1)
    return hits.sum(axis=1) / count, precision_at_hits.sum(axis=1) / count
