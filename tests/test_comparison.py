"""`live_comparison`: what it trains, and that only what was changed differs."""

import types
from pathlib import Path

import nbformat
import numpy as np
import pytest

from tripletviz.distances import pairwise_distances
from tripletviz.lessons import comparison as room
from tripletviz.lessons import live_comparison, use_profile
from tripletviz.lessons.updates import fraction_positive
from tripletviz.triplets import count_triplets
from tripletviz.widgets.live_comparison import ComparisonSettings

CI = use_profile("ci")
NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
STEPS = 6
CURVES = [
    "loss",
    "fraction of positive triplets",
    "R@1",
    "mean embedding norm",
    "mean distance",
]


@pytest.fixture(scope="module", autouse=True)
def small(module_data):
    """Small images and a small probe; what is compiled is kept for the whole file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(room._SIZES, "ci", (STEPS, 3, 100, 2))
        patch.setattr("tripletviz.datasets.load_mnist", lambda profile: module_data)
        room._bench.cache_clear()
        yield
        room._bench.cache_clear()


@pytest.fixture(scope="module")
def module_data():
    from tripletviz.datasets import load_mnist_sample

    images, labels = load_mnist_sample()
    return (images[:1000], labels[:1000]), (images[1000:], labels[1000:])


@pytest.fixture(scope="module")
def compared(small):
    runs = {
        "plain": {},
        "again": {},
        "cosine": {"metric": "cosine", "margin": 0.2},
        "on the sphere": {"normalize": True},
        "switched": {"strategy": [("batch_all", 0.5), ("batch_hard", None)]},
    }
    return live_comparison(runs, profile=CI, seed=3, common={"images_per_class": 4}, face="line")


def test_results(compared):
    assert list(compared.results) == ["plain", "again", "cosine", "on the sphere", "switched"]
    for run in compared.results.values():
        assert run.steps.tolist() == [0, 2, 4, 6]
        assert list(run.curves) == CURVES or sorted(run.curves) == sorted(CURVES)
        assert all(np.isfinite(values).all() for values in run.curves.values())
        assert run.settings.images_per_class == 4
        assert run.settings.seed == 3
        assert run.queries == 100
        assert run.untrained["R@1"] == run.curves["R@1"][0]
        assert run.trained["R@1"] == run.curves["R@1"][-1]
        assert set(run.trained) == {"R@1", "MAP@R"}
        assert not run.diverged
        assert not run.stopped
    assert [row["run"] for row in compared.table()] == list(compared.results)
    assert compared.table()[2]["settings"].startswith("cosine distance, ")


def test_only_what_was_changed_differs(compared):
    plain, again, cosine, sphere, switched = compared.results.values()
    for name in CURVES:
        np.testing.assert_array_equal(plain.curves[name], again.curves[name])
    # The same first weights: untrained embeddings are the same, whatever measures them.
    norm = "mean embedding norm"
    assert plain.curves[norm][0] == cosine.curves[norm][0]
    np.testing.assert_allclose(sphere.curves[norm], 1, rtol=1e-5)
    assert cosine.untrained != plain.untrained
    assert sphere.untrained["R@1"] == pytest.approx(cosine.untrained["R@1"])
    # Before the switch nothing differs; after it, the loss does.
    assert switched.settings.strategy == (("batch_all", 3), ("batch_hard", None))
    assert switched.curves["loss"][1] == plain.curves["loss"][1]
    assert switched.curves["loss"][-1] > plain.curves["loss"][-1]
    assert plain.curves["R@1"][-1] != plain.curves["R@1"][0]


def test_the_first_look_is_of_the_first_batch(compared):
    from tripletviz.losses import batch_all_triplet_loss
    from tripletviz.sampling import pk_plan

    settings = compared.results["cosine"].settings
    bench = room._bench("ci")
    network, _, _ = bench.network(settings)
    batch = pk_plan(bench.labels, 8, 4, seed=3, epoch=0)[0]
    points = network(bench.images[batch], training=True)
    labels = bench.labels[batch]
    loss, fraction = batch_all_triplet_loss(labels, points, 0.2, metric="cosine")
    first = {name: values[0] for name, values in compared.results["cosine"].curves.items()}
    assert first["loss"] == pytest.approx(float(loss), rel=1e-5)
    assert first["fraction of positive triplets"] == pytest.approx(float(fraction), abs=1e-3)


def test_the_probe_is_held_out_and_even(small, module_data):
    bench = room._bench("ci")
    assert np.bincount(bench.probe_labels).tolist() == [10] * 10
    (images, _), (test_images, test_labels) = module_data
    assert bench.images is images
    first = np.flatnonzero(test_labels == 0)[0]
    np.testing.assert_array_equal(bench.probe_images[0], test_images[first])


@pytest.mark.parametrize("metric", ["euclidean", "squared_euclidean", "cosine"])
def test_fraction_positive_is_that_of_count_triplets(metric):
    points = np.random.default_rng(0).normal(size=(60, 3))
    labels = np.arange(60) % 7
    between = pairwise_distances(points, metric).numpy()
    counts = count_triplets(labels, points, 0.2, metric=metric)
    wanted = (counts.hard + counts.semi_hard) / counts.valid
    assert fraction_positive(between, labels, 0.2) == pytest.approx(wanted)
    assert np.isnan(fraction_positive(between, np.zeros(60, int), 0.2))


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("own", "says"),
    [
        ({"metrik": "cosine", "rate": 1}, "unknown settings metrik, rate of the run 'a'"),
        ({"metric": "manhattan"}, "`metric` must be one of"),
        ({"strategy": [("batch_all", 6), ("batch_hard", None)]}, "begins at step 6, the training"),
        ({"margin": "soft"}, "Batch all has no soft margin"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_trained(own, says):
    with pytest.raises(ValueError, match=says):
        live_comparison({"b": {}, "a": own}, profile=CI)
    with pytest.raises(ValueError, match="unknown settings metrik of the run 'b'"):
        live_comparison({"b": {}}, profile=CI, common={"metrik": "cosine"})


def test_what_the_data_does_not_have_is_told():
    with pytest.raises(ValueError, match="classes"):
        live_comparison({"a": {"classes_per_batch": 11}}, profile=CI, face="line")


# ---------------------------------------------------------------- stopping, diverging, showing


def test_a_run_that_is_stopped_keeps_what_it_has(monkeypatch):
    seen = []
    original = room.LiveComparison.show_run

    def show(self, name, run, **options):
        seen.append((name, run.steps[-1]))
        self.stop()
        original(self, name, run, **options)

    monkeypatch.setattr(room.LiveComparison, "show_run", show)
    common = {"images_per_class": 4}
    compared = live_comparison({"a": {}, "b": {}}, profile=CI, common=common, face="line")
    assert seen[0] == ("a", 2)
    assert list(compared.results) == ["a"]
    run = compared.results["a"]
    assert run.stopped
    assert run.steps.tolist() == [0, 2]
    assert np.isfinite(run.trained["R@1"])
    assert compared.widget.message.startswith("Stopped. a: 2 steps in ")
    assert compared.widget.message.endswith("Not trained: 1 more.")


def test_who_reads_a_run_that_is_missing_hears_what_to_do(monkeypatch):
    monkeypatch.setattr(room.LiveComparison, "show_run", lambda self, *_, **__: self.stop())
    common = {"images_per_class": 4}
    stopped = live_comparison({"a": {}, "b": {}}, profile=CI, common=common, face="line")
    with pytest.raises(room.MissingRunError) as caught:
        stopped.results["b"]
    assert str(caught.value) == (
        "The run 'b' is missing: training was stopped before it began. The runs that are there: "
        "'a'. Run the cell with `live_comparison` again and let it come to its end, then this one."
    )
    with pytest.raises(KeyError, match="There is no run 'c' in this comparison"):
        stopped.results["c"]
    assert "b" not in stopped.results
    assert list(stopped.results) == ["a"]


@pytest.mark.parametrize(
    ("lesson", "name"),
    [("08-l2-or-cosine", "comparison"), ("09-batch-all-or-batch-hard", "calm")],
)
def test_lessons_read_runs_so_that_a_missing_one_is_named(lesson, name):
    notebook = nbformat.read(NOTEBOOKS / f"{lesson}.ipynb", as_version=4)
    [source] = [
        cell.source
        for cell in notebook.cells
        if cell.cell_type == "code" and f"{name}.results" in cell.source
    ]
    stopped = room.Comparison({"batch all": {}, "all, then hard": {}}, CI)
    trained = dict.fromkeys(("R@1", "MAP@R"), 0.5)
    stopped.results["batch all"] = types.SimpleNamespace(trained=trained)
    known = {name: stopped, "settings": stopped._given, "record": lambda *_, **__: None}
    with pytest.raises(room.MissingRunError, match=r"The run 'all, then hard' is missing"):
        exec(source, known)


def test_a_run_that_diverges_ends(small):
    bench = room._bench("ci")
    settings = ComparisonSettings(metric="squared_euclidean", learning_rate=10, images_per_class=4)
    bench.network(settings)
    bench._starts[32, 0] = [np.full_like(w, np.nan) for w in bench._starts[32, 0]]
    try:
        run = bench.train(settings, STEPS)
    finally:
        del bench._starts[32, 0]
    assert run.diverged
    assert run.verdict == "diverged"
    assert run.steps.tolist() == [0, 1]
    assert np.isnan(run.trained["R@1"])


def test_the_train_button_adds_a_run(compared):
    compared.widget.strategy, compared.widget.margin = "batch_hard", 0.3
    compared.widget.train()
    assert compared.widget.state == "done"
    run = compared.results["yours 1"]
    assert run.settings == ComparisonSettings(strategy="batch_hard", margin=0.3, seed=3)
    assert compared.widget._runs[-1]["own"]
    assert compared.widget.message.startswith("yours 1: 6 steps in ")
    compared.widget.remove_run("yours 1")
    assert list(compared.widget.runs)[-1] == "switched"


def test_training_shows_itself_in_front_of_a_reader(monkeypatch, compared):
    shown = []
    handle = types.SimpleNamespace(update=lambda what: shown.append("again"))
    monkeypatch.setattr(room, "display", lambda what, **how: shown.append(what) or handle)
    monkeypatch.setattr(room, "_cell_number", lambda: 5)
    common = {"images_per_class": 4}
    mine = live_comparison({"a": {}}, profile=CI, common=common, face="widget")
    mine._ipython_display_()
    assert shown == [mine.widget, "again"]  # once, in the cell that trained
    monkeypatch.setattr(room, "_cell_number", lambda: 6)
    mine._ipython_display_()
    assert shown[2:] == [mine.widget]


def test_a_plain_python_gets_a_line_a_run(capsys):
    live_comparison({"a": {}}, profile=CI, common={"images_per_class": 4}, steps=2)
    assert capsys.readouterr().out.startswith("a: ")


def test_an_interrupt_ends_a_run_as_the_button_does(monkeypatch):
    original = room._Bench.update
    calls = []

    def update(self, *arguments):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return original(self, *arguments)

    monkeypatch.setattr(room._Bench, "update", update)
    common = {"images_per_class": 4}
    compared = live_comparison({"a": {}, "b": {}}, profile=CI, common=common, face="line")
    run = compared.results["a"]
    assert run.stopped
    assert run.steps.tolist() == [0, 2, 3]
    assert np.isfinite(run.curves["loss"]).all()
    assert list(compared.results) == ["a"]


def test_an_interrupt_while_the_first_run_gets_ready_leaves_a_comparison(monkeypatch, capsys):
    def interrupted(self, settings, strategy):
        raise KeyboardInterrupt

    common = {"images_per_class": 4}
    with monkeypatch.context() as patch:
        patch.setattr(room._Bench, "update", interrupted)
        compared = live_comparison({"a": {}, "b": {}}, profile=CI, common=common, face="line")
    assert capsys.readouterr().out.startswith("a: stopped before its first step.")
    assert compared.results == {}
    assert compared.widget.message == "Stopped before the first step. Not trained: 2."
    with pytest.raises(room.MissingRunError, match="Run the cell with `live_comparison` again"):
        compared.results["a"]
    # What an interrupt left half made is not used again.
    again = live_comparison({"a": {}}, profile=CI, common=common, face="line")
    assert again.results["a"].steps[-1] == STEPS
