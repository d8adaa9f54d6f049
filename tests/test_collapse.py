"""The trainings behind the collapse simulator: what its recipes promise, live and recorded."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from tripletviz.datasets import load_mnist_sample
from tripletviz.evaluation import recall_at_k
from tripletviz.lessons.collapse import (
    DIGITS,
    LARGEST,
    RECIPES,
    RUNS,
    _Training,
    collapse_simulator,
    load_runs,
    save_runs,
    split,
    train_run,
)
from tripletviz.triplets import count_triplets
from tripletviz.widgets.collapse_simulator import SNAPSHOTS, CollapseSettings

BY_NAME = {recipe.name: recipe for recipe in RECIPES}
VERDICT_OF_GROUP = {
    "It collapses": "collapsed",
    "What saves it": "healthy",
    "What does not save it": "collapsed",
}


def settings_of(name, **changed):
    return replace(BY_NAME[name].settings, **changed)


@pytest.fixture(scope="module")
def accident():
    return train_run(settings_of("Batch hard, high learning rate", seed=1))


# ---------------------------------------------------------------- trainings


def test_the_accident_ends_in_one_point_without_a_gradient(accident):
    assert accident.verdict == "collapsed"
    assert accident.is_exact
    np.testing.assert_array_equal(accident.points[-1], accident.points[-1, :1].repeat(200, axis=0))
    assert accident.loss[-1] == pytest.approx(0.5, abs=1e-6)
    assert accident.curves["R@1"][-1] == pytest.approx(0.2)  # chance of five classes
    assert accident.curves["fraction positive"][-1] == 1.0


@pytest.mark.parametrize(
    ("name", "seed", "verdict"),
    [
        ("Soft margin, the same", 0, "collapsed"),
        ("L2 normalisation alone", 0, "collapsed"),
        ("Lower learning rate", 1, "healthy"),
        ("Batch all instead", 0, "healthy"),
        ("Semi-hard instead", 1, "healthy"),
        ("Batch all first, then batch hard", 0, "healthy"),
    ],
)
def test_recipes_keep_their_promise(name, seed, verdict):
    run = train_run(settings_of(name, seed=seed))
    assert run.verdict == verdict, run.words
    if name == "Soft margin, the same":
        assert run.loss[-1] == pytest.approx(np.log(2), abs=1e-6)


def test_what_is_measured_is_what_it_says(accident):
    data, settings = split(), accident.settings
    labels = data["probe_labels"]
    assert accident.steps.tolist() == np.linspace(0, 150, SNAPSHOTS).astype(int).tolist()
    assert accident.points.shape == (SNAPSHOTS, 200, 2)
    assert len(accident.loss) == len(accident.gradient) == settings.steps
    for s in (0, 5):
        points = accident.points[s].astype(np.float64)
        counts = count_triplets(labels, points, settings.margin)
        expected = {
            "fraction positive": (counts.hard + counts.semi_hard) / counts.valid,
            "norm": np.sqrt((points**2).sum(axis=1)).mean(),
            "spread": pdist(points).mean(),
            "diameter": pdist(points).max(),
            "R@1": recall_at_k(points, labels, k=1),
        }
        assert accident.curves.keys() == expected.keys()
        for name, value in expected.items():
            assert accident.curves[name][s] == pytest.approx(value, rel=1e-4), name
    assert accident.gradient[0] > 1


def test_same_seed_same_run():
    settings = CollapseSettings(learning_rate=0.003, steps=30, seed=7)
    first, again = train_run(settings), train_run(settings)
    np.testing.assert_allclose(again.points, first.points, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(again.loss, first.loss, rtol=1e-4)
    other = train_run(replace(settings, seed=8))
    assert np.abs(other.points[0] - first.points[0]).max() > 0.1


def test_progress_is_told_at_every_snapshot_but_the_last():
    seen = []
    run = train_run(CollapseSettings(steps=40), on_progress=seen.append)
    assert [len(part.steps) for part in seen] == list(range(2, SNAPSHOTS))
    part = seen[3]
    np.testing.assert_array_equal(part.points, run.points[:5])
    assert len(part.loss) == part.steps[-1] == run.steps[4]


def test_warm_up_is_batch_all():
    warm = train_run(CollapseSettings(steps=30, warm_up=30, seed=2))
    plain = train_run(CollapseSettings(steps=30, strategy="batch_all", seed=2))
    np.testing.assert_allclose(warm.loss, plain.loss, rtol=1e-4)
    half = train_run(CollapseSettings(steps=30, warm_up=15, seed=2))
    np.testing.assert_allclose(half.loss[:15], plain.loss[:15], rtol=1e-4)
    assert abs(half.loss[15] - plain.loss[15]) > 0.05


def test_a_training_that_diverges_ends_with_what_was_finite(monkeypatch):
    losses = iter([0.6] * 11 + [np.nan] * 139)
    monkeypatch.setattr(
        _Training, "_updater", lambda self, strategy: lambda *batch: (next(losses), 1.0)
    )
    run = train_run(CollapseSettings())
    assert run.diverged
    assert run.verdict == "diverged"
    assert "Diverged at step 12" in run.words
    assert run.steps.tolist() == [0, 5, 10]
    assert len(run.points) == len(run.curves["R@1"]) == 3


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"classes_per_batch": 6}, "at most the number of classes, 5, got 6"),
        ({"images_per_class": 101}, "at least images_per_class=101"),
    ],
)
def test_more_than_there_is_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        train_run(CollapseSettings(**changed))


# ---------------------------------------------------------------- data


def test_the_probe_is_not_trained_on():
    data = split()
    assert np.bincount(data["probe_labels"]).tolist() == [40] * len(DIGITS)
    assert np.bincount(data["labels"]).tolist() == [100] * len(DIGITS)
    probe = {image.tobytes() for image in data["probe_images"]}
    assert len(probe) == 200
    assert not probe & {image.tobytes() for image in data["images"]}


def test_ones_own_images():
    images, labels = load_mnist_sample()
    chosen = np.flatnonzero(labels >= 7)[:100]
    data = split(images[chosen], labels[chosen])
    each = np.bincount(labels[chosen])[7:].min() // 2
    assert np.bincount(data["probe_labels"])[7:].tolist() == [each] * 3
    assert len(data["labels"]) == 100 - 3 * each


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((16, 4, 4)), None, "give both or none"),
        (np.zeros((16, 4)), np.zeros(16, int), r"\(M, height, width\)"),
        (np.zeros((16, 4, 4)), np.zeros(15, int), r"\(15,\)"),
        (np.zeros((16, 4, 4)), np.zeros(16), "must be integers"),
        (np.zeros((16, 4, 4)), np.zeros(16, int), "at least 2 classes"),
        (np.zeros((15, 4, 4)), np.arange(15) // 8, "the smallest with 7 images"),
    ],
)
def test_refuses_images_that_do_not_fit(images, labels, message):
    with pytest.raises(ValueError, match=message):
        collapse_simulator(images, labels)


# ---------------------------------------------------------------- recorded runs


def test_the_recorded_runs_are_those_of_the_recipes():
    assert RUNS.stat().st_size <= LARGEST
    runs = load_runs()
    assert list(runs) == [recipe.name for recipe in RECIPES]
    for recipe in RECIPES:
        run = runs[recipe.name]
        assert run.settings == recipe.settings
        assert run.verdict == VERDICT_OF_GROUP[recipe.group], recipe.name
        assert run.points.shape == (SNAPSHOTS, 200, 2)
        spread = [pdist(points.astype(np.float64)).mean() for points in run.points]
        np.testing.assert_allclose(spread, run.curves["spread"], rtol=1e-3)


def test_saved_runs_come_back(accident, tmp_path):
    shifted = replace(accident, points=accident.points + np.float32(100))
    save_runs({"one": accident, "two": shifted}, tmp_path / "runs.npz")
    runs = load_runs(tmp_path / "runs.npz")
    assert list(runs) == ["one", "two"]
    one = runs["one"]
    assert one.settings == accident.settings
    assert one.words == accident.words
    for name in ("loss", "gradient", "steps"):
        np.testing.assert_array_equal(getattr(one, name), getattr(accident, name))
    # Three digits of a cluster's own size, while float32 itself resolves it.
    diameter = accident.curves["diameter"][:, None, None]
    assert (np.abs(one.points - accident.points) <= 1e-3 * diameter + 1e-8).all()
    assert (np.abs(runs["two"].points - shifted.points) <= 1e-3 * diameter + 1e-5).all()
    assert len(np.unique(one.points[-1], axis=0)) == 1


# ---------------------------------------------------------------- the controller


def test_the_button_trains_and_shows_the_run():
    widget = collapse_simulator(steps=60, seed=3)
    told, shown = [], []
    widget.observe(lambda change: told.append(change.new), "state")
    widget.observe(lambda change: shown.append(len(change.new["steps"])), "_own")
    widget._handle_custom_msg({"type": "train", "settings": {"learning_rate": 0.003}}, [])
    assert widget.state == "done", widget.message
    assert told[-2:] == ["training", "done"]
    assert shown == sorted(shown)
    assert len(shown) >= 2, "nothing was shown on the way"
    assert shown[-1] == SNAPSHOTS
    assert (widget.recipe, widget.position, widget.progress) == ("own", SNAPSHOTS - 1.0, 1.0)
    assert widget._own["settings"]["learning_rate"] == 0.003
    assert widget._own["words"]
    assert widget.message.startswith("Trained 60 steps in ")


def test_what_cannot_be_trained_is_told():
    widget = collapse_simulator(classes_per_batch=8)
    widget.train()
    assert widget.state == "failed"
    assert widget.message == (
        "Not trained. classes_per_batch must be at most the number of classes, 5, got 8."
    )
    widget.classes_per_batch = 5
    widget.steps = 30
    widget.train()
    assert widget.state == "done"


def test_ones_own_images_have_no_recorded_runs():
    images, labels = load_mnist_sample()
    chosen = np.isin(labels, [7, 8])
    widget = collapse_simulator(images[chosen], labels[chosen], classes_per_batch=2, steps=30)
    assert {recipe["run"] for recipe in widget._recipes if recipe["run"] is None} == {None}
    assert not any(recipe["run"] for recipe in widget._recipes)
    widget.train()
    assert widget.state == "done", widget.message


def test_it_is_there_before_tensorflow_and_says_when_it_imports_it():
    program = """
import sys
from tripletviz.lessons.collapse import collapse_simulator
widget = collapse_simulator(steps=30)
assert "tensorflow" not in sys.modules
told = []
widget.observe(lambda change: told.append((change.new, "tensorflow" in sys.modules)), "state")
widget.train()
assert told == [("importing", False), ("training", True), ("done", True)], told
"""
    root = Path(__file__).resolve().parents[1]
    subprocess.run([sys.executable, "-c", program], check=True, cwd=root)
