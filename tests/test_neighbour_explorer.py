"""What `NeighbourExplorer` takes, refuses and sends. How it behaves is in `tests/browser`."""

from types import SimpleNamespace

import numpy as np
import pytest
import traitlets

from tripletviz.evaluation import nearest_neighbors
from tripletviz.widgets.neighbour_explorer import NeighbourExplorer

ITEMS, K = 30, 4


@pytest.fixture
def data():
    generator = np.random.default_rng(3)
    return {
        "embeddings": {
            "untrained": generator.normal(size=(ITEMS, 5)),
            "trained": generator.normal(size=(ITEMS, 2)).astype(np.float32),
        },
        "labels": np.arange(ITEMS) % 3 + 4,
        "images": generator.integers(0, 256, (ITEMS, 6, 6)).astype(np.uint8),
        "k": K,
    }


def lists_of(explorer, e):
    """What was sent of one embedding: indices and distances of the neighbours."""
    shape = (len(explorer._names), -1, explorer._count)
    return (
        np.frombuffer(explorer._neighbours, "<i4").reshape(shape)[e],
        np.frombuffer(explorer._distances, "<f4").reshape(shape)[e],
    )


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"embeddings": np.zeros((30, 2))}, ValueError, "one or two names to arrays, got ndarray"),
        ({"embeddings": {}}, ValueError, "one or two names to arrays, got 0"),
        ({"embeddings": dict.fromkeys("abc", np.zeros((30, 2)))}, ValueError, "got 3"),
        ({"embeddings": {"a": np.zeros(30)}}, ValueError, r"got shapes \{'a': \(30,\)\}"),
        (
            {"embeddings": {"a": np.zeros((30, 2)), "b": np.zeros((29, 2))}},
            ValueError,
            r"each for the same items, got shapes .*\(29, 2\)",
        ),
        ({"embeddings": {"a": np.zeros((1001, 2))}}, ValueError, "1000 items at most, got 1001"),
        ({"embeddings": {"a": np.full((30, 2), np.nan)}}, ValueError, "'a': .* must be finite"),
        ({"embeddings": {"a": np.eye(30) * 1e100}}, ValueError, "'a': .* finite in float32"),
        ({"labels": np.zeros(29, int)}, ValueError, r"labels of shape \(29,\) for 30"),
        ({"labels": np.zeros(30)}, ValueError, "must be integers, got dtype float64"),
        ({"images": np.zeros((29, 6, 6), np.uint8)}, ValueError, r"got shape \(29, 6, 6\)"),
        ({"k": 30}, ValueError, "'untrained': k must be at most .* 29, got 30"),
        ({"k": 2.5}, TypeError, "k must be an integer"),
        ({"k": 26, "queries": range(5)}, ValueError, "items of the gallery, 25, got 26"),
        ({"metric": "manhattan"}, ValueError, "metric must be one of .* got 'manhattan'"),
        ({"queries": [0, 30]}, ValueError, "from 0 to 29, got 0 to 30"),
        ({"queries": [-1]}, ValueError, "from 0 to 29, got -1 to -1"),
        ({"queries": [3, 3]}, ValueError, "distinct"),
        ({"queries": np.zeros(29, bool)}, ValueError, r"got dtype bool and shape \(29,\)"),
        ({"queries": [0.5]}, ValueError, "got dtype float64"),
        ({"queries": np.zeros(30, bool)}, ValueError, "got 0 queries of 30 items"),
        ({"queries": np.ones(30, bool)}, ValueError, "got 30 queries of 30 items"),
        ({"class_names": ["zero"]}, ValueError, "got 1 names and labels from 4 to 6"),
    ],
)
def test_refuses_what_does_not_fit(data, changed, error, message):
    with pytest.raises(error, match=message):
        NeighbourExplorer(**(data | changed))


@pytest.mark.parametrize("metric", ["euclidean", "squared_euclidean", "cosine"])
def test_sends_the_exact_neighbours_of_each_item_among_the_others(data, metric):
    data["embeddings"]["trained"][7] = 0  # cosine distance 1 to everything
    explorer = NeighbourExplorer(**data, metric=metric)
    for e, embeddings in enumerate(data["embeddings"].values()):
        indices, distances = lists_of(explorer, e)
        expected, expected_indices = nearest_neighbors(embeddings, k=K, metric=metric)
        np.testing.assert_array_equal(indices, expected_indices)
        np.testing.assert_array_equal(distances, expected.astype(np.float32))
        assert not (indices == np.arange(ITEMS)[:, np.newaxis]).any(), "a query found itself"
        every, _ = nearest_neighbors(embeddings, k=ITEMS - 1, metric=metric)
        assert explorer._mean_distances[e] == pytest.approx(every.mean(), rel=1e-9)
    assert explorer._one_set


@pytest.mark.parametrize("metric", ["euclidean", "squared_euclidean", "cosine"])
@pytest.mark.parametrize("as_mask", [False, True])
def test_queries_find_items_of_the_gallery_only(data, metric, as_mask):
    chosen = np.array([25, 3, 11])
    mask = np.isin(np.arange(ITEMS), chosen)
    data["embeddings"]["trained"][[3, 4]] = 0  # one a query, one not
    queries = mask if as_mask else chosen
    explorer = NeighbourExplorer(**data, queries=queries, metric=metric)
    np.testing.assert_array_equal(np.frombuffer(explorer._queries, "<i4"), [3, 11, 25])
    gallery = np.flatnonzero(~mask)
    for e, embeddings in enumerate(data["embeddings"].values()):
        indices, distances = lists_of(explorer, e)
        parts = embeddings[mask], embeddings[~mask]
        expected, places = nearest_neighbors(*parts, k=K, metric=metric)
        np.testing.assert_array_equal(indices, gallery[places])
        np.testing.assert_array_equal(distances, expected.astype(np.float32))
        every, _ = nearest_neighbors(*parts, k=ITEMS - 3, metric=metric)
        assert explorer._mean_distances[e] == pytest.approx(every.mean(), rel=1e-9)
    assert not explorer._one_set
    assert explorer.query == 3


@pytest.mark.parametrize("queries", [None, np.arange(ITEMS) % 4 == 0])
def test_raw_pixels_are_the_baseline(data, queries):
    explorer = NeighbourExplorer(**data, queries=queries, metric="cosine")
    labels, pixels = data["labels"], data["images"].reshape(ITEMS, -1) / 255.0
    asked = np.arange(ITEMS) if queries is None else np.flatnonzero(queries)
    expected = {"1": 0, str(K): 0}
    for item in asked:
        others = np.arange(ITEMS) != item if queries is None else ~queries
        distances = np.linalg.norm(pixels[others] - pixels[item], axis=1)
        same = (labels[others] == labels[item])[np.argsort(distances)]
        for k in expected:
            expected[k] += same[: int(k)].any() / len(asked)
    assert explorer._pixel_recalls == pytest.approx(expected)


def test_classes_are_sent_with_their_names(data):
    names = ["T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt"]
    explorer = NeighbourExplorer(**data, class_names=names)
    assert [each["name"] for each in explorer._classes] == ["Coat", "Sandal", "Shirt"]
    class_of = np.frombuffer(explorer._class_of, "<i4")
    np.testing.assert_array_equal([explorer._classes[k]["label"] for k in class_of], data["labels"])


def test_traits_take_what_they_say(data):
    explorer = NeighbourExplorer(**data, query=5, filter={"trained": "wrong"}, title="Nearest")
    assert (explorer.query, explorer.filter, explorer.title) == (5, {"trained": "wrong"}, "Nearest")
    explorer.query = 29
    explorer.filter = {"untrained": "wrong", "trained": "right"}
    explorer.filter = {}
    assert explorer.query == 29


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("query", 30, "one of the 30 queries, got 30"),
        ("query", -1, "got -1"),
        ("filter", {"Trained": "wrong"}, r"among \['untrained', 'trained'\]"),
        ("filter", {"trained": True}, 'to "right" or "wrong", got'),
    ],
)
def test_traits_refuse_what_makes_no_sense(data, name, value, message):
    explorer = NeighbourExplorer(**data)
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(explorer, name, value)


def test_an_item_of_the_gallery_is_no_query(data):
    explorer = NeighbourExplorer(**data, queries=[3, 11])
    with pytest.raises(traitlets.TraitError, match="one of the 2 queries, got 4"):
        explorer.query = 4


def make_recording(steps):
    generator = np.random.default_rng(0)
    return SimpleNamespace(
        steps=np.array(steps),
        embeddings=generator.normal(size=(len(steps), ITEMS, 3)).astype(np.float32),
        labels=np.arange(ITEMS) % 3,
        images=np.zeros((ITEMS, 4, 4), np.uint8),
    )


def test_a_recording_gives_its_first_and_its_last_snapshot():
    recording = make_recording([0, 5, 9])
    explorer = NeighbourExplorer.from_recording(recording, k=2, query=4)
    assert explorer._names == ["untrained", "trained"]
    for e, snapshot in enumerate((0, 2)):
        expected = nearest_neighbors(recording.embeddings[snapshot], k=2)[1]
        np.testing.assert_array_equal(lists_of(explorer, e)[0], expected)
    assert explorer.query == 4


@pytest.mark.parametrize("steps", [[0], [5, 9]])
def test_a_recording_without_before_or_after_is_refused(steps):
    with pytest.raises(ValueError, match=r"a snapshot at step 0 and a later one, got"):
        NeighbourExplorer.from_recording(make_recording(steps))


def test_payload_stays_small():
    generator = np.random.default_rng(0)
    explorer = NeighbourExplorer(
        {"a": generator.normal(size=(1000, 16)), "b": generator.normal(size=(1000, 16))},
        np.arange(1000) % 10,
        np.zeros((1000, 28, 28), np.uint8),
    )
    lists = [explorer._neighbours, explorer._distances, explorer._queries, explorer._class_of]
    assert sum(map(len, lists)) == 168_000


def test_text_form(data):
    text = NeighbourExplorer(**data)._repr_mimebundle_()[0]["text/plain"]
    assert text == "NeighbourExplorer(30 queries of 30 items, in untrained, trained)"
