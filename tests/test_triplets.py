import numpy as np
import oracles
import pytest
import strategies
from hypothesis import assume, given

from tripletviz import triplets
from tripletviz.losses import batch_all_triplet_loss
from tripletviz.triplets import count_triplets, mine_triplets


@given(strategies.batches(), strategies.margins, strategies.metrics)
def test_counts_equal_the_definition(batch, margin, metric):
    labels, embeddings = batch
    assume(not oracles.is_decided_by_rounding(labels, embeddings, margin, metric))
    expected = oracles.counts(labels, embeddings, margin, metric)
    assert count_triplets(labels, embeddings, margin, metric=metric) == expected


@given(strategies.batches(), strategies.margins, strategies.metrics)
def test_batch_all_lists_exactly_the_active_triplets(batch, margin, metric):
    labels, embeddings = batch
    assume(not oracles.is_decided_by_rounding(labels, embeddings, margin, metric))
    distances = oracles.distances(embeddings, metric)
    active = {
        (a, p, n)
        for a, p, n in oracles.triplets(labels)
        if distances[a, n] < distances[a, p] + margin
    }
    mined = mine_triplets(labels, embeddings, margin, "batch_all", metric=metric)
    assert mined.dtype == np.int64
    assert mined.shape == (len(active), 3)
    assert {tuple(row) for row in mined.tolist()} == active
    order = [(a, p, distances[a, n]) for a, p, n in mined]
    assert order == sorted(order)


@given(strategies.batches(), strategies.metrics)
def test_batch_hard_and_semi_hard_pick_what_the_definition_picks(batch, metric):
    labels, embeddings = batch
    assume(not oracles.is_decided_by_rounding(labels, embeddings, 0.0, metric))
    distances = oracles.distances(embeddings, metric)
    for strategy, picked in (
        ("batch_hard", oracles.batch_hard_triplets(labels, embeddings, metric)),
        ("batch_semi_hard", oracles.semi_hard_triplets(labels, embeddings, metric)),
    ):
        mined = mine_triplets(labels, embeddings, 0.5, strategy, metric=metric)
        assert len(mined) == len(picked)
        for (a, p, n), (anchor, positive, negative) in zip(mined, picked, strict=True):
            # Equally far members may stand for each other, so the distances are compared.
            assert a == anchor
            assert labels[p] == labels[a] != labels[n]
            assert p != a
            assert distances[a, p] == pytest.approx(distances[anchor, positive], rel=1e-9)
            assert distances[a, n] == pytest.approx(distances[anchor, negative], rel=1e-9)


def test_a_limit_draws_uniformly_from_the_active_triplets(rng):
    labels = np.arange(12) % 3
    embeddings = rng.normal(size=(12, 2)).astype(np.float32)
    everything = mine_triplets(labels, embeddings, 1.0, "batch_all")
    drawn = np.zeros(len(everything))
    index = {tuple(row): i for i, row in enumerate(everything.tolist())}
    for seed in range(200):
        sample = mine_triplets(labels, embeddings, 1.0, "batch_all", limit=10, seed=seed)
        assert len({tuple(row) for row in sample.tolist()}) == 10
        for row in sample.tolist():
            drawn[index[tuple(row)]] += 1
    expected = 200 * 10 / len(everything)
    assert drawn.min() > 0
    assert drawn.max() < 4 * expected
    same = mine_triplets(labels, embeddings, 1.0, "batch_all", limit=10, seed=3)
    np.testing.assert_array_equal(
        same, mine_triplets(labels, embeddings, 1.0, "batch_all", limit=10, seed=3)
    )
    assert len(mine_triplets(labels, embeddings, 1.0, "batch_all", limit=10**9)) == len(everything)


def test_blocks_of_anchors_change_nothing(rng, monkeypatch):
    labels = rng.integers(0, 4, size=23)
    embeddings = rng.integers(-2, 3, size=(23, 3)).astype(np.float32)
    whole = count_triplets(labels, embeddings, 1.0)
    pairs = mine_triplets(labels, embeddings, 1.0, "batch_semi_hard")
    active = mine_triplets(labels, embeddings, 1.0, "batch_all")
    monkeypatch.setattr(triplets, "ANCHORS_PER_BLOCK", 5)
    assert count_triplets(labels, embeddings, 1.0) == whole
    np.testing.assert_array_equal(mine_triplets(labels, embeddings, 1.0, "batch_semi_hard"), pairs)
    np.testing.assert_array_equal(mine_triplets(labels, embeddings, 1.0, "batch_all"), active)


def test_counts_of_a_large_batch_are_exact_in_int64():
    # 3,000 members in two classes: 2 x 1,500 x 1,499 x 1,500 triplets, more than int32 holds.
    labels = np.arange(3000) % 2
    embeddings = labels[:, None].astype(np.float32)
    counts = count_triplets(labels, embeddings, 0.5)
    assert counts == (6_745_500_000, 6_745_500_000, 0, 0)
    assert all(type(count) is int for count in counts)


@pytest.mark.parametrize("dimension", [1, 2, 16, 64])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1000.0])
def test_reflected_points_tie_exactly(dimension, scale):
    """p = a + u and n = a - u are equally far from a; fast arithmetic may say otherwise."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        anchor, away = rng.integers(-(2**22), 2**22, size=(2, dimension)) / 2**22
        other = scale * rng.normal(size=dimension)
        points = np.stack([other, anchor, anchor + away, anchor - away])
        embeddings = points.astype(np.float32)
        np.testing.assert_array_equal(embeddings[1:], points[1:])
        expected = oracles.counts([5, 0, 0, 1], embeddings, 0.0, "euclidean")
        assert expected[3] >= 1
        assert count_triplets([5, 0, 0, 1], embeddings, 0.0) == expected


@pytest.mark.parametrize("margin", [0.1, 0.2, 0.3])
def test_the_margin_is_not_rounded(margin):
    # d(a, p) + margin = d(a, n) in float64, but not with the margin in float32.
    embeddings = np.array([[0.0], [1.0], [1.0 + margin], [-5.0], [-5.0]])
    labels = [0, 0, 1, 2, 2]
    expected = oracles.counts(labels, embeddings, margin, "euclidean")
    assert count_triplets(labels, embeddings, margin) == expected
    mined = mine_triplets(labels, embeddings, margin, "batch_all")
    assert len(mined) == expected[2] + expected[3]
    _, fraction = batch_all_triplet_loss(labels, embeddings, margin)
    assert float(fraction) == pytest.approx(len(mined) / expected[0], rel=1e-12)


def test_semi_hard_skips_a_negative_as_far_as_the_positive():
    embeddings = [[0.0], [1.0], [-1.0], [2.0]]
    mined = mine_triplets([0, 0, 1, 1], embeddings, 0.5, "batch_semi_hard")
    assert [0, 1, 3] in mined.tolist()
    assert [0, 1, 2] not in mined.tolist()


def test_empty_batches():
    nothing = np.zeros((0, 3), np.float32)
    assert count_triplets([], nothing, 0.5) == (0, 0, 0, 0)
    for strategy in triplets.STRATEGIES:
        assert mine_triplets([], nothing, 0.5, strategy).shape == (0, 3)


def test_a_tie_is_hard_not_semi_hard():
    counts = count_triplets([0, 0, 1], [[0.0], [1.0], [-1.0]], margin=1.0)
    # Anchor 0: d(a, n) = d(a, p) = 1, hard. Anchor 1: d(a, n) = 2 = d(a, p) + margin, easy.
    assert counts == (2, 1, 0, 1)


def test_strings_and_columns_of_labels_are_labels():
    embeddings = [[0.0], [1.0], [1.5]]
    expected = count_triplets([0, 0, 1], embeddings, 1.0)
    assert count_triplets([[0], [0], [1]], embeddings, 1.0) == expected
    assert count_triplets(["cat", "cat", "dog"], embeddings, 1.0) == expected


def test_bad_input_is_named():
    three = np.zeros((3, 2), np.float32)
    with pytest.raises(ValueError, match=r"labels \(2,\), embeddings \(3, 2\)"):
        count_triplets([0, 1], three, 0.5)
    with pytest.raises(ValueError, match=r"labels \(3, 10\).*one-hot labels\? take their argmax"):
        count_triplets(np.eye(10)[:3], three, 0.5)
    for margin in (-0.1, np.nan, np.inf, "hard", None, True):
        with pytest.raises(ValueError, match="margin must be a finite number, at least 0"):
            count_triplets([0, 0, 1], three, margin)
    with pytest.raises(ValueError, match="soft margin has no semi-hard ring"):
        count_triplets([0, 0, 1], three, "soft")
    with pytest.raises(ValueError, match="1 of 3 are not"):
        count_triplets([0, 0, 1], [[0.0], [np.nan], [1.0]], 0.5)
    with pytest.raises(ValueError, match="overflow float64"):
        count_triplets([0, 0, 1], np.array([[0.0], [1e200], [2e200]]), 0.5, squared=True)
    with pytest.raises(ValueError, match='"batch_all", "batch_hard", "batch_semi_hard"; got'):
        mine_triplets([0, 0, 1], three, 0.5, "hardest")
    with pytest.raises(ValueError, match="limit must be a positive integer"):
        mine_triplets([0, 0, 1], three, 0.5, "batch_all", limit=0)
    with pytest.raises(ValueError, match="limit must be a positive integer"):
        mine_triplets([0, 0, 1], three, 0.5, "batch_hard", limit=5)
    with pytest.raises(ValueError, match="soft margin is not defined for batch all"):
        mine_triplets([0, 0, 1], three, "soft", "batch_all")
    with pytest.raises(ValueError, match="squared=True means"):
        count_triplets([0, 0, 1], three, 0.5, squared=True, metric="cosine")
