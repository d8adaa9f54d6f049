"""What widgets compute in NumPy equals what the package computes with TensorFlow."""

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from oracles import is_decided_by_rounding

from tripletviz import triplets
from tripletviz.distances import METRICS, distances_by_differences, pairwise_distances
from tripletviz.widgets import _triplets


@given(strategies.batches(), strategies.margins, strategies.metrics)
def test_mines_as_the_package_does(batch, margin, metric):
    labels, embeddings = batch
    if is_decided_by_rounding(labels, embeddings, margin, metric):
        return
    check_mined(labels, embeddings, margin, metric)


@pytest.mark.parametrize("metric", ["euclidean", "squared_euclidean"])
def test_mines_at_ties_as_the_package_does(metric):
    generator = np.random.default_rng(5)
    for _ in range(20):
        on_a_grid = generator.integers(-2, 3, (12, 2)) / 2
        check_mined(generator.integers(0, 3, 12), on_a_grid.astype(np.float32), 0.5, metric)


def check_mined(labels, embeddings, margin, metric):
    distances = _triplets.distances(embeddings, metric=metric)
    for strategy in triplets.STRATEGIES:
        ours = _triplets.mine(distances, labels, margin, strategy)
        theirs = triplets.mine_triplets(labels, embeddings, margin, strategy, metric=metric)
        assert sorted(map(tuple, distances_of(distances, ours))) == sorted(
            map(tuple, distances_of(distances, theirs))
        )
        if strategy == "batch_all":
            assert {*map(tuple, ours.tolist())} == {*map(tuple, theirs.tolist())}
    counts = triplets.count_triplets(labels, embeddings, margin, metric=metric)
    ours = _triplets.count_triplets(distances, labels, margin, "batch_all")
    assert tuple(ours[name] for name in ("valid", "easy", "semi_hard", "hard")) == counts
    kinds = [
        _triplets.categories(row[p], row[labels != labels[a]], margin)
        for a, row in enumerate(distances)
        for p in np.flatnonzero(labels == labels[a])
        if p != a
    ]
    names, sizes = np.unique(np.concatenate([np.zeros(0, "U9"), *kinds]), return_counts=True)
    found = dict(zip(names.tolist(), sizes.tolist(), strict=True))
    assert tuple(found.get(kind, 0) for kind in _triplets.CATEGORIES) == counts[1:]


def distances_of(distances, mined):
    """Anchor and distances of triplets: which of several tied ones is picked is open."""
    anchors, positives, negatives = mined.T
    return zip(
        anchors.tolist(),
        distances[anchors, positives].tolist(),
        distances[anchors, negatives].tolist(),
        strict=True,
    )


@given(st.integers(0, 2**32 - 1), strategies.metrics)
def test_distances_are_those_of_the_package(seed, metric):
    points = np.random.default_rng(seed).normal(size=(7, 3)).astype(np.float32)
    points[2] = points[5]
    points[3] = 0
    ours = _triplets.distances(points, points, metric)
    theirs = distances_by_differences(points, points, metric).numpy()
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    assert ours[2, 5] == 0
    theirs = pairwise_distances(points, metric=metric).numpy()
    ours = _triplets.distances(points, metric=metric)
    np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
    assert not ours.diagonal().any()
    assert ours[2, 5] == 0


def test_the_names_are_those_of_the_package():
    assert _triplets.METRICS == METRICS
    assert _triplets.STRATEGIES == triplets.STRATEGIES
