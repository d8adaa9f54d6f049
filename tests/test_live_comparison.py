"""`LiveComparison`: what it takes, what it says, and what it does when asked."""

import json
import math
import threading

import numpy as np
import pytest
import traitlets

from tripletviz.widgets.live_comparison import (
    ComparisonRun,
    ComparisonSettings,
    LiveComparison,
    doubt,
    settings_that_differ,
)

STAGES = (("batch_all", 20), ("batch_hard", None))


def make_run(settings=None, *, r1=(0.75, 0.95), distance=(5.0, 6.0), queries=1000, **more):
    steps = np.array([0, 10, 20, 40])
    return ComparisonRun(
        settings=settings or ComparisonSettings(),
        steps=steps,
        curves={
            "loss": np.linspace(1, 0.5, 4),
            "fraction of positive triplets": np.linspace(0.8, 0.1, 4),
            "R@1": np.linspace(*r1, 4),
            "mean embedding norm": np.linspace(6, 7, 4),
            "mean distance": np.linspace(*distance, 4),
        },
        untrained={"R@1": r1[0], "MAP@R": 0.25},
        trained={"R@1": r1[1], "MAP@R": 0.7},
        seconds=1.25,
        queries=queries,
        **more,
    )


@pytest.fixture
def widget():
    cosine = ComparisonSettings(metric="cosine", margin=0.2)
    return LiveComparison({"Euclidean": make_run(), "cosine": make_run(cosine, r1=(0.77, 0.85))})


# ---------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"metric": "manhattan"}, "`metric` must be one of"),
        ({"strategy": "hardest"}, "`strategy` must be one of"),
        ({"strategy": [("batch_all", 10), ("hard", None)]}, "`strategy` must be one of"),
        ({"strategy": [("batch_all", None), ("batch_hard", 10)]}, "the last one None"),
        ({"strategy": [("batch_all", 10)]}, "the last one None"),
        ({"strategy": [("batch_all", 0.5), ("batch_semi_hard", 9), ("batch_hard", None)]}, "all"),
        ({"strategy": [("batch_all", 9), ("batch_all", 5), ("batch_hard", None)]}, "increasing"),
        ({"strategy": []}, "the last one None"),
        ({"strategy": 3}, "a name, or a list of pairs"),
        ({"margin": 0}, "`margin` must be above 0"),
        ({"margin": math.nan}, "`margin` must be above 0"),
        ({"margin": "hard"}, 'a number or "soft"'),
        ({"margin": "soft"}, "Batch all has no soft margin"),
        ({"margin": "soft", "strategy": STAGES}, "Batch all has no soft margin"),
        ({"learning_rate": 11}, "`learning_rate` must be"),
        ({"images_per_class": 1}, "`images_per_class` must be an integer of at least 2"),
        ({"embedding_size": 2.5}, "`embedding_size` must be an integer"),
        ({"seed": -1}, "`seed` must be an integer of at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, says):
    with pytest.raises(ValueError, match=says):
        ComparisonSettings(**wrong)


def test_settings_in_words():
    settings = ComparisonSettings(strategy=list(STAGES), normalize=True)
    assert settings.strategy == STAGES
    assert settings.describe("strategy") == "batch all, batch hard from step 20"
    assert settings.describe("normalize") == "L2 normalisation"
    assert settings.describe("metric") == "Euclidean distance"
    assert settings.describe("margin") == "margin 0.5"
    assert settings.describe("classes_per_batch") == "P = 8"
    soft = ComparisonSettings(strategy="batch_hard", margin="soft")
    assert soft.describe("margin") == "soft margin"
    assert soft.level == pytest.approx(math.log(2))
    shares = ComparisonSettings(strategy=[("batch_all", 0.5), ("batch_hard", None)])
    assert shares.describe("strategy") == "batch all, batch hard from 50% of the steps"


def test_only_what_differs_is_told():
    different = settings_that_differ(
        {"a": ComparisonSettings(), "b": ComparisonSettings(margin=1.0, seed=3)}
    )
    assert different == {"a": "margin 0.5, seed 0", "b": "margin 1, seed 3"}
    assert settings_that_differ({"a": ComparisonSettings(), "b": ComparisonSettings()}) == {
        "a": "",
        "b": "",
    }


# ---------------------------------------------------------------- verdicts


@pytest.mark.parametrize(
    ("run", "verdict"),
    [
        ({"r1": (0.75, 0.95)}, "better than untrained"),
        ({"r1": (0.75, 0.76)}, "no better than untrained"),
        ({"r1": (0.75, 0.5)}, "worse than untrained"),
        ({"r1": (0.75, 0.1), "distance": (5, 0.001)}, "collapsed"),
        # Near together as it always was: nothing has collapsed.
        ({"r1": (0.75, 0.95), "distance": (0.011, 0.012)}, "better than untrained"),
        # Farther apart than the margin asks: nothing either.
        ({"r1": (0.75, 0.95), "distance": (500, 1)}, "better than untrained"),
        ({"r1": (0.75, 0.95), "diverged": True}, "diverged"),
        # The same change among fewer images may be chance.
        ({"r1": (0.75, 0.85), "queries": 1000}, "better than untrained"),
        ({"r1": (0.75, 0.85), "queries": 50}, "no better than untrained"),
    ],
)
def test_verdicts(run, verdict):
    assert make_run(**run).verdict == verdict


def test_the_doubt_is_that_of_two_shares():
    generator = np.random.default_rng(0)
    shares = generator.binomial(400, 0.8, size=(2, 20_000)) / 400
    within = np.abs(shares[0] - shares[1]) <= doubt(0.8, 0.8, 400)
    assert within.mean() == pytest.approx(0.954, abs=0.01)


# ---------------------------------------------------------------- the widget


def test_everything_known_is_json(widget):
    state = widget.get_state()
    sent = {key: value for key, value in state.items() if not key.startswith("_esm")}
    json.dumps({k: v for k, v in sent.items() if k != "layout"}, allow_nan=False)
    euclidean, cosine = widget._runs
    assert euclidean["steps"] == [0, 10, 20, 40]
    assert cosine["differ"] == "cosine distance, margin 0.2"
    assert widget.total_steps == 40


def test_values_that_are_not_finite_are_gaps():
    run = make_run(r1=(0.75, math.nan), diverged=True)
    widget = LiveComparison({"broken": run})
    assert widget._runs[0]["curves"]["R@1"][1:] == [None, None, None]
    assert widget._runs[0]["trained"]["R@1"] is None
    assert widget._finding == "Which training does best?"
    assert "| \N{EN DASH} |" in widget.to_markdown()


def test_the_finding_is_no_more_than_the_numbers_say(widget):
    assert widget._finding == (
        "Highest R@1 in one short run of each: Euclidean, 0.950 (untrained 0.750)"
    )
    widget.show_run("other", make_run(r1=(0.75, 0.945)))
    assert widget._finding.endswith("Euclidean, 0.950, too close to tell from other")
    widget = LiveComparison({"a": make_run(), "b": make_run(r1=(0.75, 0.948))})
    assert widget._finding.startswith("R@1 ends between 0.948 and 0.950: too close to tell")
    assert LiveComparison({"a": make_run()})._finding == "a: R@1 0.750 untrained, 0.950 trained"
    assert LiveComparison()._finding == "Which training does best?"


def test_a_run_that_grows_has_no_verdict(widget):
    widget.show_run("new", make_run(), complete=False)
    assert widget._runs[-1]["verdict"] == ""
    assert [row["run"] for row in widget.table()] == ["Euclidean", "cosine"]
    widget.show_run("new", make_run())
    assert widget.table()[-1]["verdict"] == "better than untrained"
    assert list(widget.runs) == ["Euclidean", "cosine", "new"]


def test_the_text_has_title_table_and_what_is_query_and_gallery():
    runs = {"a | b": make_run(), "c": make_run(ComparisonSettings(margin=1.0))}
    widget = LiveComparison(runs, title="My title", probe="Each is a query.")
    bundle = widget._repr_mimebundle_()[0]
    text = bundle["text/markdown"]
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert text.startswith("**My title**")
    assert (
        "| a \\| b | margin 0.5 | 0.750 | 0.950 | 0.250 | 0.700 | 1.2 | better than untrained |"
    ) in text.replace("\\.", ".")
    assert "Each is a query." in text
    assert "numbers of different kinds" in text.replace("\\", "")


def test_names_and_numbers_of_runs_are_checked(widget):
    with pytest.raises(ValueError, match="must have a name"):
        widget.show_run(" ", make_run())
    for number in range(6):
        widget.show_run(f"run {number}", make_run())
    with pytest.raises(ValueError, match="8 runs at most"):
        widget.show_run("one more", make_run())
    broken = make_run()
    broken.curves["loss"] = np.zeros(3)
    with pytest.raises(ValueError, match="one value for every step"):
        LiveComparison({"broken": broken})


def test_the_form_makes_settings():
    widget = LiveComparison(total_steps=60, strategy="all_then_hard", switch_step=20, margin=0.3)
    assert widget.settings == ComparisonSettings(strategy=STAGES, margin=0.3)
    for name, value in {"margin": 0, "learning_rate": math.inf, "seed": -1}.items():
        with pytest.raises(traitlets.TraitError):
            setattr(widget, name, value)


# ---------------------------------------------------------------- messages


class Sent(list):
    def __call__(self, content, buffers=None):
        self.append(content["type"])


@pytest.fixture
def heard(widget, monkeypatch):
    sent = Sent()
    monkeypatch.setattr(widget, "send", sent)
    return sent


def test_nobody_answers_without_a_trainer(widget, heard):
    widget._hear(widget, {"type": "hello"}, [])
    widget._hear(widget, {"type": "train"}, [])
    assert heard == []
    with pytest.raises(RuntimeError, match="nobody trains"):
        widget.train()


def test_the_button_trains_in_a_thread_and_stop_is_heard(widget, heard):
    seen, stopped, ended = [], threading.Event(), threading.Event()

    def trainer(widget):
        seen.append(widget.settings)
        stopped.wait(10)
        assert widget.stop_requested
        widget.report("done", "stopped")
        ended.set()

    widget.on_train(trainer)
    widget._hear(widget, {"type": "train", "settings": {"margin": 0.7, "runs": 3}}, [])
    widget._hear(widget, {"type": "stop"}, [])  # the first call has come back
    stopped.set()
    assert ended.wait(10)
    assert widget.state == "done"
    assert seen == [ComparisonSettings(margin=0.7)]
    assert heard == ["alive", "started", "stopping"]


def test_what_goes_wrong_is_told(widget, heard):
    def refuse(widget):
        raise ValueError("there are only 5 classes")

    widget.on_train(refuse)
    widget.train()
    assert (widget.state, widget.message) == ("failed", "Not trained. there are only 5 classes")
    widget._hear(widget, {"type": "train", "settings": {"margin": -1}}, [])
    assert widget.message.startswith("Not trained. `margin` must be above 0")


def test_only_the_readers_own_runs_can_be_removed(widget, heard):
    widget.show_run("yours 1", make_run(), own=True)
    widget.hidden = ["yours 1", "cosine"]
    for name in ("Euclidean", "yours 1", "nothing"):
        widget._hear(widget, {"type": "remove", "name": name}, [])
    assert list(widget.runs) == ["Euclidean", "cosine"]
    assert widget.hidden == ["cosine"]


def test_the_page_holds_everything(widget, tmp_path):
    page = widget.save_html(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "export" in page
    assert "Euclidean" in page
    assert 'from \\"./' not in page
