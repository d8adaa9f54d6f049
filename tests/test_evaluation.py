"""Nearest neighbours, recall@k and k-NN accuracy against plain loops and scikit-learn."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.metrics import pairwise_distances
from sklearn.neighbors import KNeighborsClassifier

from tripletviz import evaluation
from tripletviz.evaluation import METRICS, knn_accuracy, nearest_neighbors, recall_at_k

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
