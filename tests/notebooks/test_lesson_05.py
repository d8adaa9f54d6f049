"""What lesson 05 says of trainings that go wrong, held against what it measured; its bench."""

import inspect

import nbformat
import numpy as np
import pytest

from tripletviz.figures import alt_text, curve_grid
from tripletviz.lessons import read_records, short_runs
from tripletviz.lessons.exercises import judge
from tripletviz.lessons.exercises.lesson_05 import _AGAINST, _RIGHT, EXERCISES
from tripletviz.lessons.short_runs import CAUSES, MARGIN, Bench, broken_runs, first_losses
from tripletviz.triplets import count_triplets

NAME = "05-when-training-goes-wrong.ipynb"


@pytest.fixture(scope="module")
def records(executed):
    return read_records(nbformat.read(executed(NAME), as_version=4))


@pytest.fixture(scope="module")
def bench():
    return Bench(0)


@pytest.fixture(scope="module")
def runs(bench):
    return broken_runs(bench)


# What the lesson measured


@pytest.mark.notebooks
def test_batch_hard_collapses_where_batch_all_learns(records):
    assert records["R@1 untrained"] < 0.6 < 0.85 < records["R@1 healthy"]
    assert records["R@1 batch hard 0.03"] < 0.2
    assert records["R@1 batch all 0.03"] > 0.75
    assert records["last loss of the collapsed run"] == pytest.approx(MARGIN, abs=1e-3)
    assert records["last fraction of positive triplets of the collapsed run"] > 0.99
    assert records["last mean embedding norm of the collapsed run"] < 0.1
    assert records["last mean distance of the collapsed run"] < 0.01


@pytest.mark.notebooks
def test_the_gradient_keeps_its_length_until_it_is_exactly_zero(records):
    lengths = [records[f"gradient at size {size}"] for size in (1e-2, 1e-4, 1e-6, 0.0)]
    assert lengths[-1] == 0
    assert min(lengths[:-1]) > 0.5
    assert max(lengths[:-1]) < 1.001 * min(lengths[:-1])


@pytest.mark.notebooks
def test_batch_hard_pulls_inwards_most_and_semi_hard_pushes_outwards(records):
    hard, every, semi = (records[f"batch_{name}: dL/ds"] for name in ("hard", "all", "semi_hard"))
    assert hard > 2 * every > 0 > semi


@pytest.mark.notebooks
def test_the_recorded_runs_end_as_the_table_says(records):
    verdicts = records["verdicts"]
    failed = {name for name, verdict in verdicts.items() if verdict == "collapsed"}
    assert failed == {
        "Batch hard, high learning rate",
        "Soft margin, the same",
        "Larger margin",
        "Larger batches",
        "L2 normalisation alone",
    }
    assert {verdicts[name] for name in verdicts if name not in failed} == {"healthy"}
    assert records["the cured run"] == "healthy"


@pytest.mark.notebooks
def test_identical_points_spoil_every_gradient_of_the_home_made_loss(records):
    assert records["NaN share home_made_batch_hard"] > 0.99
    assert records["NaN share batch_hard"] == 0


@pytest.mark.notebooks
def test_batches_without_triplets(records):
    package, home_made = records["loss of one class"]
    assert package == 0
    assert home_made == pytest.approx(MARGIN, abs=1e-4)
    package, home_made = records["loss of no class twice"]
    assert package == 0
    assert 0 <= home_made < MARGIN
    package, home_made = records["loss of P x K"]
    assert package == pytest.approx(home_made, abs=1e-3)
    assert package > 0
    assert records["share without triplets"] == pytest.approx(0.95, abs=0.02)
    assert records["largest loss of sorted batches"] == 0
    assert records["R@1 of sorted batches"] == pytest.approx(records["R@1 untrained"], abs=0.01)
    assert records["R@1 of P x K batches"] > 0.7


@pytest.mark.notebooks
def test_the_learning_rates_that_each_strategy_takes(records):
    for rate in (0.001, 0.01, 0.03, 0.1):
        assert records[f"collapsed: batch all, {rate}"] == 0
        assert (records[f"collapsed: batch hard, {rate}"] > 0) == (rate >= 0.03)
    assert records["R@1: batch all, 0.001"] < records["R@1: batch all, 0.01"]


@pytest.mark.notebooks
def test_labels_of_shape_b_1_change_the_home_made_loss_only(records):
    right, wrong = records["home_made_batch_hard with both shapes"]
    assert wrong > 1.3 * right
    flat, column = records["batch_hard with both shapes"]
    assert flat == column == pytest.approx(right, abs=1e-3)


# The five broken runs: what the exercise says speaks for and against each cause


def test_run_a_never_moves_and_has_the_margin_as_its_loss(runs):
    assert runs["A"].loss == pytest.approx(np.full(60, MARGIN), abs=1e-6)
    for values in runs["A"].curves.values():
        assert np.ptp(values) == 0


def test_run_b_throws_the_points_out_and_its_loss_leaps(runs):
    norm, loss = runs["B"].curves["mean embedding norm"], runs["B"].loss
    assert norm[1] > 1000 * norm[0]
    assert loss.min() < 0.01
    assert loss.max() > 4 * MARGIN
    assert runs["B"].curves["R@1"].max() < 0.8


def test_run_c_falls_smoothly_and_never_helps(runs):
    loss, recall = runs["C"].loss, runs["C"].curves["R@1"]
    assert loss[0] > 8 * MARGIN
    assert np.diff(loss).max() < 0.2
    assert loss[-1] < 2 * MARGIN
    assert recall[-1] < recall[0]
    assert recall.max() < recall[0] + 0.05
    assert runs["C"].curves["fraction of positive triplets"][-1] > 0.95


def test_run_d_learns_and_then_collapses(runs):
    recall, norm = runs["D"].curves["R@1"], runs["D"].curves["mean embedding norm"]
    assert recall.max() > recall[0] + 0.2
    assert recall[-1] < 0.2
    assert norm[-1] < norm[0] / 50
    assert runs["D"].collapsed
    assert runs["D"].loss[-10:] == pytest.approx(np.full(10, MARGIN), abs=1e-3)


def test_run_e_ends_in_nan_after_ordinary_steps(runs):
    missing = np.isnan(runs["E"].loss)
    first = int(missing.argmax())
    assert 10 < first < 59
    assert missing[first:].all()
    assert not missing[:first].any()
    assert MARGIN < runs["E"].loss[first - 1] < runs["E"].loss[0]
    norm, recall = runs["E"].curves["mean embedding norm"], runs["E"].curves["R@1"]
    assert np.nanmax(norm) < 3 * norm[0]
    assert np.nanmax(recall) > recall[0]


def test_the_first_batch_tells_the_home_made_losses_apart(bench):
    found = first_losses(bench)
    assert found["A"] == pytest.approx((MARGIN, 0), abs=1e-6)
    assert found["C"][0] > 1.3 * found["C"][1]
    for name in "BDE":
        assert found[name][0] == pytest.approx(found[name][1], rel=1e-3)


# The exercise


def test_every_wrong_cause_of_every_run_is_answered_from_its_curves():
    (exercise,) = (each for each in EXERCISES if each.name == "diagnosis")
    said = set()
    for run, right in _RIGHT.items():
        assert set(_AGAINST[run]) == set(CAUSES) - {right}
        for cause in _AGAINST[run]:
            outcome = judge(exercise, _RIGHT | {run: cause})
            assert outcome.state == "wrong"
            assert right not in outcome.message
            said.add(outcome.message)
    assert len(said) == len(CAUSES) * len(_RIGHT) - len(_RIGHT)


def test_a_diagnosis_may_be_given_run_by_run():
    (exercise,) = (each for each in EXERCISES if each.name == "diagnosis")
    nothing = dict.fromkeys("ABCDE", ...)
    assert judge(exercise, nothing).state == "not attempted"
    begun = judge(exercise, nothing | {"D": "collapse"})
    assert begun.message == "So far all is right. Still open: A, B, C, E."
    assert judge(exercise, nothing | {"D": "label shape"}).message.startswith("**Run D**")
    assert judge(exercise, _RIGHT).state == "right"


# The bench


def test_the_start_is_measured_as_training_sees_it(bench):
    """So batch normalisation's averages have settled: from 0 and 1 they would shrink all."""
    bench.reset()
    norms = [
        np.linalg.norm(bench.network(bench.probe_images, training=training), axis=1).mean()
        for training in (False, True)
    ]
    bench.reset()
    assert norms[0] == pytest.approx(norms[1], rel=0.05)


def test_a_training_is_the_same_each_time_and_depends_on_the_seed(bench):
    first = bench.train(short_runs.batch_hard, 0.01)
    again = bench.train(short_runs.batch_hard, 0.01)
    assert first.loss.tolist() == again.loss.tolist()
    bench.use_seed(1)
    other = bench.train(short_runs.batch_hard, 0.01)
    bench.use_seed(0)
    assert other.loss[0] != first.loss[0]


@pytest.mark.parametrize("scale", [1.0, 1e-3, 10.0])
def test_the_fraction_is_that_of_count_triplets(bench, scale):
    from scipy.spatial.distance import cdist

    points = scale * np.random.default_rng(0).normal(size=(60, 3))
    labels = np.arange(60) % 7
    counts = count_triplets(labels, points, MARGIN)
    fraction = short_runs.fraction_positive(cdist(points, points), labels, short_runs.MARGIN)
    assert fraction == pytest.approx((counts.hard + counts.semi_hard) / counts.valid)


def test_the_home_made_loss_fits_in_a_cell():
    lines = inspect.getsource(short_runs.home_made_batch_hard).splitlines()
    assert len(lines) <= 20


def test_a_grid_of_curves_shares_scales_along_a_row():
    runs = {
        "A": {"loss": ([0, 1, 2], [0.9, np.nan, 0.6]), "norm": ([0, 2], [1.0, 100.0])},
        "B": {"loss": ([0, 1], [0.9, 0.5]), "norm": ([0, 1], [1.0, 2.0])},
    }
    panels = {"loss": {"range": (0, 1), "level": 0.5}, "norm": {"log": True, "range": (1, 1000)}}
    figure = curve_grid(runs, panels, "Two runs")
    assert len(figure.data) == 4
    assert figure.layout.yaxis.range == (0, 1)
    assert figure.layout.yaxis2.matches == "y"
    assert figure.layout.yaxis3.range == (0, 3)
    assert [each.text for each in figure.layout.annotations] == ["A", "B"]
    assert "Training B, loss: from 0.900 to 0.500" in alt_text(figure)
    with pytest.raises(ValueError, match="at least one training"):
        curve_grid({}, panels)


def test_what_lies_far_outside_its_panel_is_drawn_just_outside_it():
    runs = {"A": {"loss": ([0, 1, 2, 3], [0.9, 40.0, np.nan, 0.6])}}
    figure = curve_grid(runs, {"loss": {"range": (0, 5)}})
    assert figure.data[0].y == pytest.approx([0.9, 5.5, np.nan, 0.6], nan_ok=True)
    assert figure.data[0].customdata == pytest.approx([0.9, 40.0, np.nan, 0.6], nan_ok=True)
    assert "highest 40.0" in alt_text(figure)
