"""What a `DistanceMatrix` takes, refuses, sends and counts; how it behaves: `tests/browser`."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import oracles
import pytest
import strategies
import traitlets
from hypothesis import assume, given, settings
from hypothesis.strategies import sampled_from
from PIL import Image

from tripletviz import distances, losses, triplets
from tripletviz.recordings import Recording
from tripletviz.widgets import distance_matrix
from tripletviz.widgets.distance_matrix import DistanceMatrix

ROOT = Path(__file__).resolve().parents[1]
SNAPSHOTS, BATCH, DIMENSIONS = 3, 6, 2
LOSSES = {
    "batch_all": lambda *batch, **options: losses.batch_all_triplet_loss(*batch, **options)[0],
    "batch_hard": losses.batch_hard_triplet_loss,
    "batch_semi_hard": losses.batch_semi_hard_triplet_loss,
}


@pytest.fixture
def data():
    generator = np.random.default_rng(7)
    return {
        "embeddings": generator.normal(size=(SNAPSHOTS, BATCH, DIMENSIONS)),
        "labels": np.array([3, 3, 7, 7, 3, 0]),
        "steps": [0, 1, 10],
    }


@pytest.fixture
def matrix(data):
    return DistanceMatrix(**data)


@pytest.fixture
def recording():
    generator = np.random.default_rng(3)
    labels = np.repeat([1, 4, 6], [5, 3, 4])
    return Recording(
        steps=np.array([0, 4]),
        embeddings=generator.normal(size=(2, 12, 3)).astype(np.float32),
        labels=labels,
        images=np.arange(12 * 4, dtype=np.uint8).reshape(12, 2, 2),
    )


def with_value(array, index, value):
    array = np.array(array)
    array[index] = value
    return array


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"embeddings": np.zeros(6)}, r"\(batch, dimensions\).* got shape \(6,\)"),
        ({"embeddings": np.zeros((3, 6, 0))}, r"got shape \(3, 6, 0\)"),
        ({"embeddings": np.zeros((3, 6, 2), int)}, r"must hold floats, got dtype int64"),
        ({"embeddings": np.zeros((3, 257, 2))}, r"256 images at most, got 257"),
        (
            {"embeddings": with_value(np.zeros((3, 6, 2)), (1, 0, 0), np.nan)},
            r"first in snapshot 1",
        ),
        ({"embeddings": np.full((3, 6, 2), 1e300)}, r"finite in float32"),
        ({"labels": np.zeros(5, int)}, r"row of `embeddings`, got labels of shape \(5,\) for 6"),
        ({"labels": np.zeros((6, 1), int)}, r"labels of shape \(6, 1\)"),
        ({"labels": np.zeros(6)}, r"must be integers, got dtype float64"),
        ({"steps": [0, 1]}, r"steps of shape \(2,\) for 3 snapshots"),
        ({"steps": [0, 1, 1]}, r"must increase .* got \[0, 1, 1\]"),
        ({"steps": [-1, 1, 2]}, r"from 0 or above"),
        ({"steps": [0.0, 1.0, 2.0]}, r"must be integers, got dtype float64"),
        ({"images": np.zeros((5, 28, 28), np.uint8)}, r"\(6, height, width\).*\(5, 28, 28\)"),
        ({"class_names": ["zero", "one"]}, r"got 2 names and labels from 0 to 7"),
        ({"metric": "manhattan"}, r"`metric` must be one of .* got 'manhattan'"),
    ],
)
def test_refuses_what_does_not_fit(data, changed, message):
    with pytest.raises(ValueError, match=message):
        DistanceMatrix(**(data | changed))


def test_what_is_sent_decodes_to_what_was_given(data, matrix):
    sent = np.frombuffer(matrix._embeddings, "<f4").reshape(matrix._shape)
    np.testing.assert_array_equal(sent, data["embeddings"].astype(np.float32))
    class_of = np.frombuffer(matrix._class_of, "<i4")
    labels = [matrix._classes[k]["label"] for k in class_of]
    np.testing.assert_array_equal(labels, data["labels"])
    assert matrix._steps == data["steps"]


def test_one_snapshot_may_stand_alone(data):
    single = DistanceMatrix(data["embeddings"][1], data["labels"])
    assert single._shape == [1, BATCH, DIMENSIONS]
    sent = np.frombuffer(single._embeddings, "<f4").reshape(BATCH, DIMENSIONS)
    np.testing.assert_array_equal(sent, data["embeddings"][1].astype(np.float32))


def test_the_scale_reaches_the_largest_distance_of_all_snapshots(data, matrix):
    points = data["embeddings"].astype(np.float32)
    largest = max(oracles.distances(snapshot, "euclidean").max() for snapshot in points)
    assert matrix._largest == pytest.approx(largest)


def test_payload_of_a_large_batch_is_small():
    images = np.random.default_rng(0).integers(0, 256, (128, 28, 28)).astype(np.uint8)
    matrix = DistanceMatrix(np.zeros((21, 128, 16)), np.arange(128) % 10, images=images)
    state = matrix.get_state(DistanceMatrix.class_own_traits(sync=True))
    state.pop("_esm", None)
    sizes = [len(v if isinstance(v, bytes | memoryview) else repr(v)) for v in state.values()]
    assert 172_000 <= sum(sizes) <= 300_000


# ---------------------------------------------------------------- traits


def test_traits_take_what_they_say(matrix):
    matrix.position = 2
    matrix.margin = 1
    matrix.strategy = "batch_semi_hard"
    matrix.anchor = 5
    matrix.hovered = [0, 5]
    assert (matrix.position, matrix.margin, matrix.strategy) == (2, 1.0, "batch_semi_hard")
    assert (matrix.anchor, matrix.hovered) == (5, [0, 5])


def test_traits_in_the_constructor(data):
    matrix = DistanceMatrix(**data, position=1, margin=0.2, anchor=3, title="Pairs", size=400)
    assert (matrix.position, matrix.margin, matrix.anchor) == (1, 0.2, 3)
    assert (matrix.title, matrix.size) == ("Pairs", 400)


@pytest.mark.parametrize(("given", "taken"), [(-1, 0), (99, 2), (1, 1)])
def test_position_is_clipped_to_the_snapshots(matrix, given, taken):
    matrix.position = given
    assert matrix.position == taken


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("margin", -0.1, r"at least 0, got -0\.1"),
        ("margin", np.inf, r"finite number, at least 0, got inf"),
        ("margin", np.nan, r"got nan"),
        ("strategy", "hardest", r"batch_hard"),
        ("anchor", 6, r"one of the 6 images, or -1 for all, got 6"),
        ("anchor", -2, r"got -2"),
        ("hovered", [1], r"\[row, column\].* got \[1\]"),
        ("hovered", [1, 6], r"got \[1, 6\]"),
        ("hovered", [-1, 2], r"got \[-1, 2\]"),
        ("position", 0.5, r"position"),
        ("counts", {}, r"read-only"),
    ],
)
def test_traits_refuse_what_makes_no_sense(matrix, name, value, message):
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(matrix, name, value)


def test_text_form_is_the_same_in_every_run(matrix):
    bundle, _ = matrix._repr_mimebundle_()
    expected = "DistanceMatrix(6 images in 3 classes, 3 snapshots, euclidean)"
    assert bundle["text/plain"] == expected


# ---------------------------------------------------------------- counts


def test_names_are_those_of_the_package():
    assert distance_matrix.METRICS == distances.METRICS
    assert distance_matrix.STRATEGIES == triplets.STRATEGIES


def check_counts(labels, embeddings, metric, margin, strategy):
    """All of `counts` against the package."""
    matrix = DistanceMatrix(embeddings, labels, metric=metric, margin=margin, strategy=strategy)
    counts = matrix.counts
    expected = triplets.count_triplets(labels, embeddings, margin, metric=metric)
    assert {name: counts[name] for name in expected._fields} == expected._asdict()
    mined = triplets.mine_triplets(labels, embeddings, margin, strategy, metric=metric)
    active = triplets.mine_triplets(labels, embeddings, margin, "batch_all", metric=metric)
    is_active = {tuple(triplet) for triplet in active.tolist()}
    assert counts["active"] == len(active)
    assert counts["mined"] == len(mined)
    assert counts["mined_active"] == sum(tuple(t) in is_active for t in mined.tolist())
    loss = LOSSES[strategy](labels, embeddings, margin, metric=metric)
    assert counts["loss"] == pytest.approx(float(loss), rel=1e-5, abs=1e-30)
    _, fraction = losses.batch_all_triplet_loss(labels, embeddings, margin, metric=metric)
    assert counts["fraction_positive"] == pytest.approx(float(fraction), rel=1e-6)


@settings(max_examples=40)
@given(
    strategies.batches(), strategies.metrics, strategies.margins, sampled_from(triplets.STRATEGIES)
)
def test_counts_are_those_of_the_package(batch, metric, margin, strategy):
    labels, embeddings = batch
    assume(not oracles.is_decided_by_rounding(labels, embeddings, margin, metric))
    check_counts(labels, embeddings, metric, margin, strategy)


@pytest.mark.parametrize("strategy", triplets.STRATEGIES)
@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_counts_of_cosine_distances(strategy, margin):
    generator = np.random.default_rng(5)
    embeddings = generator.normal(size=(24, 5)).astype(np.float32)
    embeddings[[3, 9]] = embeddings[[4, 10]]
    embeddings[[5, 6]] = 0
    labels = generator.integers(0, 4, 24)
    check_counts(labels, embeddings, "cosine", margin, strategy)


def test_counts_follow_the_traits(data, matrix):
    seen = []
    matrix.observe(lambda change: seen.append(change.new), "counts")
    for position, margin, strategy in [(0, 2.0, "batch_hard"), (2, 2.0, "batch_all")]:
        matrix.position, matrix.margin, matrix.strategy = position, margin, strategy
        embeddings = data["embeddings"][position].astype(np.float32)
        expected = triplets.count_triplets(data["labels"], embeddings, margin)
        assert matrix.counts["hard"] == expected.hard
        loss = LOSSES[strategy](data["labels"], embeddings, margin)
        assert matrix.counts["loss"] == pytest.approx(float(loss), rel=1e-5)
    assert seen[-1] == matrix.counts


# ---------------------------------------------------------------- from a recording


def test_a_batch_of_a_recording_has_so_many_of_each_class(recording):
    matrix = DistanceMatrix.from_recording(recording, classes=2, per_class=3, margin=0.7)
    labels = [matrix._classes[k]["label"] for k in np.frombuffer(matrix._class_of, "<i4")]
    assert labels == [1, 1, 1, 4, 4, 4]
    assert matrix._steps == [0, 4]
    assert matrix.margin == 0.7
    sent = np.frombuffer(matrix._embeddings, "<f4").reshape(matrix._shape)
    # Every row is an image of that class with its own embeddings and its own picture.
    sheet = np.asarray(Image.open(io.BytesIO(matrix._sprite)))
    found = []
    for row in range(6):
        (index,) = np.flatnonzero((recording.embeddings[0] == sent[0, row]).all(axis=1))
        found.append(index)
        np.testing.assert_array_equal(sent[1, row], recording.embeddings[1, index])
        assert recording.labels[index] == labels[row]
        top, left = np.multiply(divmod(row, matrix._sprite_layout["columns"]), 2)
        picture = sheet[top : top + 2, left : left + 2]
        np.testing.assert_array_equal(picture, recording.images[index])
    assert len(set(found)) == 6


def test_a_draw_is_repeatable(recording):
    def drawn(**options):
        return DistanceMatrix.from_recording(recording, [6, 1], 2, **options)._embeddings

    assert drawn() == drawn(seed=0)
    assert len({drawn(seed=seed) for seed in range(8)}) > 1


@pytest.mark.parametrize(
    ("classes", "per_class", "message"),
    [
        (4, 2, r"`classes` must be from 1 to 3, got 4"),
        ([1, 2], 2, r"among \[1, 4, 6\], got \[1, 2\]"),
        ([1, 1], 2, r"different labels"),
        (3, 4, r"from 1 to 3, the number of images of class 4, got 4"),
        (3, 0, r"got 0"),
    ],
)
def test_a_batch_that_a_recording_does_not_hold(recording, classes, per_class, message):
    with pytest.raises(ValueError, match=message):
        DistanceMatrix.from_recording(recording, classes, per_class)


def test_import_does_not_import_tensorflow():
    program = "import sys, tripletviz.widgets.distance_matrix as m; "
    program += "m.DistanceMatrix([[0.0], [1.0]], [0, 1]); sys.exit('tensorflow' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
