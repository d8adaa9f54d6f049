"""Pairwise distances that stay exact where triplet losses need them: when classes are tight.

The textbook identity ``|a - b|^2 = |a|^2 - 2 a.b + |b|^2`` is fast, for it is a matrix product, but
it subtracts numbers that nearly agree when two points nearly coincide, and a well-trained network
makes exactly such points. Here the identity is evaluated in float64, and a batch that holds nearly
coincident points is computed from differences instead, one dimension at a time.
"""

import numpy as np

from ._tensorflow import tf

METRICS = ("euclidean", "squared_euclidean", "cosine")

# Below this share of the largest |a|^2 + |b|^2 a squared distance counts as nearly coincident. The
# identity's rounding error in float64 is a few 1e-16 of that sum, so above it eleven digits remain.
_NEARLY_COINCIDENT = 1e-4


def pairwise_distances(embeddings, metric="euclidean", *, dtype=None):
    """Distances between all pairs of embeddings.

    Computed in float64, whatever the input's dtype. Distances are never negative, symmetric (to
    the last digits of float64), and zero on the diagonal and between identical embeddings.
    The gradient is finite everywhere and zero between coincident points, where the Euclidean
    distance has a corner.

    Args:
        embeddings: float tensor of shape `(B, D)`. Integers are taken as float32.
        metric: `"euclidean"`, `"squared_euclidean"`, or `"cosine"`. Cosine distance is
            `1 - cos(a, b)`, in `[0, 2]`; a zero vector has cosine distance 1 to every other
            embedding (as in scikit-learn).
        dtype: dtype of the result. By default float64 for float64 embeddings, float32 for others.

    Returns:
        Tensor of shape `(B, B)`; entry `[i, j]` is the distance between embeddings `i` and `j`.

    Raises:
        ValueError: if `embeddings` is not of shape `(B, D)` or not numeric, or `metric` is unknown.

    Example:

    >>> pairwise_distances([[0.0, 0.0], [3.0, 4.0]])
    array([[0., 5.],
           [5., 0.]], dtype=float32)

    Reference:
        Higham, *Accuracy and Stability of Numerical Algorithms* (2002), section 1.7, on
        cancellation.
    """
    check_metric(metric)
    embeddings = as_embeddings(embeddings)
    points = tf.cast(embeddings, tf.float64)
    if metric == "cosine":
        unit, nonzero = _on_unit_sphere(points)
        other = 1.0 - tf.eye(tf.shape(points)[0], dtype=points.dtype)
        # Half the squared distance of unit vectors is 1 - cos, free of cancellation.
        distances = 0.5 * _squared_euclidean(unit)
        distances = tf.where(nonzero & tf.transpose(nonzero), distances, other)
    else:
        distances = _squared_euclidean(points)
        if metric == "euclidean":
            distances = _root(distances)
    return tf.cast(distances, dtype or result_dtype(embeddings))


def distances_by_differences(queries, gallery, metric):
    """Distances in float64 of each query to each member of a gallery, from differences throughout.

    Slower than `pairwise_distances`, and without a gradient. Where two pairs differ by the same
    coordinates their distances are equal to the last bit, so that ties stay ties; fast arithmetic
    gives eleven digits, and can break them.

    Args:
        queries: float tensor of shape `(Q, D)`.
        gallery: float tensor of shape `(N, D)`.
        metric: as in `pairwise_distances`.

    Returns:
        float64 tensor of shape `(Q, N)`.
    """
    queries = tf.stop_gradient(tf.cast(queries, tf.float64))
    gallery = tf.stop_gradient(tf.cast(gallery, tf.float64))
    if metric == "cosine":
        (queries, one), (gallery, other) = _on_unit_sphere(queries), _on_unit_sphere(gallery)
        halves = 0.5 * _by_differences(queries, gallery)
        return tf.where(one & tf.transpose(other), halves, 1.0)
    squared = _by_differences(queries, gallery)
    return tf.sqrt(squared) if metric == "euclidean" else squared


def check_metric(metric):
    """Raise a `ValueError` that names the allowed metrics unless `metric` is one of them."""
    if metric not in METRICS:
        allowed = ", ".join(f'"{name}"' for name in METRICS)
        raise ValueError(f"metric must be one of {allowed}; got {metric!r}")


def as_embeddings(embeddings):
    """`embeddings` as a floating tensor of shape `(B, D)`; a `ValueError` if they are not that."""
    embeddings = tf.convert_to_tensor(embeddings)
    if embeddings.dtype.is_integer:
        embeddings = tf.cast(embeddings, tf.float32)
    if not embeddings.dtype.is_floating:
        raise ValueError(f"embeddings must be floating point; got dtype {embeddings.dtype.name}")
    if embeddings.shape.rank not in (2, None):
        raise ValueError(f"embeddings must have shape (B, D); got {embeddings.shape}")
    return tf.ensure_shape(embeddings, [None, None])


def result_dtype(embeddings):
    """The dtype of results for these embeddings: float64 stays, everything else gives float32."""
    return tf.float64 if embeddings.dtype == tf.float64 else tf.float32


@tf.custom_gradient
def _root(squared):
    """Square root with gradient zero at zero, where the derivative of sqrt is infinite."""
    root = tf.sqrt(squared)

    def gradient(upstream):
        return tf.math.divide_no_nan(0.5 * upstream, root)

    return root, gradient


def _on_unit_sphere(points):
    """Points `(B, D)` scaled to unit length, and which `(B, 1)` can be: not the zero vectors."""
    # Dividing by the largest entry first keeps the squares of huge and tiny entries in range.
    largest = tf.reduce_max(tf.abs(points), axis=1, keepdims=True)
    nonzero = tf.not_equal(largest, 0.0)
    scaled = points / tf.stop_gradient(tf.where(nonzero, largest, 1.0))
    squared_length = tf.reduce_sum(scaled**2, axis=1, keepdims=True)
    return scaled / tf.sqrt(tf.where(nonzero, squared_length, 1.0)), nonzero


@tf.custom_gradient
def _squared_euclidean(points):
    """Squared Euclidean distances of float64 points `(B, D)`, by the cheapest accurate way."""
    by_identity, coincident = _by_identity(points)
    squared = tf.cond(coincident, lambda: _by_differences(points, points), lambda: by_identity)

    def gradient(upstream):
        # d|a - b|^2 / da = 2 (a - b), and every pair stands in the matrix twice.
        return 2.0 * tf.cond(
            coincident,
            lambda: _pull_by_differences(points, upstream),
            lambda: _pull_by_identity(points, upstream),
        )

    return squared, gradient


def _shifted(points):
    # Distances do not change when all points move together. Around one of the points the identity
    # keeps its accuracy for a collapsed batch, and a difference of two float32 numbers is exact in
    # float64, which a difference from the mean would not be.
    return points - points[:1]


def _by_identity(points):
    """Squared distances by the identity, and whether some are too small for it."""
    points = _shifted(points)
    norms = tf.reduce_sum(points**2, axis=1)
    squared = norms[:, None] + tf.matmul(-2.0 * points, points, transpose_b=True) + norms
    nothing = tf.zeros_like(norms)
    smallest = tf.reduce_min(tf.linalg.set_diag(squared, nothing + np.inf))
    # A batch of one has no pair, and none that is too near: its smallest distance is infinite.
    coincident = smallest <= 2.0 * _NEARLY_COINCIDENT * tf.reduce_max(norms)
    return tf.linalg.set_diag(squared, nothing), coincident


def _by_differences(points, others):
    def add_dimension(squared, columns):
        column, other = columns
        return squared + tf.square(column[:, None] - other[None, :])

    nothing = tf.zeros((tf.shape(points)[0], tf.shape(others)[0]), points.dtype)
    columns = tf.transpose(points), tf.transpose(others)
    # One after the other: in parallel each would hold a matrix of its own.
    return tf.foldl(add_dimension, columns, nothing, parallel_iterations=1)


def _pull_by_identity(points, upstream):
    points = _shifted(points)
    weights = tf.reduce_sum(upstream, axis=1) + tf.reduce_sum(upstream, axis=0)
    others = tf.matmul(upstream, points) + tf.matmul(upstream, points, transpose_a=True)
    return weights[:, None] * points - others


def _pull_by_differences(points, upstream):
    weights = upstream + tf.transpose(upstream)

    def along_dimension(column):
        return tf.reduce_sum(weights * (column[:, None] - column[None, :]), axis=1)

    by_dimension = tf.map_fn(along_dimension, tf.transpose(points), parallel_iterations=1)
    return tf.transpose(by_dimension)
