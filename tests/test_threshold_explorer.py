"""What `ThresholdExplorer` takes, refuses and sends. How it behaves is in `tests/browser`."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
import traitlets

from tripletviz.evaluation import verification_curve
from tripletviz.widgets.threshold_explorer import ThresholdExplorer

ITEMS = 60


@pytest.fixture
def data():
    generator = np.random.default_rng(4)
    labels = np.arange(ITEMS) % 4 + 2
    noise = generator.normal(size=(ITEMS, 3))
    return {
        "embeddings": {
            "untrained": noise,
            "trained": (2 * np.eye(6)[labels][:, :3] + noise).astype(np.float32),
        },
        "labels": labels,
        "images": generator.integers(0, 256, (ITEMS, 6, 6)).astype(np.uint8),
    }


@pytest.fixture
def explorer(data):
    return ThresholdExplorer(**data)


def grids_of(explorer):
    """What the script makes of what was sent: of each embedding its thresholds and counts."""
    counts, grids = np.frombuffer(explorer._counts, "<i4"), {}
    for sent in explorer._embeddings:
        size = sent["thresholds"]
        (genuine, impostor), counts = counts[: 2 * size].reshape(2, size), counts[2 * size :]
        thresholds = np.arange(size) * sent["multiple"] / sent["divisor"]
        grids[sent["name"]] = thresholds, genuine, impostor
    assert not len(counts)
    return grids


def accepted_at(curve, thresholds):
    """How many genuine and impostor pairs a curve accepts at each threshold."""
    last = np.searchsorted(curve.thresholds, thresholds, side="right") - 1
    rates = np.stack([curve.true_accept_rate, curve.false_accept_rate])[:, np.maximum(last, 0)]
    pairs = np.array([[curve.genuine_pairs], [curve.impostor_pairs]])
    return np.rint(np.where(last < 0, 0, rates) * pairs).astype(int)


def with_value(array, index, value):
    array = np.array(array, float)
    array[index] = value
    return array


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"embeddings": np.zeros(60)}, ValueError, r"got shapes \{'embedding': \(60,\)\}"),
        ({"embeddings": {}}, ValueError, "one or two arrays by name, got 0"),
        ({"embeddings": dict.fromkeys("abc", np.zeros((60, 2)))}, ValueError, "got 3 of them"),
        (
            {"embeddings": {"a": np.zeros((60, 2)), "b": np.zeros((59, 2))}},
            ValueError,
            r"each for the same items, got shapes .*\(59, 2\)",
        ),
        (
            {"embeddings": {"a": with_value(np.zeros((60, 2)), (7, 1), math.nan)}},
            ValueError,
            "'a': embeddings must be finite, got 1 NaN",
        ),
        ({"labels": np.zeros(59, int)}, ValueError, r"labels of shape \(59,\) for 60"),
        ({"labels": np.zeros(60, int)}, ValueError, "pairs of different classes, got 1770 and 0"),
        ({"labels": np.arange(60)}, ValueError, "got 0 and 1770"),
        ({"images": np.zeros((59, 6, 6), np.uint8)}, ValueError, r"got shape \(59, 6, 6\)"),
        ({"images": np.zeros((60, 6, 6))}, ValueError, "must be uint8"),
        ({"metric": "manhattan"}, ValueError, "metric must be one of .* got 'manhattan'"),
        ({"max_items": 2.5}, TypeError, "max_items must be an integer"),
        ({"seed": -1}, ValueError, "seed must be at least 0"),
        ({"class_names": ["zero"]}, ValueError, "got 1 names and labels from 2 to 5"),
    ],
)
def test_refuses_what_does_not_fit(data, changed, error, message):
    with pytest.raises(error, match=message):
        ThresholdExplorer(**(data | changed))


def test_refuses_more_pictures_than_can_be_sent():
    labels = np.arange(1200) % 2
    with pytest.raises(ValueError, match=r"1000 .* at most, got 1200: leave them out"):
        ThresholdExplorer(
            labels[:, np.newaxis] * 1.0, labels, np.zeros((1200, 2, 2), np.uint8), max_items=1200
        )


@pytest.mark.parametrize("metric", ["euclidean", "squared_euclidean", "cosine"])
def test_counts_at_every_threshold_are_those_of_the_curve(data, metric):
    data["embeddings"]["trained"][5] = data["embeddings"]["trained"][6]  # distance 0
    explorer = ThresholdExplorer(**data, metric=metric)
    for name, (thresholds, genuine, impostor) in grids_of(explorer).items():
        curve = verification_curve(data["embeddings"][name], data["labels"], metric=metric)
        np.testing.assert_array_equal([genuine, impostor], accepted_at(curve, thresholds))
        assert 8000 <= len(thresholds) <= 20_002
        assert thresholds[-2] < curve.thresholds[-1] <= thresholds[-1]
        (sent,) = [each for each in explorer._embeddings if each["name"] == name]
        assert sent["roc_auc"] == curve.roc_auc
        assert sent["equal_error_rate"] == curve.equal_error_rate


@pytest.mark.parametrize("size", [1e-100, 1e-3, 1.0, 3e7, 1e100])
def test_counts_are_exact_for_distances_of_any_size(data, size):
    # Whole numbers, so that distances lie exactly on thresholds and many are equal.
    embeddings = np.round(2 * data["embeddings"]["untrained"][:, :1]) * size
    explorer = ThresholdExplorer(embeddings, data["labels"])
    ((thresholds, genuine, impostor),) = grids_of(explorer).values()
    curve = verification_curve(embeddings, data["labels"])
    np.testing.assert_array_equal([genuine, impostor], accepted_at(curve, thresholds))
    assert len(np.unique(thresholds)) == len(thresholds) > 8000
    for threshold in thresholds[:: len(thresholds) // 7]:
        explorer.threshold = threshold
        assert explorer.threshold == threshold


def test_rates_in_python_are_those_of_the_curve(data, explorer):
    generator = np.random.default_rng(0)
    for name in ("untrained", "trained"):
        curve = verification_curve(data["embeddings"][name], data["labels"])
        explorer.embedding = name
        for threshold in generator.uniform(0, 1.1 * curve.thresholds[-1], 20):
            explorer.threshold = threshold
            assert abs(explorer.threshold - threshold) < 0.001 or threshold > curve.thresholds[-1]
            genuine, impostor = accepted_at(curve, np.array([explorer.threshold]))[:, 0]
            assert explorer.false_accept_rate == impostor / curve.impostor_pairs
            rejected = curve.genuine_pairs - genuine
            assert explorer.false_reject_rate == rejected / curve.genuine_pairs


def test_starts_at_the_equal_error_of_the_last_embedding(data, explorer):
    curve = verification_curve(data["embeddings"]["trained"], data["labels"])
    assert explorer.embedding == "trained"
    assert explorer.false_accept_rate == pytest.approx(curve.equal_error_rate, abs=0.01)
    assert explorer.false_reject_rate == pytest.approx(curve.equal_error_rate, abs=0.01)


@pytest.mark.parametrize("rate", [0, 0.001, 0.01, 0.5, 1])
def test_the_threshold_of_a_false_accept_rate(data, explorer, rate):
    curve = verification_curve(data["embeddings"]["trained"], data["labels"])
    best, _ = curve.at_false_accept_rate(rate)
    threshold = explorer.at_false_accept_rate(rate)
    explorer.threshold = threshold
    assert explorer.threshold == threshold
    assert explorer.false_accept_rate <= rate
    step = explorer._embeddings[1]["multiple"] / explorer._embeddings[1]["divisor"]
    if rate < 1:
        assert threshold > best - step
        explorer.threshold = threshold + step
        assert explorer.false_accept_rate > rate
    with pytest.raises(ValueError, match="from 0 to 1, got 2"):
        explorer.at_false_accept_rate(2)


def test_coinciding_pairs_are_rejected_by_a_threshold_below_zero(data):
    explorer = ThresholdExplorer(np.ones((ITEMS, 2)), data["labels"])
    explorer.threshold = 0
    assert (explorer.false_accept_rate, explorer.false_reject_rate) == (1, 0)
    explorer.threshold = explorer.at_false_accept_rate(0.01)
    assert explorer.threshold < 0
    assert (explorer.false_accept_rate, explorer.false_reject_rate) == (0, 1)


def test_examples_are_pairs_with_their_distances(data, explorer):
    examples = np.frombuffer(explorer._examples, "<i4").reshape(-1, 3)
    labels = data["labels"]
    start = 0
    for sent in explorer._embeddings:
        embeddings = np.asarray(data["embeddings"][sent["name"]], float)
        grid = np.arange(sent["thresholds"]) * sent["multiple"] / sent["divisor"]
        for is_genuine, count in zip((True, False), sent["examples"], strict=True):
            place, a, b = examples[start : start + count].T
            start += count
            distances = np.linalg.norm(embeddings[a] - embeddings[b], axis=1)
            assert (np.diff(distances) >= -1e-12).all()
            np.testing.assert_array_equal(labels[a] == labels[b], is_genuine)
            assert (distances <= grid[place] + 1e-12).all()
            assert (distances > grid[place - 1] - 1e-12).all()
            pairs = (labels[:, np.newaxis] == labels)[np.triu_indices(ITEMS, 1)] == is_genuine
            assert count == pairs.sum(), "few pairs are all sent"
    assert start == len(examples)


def test_of_many_pairs_the_surprising_ones_are_all_sent():
    generator = np.random.default_rng(1)
    labels = np.arange(200) % 2
    embeddings = generator.normal(size=(200, 2))
    explorer = ThresholdExplorer(embeddings, labels)
    genuine, impostor = explorer._embeddings[0]["examples"]
    assert genuine == impostor == 3000
    sent = {tuple(pair) for pair in np.frombuffer(explorer._examples, "<i4").reshape(-1, 3)[:, 1:]}
    assert len(sent) == 6000
    first, second = np.triu_indices(200, 1)
    distances = np.linalg.norm(embeddings[first] - embeddings[second], axis=1)
    is_genuine = labels[first] == labels[second]
    for pairs in (
        np.flatnonzero(is_genuine)[np.argsort(-distances[is_genuine])],
        np.flatnonzero(~is_genuine)[np.argsort(distances[~is_genuine])],
    ):
        chosen = [(first[pair], second[pair]) in sent for pair in pairs]
        assert all(chosen[:1500])
        gaps = np.diff(np.flatnonzero(chosen[1500:]))
        assert gaps.max() <= math.ceil(len(pairs[1500:]) / 1500), "the others do not lie evenly"


def test_of_many_items_those_of_the_curve_are_drawn(data):
    arguments = {"max_items": 20, "seed": 3}
    explorer = ThresholdExplorer(**data, **arguments)
    items = np.frombuffer(explorer._items, "<i4")
    assert len(items) == 20
    curve = verification_curve(data["embeddings"]["trained"], data["labels"], **arguments)
    thresholds, genuine, impostor = grids_of(explorer)["trained"]
    np.testing.assert_array_equal([genuine, impostor], accepted_at(curve, thresholds))
    class_of = np.frombuffer(explorer._class_of, "<i4")
    labels = [explorer._classes[k]["label"] for k in class_of]
    np.testing.assert_array_equal(labels, data["labels"][items])
    assert explorer._available == ITEMS


def test_traits_in_the_constructor(data):
    explorer = ThresholdExplorer(
        **data, embedding="untrained", threshold=1.5, scale="log", title="Accepted?"
    )
    assert (explorer.embedding, explorer.threshold) == ("untrained", 1.5)
    assert (explorer.scale, explorer.title) == ("log", "Accepted?")
    assert 0 < explorer.false_accept_rate < 1


def test_threshold_is_kept_within_the_distances(explorer):
    explorer.threshold = 1e9
    assert (explorer.false_accept_rate, explorer.false_reject_rate) == (1, 0)
    assert explorer.threshold < 20
    explorer.threshold = -5
    assert explorer.threshold == 0
    assert (explorer.false_accept_rate, explorer.false_reject_rate) == (0, 1)


def test_another_embedding_measures_anew(explorer):
    explorer.threshold = 2
    before = explorer.false_accept_rate
    explorer.embedding = "untrained"
    assert explorer.threshold == 2
    assert explorer.false_accept_rate != before


def test_what_the_view_sends_at_once_is_taken_at_once(explorer):
    """Name, threshold and rates come in one message, in any order."""
    explorer.embedding = "untrained"
    explorer.threshold = 1.5
    wanted = {
        name: getattr(explorer, name)
        for name in ("false_reject_rate", "threshold", "embedding", "false_accept_rate")
    }
    explorer.embedding = "trained"
    explorer.threshold = 3
    explorer.set_state(wanted)
    assert {name: getattr(explorer, name) for name in wanted} == wanted


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("embedding", "Trained", r"one of \['untrained', 'trained'\], got 'Trained'"),
        ("threshold", math.nan, "must be finite, got nan"),
        ("scale", "square", "square"),
        ("false_accept_rate", 0.25, "follows from `threshold`"),
        ("false_reject_rate", 0.25, "set that instead"),
    ],
)
def test_traits_refuse_what_makes_no_sense(explorer, name, value, message):
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(explorer, name, value)


@pytest.mark.parametrize("changed", [{"embedding": "Trained"}, {"threshold": math.inf}])
def test_starting_values_are_checked_too(data, changed):
    with pytest.raises(traitlets.TraitError):
        ThresholdExplorer(**data, **changed)


def test_a_single_array_and_a_column_of_labels(data):
    explorer = ThresholdExplorer(data["embeddings"]["trained"], data["labels"][:, np.newaxis])
    assert [each["name"] for each in explorer._embeddings] == [explorer.embedding]
    assert explorer._sprite == b""


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
    explorer = ThresholdExplorer.from_recording(recording, scale="log")
    for sent, snapshot in zip(explorer._embeddings, (0, 2), strict=True):
        curve = verification_curve(recording.embeddings[snapshot], recording.labels)
        assert sent["roc_auc"] == curve.roc_auc
    assert [each["name"] for each in explorer._embeddings] == ["untrained", "trained"]
    assert explorer.scale == "log"


@pytest.mark.parametrize("steps", [[0], [5, 9]])
def test_a_recording_without_before_or_after_is_refused(steps):
    with pytest.raises(ValueError, match=r"a snapshot at step 0 and a later one, got"):
        ThresholdExplorer.from_recording(make_recording(steps))


def test_payload_stays_small():
    generator = np.random.default_rng(0)
    embeddings = {name: generator.normal(size=(1000, 16)) for name in "ab"}
    images = generator.integers(0, 256, (1000, 28, 28)).astype(np.uint8)  # no PNG packs noise
    explorer = ThresholdExplorer(embeddings, np.arange(1000) % 10, images)
    state = explorer.get_state(ThresholdExplorer.class_own_traits(sync=True))
    sizes = [len(v if isinstance(v, bytes | memoryview) else repr(v)) for v in state.values()]
    assert 1_000_000 < sum(sizes) <= 1_500_000


def test_text_form(explorer):
    text = explorer._repr_mimebundle_()[0]["text/plain"]
    assert text == ("ThresholdExplorer(420 genuine and 1350 impostor pairs, in untrained, trained)")
