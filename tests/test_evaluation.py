"""Every measure of an embedding against plain loops and scikit-learn."""

import json
import subprocess
import sys

import numpy as np
import pytest
import strategies
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import brentq
from sklearn.cluster import KMeans
from sklearn.metrics import (
    normalized_mutual_info_score,
    pairwise_distances,
    roc_auc_score,
    roc_curve,
)
from sklearn.neighbors import KNeighborsClassifier
from threadpoolctl import threadpool_info

from tripletviz import evaluation
from tripletviz.evaluation import (
    METRICS,
    evaluate_embeddings,
    knn_accuracy,
    map_at_r,
    nearest_neighbors,
    nmi,
    precision_at_1,
    r_precision,
    recall_at_k,
    verification,
    verification_curve,
)

SKLEARN_METRIC = {"euclidean": "euclidean", "squared_euclidean": "sqeuclidean", "cosine": "cosine"}


def plain_distance(a, b, metric):
    """The definition, one pair at a time."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    if metric == "cosine":
        lengths = np.sqrt((a**2).sum()) * np.sqrt((b**2).sum())
        return 1.0 if lengths == 0 else 1 - (a * b).sum() / lengths
    squared = ((a - b) ** 2).sum()
    return np.sqrt(squared) if metric == "euclidean" else squared


def plain_neighbors(queries, gallery, k, metric):
    one_set = gallery is None
    gallery = queries if one_set else gallery
    found = []
    for position, query in enumerate(queries):
        others = [i for i in range(len(gallery)) if not (one_set and i == position)]
        distance = {i: plain_distance(query, gallery[i], metric) for i in others}
        found.append(sorted(others, key=lambda i: (distance[i], i))[:k])
    return np.array(found)


def plain_recall(queries, query_labels, gallery, gallery_labels, k, metric):
    gallery_labels = query_labels if gallery is None else gallery_labels
    hits = 0
    for label, neighbors in zip(
        query_labels, plain_neighbors(queries, gallery, k, metric), strict=True
    ):
        hits += any(gallery_labels[i] == label for i in neighbors)
    return hits / len(queries)


def plain_vote(neighbor_labels):
    """The class with most votes; among equals, the one met first."""
    labels = list(neighbor_labels)
    return max(labels, key=lambda label: (labels.count(label), -labels.index(label)))


# Grids are full of exact ties. Under "cosine" those are ties but for the last bit, which may fall
# either way, so that pair is left out.
CASES = [
    (kind, metric)
    for kind in ("random", "duplicates", "grid")
    for metric in METRICS
    if (kind, metric) != ("grid", "cosine")
]


@pytest.fixture(params=CASES, ids="-".join)
def case(request):
    """Queries, their labels, a gallery, its labels, and the metric."""
    kind, metric = request.param
    generator = np.random.default_rng(7)
    if kind == "grid":
        points = generator.integers(0, 6, (90, 3)).astype("float32")
    else:
        points = generator.normal(size=(90, 3)).astype("float32")
    if kind == "duplicates":
        points[40:60] = points[20:40]
        points[80:] = points[:10]
    labels = generator.integers(0, 4, 90)
    return points[:30], labels[:30], points[30:], labels[30:], metric


@pytest.mark.parametrize("one_set", [False, True], ids=["two sets", "one set"])
class TestAgainstPlainLoops:
    def test_neighbors_and_distances(self, case, one_set):
        queries, _, gallery, _, metric = case
        gallery = None if one_set else gallery
        distances, indices = nearest_neighbors(queries, gallery, 5, metric)
        np.testing.assert_array_equal(indices, plain_neighbors(queries, gallery, 5, metric))
        items = queries if one_set else gallery
        for query, row, row_distances in zip(queries, indices, distances, strict=True):
            exact = [plain_distance(query, items[i], metric) for i in row]
            np.testing.assert_allclose(row_distances, exact, atol=1e-12)

    def test_recall(self, case, one_set):
        queries, query_labels, *others, metric = case
        others = (None, None) if one_set else others
        recall = recall_at_k(queries, query_labels, *others, (1, 3, 7), metric)
        assert list(recall) == [1, 3, 7]
        for k, value in recall.items():
            expected = plain_recall(queries, query_labels, *others, k, metric)
            assert value == pytest.approx(expected)
            assert recall_at_k(queries, query_labels, *others, k, metric) == value

    @pytest.mark.parametrize("k", [1, 2, 4, 5])
    def test_knn(self, case, one_set, k):
        queries, query_labels, *others, metric = case
        gallery, gallery_labels = (None, query_labels) if one_set else others
        found = plain_neighbors(queries, gallery, k, metric)
        predicted = [plain_vote(gallery_labels[row]) for row in found]
        others = (None, None) if one_set else others
        accuracy = knn_accuracy(queries, query_labels, *others, k, metric)
        assert accuracy == pytest.approx(np.mean(predicted == query_labels))


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("k", [1, 5, 9])
def test_knn_equals_scikit_learn(metric, k):
    generator = np.random.default_rng(3)
    gallery, queries = generator.normal(size=(300, 4)), generator.normal(size=(200, 4))
    # Two classes and odd k: votes never tie, so the rule for ties does not matter.
    labels, query_labels = (gallery[:, 0] > 0) * 3 + 1, (queries[:, 0] > 0) * 3 + 1
    classifier = KNeighborsClassifier(k, metric=SKLEARN_METRIC[metric], algorithm="brute")
    expected = classifier.fit(gallery, labels).score(queries, query_labels)
    assert 0.5 < expected < 1
    assert knn_accuracy(queries, query_labels, gallery, labels, k, metric) == expected


def test_nearest_neighbor_decides_a_tied_vote():
    gallery, labels = [[1.0], [2.0], [3.0], [4.0]], [8, 5, 5, 8]
    assert knn_accuracy([[0.0]], [8], gallery, labels, k=4) == 1.0
    assert knn_accuracy([[0.0]], [5], gallery, labels, k=3) == 1.0
    assert knn_accuracy([[5.0]], [8], gallery, labels, k=2) == 1.0


class TestSelfMatches:
    def test_a_query_never_finds_itself_but_its_duplicate(self):
        points = np.array([[0.0], [5.0], [0.0], [9.0]])
        distances, indices = nearest_neighbors(points, k=3)
        assert (indices != np.arange(4)[:, None]).all()
        assert (indices[0, 0], distances[0, 0]) == (2, 0.0)
        assert (indices[2, 0], distances[2, 0]) == (0, 0.0)
        assert recall_at_k(points, [1, 2, 1, 3], k=1) == 0.5

    def test_the_same_array_as_gallery_does_find_itself(self):
        points = np.random.default_rng(0).normal(size=(9, 2))
        assert recall_at_k(points, range(9), points, range(9), k=1) == 1.0
        assert recall_at_k(points, range(9), k=1) == 0.0

    @pytest.mark.parametrize("metric", METRICS)
    def test_a_collapsed_embedding(self, metric):
        """More ties than spare neighbours: still never itself, and always the same result."""
        points = np.full((3000, 8), 0.7, np.float32)
        distances, indices = nearest_neighbors(points, k=2, metric=metric)
        assert (indices != np.arange(3000)[:, None]).all()
        assert (indices[:, 0] != indices[:, 1]).all()
        np.testing.assert_array_equal(distances, 0)
        np.testing.assert_array_equal(nearest_neighbors(points, k=2, metric=metric)[1], indices)

    def test_lone_members_of_a_class_are_misses(self):
        assert recall_at_k([[0.0], [1.0], [2.0]], [0, 1, 1], k=2) == pytest.approx(2 / 3)


class TestMetrics:
    @pytest.mark.parametrize("metric", METRICS)
    def test_distances_are_scikit_learns(self, metric):
        generator = np.random.default_rng(5)
        queries, gallery = generator.normal(size=(40, 6)), generator.normal(size=(50, 6))
        distances, indices = nearest_neighbors(queries, gallery, 50, metric)
        expected = pairwise_distances(queries, gallery, SKLEARN_METRIC[metric])
        np.testing.assert_allclose(distances, np.sort(expected, axis=1), atol=1e-12)
        np.testing.assert_array_equal(indices, np.argsort(expected, axis=1))

    def test_cosine_of_zero_vectors_is_scikit_learns(self):
        queries = np.array([[0.0, 0.0], [2.0, 0.0], [1e-200, 0.0]])
        gallery = np.array([[-1.0, 0.0], [0.0, 0.0], [3.0, 0.1], [0.0, 5.0]])
        distances, indices = nearest_neighbors(queries, gallery, 4, "cosine")
        expected = pairwise_distances(queries[:2], gallery, "cosine")
        in_order = np.take_along_axis(expected, indices[:2], axis=1)
        np.testing.assert_allclose(distances[:2], in_order, atol=1e-12)
        np.testing.assert_allclose(distances[0], 1)
        assert list(indices[1]) == [2, 1, 3, 0]
        # A tiny vector has a direction all the same.
        np.testing.assert_allclose(distances[2], distances[1], atol=1e-12)

    def test_zero_vectors_among_the_queries_are_no_neighbors_of_each_other(self):
        distances, _ = nearest_neighbors(np.zeros((3, 2)), k=2, metric="cosine")
        np.testing.assert_allclose(distances, 1)

    @pytest.mark.parametrize("metric", ["euclidean", "squared_euclidean"])
    def test_near_collapse_keeps_its_digits(self, metric):
        """One tight cluster far from the origin, where |a|^2 - 2ab + |b|^2 loses everything."""
        generator = np.random.default_rng(6)
        points = (1000 + 1e-3 * generator.normal(size=(200, 16))).astype("float32")
        expected = plain_neighbors(points, None, 4, metric)
        distances, indices = nearest_neighbors(points, k=4, metric=metric)
        np.testing.assert_array_equal(indices, expected)
        exact = [plain_distance(points[0], points[i], metric) for i in expected[0]]
        np.testing.assert_allclose(distances[0], exact, rtol=1e-12)

    def test_half_precision_embeddings(self):
        points = np.random.default_rng(8).normal(size=(50, 4)).astype("float16")
        expected = plain_neighbors(points, None, 3, "euclidean")
        np.testing.assert_array_equal(nearest_neighbors(points, k=3)[1], expected)


@pytest.mark.parametrize("numbers", [1, 1000, 10**9])
def test_blocks_do_not_show(numbers, monkeypatch):
    points = np.random.default_rng(9).normal(size=(333, 5))
    expected = nearest_neighbors(points, k=4)
    monkeypatch.setattr(evaluation, "_BLOCK_NUMBERS", numbers)
    distances, indices = nearest_neighbors(points, k=4)
    np.testing.assert_array_equal(indices, expected[1])
    np.testing.assert_array_equal(distances, expected[0])


def test_a_query_takes_no_place_among_its_neighbors(monkeypatch):
    points = np.random.default_rng(9).normal(size=(50, 5))
    expected = plain_neighbors(points, None, 4, "euclidean")
    monkeypatch.setattr(evaluation, "_SPARE_NEIGHBORS", 0)
    np.testing.assert_array_equal(nearest_neighbors(points, k=4)[1], expected)


def test_more_queries_and_items_than_a_block_of_the_search():
    generator = np.random.default_rng(10)
    queries, gallery = generator.normal(size=(700, 3)), generator.normal(size=(1300, 3))
    expected = np.argsort(pairwise_distances(queries, gallery), axis=1)[:, :3]
    np.testing.assert_array_equal(nearest_neighbors(queries, gallery, 3)[1], expected)


@pytest.mark.parametrize("dtype", ["uint8", "int32", "float32", "bool"])
def test_labels_of_any_dtype_that_holds_whole_numbers(dtype):
    points, labels = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20) % 2
    expected = recall_at_k(points, labels, k=1)
    assert 0 < expected < 1
    assert recall_at_k(points, labels.astype(dtype), k=1) == expected


def test_results_are_plain_numbers():
    points, labels = np.random.default_rng(0).normal(size=(20, 2)), np.arange(20)[:, None] % 2
    assert type(recall_at_k(points, labels, k=np.int64(3))) is float
    assert type(knn_accuracy(points, labels)) is float
    recall = recall_at_k(points, labels, k=np.array([2, 1]))
    assert [type(key) for key in recall] == [int, int]
    assert [type(value) for value in recall.values()] == [float, float]
    assert list(recall_at_k(points, labels)) == [1, 2, 4, 8]
    distances, indices = nearest_neighbors(points.astype("float32"), k=2)
    assert (distances.dtype, indices.dtype) == (np.float64, np.int64)


def test_needs_no_tensorflow():
    script = "import sys, tripletviz.evaluation; print('tensorflow' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


class TestBadInput:
    points = np.random.default_rng(0).normal(size=(6, 2))
    labels = np.arange(6) % 2

    @pytest.mark.parametrize("call", [recall_at_k, knn_accuracy])
    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"metric": "manhattan"}, "one of euclidean, squared_euclidean, cosine, got 'manh"),
            ({"k": 6}, "at most the number of other queries, 5, got 6"),
            ({"k": 0}, "k must be at least 1, got 0"),
            ({"query_labels": np.arange(5)}, r"got query_labels of shape \(5,\) for 6 queries"),
            ({"query_labels": np.eye(6)}, r"\(6, 6\).*look one-hot: pass np.argmax\(query_labels"),
            ({"query_labels": np.zeros((6, 2))}, r"got shape \(6, 2\)\.$"),
            ({"query_labels": np.arange(6) + 0.5}, "query_labels must be whole numbers, got 6"),
            ({"gallery": points}, "got gallery but no gallery_labels"),
            ({"gallery_labels": labels}, "got gallery_labels but no gallery"),
            ({"queries": np.zeros((6, 2, 1))}, r"shape \(N, dimensions\), got shape \(6, 2, 1\)"),
            ({"queries": np.zeros(6)}, r"shape \(N, dimensions\), got shape \(6,\)"),
            ({"queries": np.zeros((6, 0))}, r"must not be empty, got shape \(6, 0\)"),
        ],
    )
    def test_is_named(self, call, arguments, message):
        with pytest.raises(ValueError, match=message):
            call(**{"queries": self.points, "query_labels": self.labels, "k": 1, **arguments})

    def test_k_larger_than_the_gallery(self):
        with pytest.raises(ValueError, match="number of items of the gallery, 4, got 5"):
            recall_at_k(self.points, self.labels, self.points[:4], self.labels[:4], k=(1, 5))
        assert nearest_neighbors(self.points, self.points[:4], 4)[1].shape == (6, 4)
        assert nearest_neighbors(self.points, k=5)[1].shape == (6, 5)

    def test_gallery_of_another_size(self):
        with pytest.raises(ValueError, match=r"same dimensions, got shapes \(6, 2\) and \(6, 3\)"):
            nearest_neighbors(self.points, np.zeros((6, 3)))
        with pytest.raises(ValueError, match=r"gallery_labels of shape \(5,\) for 6 gallery"):
            recall_at_k(self.points, self.labels, self.points, np.arange(5), k=1)

    def test_values_that_are_not_finite_are_counted(self):
        broken = self.points.copy()
        broken[1] = np.nan
        broken[3, 0] = np.inf
        message = "must be finite, got 2 NaN and 1 infinite values in 2 of 6 rows"
        with pytest.raises(ValueError, match=f"queries {message}"):
            nearest_neighbors(broken, self.points)
        with pytest.raises(ValueError, match=f"gallery {message}"):
            nearest_neighbors(self.points, broken)

    def test_empty_sets(self):
        with pytest.raises(ValueError, match=r"queries must not be empty, got shape \(0, 2\)"):
            recall_at_k(np.zeros((0, 2)), [], self.points, self.labels, k=1)
        with pytest.raises(ValueError, match=r"gallery must not be empty, got shape \(0, 2\)"):
            nearest_neighbors(self.points, np.zeros((0, 2)))

    def test_labels_beyond_64_bits(self):
        labels = np.array([2**63, 2**63, 1, 1, 0, 0], np.uint64)
        with pytest.raises(ValueError, match="64-bit signed integers, got 9223372036854775808"):
            recall_at_k(self.points, labels, k=1)

    def test_k_that_is_no_number(self):
        with pytest.raises(TypeError, match=r"k must be an integer, got 1\.5"):
            recall_at_k(self.points, self.labels, k=1.5)
        with pytest.raises(ValueError, match="got none"):
            recall_at_k(self.points, self.labels, k=())


def plain_relevance(queries, query_labels, gallery, gallery_labels, metric):
    """For each query, whether each item is of its class, from the nearest item to the farthest."""
    others = len(queries) - 1 if gallery is None else len(gallery)
    labels = query_labels if gallery is None else gallery_labels
    ranked = plain_neighbors(queries, gallery, others, metric)
    return [
        [labels[i] == label for i in row] for label, row in zip(query_labels, ranked, strict=True)
    ]


def plain_r_precision(*sets_and_metric):
    values = []
    for relevance in plain_relevance(*sets_and_metric):
        r = sum(relevance)
        values.append(sum(relevance[:r]) / r if r else 0.0)
    return sum(values) / len(values)


def plain_map_at_r(*sets_and_metric):
    values = []
    for relevance in plain_relevance(*sets_and_metric):
        r = sum(relevance)
        precisions = [sum(relevance[:i]) / i for i in range(1, r + 1) if relevance[i - 1]]
        values.append(sum(precisions) / r if r else 0.0)
    return sum(values) / len(values)


def plain_pairs(points, labels, metric):
    """Distances of genuine pairs, and of impostor pairs."""
    pairs = {True: [], False: []}
    for i in range(len(points)):
        for j in range(i):
            distance = plain_distance(points[i], points[j], metric)
            pairs[bool(labels[i] == labels[j])].append(distance)
    return pairs[True], pairs[False]


def share_accepted(distances, threshold):
    return sum(distance <= threshold for distance in distances) / len(distances)


def plain_auc(genuine, impostor):
    points = [(g < i) + (g == i) / 2 for g in genuine for i in impostor]
    return sum(points) / len(points)


def plain_equal_error_rate(genuine, impostor):
    """Walk along the curve to the step in which false accepts overtake false rejects."""
    false_accepts, false_rejects = 0.0, 1.0
    for threshold in sorted({*genuine, *impostor}):
        accepts = share_accepted(impostor, threshold)
        rejects = 1 - share_accepted(genuine, threshold)
        if accepts >= rejects:
            # Both change linearly along the step: accepts + s * rise = rejects - s * fall.
            share = (false_rejects - false_accepts) / (
                accepts - false_accepts + false_rejects - rejects
            )
            return false_accepts + share * (accepts - false_accepts)
        false_accepts, false_rejects = accepts, rejects
    raise AssertionError("at the largest distance everything is accepted")


@pytest.mark.parametrize("one_set", [False, True], ids=["two sets", "one set"])
class TestRankingAgainstPlainLoops:
    def test_random_points_duplicates_and_ties(self, case, one_set):
        queries, query_labels, *others, metric = case
        sets = queries, query_labels, *((None, None) if one_set else others)
        assert precision_at_1(*sets, metric) == pytest.approx(plain_recall(*sets, 1, metric))
        assert r_precision(*sets, metric) == pytest.approx(plain_r_precision(*sets, metric))
        assert map_at_r(*sets, metric) == pytest.approx(plain_map_at_r(*sets, metric))
        assert 0 < map_at_r(*sets, metric) < r_precision(*sets, metric) < 1

    @given(strategies.batches())
    def test_degenerate_batches(self, one_set, batch):
        labels, points = batch
        if len(points) < 2:
            return
        sets = (points, labels, None, None) if one_set else (points, labels, points[1:], labels[1:])
        metric = "squared_euclidean"
        assert precision_at_1(*sets, metric) == pytest.approx(plain_recall(*sets, 1, metric))
        assert r_precision(*sets, metric) == pytest.approx(plain_r_precision(*sets, metric))
        assert map_at_r(*sets, metric) == pytest.approx(plain_map_at_r(*sets, metric))

    @pytest.mark.parametrize("kind", ["plain", "far", "clusters", "grid", "crowds", "collapsed"])
    @pytest.mark.parametrize("spare", [None, 0])
    def test_larger_sets_that_products_alone_do_not_decide(self, one_set, kind, spare, monkeypatch):
        queries, labels, gallery, gallery_labels = hard_sets(kind)
        order = exact_order(queries, None if one_set else gallery)
        sets = (queries, labels) if one_set else (queries, labels, gallery, gallery_labels)
        relevance = (labels if one_set else gallery_labels)[order] == labels[:, None]
        if one_set:
            relevance = relevance[:, :-1]  # the query itself comes last
        if spare is not None:
            monkeypatch.setattr(evaluation, "_SPARE_NEIGHBORS", spare)
            monkeypatch.setattr(evaluation, "_SPARE_CANDIDATES", spare)
            monkeypatch.setattr(evaluation, "_BLOCK_NUMBERS", 100_000)
        found = nearest_neighbors(sets[0], None if one_set else gallery, 7)[1]
        np.testing.assert_array_equal(found, order[:, :7])
        r = relevance.sum(axis=1)
        values = [
            [row[:n].mean() if n else 0.0 for row, n in zip(relevance, r, strict=True)],
            [
                (row[:n].cumsum() / np.arange(1, n + 1))[row[:n]].sum() / max(n, 1)
                for row, n in zip(relevance, r, strict=True)
            ],
        ]
        assert r_precision(*sets) == pytest.approx(np.mean(values[0]), abs=1e-12)
        assert map_at_r(*sets) == pytest.approx(np.mean(values[1]), abs=1e-12)
        assert precision_at_1(*sets) == relevance[:, 0].mean()


def hard_sets(kind):
    """Queries, their labels, a gallery and its labels, in which much is nearly or exactly as far.

    Class 5 has one query and no item of the gallery.
    """
    generator = np.random.default_rng(12)
    points, labels = generator.normal(size=(1900, 6)), generator.integers(0, 5, 1900)
    labels[17] = 5
    centers = 30 * generator.normal(size=(5, 6))
    if kind == "far":  # one item far off spoils the precision of all products
        points[1000] = 1e7
    elif kind == "clusters":  # not of one class each
        points = centers[generator.integers(0, 5, 1900)] + 1e-5 * points
    elif kind == "grid":
        points = np.round(points)
    elif kind == "crowds":
        points = centers[generator.integers(0, 5, 1900)]
        points[points[:, 0] < 0] *= -0.0
    elif kind == "collapsed":
        points[:] = 0.7
    points = points.astype("float32")
    return points[:600], labels[:600], points[600:], labels[600:]


def exact_order(queries, gallery):
    """All items from nearest to farthest, ties by index; with one set the query itself last."""
    items = queries if gallery is None else gallery
    differences = queries[:, None].astype(np.float64) - items
    squared = np.einsum("qid,qid->qi", differences, differences)
    if gallery is None:
        np.fill_diagonal(squared, np.inf)
    return np.argsort(squared, axis=1, kind="stable")


def test_ties_go_by_index_not_by_class():
    points = np.zeros((5, 3))
    assert precision_at_1(points, [0, 0, 1, 1, 1]) == pytest.approx(2 / 5)
    # Nearest first: 1234, 0234, 0134, 0124, 0123; R is 1, 1, 2, 2, 2.
    assert r_precision(points, [0, 0, 1, 1, 1]) == pytest.approx((1 + 1 + 0 + 0 + 0) / 5)
    assert r_precision(points, [1, 1, 1, 0, 0]) == pytest.approx((2 + 2 + 2 + 0 + 0) / 2 / 5)
    assert map_at_r(points, [1, 0, 1, 1, 0]) == pytest.approx(
        (1 / 2 / 2 + 0 + 1 / 2 + 1 / 2 + 0) / 5
    )


@pytest.mark.parametrize("first", ["relevant", "other"])
def test_more_ties_at_the_last_rank_than_spare_neighbors(first):
    """Coincident items beyond the ranks looked at could all be of another class than those."""
    labels = np.repeat([0, 1], [3, 40]) if first == "relevant" else np.repeat([1, 0], [40, 3])
    gallery = np.ones((44, 2))
    gallery[43] = 0.1  # the nearest is not among the ties
    labels = np.append(labels, 1)
    sets = [[0.0, 0.0]], [0], gallery, labels
    assert r_precision(*sets) == pytest.approx(2 / 3 if first == "relevant" else 0)
    assert map_at_r(*sets) == pytest.approx((1 / 2 + 2 / 3) / 3 if first == "relevant" else 0)


@pytest.fixture
def pairs(monkeypatch):
    """Numbers of pairs whose distance is computed from differences, call by call."""
    pairs = []
    original = evaluation._squared_distances

    def counted(queries, gallery, query_of, item_of):
        pairs.append(len(item_of))
        return original(queries, gallery, query_of, item_of)

    monkeypatch.setattr(evaluation, "_squared_distances", counted)
    return pairs


def test_products_decide_what_they_can(pairs):
    points = np.random.default_rng(1).normal(size=(500, 4))
    assert 0 < r_precision(points, np.arange(500) % 5) < 1
    assert sum(pairs) == 0
    nearest_neighbors(points, k=3)
    assert 500 * 3 <= sum(pairs) <= 500 * 5


def test_a_collapsed_embedding_is_no_more_work(pairs):
    """Of items that coincide, only so many are looked at as are asked for."""
    points = np.zeros((3000, 4))
    points[::2] = -0.0
    nearest_neighbors(points, k=3)
    assert sum(pairs) <= 3000 * 4
    pairs.clear()
    assert r_precision(points, np.arange(3000) % 300) < 0.1
    assert sum(pairs) <= 3000 * 10


def test_a_query_without_relevant_items_counts_as_zero():
    """As for recall: `precision_at_1` is `recall_at_k` with k = 1."""
    points = np.array([[0.0], [0.1], [5.0], [9.0]])
    for metric in (precision_at_1, r_precision, map_at_r):
        assert metric(points, [0, 0, 1, 2]) == 0.5
        assert metric(points, [0, 0, 1, 1], points[:2], [0, 0]) == 0.5
        assert metric(points, [0, 1, 2, 3]) == 0.0


def test_average_precision_of_the_paper():
    """Equal R-precision, different MAP@R: ten relevant items, one of them found (figure 3)."""
    labels = np.array([1] * 20)
    gallery = np.arange(1.0, 21.0)[:, None]
    first, last = labels.copy(), labels.copy()
    first[[0, *range(11, 20)]] = 0
    last[[9, *range(11, 20)]] = 0
    assert r_precision([[0.0]], [0], gallery, first) == pytest.approx(0.1)
    assert r_precision([[0.0]], [0], gallery, last) == pytest.approx(0.1)
    assert map_at_r([[0.0]], [0], gallery, first) == pytest.approx(0.1)
    assert map_at_r([[0.0]], [0], gallery, last) == pytest.approx(0.01)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@given(strategies.batches(max_size=12), st.integers(0, 3))
def test_products_are_off_by_no_more_than_they_say(dtype, batch, spread):
    _, points = batch
    points = points.astype(np.float64) * 10.0 ** (spread * np.arange(points.shape[1]))
    products = evaluation._Products(points[:4], points, dtype)
    near, exact = products[:], points[:4, None] - points
    # In the units of the products, which only powers of two separate from the points'.
    deviation = points - points.mean(axis=0)
    exact = np.ldexp(exact, -np.frexp(np.abs(deviation).max())[1]).astype(np.longdouble)
    exact = (exact**2).sum(axis=2)
    apart = near.astype(np.longdouble) - exact
    # Less one number a query, which the products leave out.
    assert (np.ptp(apart, axis=1) <= 2 * products.error).all()


class TestNMI:
    def test_is_that_of_scikit_learns_k_means(self):
        generator = np.random.default_rng(2)
        labels = generator.integers(0, 4, 400)
        # Overlapping, and yet so clear that every start of k-means ends in the same clusters.
        points = np.eye(4)[labels] + 0.3 * generator.normal(size=(400, 4))
        clusters = KMeans(4, n_init=5, random_state=1).fit_predict(points)
        value = nmi(points, labels)
        assert 0.3 < value < 0.95
        assert value == pytest.approx(normalized_mutual_info_score(labels, clusters))

    def test_against_its_definition(self):
        """Two clear clusters, so k-means cannot but find them; the classes cut across."""
        points = np.array([[0.0], [0.1], [0.2], [9.0], [9.1], [9.2]])
        labels, clusters = [0, 0, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1]
        value = 0.0
        for label in (0, 1):
            for cluster in (0, 1):
                joint = np.mean(
                    [(a, b) == (label, cluster) for a, b in zip(labels, clusters, strict=True)]
                )
                if joint:
                    value += joint * np.log(joint / (np.mean(np.equal(labels, label)) * 0.5))
        entropies = [-(1 / 3) * np.log(1 / 3) - (2 / 3) * np.log(2 / 3), np.log(2)]
        assert nmi(points, labels) == pytest.approx(value / np.mean(entropies))

    def test_as_many_clusters_as_classes(self):
        points = np.arange(6.0)[:, None] // 2 * 10
        assert nmi(points, [0, 0, 4, 4, 9, 9]) == pytest.approx(1)
        assert nmi(points, [0, 0, 0, 0, 0, 0]) == pytest.approx(1)
        assert nmi(points, [0, 0, 1, 1, 0, 0]) < 0.99

    def test_the_seed_decides_and_nothing_else(self):
        generator = np.random.default_rng(3)
        points, labels = generator.normal(size=(300, 5)), generator.integers(0, 8, 300)
        values = [nmi(points, labels, seed) for seed in (0, 1, 2, 3)]
        assert [nmi(points, labels, seed) for seed in (0, 1, 2, 3)] == values
        assert nmi(points, labels) == values[0]
        assert len(set(values)) > 1
        assert nmi(points, labels, seed=2**40) > 0

    @pytest.mark.filterwarnings("error")
    def test_fewer_distinct_points_than_classes(self):
        assert nmi(np.full((9, 2), 0.7), [0, 1, 2] * 3) == 0
        assert nmi([[0.0], [0.0], [1.0], [1.0]], [0, 1, 2, 2]) == pytest.approx(0.8)

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="seed must be at least 0, got -1"):
            nmi([[0.0], [1.0]], [0, 1], seed=-1)
        with pytest.raises(ValueError, match=r"embeddings must be finite, got 1 NaN"):
            nmi([[0.0], [np.nan]], [0, 1])
        with pytest.raises(ValueError, match=r"got labels of shape \(3,\) for 2 embeddings"):
            nmi([[0.0], [1.0]], [0, 1, 1])


class TestVerification:
    def test_against_plain_loops(self, case):
        points, labels, *_, metric = case
        genuine, impostor = plain_pairs(points, labels, metric)
        curve = verification_curve(points, labels, metric=metric)
        self.check(curve, genuine, impostor, (0.0, 0.001, 0.1, 0.5, 1.0))

    @given(strategies.batches())
    def test_degenerate_batches(self, batch):
        labels, points = batch
        genuine, impostor = plain_pairs(points, labels, "squared_euclidean")
        if not genuine or not impostor:
            with pytest.raises(ValueError, match="pairs of the same class and"):
                verification(points, labels)
            return
        curve = verification_curve(points, labels, metric="squared_euclidean")
        self.check(curve, genuine, impostor, (0.0, 0.2, 1 / 3, 0.5))

    def check(self, curve, genuine, impostor, rates):
        assert (curve.genuine_pairs, curve.impostor_pairs) == (len(genuine), len(impostor))
        assert curve.roc_auc == pytest.approx(plain_auc(genuine, impostor))
        expected = plain_equal_error_rate(genuine, impostor)
        assert curve.equal_error_rate == pytest.approx(expected, abs=1e-12)
        thresholds = sorted({*genuine, *impostor})
        for rate in rates:
            threshold, accepted = curve.at_false_accept_rate(rate)
            allowed = [t for t in thresholds if share_accepted(impostor, t) <= rate]
            if allowed:
                assert threshold == pytest.approx(allowed[-1], rel=1e-12, abs=1e-12)
                assert accepted == pytest.approx(share_accepted(genuine, allowed[-1]))
            else:
                assert threshold < thresholds[0] + 1e-12
                assert accepted == 0

    def test_is_read_off_the_curve(self):
        generator = np.random.default_rng(7)
        points, labels = generator.normal(size=(60, 2)), generator.integers(0, 3, 60)
        curve = verification_curve(points, labels, metric="cosine")
        threshold, accepted = curve.at_false_accept_rate(0.2)
        assert 0 < accepted < 1
        measured = verification(points, labels, metric="cosine", false_accept_rate=0.2)
        assert measured == {
            "pairs": 60 * 59 // 2,
            "roc_auc": curve.roc_auc,
            "equal_error_rate": curve.equal_error_rate,
            "false_accept_rate": 0.2,
            "true_accept_rate": accepted,
            "threshold": threshold,
        }
        assert {type(value) for value in measured.values()} == {int, float}

    @pytest.mark.parametrize("metric", METRICS)
    def test_equals_scikit_learn(self, metric):
        generator = np.random.default_rng(4)
        labels = generator.integers(0, 5, 150)
        points = np.eye(5)[labels] + 0.5 * generator.normal(size=(150, 5))
        distances = pairwise_distances(points, metric=SKLEARN_METRIC[metric])
        upper = np.triu_indices(150, 1)
        genuine, distances = (labels[:, None] == labels)[upper], distances[upper]
        curve = verification_curve(points, labels, metric=metric)
        false, true, scores = roc_curve(genuine, -distances, drop_intermediate=False)
        np.testing.assert_allclose(curve.false_accept_rate, false, atol=1e-12)
        np.testing.assert_allclose(curve.true_accept_rate, true, atol=1e-12)
        np.testing.assert_allclose(curve.thresholds[1:], -scores[1:], rtol=1e-9)
        assert (curve.genuine_pairs, curve.impostor_pairs) == (genuine.sum(), (~genuine).sum())
        assert curve.roc_auc == pytest.approx(roc_auc_score(genuine, -distances))
        crossing = brentq(lambda rate: 1 - rate - np.interp(rate, false, true), 0, 1)
        assert curve.equal_error_rate == pytest.approx(crossing, abs=1e-3)

    def test_the_curve_starts_with_nothing_accepted_and_ends_with_all(self):
        curve = verification_curve([[0.0], [1.0], [3.0], [3.0]], [0, 0, 1, 0])
        assert curve.thresholds[0] < 0
        np.testing.assert_array_equal(curve.thresholds[1:], [0, 1, 2, 3])
        np.testing.assert_allclose(curve.false_accept_rate, [0, 1 / 3, 1 / 3, 2 / 3, 1])
        np.testing.assert_allclose(curve.true_accept_rate, [0, 0, 1 / 3, 2 / 3, 1])

    def test_a_pair_at_the_threshold_is_accepted(self):
        """Impostors at 1, 2, 3, 4 (the item at 0 against the rest); genuine pairs at 1, 2, 3."""
        points, labels = np.arange(5.0)[:, None], [0, 1, 1, 1, 1]
        curve = verification_curve(points, labels)
        for rate, threshold, accepted in [
            (0.0, np.nextafter(1, 0), 0),
            (0.24, np.nextafter(1, 0), 0),
            (0.25, 1, 3 / 6),
            (0.49, 1, 3 / 6),
            (0.5, 2, 5 / 6),
            (1.0, 4, 1),
        ]:
            assert curve.at_false_accept_rate(rate) == (threshold, accepted)

    def test_equal_error_rate_between_two_thresholds(self):
        # Genuine at 0 and 10, impostors at 10, 10, 20, 20: rejects fall from 1/2 to 0 while
        # accepts rise from 0 to 1/2, so they meet at 1/4.
        curve = verification_curve([[0.0], [0.0], [10.0], [20.0]], [0, 0, 1, 1])
        assert curve.equal_error_rate == pytest.approx(0.25)

    def test_perfect_hopeless_and_upside_down(self):
        apart, labels = [[0.0], [1.0], [9.0], [10.0]], [0, 0, 1, 1]
        measured = verification(apart, labels)
        assert (measured["roc_auc"], measured["equal_error_rate"]) == (1, 0)
        assert (measured["true_accept_rate"], measured["threshold"]) == (1, 1)
        collapsed = verification(np.full((4, 2), 0.7), labels)
        assert (collapsed["roc_auc"], collapsed["equal_error_rate"]) == (0.5, 0.5)
        assert collapsed["true_accept_rate"] == 0
        assert collapsed["threshold"] < 0
        crossed = verification([[0.0], [0.0], [10.0], [10.0]], [0, 1, 0, 1])
        assert (crossed["roc_auc"], crossed["equal_error_rate"]) == (0.25, pytest.approx(2 / 3))

    @pytest.mark.parametrize("metric", METRICS)
    def test_distances_of_all_pairs(self, metric):
        generator = np.random.default_rng(8)
        points, labels = generator.normal(size=(9, 3)), generator.integers(0, 3, 9)
        distances, is_genuine = evaluation.pair_distances(points, labels.tolist(), metric)
        genuine, impostor = plain_pairs(points, labels, metric)
        np.testing.assert_allclose(np.sort(distances[is_genuine]), np.sort(genuine))
        np.testing.assert_allclose(np.sort(distances[~is_genuine]), np.sort(impostor))
        first, second = np.triu_indices(9, 1)
        np.testing.assert_array_equal(is_genuine, labels[first] == labels[second])
        with pytest.raises(ValueError, match="metric must be one of"):
            evaluation.pair_distances(points, labels, "manhattan")

    def test_a_subset_of_many_items_is_balanced_and_seeded(self):
        generator = np.random.default_rng(5)
        labels = np.repeat([3, 7, 8], [500, 300, 11])
        points = generator.normal(size=(len(labels), 3))
        chosen = evaluation.balanced_choice(labels, 201, 0)
        assert np.unique(labels[chosen], return_counts=True)[1].max() <= 96
        np.testing.assert_array_equal(
            np.sort(np.unique(labels[chosen], return_counts=True)[1])[:1], [11]
        )
        assert len(np.unique(chosen)) == 201
        assert (np.diff(chosen) > 0).all()
        assert len(np.intersect1d(chosen, evaluation.balanced_choice(labels, 201, 1))) < 180
        measured = verification(points, labels, max_items=201)
        assert measured["pairs"] == 201 * 200 // 2
        assert measured == verification(points, labels, max_items=201, seed=0)
        assert measured != verification(points, labels, max_items=201, seed=1)
        subset = verification(points[chosen], labels[chosen])
        assert subset == measured
        assert verification(points, labels)["pairs"] == 811 * 810 // 2

    def test_default_is_at_most_2000_items(self):
        labels = np.arange(2010) % 10
        chosen = evaluation.balanced_choice(labels, 2000, 0)
        assert (np.unique(labels[chosen], return_counts=True)[1] == 200).all()
        points = np.random.default_rng(6).normal(size=(2010, 2))
        assert verification(points, labels)["pairs"] == 1_999_000
        curve = verification_curve(points, labels)
        assert curve.genuine_pairs + curve.impostor_pairs == 1_999_000

    def test_many_small_classes_still_give_genuine_pairs(self):
        labels = np.arange(400) // 4
        points = np.random.default_rng(6).normal(size=(400, 2))
        assert verification_curve(points, labels, max_items=50).genuine_pairs == 25
        classes = [set(labels[evaluation.balanced_choice(labels, 50, seed)]) for seed in (0, 1)]
        assert [len(drawn) for drawn in classes] == [25, 25]
        assert len(classes[0] & classes[1]) < 20

    def test_bad_input_is_named(self):
        points, labels = np.arange(4.0)[:, None], [0, 0, 1, 1]
        with pytest.raises(ValueError, match="rate must be from 0 to 1, got 2"):
            verification(points, labels, false_accept_rate=2)
        with pytest.raises(ValueError, match="rate must be from 0 to 1, got nan"):
            verification(points, labels, false_accept_rate=np.nan)
        with pytest.raises(ValueError, match="different classes, got 6 and 0 of 4 items"):
            verification(points, [1, 1, 1, 1])
        with pytest.raises(ValueError, match="different classes, got 0 and 6 of 4 items"):
            verification(points, [0, 1, 2, 3])
        with pytest.raises(ValueError, match="different classes, got 0 and 0 of 1 items"):
            verification(points[:1], [0])
        with pytest.raises(ValueError, match="max_items must be at least 1, got 0"):
            verification(points, labels, max_items=0)
        with pytest.raises(ValueError, match="seed must be at least 0, got -1"):
            verification(points, labels, seed=-1)
        with pytest.raises(ValueError, match="metric must be one of"):
            verification(points, labels, metric="manhattan")
        with pytest.raises(ValueError, match=r"got labels of shape \(3,\) for 4 embeddings"):
            verification(points, labels[:3])
        with pytest.raises(ValueError, match="embeddings must be finite, got 4 NaN"):
            verification(points * np.nan, labels)


def test_coordinates_whose_squares_overflow_are_refused():
    with pytest.raises(ValueError, match=r"queries must not exceed 1e\+150.*got 2e\+150"):
        nearest_neighbors([[-2e150], [0.0], [1.0]])
    assert list(nearest_neighbors([[-1e150], [0.0], [9e149]])[1].ravel()) == [1, 2, 1]


@pytest.fixture(scope="module")
def five_classes():
    """120 queries and 200 training items of five classes, somewhat mixed up."""
    generator = np.random.default_rng(11)
    labels = generator.permutation(np.arange(320) % 5)
    points = (np.eye(5)[labels] + 0.4 * generator.normal(size=(320, 5))).astype("float32")
    return points[:120], labels[:120], points[120:], labels[120:]


class TestEvaluateEmbeddings:
    def test_each_number_is_that_of_its_function(self, five_classes):
        queries, labels, gallery, gallery_labels = five_classes
        measured = evaluate_embeddings(*five_classes, seed=3)
        expected = {
            "queries": 120,
            "training_gallery": 200,
            "recall_at_k": {str(k): v for k, v in recall_at_k(queries, labels).items()},
            "precision_at_1": precision_at_1(queries, labels),
            "r_precision": r_precision(queries, labels),
            "map_at_r": map_at_r(queries, labels),
            "knn_accuracy": {
                "1": knn_accuracy(queries, labels, gallery, gallery_labels, 1),
                "5": knn_accuracy(queries, labels, gallery, gallery_labels, 5),
            },
            "nmi": nmi(queries, labels, 3),
            "verification": verification(queries, labels, seed=3),
        }
        assert measured == expected
        assert list(measured) == list(expected)
        assert measured["knn_accuracy"]["1"] != measured["precision_at_1"]
        assert measured["verification"]["false_accept_rate"] == 0.001
        assert json.loads(json.dumps(measured, allow_nan=False)) == measured

    @pytest.mark.parametrize("spare", [0, 8])
    def test_recall_further_than_a_class_has_members(self, five_classes, spare, monkeypatch):
        queries, _, gallery, _ = five_classes
        sets = np.round(queries), np.arange(120) // 3, gallery, np.arange(200) // 5
        expected = {str(k): v for k, v in recall_at_k(*sets[:2]).items()}
        monkeypatch.setattr(evaluation, "_SPARE_NEIGHBORS", spare)
        assert evaluate_embeddings(*sets)["recall_at_k"] == expected
        assert 0 < expected["1"] < expected["4"] < expected["8"] < 1

    def test_labels_in_a_column_of_bytes(self, five_classes):
        queries, labels, gallery, gallery_labels = five_classes
        columns = labels[:, None].astype("uint8"), gallery_labels[:, None].astype("uint8")
        measured = evaluate_embeddings(queries, columns[0], gallery, columns[1])
        assert measured == evaluate_embeddings(*five_classes)

    def test_the_seed_reaches_k_means_and_the_pairs(self, five_classes, monkeypatch):
        seeds = []
        for name in ("nmi", "verification"):
            original = getattr(evaluation, name)

            def spy(*arguments, original=original, **named):
                seeds.append(named.get("seed", arguments[-1]))
                return original(*arguments, **named)

            monkeypatch.setattr(evaluation, name, spy)
        evaluate_embeddings(*five_classes, seed=9)
        assert seeds == [9, 9]

    def test_shared_work_is_done_once(self, five_classes, monkeypatch):
        calls = []
        for name in ("_retrieve", "nearest_neighbors"):
            original = getattr(evaluation, name)

            def counted(*arguments, name=name, original=original, **named):
                calls.append(name)
                return original(*arguments, **named)

            monkeypatch.setattr(evaluation, name, counted)
        evaluate_embeddings(*five_classes)
        assert sorted(calls) == ["_retrieve", "nearest_neighbors"]

    @pytest.mark.parametrize(
        ("queries", "ks"), [(3, "12"), (4, "12"), (5, "124"), (8, "124"), (9, "1248")]
    )
    def test_few_queries_leave_out_what_there_is_not(self, five_classes, queries, ks):
        points, _, gallery, gallery_labels = five_classes
        labels = np.arange(queries) % 2
        measured = evaluate_embeddings(points[:queries], labels, gallery[:4], gallery_labels[:4])
        assert list(measured["recall_at_k"]) == list(ks)
        assert list(measured["knn_accuracy"]) == ["1"]
        measured = evaluate_embeddings(points[:queries], labels, gallery[:5], gallery_labels[:5])
        assert list(measured["knn_accuracy"]) == ["1", "5"]

    def test_held_out_classes_apart(self, five_classes):
        queries, labels, gallery, gallery_labels = five_classes
        measured = evaluate_embeddings(*five_classes, held_out_classes=[1, 4], seed=2)
        for name, classes in (("seen", (0, 2, 3)), ("held_out", (1, 4))):
            of_queries, of_gallery = np.isin(labels, classes), np.isin(gallery_labels, classes)
            assert measured[name] == evaluate_embeddings(
                queries[of_queries],
                labels[of_queries],
                gallery[of_gallery],
                gallery_labels[of_gallery],
                seed=2,
            )
            assert measured[name]["queries"] == of_queries.sum() == 24 * len(classes)
            assert measured[name]["training_gallery"] == of_gallery.sum()
        overall = {key: value for key, value in measured.items() if key not in ("seen", "held_out")}
        assert overall == evaluate_embeddings(*five_classes, seed=2)

    @pytest.mark.parametrize(
        ("held_out", "message"),
        [
            ([7, 1, 9], r"classes of the queries, got \[7, 9\], of which there is no query"),
            (
                [3],
                r"\[3\] leave nothing to evaluate as held_out: at least two classes.*\[3\] and 4",
            ),
            ([0, 1, 2, 3], r"nothing to evaluate as seen: .* of classes \[4\] and \d\d training"),
            ([0, 1, 2, 3, 4], r"nothing to evaluate as seen: .* of classes \[\] and 0 training"),
            ([1.5], "held_out_classes must be whole numbers"),
            (np.eye(5), r"held_out_classes must have shape \(N,\)"),
        ],
    )
    def test_bad_held_out_classes_are_named(self, five_classes, held_out, message):
        with pytest.raises(ValueError, match=message):
            evaluate_embeddings(*five_classes, held_out_classes=held_out)

    @pytest.mark.parametrize("name", ["seen", "held_out"])
    def test_a_side_without_training_items(self, five_classes, name):
        queries, labels, gallery, gallery_labels = five_classes
        kept = np.isin(gallery_labels, (1, 4)) == (name == "seen")
        with pytest.raises(ValueError, match=f"as {name}: .* and 0 training items"):
            evaluate_embeddings(
                queries, labels, gallery[kept], gallery_labels[kept], held_out_classes=[1, 4]
            )

    def test_bad_input_is_named(self, five_classes):
        queries, labels, gallery, gallery_labels = five_classes
        with pytest.raises(ValueError, match=r"same dimensions, got shapes \(120, 5\) and"):
            evaluate_embeddings(queries, labels, gallery[:, :3], gallery_labels)
        with pytest.raises(ValueError, match=r"got gallery_labels of shape \(120,\) for 200"):
            evaluate_embeddings(queries, labels, gallery, labels)
        with pytest.raises(ValueError, match="gallery must be finite, got 1000 NaN"):
            evaluate_embeddings(queries, labels, gallery * np.nan, gallery_labels)
        with pytest.raises(ValueError, match="got 0 and 0 of 1 items"):
            evaluate_embeddings(queries[:1], labels[:1], gallery, gallery_labels)


def test_an_error_in_one_block_is_not_lost():
    def work(rows):
        if rows.start == 4:
            raise MemoryError("no more")

    with pytest.raises(MemoryError):
        evaluation._in_blocks(work, 8, 2)


def test_threads_of_the_linear_algebra(monkeypatch):
    """One in each of our threads and in k-means, whose sums then are the same on every machine."""

    def threads():
        return {library["filepath"]: library["num_threads"] for library in threadpool_info()}

    before, seen = threads(), []

    class Spy(KMeans):
        def fit_predict(self, *arguments):
            seen.append(set(threads().values()))
            return super().fit_predict(*arguments)

    monkeypatch.setattr(evaluation, "KMeans", Spy)
    nmi([[0.0], [1.0]], [0, 1])
    evaluation._in_blocks(
        lambda rows: seen.append(
            {each["num_threads"] for each in threadpool_info() if is_blas(each)}
        ),
        4,
        2,
    )
    assert len(seen) == 3
    assert all(number <= {1} for number in seen)
    assert threads() == before


def is_blas(library):
    return library["user_api"] == "blas"
