"""Which triplets a batch holds, how hard they are, and which ones a miner picks.

For an anchor a, a positive p (another member of a's class) and a negative n (a member of another
class) the triplet (a, p, n) is

- **hard** if d(a, n) <= d(a, p),
- **semi-hard** if d(a, p) < d(a, n) < d(a, p) + margin,
- **easy** otherwise,

and **active** if its loss d(a, p) - d(a, n) + margin is strictly positive. Ties count as written,
in float64: where two distances are too close to be told apart by fast arithmetic, they are computed
anew from differences. (Cosine distances divide by lengths: two angles that are equal in real
numbers may come out unequal in the last digit, and such a tie can fall either way.)

A batch of B embeddings has on the order of B^3 triplets. Nothing here lists them to count them:
each anchor's distances are sorted once, and a triplet count is a rank.

Reference:
    Schroff, Kalenichenko, Philbin, *FaceNet: A Unified Embedding for Face Recognition and
    Clustering* (CVPR 2015), section 3.2.
"""

import numbers
from typing import NamedTuple

import numpy as np

from ._tensorflow import tf
from .distances import (
    as_embeddings,
    check_metric,
    distances_by_differences,
    pairwise_distances,
)

# A positive and a negative whose distances differ by fewer last places of float64 than this (a
# share of 1.5e-11) are compared by distances from differences.
_NEARLY_TIED = 2**16

# Anchors whose distances are sorted together: enough to keep two cores busy, few enough that what
# the sort needs stays small beside the distances.
ANCHORS_PER_BLOCK = 256

STRATEGIES = ("batch_all", "batch_hard", "batch_semi_hard")


class TripletCounts(NamedTuple):
    """Numbers of triplets, as Python integers: `valid = easy + semi_hard + hard`."""

    valid: int
    easy: int
    semi_hard: int
    hard: int


class Batch(NamedTuple):
    """A batch as the losses and miners see it; every matrix has shape `(B, B)`, rows are anchors.

    `distances` are float64; `positive[a, p]` and `negative[a, n]` say which pairs are valid.
    """

    embeddings: tf.Tensor
    metric: str
    distances: tf.Tensor
    positive: tf.Tensor
    negative: tf.Tensor


def count_triplets(labels, embeddings, margin, squared=False, *, metric=None):
    """Count the valid, easy, semi-hard and hard triplets of a batch, exactly.

    Time O(B^2 log B), memory O(B^2).

    Args:
        labels: tensor of shape `(B,)` or `(B, 1)`: the class of each embedding, of any dtype that
            compares for equality.
        embeddings: float tensor of shape `(B, D)`.
        margin: number, at least 0. The soft margin has no semi-hard ring and is refused.
        squared: whether to take squared Euclidean distances.
        metric: a metric of `tripletviz.distances.METRICS`, instead of `squared`.

    Returns:
        `TripletCounts` of Python integers (exact in int64).

    Raises:
        ValueError: if the shapes do not fit, an embedding is not finite, `margin` is negative or
            `"soft"`, or `metric` is unknown or contradicts `squared`.

    Example:

    >>> count_triplets([0, 0, 1], [[0.0], [1.0], [1.5]], margin=1.0)
    TripletCounts(valid=2, easy=0, semi_hard=1, hard=1)
    """
    margin = check_margin(margin)
    if margin == "soft":
        raise ValueError("the soft margin has no semi-hard ring to count; give a number")
    batch = prepare(labels, embeddings, resolve_metric(metric, squared))
    _refuse_non_finite(batch)
    valid, semi_hard, hard = (
        int(count) for count in _count(batch, tf.constant(margin, tf.float64))
    )
    return TripletCounts(valid, valid - semi_hard - hard, semi_hard, hard)


def mine_triplets(
    labels, embeddings, margin, strategy, squared=False, *, metric=None, limit=None, seed=0
):
    """The triplets that a strategy learns from, as indices into the batch.

    - `"batch_all"`: every active triplet, that is, every one whose loss is strictly positive.
    - `"batch_hard"`: for each anchor its farthest positive and its nearest negative.
    - `"batch_semi_hard"`: for each anchor and positive the nearest negative that is farther than
      the positive, or, where there is none, the farthest negative.

    The last two list what the strategy picks whether or not its loss is positive.

    Args:
        labels: tensor of shape `(B,)` or `(B, 1)`.
        embeddings: float tensor of shape `(B, D)`.
        margin: number, at least 0, or `"soft"` (not for `"batch_all"`).
        strategy: one of `STRATEGIES`.
        squared: whether to take squared Euclidean distances.
        metric: a metric of `tripletviz.distances.METRICS`, instead of `squared`.
        limit: for `"batch_all"` only: at most this many triplets, a uniform sample without
            replacement of the active ones. They are never listed in full.
        seed: integer seed of that sample.

    Returns:
        int64 NumPy array of shape `(T, 3)` with columns anchor, positive, negative, sorted by
        anchor, then positive, then the negative's distance.

    Raises:
        ValueError: as `count_triplets`, and if `strategy` is unknown, or `limit` is not a positive
            integer or is given for another strategy.

    Reference:
        Hermans, Beyer, Leibe, *In Defense of the Triplet Loss for Person Re-Identification*
        (arXiv:1703.07737, 2017), for batch all and batch hard.
    """
    margin = check_margin(margin)
    check_strategy(strategy)
    if strategy == "batch_all" and margin == "soft":
        raise ValueError(SOFT_BATCH_ALL)
    if limit is not None and (strategy != "batch_all" or not _is_positive_integer(limit)):
        raise ValueError(
            'limit must be a positive integer, and goes with "batch_all" only; '
            f"got limit={limit!r}, strategy={strategy!r}"
        )
    batch = prepare(labels, embeddings, resolve_metric(metric, squared))
    _refuse_non_finite(batch)
    if batch.distances.shape[0] == 0:
        return np.zeros((0, 3), np.int64)
    if strategy == "batch_all":
        return _mine_active(batch, margin, limit, seed)
    if strategy == "batch_hard":
        anchors, positives, negatives = hardest(batch)
        return np.stack([anchors.numpy(), positives.numpy(), negatives.numpy()], axis=1)
    chosen, valid = nearest_farther_negative(batch)
    anchors, positives = np.nonzero(valid.numpy())
    return np.stack([anchors, positives, chosen.numpy()[anchors, positives]], axis=1)


SOFT_BATCH_ALL = (
    "the soft margin is not defined for batch all: under softplus every triplet is active, so the "
    "mean over active triplets would be the mean over all of them, drowned in easy ones, and no "
    "count of active triplets replaces the sum; give a number, or use batch hard or semi-hard"
)


def check_margin(margin):
    """`margin` as a float, or `"soft"`; a `ValueError` for anything else."""
    if isinstance(margin, str) and margin == "soft":
        return margin
    number = isinstance(margin, numbers.Real) and not isinstance(margin, bool)
    if not number or not 0 <= margin < np.inf:
        raise ValueError(f'margin must be a finite number, at least 0, or "soft"; got {margin!r}')
    return float(margin)


def check_strategy(strategy):
    """Raise a `ValueError` that names the strategies unless `strategy` is one of them."""
    if strategy not in STRATEGIES:
        allowed = ", ".join(f'"{name}"' for name in STRATEGIES)
        raise ValueError(f"strategy must be one of {allowed}; got {strategy!r}")


def resolve_metric(metric, squared):
    """The metric that `metric` and `squared` mean together; a `ValueError` if they contradict."""
    if metric is None:
        return "squared_euclidean" if squared else "euclidean"
    check_metric(metric)
    if squared and metric != "squared_euclidean":
        raise ValueError(f'squared=True means metric="squared_euclidean"; got metric={metric!r}')
    return metric


def prepare(labels, embeddings, metric):
    """Check a batch and compute its distances and masks; the way into every loss and miner."""
    embeddings = as_embeddings(embeddings)
    labels = flat_labels(labels, embeddings)
    same = tf.equal(labels[:, None], labels[None, :])
    itself = tf.eye(tf.shape(labels)[0], dtype=tf.bool)
    return Batch(
        embeddings=embeddings,
        metric=metric,
        distances=pairwise_distances(embeddings, metric, dtype=tf.float64),
        positive=same & tf.logical_not(itself),
        negative=tf.logical_not(same),
    )


def signed_counts(batch, margin, *, ties_count=False):
    """For every pair, the number of triplets it is part of in which the negative is "inside".

    The negative n is inside for (a, p) if d(a, n) < d(a, p) + margin, or, with `ties_count`,
    if d(a, n) <= d(a, p) + margin.

    Args:
        batch: `Batch` of B embeddings.
        margin: number, at least 0.
        ties_count: whether a negative exactly at the threshold is inside.

    Returns:
        int32 tensor of shape `(B, B)`: at a positive pair (a, p) the number of negatives inside;
        at a negative pair (a, n) *minus* the number of positives for which n is inside; 0 on
        the diagonal. The sum of the loss over active triplets is then the sum of
        `counts * distances` plus the margin times the sum of the positive counts.
    """

    # Not tf.cast, which would round a Python number to float32 first.
    margin = tf.convert_to_tensor(margin, tf.float64)

    def counts_of(distances, positive, negative):
        thresholds = distances + tf.where(positive, margin, 0.0)
        order, is_threshold, tied = _sort_rows(thresholds, positive, negative, ties_count)
        thresholds_so_far = tf.cumsum(is_threshold, axis=1)
        others_so_far = tf.range(1, tf.shape(order)[1] + 1) - thresholds_so_far
        minus_to_come = thresholds_so_far - thresholds_so_far[:, -1:]
        counts = tf.where(tf.cast(is_threshold, tf.bool), others_so_far, minus_to_come)
        return _back_in_place(counts, order), tied

    return _by_blocks_of_anchors(counts_of, batch)


def _by_blocks_of_anchors(function, batch):
    """int32 `function(distances, positive, negative)[0]` of shape `(B, B)`, right at ties too.

    The rows are dealt with in blocks, since what a row needs on the way (keys, order, ranks) is
    several times larger than what comes out. The function also says whether some distances that it
    compares are nearly tied; only for such a block it is called again, with distances from
    differences. No gradient passes.
    """
    embeddings, distances = map(tf.stop_gradient, (batch.embeddings, batch.distances))

    def compare(queries, distances, positive, negative):
        result, tied = function(distances, positive, negative)

        def again():
            exact = distances_by_differences(queries, embeddings, batch.metric)
            return function(exact, positive, negative)[0]

        return tf.cond(tied, again, lambda: result)

    matrices = (embeddings, distances, batch.positive, batch.negative)
    if distances.shape[0] is not None and distances.shape[0] <= ANCHORS_PER_BLOCK:
        return compare(*matrices)
    count = tf.shape(distances)[0]

    def block(first):
        # The last block repeats the last anchor: all blocks have one shape, as XLA wants it.
        rows = tf.minimum(first + tf.range(ANCHORS_PER_BLOCK), count - 1)
        return compare(*(tf.gather(matrix, rows) for matrix in matrices))

    blocks = tf.map_fn(
        block,
        tf.range(0, count, ANCHORS_PER_BLOCK),
        fn_output_signature=tf.TensorSpec([ANCHORS_PER_BLOCK, None], tf.int32),
        parallel_iterations=1,
    )
    return tf.reshape(blocks, [-1, count])[:count]


def _sort_rows(values, positive, negative, ties_count):
    """Sort every row of non-negative `values`, ties in the order that the definition asks for.

    Returns the columns in sorted order, and for each 1 if it is a positive's threshold, else 0: it
    is a negative then or, last in its row, the anchor itself. Both int32. And whether a positive's
    threshold and a negative are nearly tied.
    """
    # Non-negative floats sort like their bit patterns. Those fill 63 bits, so one bit is free to
    # say which side of a tie an entry stands on; it also carries what the entry is through the
    # sort. One sort of integers thus does the work of sorting negatives and searching thresholds,
    # and, unlike a search, it stays O(B^2) in memory under XLA.
    values = tf.where(positive | negative, values, np.inf)
    bits = tf.bitcast(values, tf.int64)
    # top_k sorts downwards, so all bits are turned round but the uppermost: seen as a sign, that
    # one has the opposite meaning already. The lowest bit is 1 where an entry goes first.
    largest = np.int64(2**63 - 1)
    first, last = largest, largest - 1
    ties = tf.where(positive, last, first) if ties_count else tf.where(positive, first, last)
    keys = tf.bitwise.bitwise_xor(bits + bits, ties)
    keys, order = tf.math.top_k(keys, k=tf.shape(keys)[1])
    goes_first = tf.cast(keys & 1, tf.int32)
    # Neighbours of different kinds; a difference too large for int64 comes out negative.
    gaps = keys[:, :-1] - keys[:, 1:]
    tied = tf.reduce_any((gaps >= 0) & (gaps < 2 * _NEARLY_TIED) & ((gaps & 1) == 1))
    return order, 1 - goes_first if ties_count else goes_first, tied


def _back_in_place(values, order):
    """Undo a sort of rows: `values[a, i]` moves to column `order[a, i]`."""
    rows, columns = tf.unstack(tf.shape(order))
    places = order + columns * tf.range(rows)[:, None]
    # Every place occurs once, so the "sum" moves values; of the ways to scatter it is a fast one.
    return tf.reshape(
        tf.math.unsorted_segment_sum(
            tf.reshape(values, [-1]), tf.reshape(places, [-1]), rows * columns
        ),
        [rows, columns],
    )


def valid_counts(batch):
    """int64 tensor `(B,)`: the number of valid triplets of each anchor."""
    positives = tf.reduce_sum(tf.cast(batch.positive, tf.int32), axis=1)
    negatives = tf.shape(batch.positive)[0] - 1 - positives
    return tf.cast(positives, tf.int64) * tf.cast(negatives, tf.int64)


def positive_sums(counts):
    """int64 tensor `(B,)`: each anchor's number of triplets, from `signed_counts`."""
    # One anchor has fewer than B^2 / 4 triplets, which int32 holds up to B = 92,000.
    return tf.cast(tf.reduce_sum(tf.maximum(counts, 0), axis=1), tf.int64)


def _count(batch, margin):
    not_farther = signed_counts(batch, 0.0, ties_count=True)
    active = signed_counts(batch, margin)
    # A margin too small to move d(a, p) leaves no ring: ties are in `not_farther` alone then.
    in_ring = tf.maximum(tf.maximum(active, 0) - tf.maximum(not_farther, 0), 0)
    return (
        tf.reduce_sum(valid_counts(batch)),
        tf.reduce_sum(positive_sums(in_ring)),
        tf.reduce_sum(positive_sums(not_farther)),
    )


def hardest(batch):
    """Batch hard's choice: for each anchor the farthest positive and the nearest negative.

    Anchors without a positive or without a negative are left out.

    Returns:
        Three int64 tensors of shape `(A,)`: anchors, positives, negatives.
    """
    farthest = tf.argmax(tf.where(batch.positive, batch.distances, -1.0), axis=1)
    nearest = tf.argmin(tf.where(batch.negative, batch.distances, np.inf), axis=1)
    anchors = tf.where(has_triplet(batch))[:, 0]
    return anchors, tf.gather(farthest, anchors), tf.gather(nearest, anchors)


def has_triplet(batch):
    """bool tensor `(B,)`: whether the anchor has both a positive and a negative."""
    return tf.reduce_any(batch.positive, axis=1) & tf.reduce_any(batch.negative, axis=1)


def nearest_farther_negative(batch):
    """Semi-hard's choice: for each pair (a, p) the nearest negative with d(a, n) > d(a, p).

    Where every negative is as near as the positive or nearer, the farthest negative.

    Returns:
        chosen: int32 tensor of shape `(B, B)`: the column of the negative; some column or
            other at pairs that are not valid.
        valid: bool tensor of shape `(B, B)`: positive pairs whose anchor has a negative.
    """

    def chosen_of(distances, positive, negative):
        order, is_positive, tied = _sort_rows(distances, positive, negative, ties_count=True)
        positives_so_far = tf.cumsum(is_positive, axis=1)
        others_so_far = tf.range(1, tf.shape(order)[1] + 1) - positives_so_far
        # The negatives of a row, nearest first, are moved to its front, then the anchor itself,
        # then the positives: now a negative stands where its rank says.
        others = others_so_far[:, -1:]
        moved = tf.where(tf.cast(is_positive, tf.bool), others + positives_so_far, others_so_far)
        by_rank = _back_in_place(order, moved - 1)
        rank = tf.minimum(others_so_far, tf.maximum(others - 2, 0))
        return _back_in_place(tf.gather(by_rank, rank, batch_dims=1), order), tied

    valid = batch.positive & has_triplet(batch)[:, None]
    return _by_blocks_of_anchors(chosen_of, batch), valid


def _mine_active(batch, margin, limit, seed):
    """Indices of the active triplets, or of a uniform sample of `limit` of them."""
    counts = tf.maximum(signed_counts(batch, margin), 0).numpy()
    anchors, positives = np.nonzero(counts)
    per_pair = counts[anchors, positives].astype(np.int64)
    ends = np.cumsum(per_pair)
    total = int(ends[-1]) if len(ends) else 0
    if limit is None or limit >= total:
        picked = np.arange(total)
    else:
        picked = np.sort(np.random.default_rng(seed).choice(total, limit, replace=False))
    pair = np.searchsorted(ends, picked, side="right")
    rank = picked - (ends - per_pair)[pair]
    exact = distances_by_differences(batch.embeddings, batch.embeddings, batch.metric)
    nearest_first = np.argsort(np.where(batch.negative, exact, np.inf), axis=1, kind="stable")
    return np.stack([anchors[pair], positives[pair], nearest_first[anchors[pair], rank]], axis=1)


def flat_labels(labels, embeddings):
    """Labels as a tensor of shape `(B,)`; a `ValueError` if they do not fit the embeddings."""
    labels = tf.convert_to_tensor(labels)
    shapes = f"labels {labels.shape}, embeddings {embeddings.shape}"
    if labels.shape.rank == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.shape.rank not in (1, None):
        hint = " (one-hot labels? take their argmax)" if labels.shape.rank == 2 else ""
        raise ValueError(f"labels must have shape (B,) or (B, 1); got {shapes}{hint}")
    known = labels.shape.rank == 1
    if known and not labels.shape[:1].is_compatible_with(embeddings.shape[:1]):
        raise ValueError(f"labels and embeddings must have the same length; got {shapes}")
    count = tf.shape(embeddings)[0]
    if not (known and labels.shape.is_fully_defined() and embeddings.shape[:1].is_fully_defined()):
        # Sizes known only when the graph runs. XLA drops assertions, but refuses the reshaping;
        # elsewhere it is the other way round, since TensorFlow may optimise the reshaping away.
        with tf.control_dependencies([tf.debugging.assert_equal(tf.size(labels), count)]):
            labels = tf.reshape(labels, [count])
    return labels


def _refuse_non_finite(batch):
    finite = tf.reduce_all(tf.math.is_finite(batch.embeddings), axis=1)
    if not tf.reduce_all(finite):
        bad = int(tf.reduce_sum(tf.cast(~finite, tf.int32)))
        raise ValueError(f"embeddings must be finite; {bad} of {finite.shape[0]} are not")
    if not tf.reduce_all(tf.math.is_finite(batch.distances)):
        raise ValueError("embeddings lie so far apart that their distances overflow float64")


def _is_positive_integer(number):
    return isinstance(number, numbers.Integral) and not isinstance(number, bool) and number > 0
