"""Batches that hypothesis draws: ordinary ones and every degenerate kind there is."""

import numpy as np
from hypothesis import strategies as st

METRICS = ("euclidean", "squared_euclidean", "cosine")


@st.composite
def labels(draw, count):
    kind = draw(st.sampled_from(["random", "one class", "all distinct", "one lonely", "huge ids"]))
    if kind == "one class":
        return np.full(count, 3)
    if kind == "all distinct":
        return np.arange(count)
    if kind == "one lonely":
        return np.array([1] + [0] * (count - 1))
    ids = np.array(draw(st.lists(st.integers(0, 3), min_size=count, max_size=count)))
    # As floats, neighbouring integers up here are one and the same number.
    return ids + 2**53 if kind == "huge ids" else ids


@st.composite
def batches(draw, max_size=9):
    """`(labels, float32 embeddings)` of at most `max_size` members."""
    count = draw(st.integers(1, max_size))
    dimension = draw(st.integers(1, 5))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(
        st.sampled_from(
            ["normal", "grid", "duplicates", "collapsed", "tight clusters", "huge", "tiny", "zero"]
        )
    )
    points = rng.normal(size=(count, dimension))
    class_of = draw(labels(count))
    if kind == "grid":  # binary fractions: distances and thresholds tie exactly
        points = rng.integers(-2, 3, size=(count, dimension)) / 2
    elif kind == "duplicates":
        points = points[rng.integers(0, max(count // 2, 1), size=count)]
    elif kind == "collapsed":
        points = 1.0 + 1e-5 * points
    elif kind == "tight clusters":
        points = 100.0 * (class_of % 7)[:, None] + 1e-3 * points
    elif kind == "huge":
        points = 1e15 * points
    elif kind == "tiny":
        points = 1e-15 * points
    elif kind == "zero":
        points = 0.0 * points
    return class_of, points.astype(np.float32)


margins = st.sampled_from([0.0, 0.2, 0.5, 1.0, 10.0])
metrics = st.sampled_from(METRICS)
