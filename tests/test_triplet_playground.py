"""What the triplet playground takes, refuses, sends and computes; `tests/browser` has the rest."""

import io
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import traitlets
from PIL import Image

from tripletviz.recordings import Recording
from tripletviz.widgets.triplet_playground import METRICS, TripletPlayground

PLACES = {"anchor": (0.0, 0.0), "positive": (0.5, 0.0), "negative": (-0.75, 0.0)}


def test_needs_nothing():
    playground = TripletPlayground()
    assert playground.category == "semi-hard"
    away = [math.dist(playground.anchor, playground.positive)]
    away.append(math.dist(playground.anchor, playground.negative))
    assert playground.loss == pytest.approx(away[0] - away[1] + playground.margin)
    assert playground._sprite == b""
    assert repr(playground) == "TripletPlayground(semi-hard, loss 0.243)"


def test_pictures_are_on_the_sheet():
    images = np.random.default_rng(0).integers(0, 256, (3, 28, 20)).astype(np.uint8)
    playground = TripletPlayground(images)
    sheet = np.asarray(Image.open(io.BytesIO(playground._sprite)))
    assert playground._sprite_layout == {"height": 28, "width": 20, "columns": 2}
    np.testing.assert_array_equal(sheet[:28, 20:], images[1])
    np.testing.assert_array_equal(sheet[28:, :20], images[2])


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((2, 28, 28), np.uint8), r"\(3, height, width\).* got shape \(2, 28, 28\)"),
        (np.zeros((3, 28, 28)), "must be uint8 .* got dtype float64"),
    ],
)
def test_refuses_other_pictures(images, message):
    with pytest.raises(ValueError, match=message):
        TripletPlayground(images)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("anchor", (1, 2, 3), r"`anchor` must be a pair of finite numbers, got \(1, 2, 3\)"),
        ("positive", (1, math.nan), "`positive` must be a pair of finite"),
        ("negative", "ab", "`negative` must be a pair of finite"),
        ("margin", -0.1, "`margin` must be a finite number, at least 0, got -0.1"),
        ("margin", math.inf, "at least 0, got inf"),
        ("learning_rate", 0, "`learning_rate` must be a finite number above 0, got 0"),
        ("metric", "manhattan", 'one of "euclidean", .*"cosine", got \'manhattan\''),
        ("loss", 0.0, "read-only"),
        ("category", "easy", "read-only"),
    ],
)
def test_traits_refuse_what_makes_no_sense(name, value, message):
    playground = TripletPlayground()
    before = getattr(playground, name)
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(playground, name, value)
    assert getattr(playground, name) == before


def test_places_are_pairs_of_floats_within_the_plane():
    playground = TripletPlayground(anchor=np.array([1, 0], np.float32), positive=[3, -2.5])
    assert playground.anchor == (1.0, 0.0)
    assert playground.positive == (2.0, -2.0)


def test_on_the_circle_only_the_direction_counts():
    playground = TripletPlayground(metric="cosine", anchor=(0, 3), positive=(0, 0))
    assert playground.anchor == (0.0, 1.0)
    assert playground.positive == (1.0, 0.0), "the origin has no direction"
    assert math.hypot(*playground.negative) == pytest.approx(1), "a default place was left out"
    plane = TripletPlayground(anchor=(1, 1), positive=(-1, 0.2))
    plane.metric = "cosine"
    assert plane.anchor == pytest.approx((math.sqrt(0.5), math.sqrt(0.5)))
    assert math.hypot(*plane.positive) == pytest.approx(1)


def test_metrics_are_the_packages():
    from tripletviz import distances

    assert METRICS == distances.METRICS


@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("metric", METRICS)
def test_outcome_is_the_packages(metric, soft):
    from tripletviz.distances import pairwise_distances
    from tripletviz.losses import _hinge

    generator = np.random.default_rng(3)
    playground = TripletPlayground(metric=metric, soft_margin=soft)
    seen = set()
    for _ in range(20):
        points = generator.uniform(-1.2, 1.2, (3, 2))
        margin = float(generator.uniform(0, 1))
        playground.anchor, playground.positive, playground.negative = points
        playground.margin = margin
        _, positive, negative = pairwise_distances(points, metric).numpy()[0]
        loss = _hinge(positive - negative, "soft" if soft else margin)
        assert playground.loss == pytest.approx(float(loss), abs=1e-12)
        kind = "not hard" if soft else "semi-hard" if negative < positive + margin else "easy"
        assert playground.category == ("hard" if negative <= positive else kind)
        seen.add(playground.category)
    assert len(seen) == (2 if soft else 3), "the cases leave one out"


@pytest.mark.parametrize(
    ("changed", "loss", "category"),
    [
        ({}, 0.25, "semi-hard"),
        ({"margin": 0.25}, 0.0, "easy"),  # a tie: d(a, n) = d(a, p) + margin
        ({"negative": (0, -0.5)}, 0.5, "hard"),  # a tie: d(a, n) = d(a, p)
        ({"negative": (0, -0.5), "margin": 0}, 0.0, "hard"),
        ({"positive": (0, 0), "negative": (0, 0)}, 0.5, "hard"),  # collapsed
        ({"positive": (0, 0), "negative": (0, 0), "soft_margin": True}, math.log(2), "hard"),
        ({"metric": "squared_euclidean"}, 0.25 - 0.5625 + 0.5, "semi-hard"),
        ({"soft_margin": True}, math.log1p(math.exp(-0.25)), "not hard"),
    ],
)
def test_outcome_of_degenerate_cases(changed, loss, category):
    constructed = TripletPlayground(**(PLACES | changed))
    later = TripletPlayground(**PLACES)
    for name, value in changed.items():
        setattr(later, name, value)
    for playground in (constructed, later):
        assert (playground.loss, playground.category) == (loss, category)
        state = playground.get_state()
        assert (state["loss"], state["category"]) == (loss, category)


def test_what_the_browser_sends_is_taken():
    playground = TripletPlayground(metric="cosine")
    here = [0.6, 0.8, *playground.positive, *playground.negative]
    trail = {"steps": 3, "places": [here]}
    playground.set_state({"anchor": [0.6, 0.8], "loss": 9.0, "category": "easy", "_trail": trail})
    assert playground.anchor == (0.6, 0.8), "a place on the circle must not move"
    assert playground.loss < 1
    assert playground.steps_taken == 3
    playground.anchor = (0, 1)
    assert playground.steps_taken == 0, "the point was put elsewhere since"


def test_the_start_is_kept_for_the_reset():
    playground = TripletPlayground(margin=0.25, anchor=(0, 1))
    playground.margin = 1
    playground.anchor = (1, 1)
    assert playground._start["margin"] == 0.25
    assert tuple(playground._start["anchor"]) == (0, 1)
    assert set(playground._start) <= set(playground.traits())


def make_recording(labels, places):
    embeddings = np.asarray(places, np.float32)[None]
    images = np.arange(len(labels), dtype=np.uint8)[:, None, None] * np.ones((28, 28), np.uint8)
    return Recording(np.array([0]), embeddings, np.asarray(labels), images)


def test_recording_gives_three_digits_that_are_mixed_up():
    places = [[0, 0], [10, 0], [11, 0], [13, 0], [19, 0], [10.5, 3], [9.5, 0]]
    recording = make_recording([4, 4, 4, 4, 4, 9, 9], places)
    playground = TripletPlayground.from_recording(recording, margin=0.25)
    sheet = np.asarray(Image.open(io.BytesIO(playground._sprite)))
    shown = [sheet[0, 0], sheet[0, 28], sheet[28, 0]]
    # From number 1 the other fours lie 1, 3, 9, 10 away: the median one is number 4.
    assert shown == [1, 4, 6]
    assert playground.margin == 0.25


@pytest.mark.parametrize(
    "options", [{"label": 9, "other": 4}, {"label": 4, "other": 7}, {"label": 4, "other": 4}]
)
def test_recording_without_such_digits_is_refused(options):
    recording = make_recording([4, 4, 9], np.zeros((3, 2)))
    with pytest.raises(ValueError, match="two pictures of `label` and one of `other`"):
        TripletPlayground.from_recording(recording, **options)


def test_import_does_not_import_tensorflow():
    program = (
        "import sys\n"
        "from tripletviz.widgets.triplet_playground import TripletPlayground\n"
        "TripletPlayground()\n"
        "sys.exit('tensorflow' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[1]
    subprocess.run([sys.executable, "-c", program], check=True, cwd=root)
