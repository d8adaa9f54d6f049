"""What `CollapseSimulator` takes, refuses and sends. How it behaves: `tests/browser`."""

import base64
import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import traitlets

from tripletviz.widgets._widget import load_script
from tripletviz.widgets.collapse_simulator import (
    CollapseRun,
    CollapseSettings,
    CollapseSimulator,
    Recipe,
)

LABELS = np.array([3, 3, 7, 7, 0, 0])
SETTINGS = CollapseSettings(classes_per_batch=3, images_per_class=2)


def make_run(settings=SETTINGS, *, spread=(1.0, 2.0, 3.0), recall=(0.4, 0.6, 0.8), **changed):
    snapshots = len(spread)
    generator = np.random.default_rng(5)
    values = {
        "settings": settings,
        "steps": np.linspace(0, settings.steps, snapshots).astype(int),
        "points": generator.normal(size=(snapshots, len(LABELS), 2)).astype(np.float32),
        "loss": np.full(settings.steps, settings.level),
        "gradient": np.linspace(2.0, 0.5, settings.steps),
        "curves": {
            "fraction positive": np.linspace(0.9, 0.1, snapshots),
            "norm": np.ones(snapshots),
            "spread": np.array(spread, float),
            "diameter": 2 * np.array(spread, float),
            "R@1": np.array(recall, float),
        },
    }
    return CollapseRun(**(values | changed))


COLLAPSED = {"spread": (1.0, 0.02, 0.0), "recall": (0.4, 0.3, 0.33)}
RECIPES = (
    Recipe("accident", "It collapses", SETTINGS, "Why."),
    Recipe("cure", "What saves it", replace(SETTINGS, learning_rate=0.003, seed=4), "How."),
    Recipe("untried", "What saves it", replace(SETTINGS, margin=2.0)),
)


@pytest.fixture
def runs():
    collapsed = make_run(**COLLAPSED, gradient=np.zeros(150))
    return {
        "accident": collapsed,
        "cure": make_run(RECIPES[1].settings, spread=(1, 2, 3, 4, 5)[:3]),
    }


@pytest.fixture
def widget(runs):
    return CollapseSimulator(LABELS, recipes=RECIPES, runs=runs)


# ---------------------------------------------------------------- settings and verdicts


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"strategy": "hard"}, r"one of \"batch_all\", .* got 'hard'"),
        ({"learning_rate": 0}, "`learning_rate` must be from 0 to 10, got 0"),
        ({"learning_rate": math.nan}, "got nan"),
        ({"margin": 0.0}, "`margin`"),
        ({"margin": 101}, "from 0 to 100, got 101"),
        ({"classes_per_batch": 1}, "from 2 to 1000, got 1"),
        ({"images_per_class": 1}, "`images_per_class`"),
        ({"warm_up": -1}, "`warm_up`"),
        ({"steps": 29}, "from 30 to 2000, got 29"),
        ({"seed": -1}, "`seed`"),
        ({"soft_margin": True, "strategy": "batch_all"}, "Batch all has no soft margin"),
        ({"soft_margin": True, "warm_up": 10}, "no warm-up"),
    ],
)
def test_settings_refuse_what_makes_no_sense(changed, message):
    with pytest.raises(ValueError, match=message):
        CollapseSettings(**changed)


def test_the_level_is_the_loss_of_a_collapsed_batch():
    assert CollapseSettings(margin=0.7).level == 0.7
    assert CollapseSettings(soft_margin=True).level == pytest.approx(0.693147, abs=1e-6)


@pytest.mark.parametrize(
    ("run", "verdict"),
    [
        (make_run(**COLLAPSED), "collapsed"),
        (make_run(spread=(1, 1, 0.0249)), "collapsed"),
        (make_run(spread=(1, 1, 0.0251)), "undecided"),
        (make_run(**COLLAPSED, loss=np.full(150, 0.511)), "undecided"),
        (make_run(**COLLAPSED, loss=np.r_[np.full(140, 9.0), np.full(10, 0.509)]), "collapsed"),
        (make_run(replace(SETTINGS, soft_margin=True), **COLLAPSED), "collapsed"),
        (make_run(), "healthy"),
        (make_run(recall=(0.4, 0.9, 0.701)), "healthy"),
        (make_run(recall=(0.4, 0.9, 0.699)), "undecided"),
        (make_run(spread=(1, 1, 0.24)), "undecided"),
        (make_run(diverged=True), "diverged"),
    ],
)
def test_verdicts(run, verdict):
    assert run.verdict == verdict
    assert run.words.lower().startswith(verdict)


def test_collapse_begins_where_the_spread_stays_small():
    run = make_run(spread=(1, 0.01, 0.1, 0.02, 0.01, 0), recall=(0.4,) * 6)
    assert run.collapse_step == 90
    assert make_run().collapse_step is None
    assert make_run(spread=(0, 0, 0)).collapse_step == 0


def test_an_exact_collapse_needs_equal_points_and_a_gradient_of_zero():
    exact = make_run(**COLLAPSED, gradient=np.r_[np.ones(140), np.zeros(10)])
    assert exact.is_exact
    assert exact.words == (
        "Collapsed at step 75: all 6 points lie in one place. The loss stays at the margin 0.5, "
        "and the gradient is exactly 0: no learning rate gets the network out. "
        "R@1 went from 0.40 (untrained) to 0.33."
    )
    almost = replace(exact, gradient=np.r_[np.ones(140), np.full(9, 0.0), 1e-30])
    assert not almost.is_exact
    assert "exactly 0" not in almost.words
    assert "ln 2 = 0.693" in make_run(replace(SETTINGS, soft_margin=True), **COLLAPSED).words


def test_a_healthy_run_is_told_with_its_baseline():
    assert make_run().words == (
        "Healthy: R@1 went from 0.40 (untrained) to 0.80. Two points lie 3 apart on average, and "
        "the share of positive triplets went from 0.90 to 0.10."
    )


# ---------------------------------------------------------------- the widget


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"labels": np.zeros((6, 1), int)}, r"labels of shape \(6, 1\)"),
        ({"labels": np.zeros(6)}, "must be integers"),
        ({"labels": LABELS[:5]}, r"points of shape \(snapshots, 5, 2\).* got shape \(3, 6, 2\)"),
        ({"recipes": RECIPES[:1] * 2}, "different names"),
        ({"recipes": [Recipe("own", "", SETTINGS)]}, "none of them 'own'"),
        ({"runs": {"other": make_run()}}, r"named as the recipes, got \['other'\]"),
        ({"runs": {"cure": replace(make_run(), steps=np.arange(2))}}, "2 steps for 3 snapshots"),
        ({"class_names": ["zero"]}, "got 1 names"),
    ],
)
def test_refuses_what_does_not_fit(runs, changed, message):
    arguments = {"labels": LABELS, "recipes": RECIPES, "runs": runs} | changed
    with pytest.raises(ValueError, match=message):
        CollapseSimulator(arguments.pop("labels"), **arguments)


def test_starts_at_the_end_of_the_first_recipe(widget):
    assert (widget.recipe, widget.position, widget.state) == ("accident", 2.0, "idle")
    assert widget.settings == SETTINGS
    assert repr(widget) == "CollapseSimulator(6 points, 3 recipes)"


def test_traits_in_the_constructor_win_over_the_recipe(runs):
    widget = CollapseSimulator(
        LABELS, recipes=RECIPES, runs=runs, recipe="cure", margin=1.5, position=1.0
    )
    assert (widget.recipe, widget.position) == ("cure", 1.0)
    assert widget.settings == replace(RECIPES[1].settings, margin=1.5)


def test_what_is_sent_decodes_to_what_was_given(widget, runs):
    points = np.frombuffer(widget._points, "<f4")
    described = {recipe["name"]: recipe["run"] for recipe in widget._recipes}
    for name, run in runs.items():
        offset = described[name]["offset"]
        sent = points[offset : offset + run.points.size].reshape(run.points.shape)
        np.testing.assert_array_equal(sent, run.points)
        assert described[name]["steps"] == run.steps.tolist()
        assert (described[name]["verdict"], described[name]["words"]) == (run.verdict, run.words)
        np.testing.assert_allclose(described[name]["loss"], run.loss, rtol=1e-3)
    assert described["untried"] is None
    assert [widget._classes[k]["label"] for k in np.frombuffer(widget._class_of, "<i4")] == [
        *LABELS.tolist()
    ]
    json.dumps(widget._recipes, allow_nan=False)


def test_numbers_that_are_not_finite_become_gaps_and_zero_stays_exact():
    run = make_run(loss=np.array([1.0, np.inf]), gradient=np.array([1e-30, 0.0]), diverged=True)
    widget = CollapseSimulator(LABELS)
    widget.show_run(run)
    assert widget._own["loss"] == [1.0, None]
    assert widget._own["gradient"] == [1e-30, 0.0]
    json.dumps(widget._own, allow_nan=False)


def test_a_recipe_brings_its_settings(widget):
    widget.recipe = "untried"
    assert (widget.margin, widget.position) == (2.0, 0.0)  # it has no run to stand in
    widget.recipe = "cure"
    assert widget.settings == RECIPES[1].settings


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("recipe", "magic", r"one of \['accident', 'cure', 'untried', 'own'\], got 'magic'"),
        ("strategy", "hard", "strategy"),
        ("learning_rate", 0, "from 0 to 10, got 0"),
        ("learning_rate", math.inf, "must be finite, got inf"),
        ("margin", -1, "from 0 to 100"),
        ("images_per_class", 1, "from 2 to 1000"),
        ("steps", 10, "from 30 to 2000"),
        ("seed", -1, "seed"),
        ("position", math.nan, "must be finite"),
        ("state", "asleep", "state"),
    ],
)
def test_traits_refuse_what_makes_no_sense(widget, name, value, message):
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(widget, name, value)


@pytest.mark.parametrize(("given", "taken"), [(-1, 0.0), (99, 2.0), (1.5, 1.5)])
def test_position_is_clipped(widget, given, taken):
    widget.position = given
    assert widget.position == taken


# ---------------------------------------------------------------- training


def hear(widget, monkeypatch, content):
    """Gives the widget a message as from a view; what it answers."""
    sent = []
    monkeypatch.setattr(widget, "send", lambda content, buffers=None: sent.append(content["type"]))
    widget._handle_custom_msg(content, [])
    return sent


def test_only_a_widget_that_trains_answers(widget, monkeypatch):
    assert hear(widget, monkeypatch, {"type": "hello"}) == []
    assert hear(widget, monkeypatch, {"type": "train", "settings": {}}) == []
    with pytest.raises(RuntimeError, match="on_train"):
        widget.train()
    widget.on_train(lambda widget: None)
    assert hear(widget, monkeypatch, {"type": "hello"}) == ["alive"]


def test_the_button_trains_with_the_settings_it_sends(widget, monkeypatch):
    seen = []
    widget.on_train(lambda widget: seen.append(widget.settings))
    settings = {"learning_rate": 0.1, "strategy": "batch_all", "unknown": 1}
    answers = hear(widget, monkeypatch, {"type": "train", "settings": settings})
    assert answers == ["started"]
    assert seen == [replace(SETTINGS, learning_rate=0.1, strategy="batch_all")]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"margin": -3}, "Not trained. `margin` must be from 0 to 100, got -3"),
        ({"margin": "wide"}, "Not trained. "),
        ({"soft_margin": True, "warm_up": 25}, "Not trained. Batch all has no soft margin"),
    ],
)
def test_bad_settings_are_told(widget, monkeypatch, settings, message):
    widget.on_train(lambda widget: pytest.fail("trained"))
    hear(widget, monkeypatch, {"type": "train", "settings": settings})
    assert widget.state == "failed"
    assert widget.message.startswith(message)
    assert "\n" not in widget.message


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("too\n  few"), "Not trained. too few"),
        (MemoryError("full"), "Not trained. MemoryError: full"),
        (OSError(), "Not trained. OSError: it said nothing"),
        (KeyboardInterrupt(), "The training was interrupted."),
    ],
)
def test_what_goes_wrong_is_told(widget, error, message):
    def trainer(widget):
        raise error

    widget.on_train(trainer)
    widget.train()
    assert (widget.state, widget.message) == ("failed", message)


def test_a_run_of_ones_own(widget):
    run = make_run(spread=(1.0, 2.0), recall=(0.4, 0.5))
    widget.show_run(run, complete=False)
    assert (widget.recipe, widget.position, widget._own["verdict"]) == ("own", 1.0, "")
    widget.show_run(make_run())
    assert (widget.position, widget._own["verdict"]) == (2.0, "healthy")
    points = np.frombuffer(base64.b64decode(widget._own["points"]), "<f4")
    np.testing.assert_array_equal(points.reshape(3, 6, 2), make_run().points)
    widget.recipe = "accident"
    assert widget.settings == SETTINGS
    with pytest.raises(ValueError, match=r"points of shape \(snapshots, 6, 2\)"):
        widget.show_run(replace(run, points=run.points[:, :4]))


def test_no_buffer_changes_after_the_display(widget):
    """A binary trait that changes would spoil the state that a notebook saves."""
    before = widget._points
    widget.show_run(make_run())
    assert widget._points is before
    json.dumps({name: getattr(widget, name) for name in ("_own", "_recipes")}, allow_nan=False)


def test_report_keeps_progress_between_0_and_1(widget):
    widget.report("training", "Step 3", 1.5)
    assert (widget.state, widget.message, widget.progress) == ("training", "Step 3", 1.0)


def test_saved_page_asks_for_nothing(widget, tmp_path):
    page = widget.save_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert json.dumps(load_script("collapse_simulator"))[1:60] in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")


def test_import_does_not_import_tensorflow():
    program = (
        "import sys, tripletviz.widgets.collapse_simulator; sys.exit('tensorflow' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[1]
    subprocess.run([sys.executable, "-c", program], check=True, cwd=root)
