"""Search: what is asked for is run, once, several at a time, and compared; nothing is lost."""

import csv
import errno
import json
import math
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tripletviz import search as room
from tripletviz.params import ExperimentError, load_params
from tripletviz.search import plan, run_name, search

ROOT = Path(__file__).parents[1]
BASE = {"strategy": "batch_hard", "margin": 0.5, "profile": "ci"}

# Stands for a training: takes a moment and writes what one leaves. The margin says what happens.
FAKE_TRAINING = """
    import json, os, signal, sys, time
    from pathlib import Path

    folder, parent = Path(sys.argv[1]), os.getppid()
    params = json.loads((folder / "params.json").read_text())
    margin = params["margin"]
    with (folder / "starts.txt").open("a") as file:
        file.write(os.environ.get("OMP_NUM_THREADS", "") + "\\n")

    def evaluation(value):
        return {
            "queries": 10,
            "recall_at_k": {"1": value},
            "knn_accuracy": {"1": value / 2},
            "verification": {"pairs": 9, "equal_error_rate": 1 - value},
        }

    metrics = {"params": params, "steps": 7, "finished": True, "untrained": evaluation(0.25)}
    print("training", flush=True)
    if margin == 66:
        time.sleep(0.5)
        print("tripletviz: the disk is full\\n", file=sys.stderr)
        sys.exit(2)
    if margin == 77:  # diverges
        metrics["finished"] = False
    elif margin in (88, 89, 90) and not (folder / "checkpoint.npz").exists():
        stubborn = margin == 90
        signal.signal(signal.SIGINT, signal.SIG_IGN if stubborn else signal.default_int_handler)
        (folder / "checkpoint.npz").touch()
        number = signal.SIGTERM if margin == 89 else signal.SIGINT
        try:
            os.kill(parent, number)
            if stubborn:  # two signals at once would count as one
                end = time.monotonic() + 120
                while not (folder.parent / "stopping.txt").exists() and time.monotonic() < end:
                    time.sleep(0.01)
                os.kill(parent, number)
            time.sleep(120)
        except KeyboardInterrupt:
            (folder / "kept.txt").touch()
            sys.exit()
    else:
        (folder / "checkpoint.npz").unlink(missing_ok=True)
        metrics["trained"] = evaluation(round(1 / (1 + margin), 6))
    (folder / "run.json").write_text(json.dumps({"seconds": 10 * margin, "device": "CPU"}))
    (folder / "metrics.json").write_text(json.dumps(metrics))
    sys.exit(0 if metrics["finished"] else 2)
"""


@pytest.fixture
def make(tmp_path):
    """Makes the model dir of a search."""

    def make(wanted, **base):
        (tmp_path / "params.json").write_text(json.dumps(BASE | base))
        (tmp_path / "search.json").write_text(json.dumps(wanted))
        return tmp_path

    return make


@pytest.fixture
def run(tmp_path_factory, monkeypatch):
    """Runs a search with a training that takes no time; `run.said` are the lines it told."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(room, "_POLL_SECONDS", 0.01)
    script = tmp_path_factory.mktemp("fake") / "train.py"
    script.write_text(textwrap.dedent(FAKE_TRAINING))

    def run(model_dir, **options):
        run.said = []
        options = {"command": run.command, "say": run.said.append} | options
        return search(model_dir, **options)

    run.command = lambda folder: [sys.executable, str(script), str(folder)]
    return run


def starts(model_dir):
    """How often the training of each run was started."""
    return {
        path.parent.name: len(path.read_text().splitlines())
        for path in model_dir.glob("*/starts.txt")
    }


def read_csv(model_dir):
    with (model_dir / "search.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def files_of(folder):
    return {path.name for path in folder.iterdir()}


# What is run -------------------------------------------------------------------------------------


def test_a_grid_is_every_combination(make):
    folder = make({"grid": {"strategy": ["batch_all", "batch_hard"], "margin": [0.2, 1.0]}})
    runs = plan(folder)
    assert [run.name for run in runs] == [
        "margin=0.2,strategy=batch_all",
        "margin=0.2,strategy=batch_hard",
        "margin=1,strategy=batch_all",
        "margin=1,strategy=batch_hard",
    ]
    for run in runs:
        assert run.folder == folder / run.name
        assert run.params.model_dump() == load_params(folder).model_dump() | run.settings
    assert files_of(folder) == {"params.json", "search.json"}


def test_batch_size_follows_from_p_and_k(make):
    grid = {"classes_per_batch": [5, 10], "images_per_class": [4, 8]}
    sizes = [run.params.batch_size for run in plan(make({"grid": grid}))]
    assert sizes == [20, 40, 40, 80]
    runs = plan(
        make({"grid": {"images_per_class": [2, 16]}}, classes_per_batch=8, images_per_class=8)
    )
    assert [run.params.batch_size for run in runs] == [16, 128]


def test_parameters_can_change_together(make):
    batches = [{"batch_size": 128, "learning_rate": 0.01}, {"batch_size": 32}, {}]
    runs = plan(make({"grid": {"batches": batches, "margin": [1]}}))
    found = [(run.params.batch_size, run.params.learning_rate) for run in runs]
    assert found == [(128, 0.01), (32, 0.001), (64, 0.001)]
    assert [run.name for run in runs] == [
        "batch_size=128,learning_rate=0.01,margin=1",
        "batch_size=32,margin=1",
        "margin=1",
    ]
    assert [run.name for run in plan(make({"grid": {"batches": [{}]}}))] == ["base"]


def test_several_grids_for_values_that_only_some_allow(make):
    grids = [
        {"strategy": ["batch_all"], "margin": [0.2]},
        {"strategy": ["batch_hard"], "margin": [0.2, "soft"]},
    ]
    found = [(run.params.strategy, run.params.margin) for run in plan(make({"grid": grids}))]
    assert found == [("batch_all", 0.2), ("batch_hard", 0.2), ("batch_hard", "soft")]


def test_a_combination_is_run_once(make):
    grids = [{"margin": [0.5, 0.50, 1, 1.0]}, {"normalize": [False, True]}]
    # normalize=false is the base, and so is margin=0.5.
    assert [run.name for run in plan(make({"grid": grids}))] == [
        "margin=0.5",
        "margin=1",
        "normalize=true",
    ]


def test_a_path_is_said_as_seen_from_the_model_dir(make, tmp_path):
    elsewhere = str(tmp_path / "elsewhere")
    runs = plan(make({"grid": {"pretrained_from": ["../classifier", elsewhere, None]}}))
    found = [run.params.pretrained_from for run in runs]
    assert found == ["../../classifier", elsewhere, None]
    folder = make({"grid": {"margin": [1]}}, pretrained_from="sibling")
    assert plan(folder)[0].params.pretrained_from == "../sibling"


RANDOM = {
    "learning_rate": {"low": 1e-4, "high": 1e-2, "scale": "log"},
    "margin": {"low": 0.1, "high": 1.0},
    "embedding_size": {"low": 2, "high": 5},
    "epochs": {"low": 1, "high": 64, "scale": "log"},
    "strategy": ["batch_all", "batch_hard"],
}


def drawn(make, runs=300, seed=0, space=RANDOM, **more):
    return [run.settings for run in plan(make({"random": space, "runs": runs, "seed": seed}))]


def test_the_same_seed_draws_the_same_runs(make):
    first = drawn(make, runs=20)
    assert drawn(make, runs=20) == first
    assert drawn(make, runs=30)[:20] == first, "more runs add to those that are done"
    assert drawn(make, runs=20, seed=1) != first
    lists = {"seed": list(range(50)), "margin": [0.1, 0.2, 0.3]}
    assert drawn(make, runs=40, space=lists)[:10] == drawn(make, runs=10, space=lists)


def test_what_is_drawn_fills_its_ranges(make):
    runs = drawn(make)
    values = {name: [run[name] for run in runs] for name in RANDOM}
    assert len(runs) == 300
    for name, space in RANDOM.items():
        if isinstance(space, dict):
            assert space["low"] <= min(values[name]) <= max(values[name]) <= space["high"]
    assert all(isinstance(size, int) for size in values["embedding_size"] + values["epochs"])
    for value in values["learning_rate"] + values["margin"]:
        assert value == float(f"{value:.3g}")
    # Both ends belong to a range of whole numbers, and none of them is rarer than another.
    sizes, counts = np.unique(values["embedding_size"], return_counts=True)
    assert sizes.tolist() == [2, 3, 4, 5]
    assert counts.min() > 300 / 4 / 1.5
    assert np.unique(values["strategy"], return_counts=True)[1].min() > 300 / 2 / 1.3
    # On a log scale half of the values lie below the geometric mean; else below the mean.
    for name, middle in (("learning_rate", 1e-3), ("epochs", 8), ("margin", 0.55)):
        assert np.mean(np.array(values[name]) < middle) == pytest.approx(0.5, abs=0.08), name


def test_a_range_has_its_ends_though_they_have_many_digits(make):
    space = {"margin": {"low": 0.123456, "high": 0.123458}}
    for run in drawn(make, runs=1, space=space):
        assert 0.123456 <= run["margin"] <= 0.123458


def test_random_runs_are_different_ones(make):
    lists = {"margin": [0.1, 0.2, 0.3], "normalize": [True, False]}
    assert len({json.dumps(run) for run in drawn(make, runs=6, space=lists)}) == 6
    with pytest.raises(ExperimentError, match=r"asks for 7 runs, but .* only 6 different ones"):
        drawn(make, runs=7, space=lists)


MARGINS = {"margin": [0.2]}


@pytest.mark.parametrize(
    ("wanted", "said"),
    [
        ({}, 'must have the key "grid", or the keys "random", "runs" and "seed"; got none'),
        ({"grid": MARGINS, "random": MARGINS}, "got grid, random"),
        ({"grid": MARGINS, "runs": 3}, "got grid, runs"),
        ({"gird": MARGINS}, "got gird"),
        ([MARGINS], "must hold a JSON object; got"),
        ({"grid": {}}, "at least one parameter to vary"),
        ({"grid": []}, "at least one parameter to vary"),
        ({"grid": [MARGINS, 3]}, "or a list of such objects; got"),
        ({"grid": {"margn": [0.2]}}, '"margn" is not a parameter, nor .*; parameters: dataset, '),
        ({"grid": {"batches": [{"batchsize": 3}]}}, '"batchsize" is not a parameter'),
        ({"grid": {"batches": {"batch_size": 3}}}, '"batches" is not a parameter'),
        ({"grid": {"margin": 0.2}}, '"margin" must be a list of values, .* got 0.2'),
        ({"grid": {"margin": []}}, '"margin" must be a list of values'),
        ({"grid": {"margin": {"low": 0, "high": 1}}}, '"margin" must be a list of values'),
        ({"grid": {"margin": [1], "both": [{"margin": 2}]}}, 'sets "margin" by two keys'),
        (
            {"grid": {"seed": list(range(200)), "epochs": list(range(1, 102))}},
            "asks for 20,200 runs",
        ),
        ({"random": MARGINS}, '"runs" must be a whole number from 1 to 10,000; got null'),
        ({"random": MARGINS, "runs": 0}, '"runs" must be .* got 0'),
        ({"random": MARGINS, "runs": 1.5}, '"runs" must be .* got 1.5'),
        ({"random": MARGINS, "runs": True}, '"runs" must be .* got true'),
        ({"random": MARGINS, "runs": 1, "seed": -1}, '"seed" must be a whole number from 0'),
        (
            {"random": {"margin": 1}, "runs": 1},
            r'list of values or a range {"low": \.\.\., .*got 1',
        ),
        ({"random": {"margin": []}, "runs": 1}, '"margin" must be a list of values or a range'),
        ({"random": {"dataset": {"low": 0, "high": 1}}, "runs": 1}, "since it is no number"),
        ({"random": {"held_out_classes": {"low": 0, "high": 1}}, "runs": 1}, "it is no number"),
        ({"random": {"normalize": {"low": 0, "high": 1}}, "runs": 1}, "since it is no number"),
        ({"random": {"margin": {"low": 1, "high": 1}}, "runs": 1}, '"low" below its "high"'),
        ({"random": {"margin": {"low": 1}}, "runs": 1}, '"low" below its "high"'),
        ({"random": {"margin": {"low": True, "high": 3}}, "runs": 1}, '"low" below its "high"'),
        ({"random": {"margin": {"low": 1, "high": 2, "step": 1}}, "runs": 1}, '"low" below its'),
        ({"random": {"margin": {"low": 1, "high": float("inf")}}, "runs": 1}, '"low" below its'),
        ({"random": {"margin": {"low": 1, "high": 2, "scale": "ln"}}, "runs": 1}, 'the "scale"'),
        ({"random": {"margin": {"low": 0, "high": 2, "scale": "log"}}, "runs": 1}, "above 0"),
        ({"random": {"epochs": {"low": 1, "high": 2.5}}, "runs": 1}, "both whole numbers"),
        # What the parameters themselves do not allow:
        ({"grid": {"margin": [0.2, -1]}}, 'margin=-1 is not valid: the key "margin" cannot be -1'),
        (
            {"grid": {"strategy": ["batch_all", "batch_hard"], "margin": [0.2, "soft"]}},
            'margin=soft,strategy=batch_all is not valid: margin "soft" is not defined for',
        ),
        ({"grid": {"margin": [-1, 1, -2, -3]}}, r"margin=-1 is not valid \(and 2 more are not\)"),
        ({"grid": {"classes_per_batch": [8]}}, "=8 is not valid: .* given together or null$"),
        ({"random": {"margin": {"low": -1, "high": 1}}, "runs": 9}, "margin=-0.* is not valid"),
    ],
)
def test_a_search_that_says_something_else_is_refused_before_anything_is_written(
    make, run, wanted, said
):
    folder = make(wanted)
    with pytest.raises(ExperimentError, match=said) as error:
        run(folder)
    assert "\n" not in str(error.value)
    assert str(folder / "search.json") in str(error.value)
    assert files_of(folder) == {"params.json", "search.json"}


def test_files_that_cannot_be_read_are_named(make, run, tmp_path):
    folder = make({"grid": MARGINS})
    (folder / "search.json").write_text('{"grid": ')
    with pytest.raises(ExperimentError, match=r"search\.json is not JSON"):
        run(folder)
    (folder / "search.json").unlink()
    with pytest.raises(ExperimentError, match=r"has no search\.json"):
        run(folder)
    with pytest.raises(ExperimentError, match="does not exist"):
        run(tmp_path / "nothing")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sort_by": "recall"}, r'cannot sort by "recall"; allowed: recall_at_k\.1, .*seconds'),
        ({"workers": 0}, "workers must be at least 1, got 0"),
    ],
)
def test_other_options_are_refused_at_once(make, run, options, said):
    folder = make({"grid": MARGINS})
    with pytest.raises(ExperimentError, match=said):
        run(folder, **options)
    assert files_of(folder) == {"params.json", "search.json"}


# Names of folders --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"strategy": "batch_all", "margin": 0.2}, "margin=0.2,strategy=batch_all"),
        ({"batch_norm": True, "learning_rate": 1e-5}, "batch_norm=true,learning_rate=1e-05"),
        ({"classes_per_batch": None, "epochs": 3}, "classes_per_batch=null,epochs=3"),
        ({"margin": 1.0}, "margin=1"),
    ],
)
def test_names_are_readable(settings, name):
    assert run_name(settings) == name


def test_odd_values_are_shortened_and_stay_apart():
    names = [
        run_name({"pretrained_from": value})
        for value in ("../a/B", "../a/b", "../a-b", "null", None, "con.", "x" * 300, "é", "..", "A")
    ]
    names += [run_name({"held_out_classes": value}) for value in ([], [1], [1, 2], [12])]
    assert len({name.lower() for name in [*names, run_name({"pretrained_from": "a"})]}) == 15
    assert not any("=-" in name or name != name.lower() for name in names)
    assert names[0].startswith("pretrained_from=a-b-")
    assert names[-2].startswith("held_out_classes=1-2-")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda parts: st.lists(parts, max_size=3) | st.dictionaries(st.text(), parts, max_size=3),
    max_leaves=5,
)
SETTINGS = st.dictionaries(
    st.sampled_from(["margin", "strategy", "pretrained_from", "learning_rate", "seed"]), VALUES
)


@given(SETTINGS, SETTINGS)
def test_names_are_safe_and_unique(one, other):
    for settings in (one, other):
        name = run_name(settings)
        assert re.fullmatch(r"[a-z0-9=,._+-]{1,100}", name)
        assert name[-1] != "."
        assert name not in (".", "..")
        assert run_name(dict(reversed(settings.items()))) == name
    if canonical(one) != canonical(other):
        assert run_name(one) != run_name(other)


def canonical(value):
    """JSON in which 1.0 is 1."""
    if isinstance(value, dict):
        return json.dumps({key: canonical(part) for key, part in sorted(value.items())})
    if isinstance(value, float) and value.is_integer():
        return json.dumps(int(value))
    return json.dumps(value)


# Running -----------------------------------------------------------------------------------------


def test_every_run_is_trained_in_its_folder_and_compared(make, run):
    folder = make({"grid": {"margin": [3, 1], "normalize": [True, False]}})
    rows = run(folder, workers=1)
    assert [(row["margin"], row["normalize"]) for row in rows] == [
        (1, False),
        (1, True),
        (3, False),
        (3, True),
    ]
    for row in rows:
        sub = folder / row["run"]
        assert load_params(sub).margin == row["margin"]
        assert load_params(sub).profile == "ci"
        assert (sub / "log.txt").read_text() == "training\n"
        assert row["state"] == "finished"
        assert row["recall_at_k.1"] == pytest.approx(1 / (1 + row["margin"]), abs=1e-6)
        assert row["untrained.recall_at_k.1"] == 0.25
        assert row["verification.equal_error_rate"] == 1 - row["recall_at_k.1"]
        assert row["seconds"] == 10 * row["margin"]
        assert row["steps"] == 7
        assert "queries" not in row
    assert set(starts(folder).values()) == {1}


def stop_the_clock(monkeypatch):
    clock = SimpleNamespace(monotonic=lambda: 1000.0, sleep=time.sleep)
    monkeypatch.setattr(room, "time", clock)


def test_the_lines_told_say_how_far_it_is(make, run, monkeypatch):
    stop_the_clock(monkeypatch)  # a busy machine might need minutes
    run(make({"grid": {"margin": [1, 3]}}), workers=1)
    finished = (
        "Finished 1 of 2 after 0 s: margin=1: R@1 0.5000 (untrained 0.2500); 1 left, about 0 s"
    )
    assert run.said[:2] == ["2 runs, 0 done already; 1 at a time", "Started 1 of 2: margin=1"]
    assert run.said[2] == finished
    assert run.said[4].endswith("margin=3: R@1 0.2500 (untrained 0.2500); 0 left")


def test_the_time_left_is_that_of_the_runs_before(make, monkeypatch):
    runs = plan(make({"grid": {"margin": [1, 2, 3, 4, 5, 6, 7]}}))
    trainings = room._Trainings(runs, 2, "recall_at_k.1", None, None)
    assert trainings._left() == "7 left"
    trainings.seconds = [100, 140]
    stop_the_clock(monkeypatch)
    trainings.active[trainings.waiting.popleft()] = None, 1000.0 - 30
    trainings.active[trainings.waiting.popleft()] = None, 1000.0 - 500
    assert trainings._left() == "7 left, about 6 min"  # (5 x 120 + 90 + 0) / 2 = 345 s
    assert room._duration(7380) == "2 h 03 min"


def test_the_same_search_again_only_does_what_is_missing(make, run):
    folder = make({"grid": {"margin": [1, 3]}})
    rows = run(folder)
    before = (folder / "search.csv").read_bytes()
    assert run(folder) == rows
    assert (folder / "search.csv").read_bytes() == before
    assert run.said[0] == "2 runs, 2 done already"
    assert set(starts(folder).values()) == {1}
    more = run(make({"grid": {"margin": [3, 1, 7]}}))
    assert [row["margin"] for row in more] == [1, 3, 7]
    assert starts(folder) == {"margin=1": 1, "margin=3": 1, "margin=7": 1}
    # The table is of the present search; folders of earlier ones stay.
    assert [row["margin"] for row in run(make({"grid": {"margin": [7]}}))] == [7]
    assert len(read_csv(folder)) == 1
    assert (folder / "margin=1" / "metrics.json").exists()


def test_a_training_that_is_not_known_to_be_finished_is_started(make, run):
    folder = make({"grid": {"margin": [1]}})
    run(folder)
    path = folder / "margin=1" / "metrics.json"
    metrics = json.loads(path.read_text())
    for number, change in enumerate(
        [
            "{",
            {"finished": False},
            {"params": metrics["params"] | {"seed": 1}},
            {"params": None},
        ],
        start=2,
    ):
        path.write_text(change if isinstance(change, str) else json.dumps(metrics | change))
        run(folder)
        assert starts(folder) == {"margin=1": number}


def test_a_folder_with_another_training_is_not_touched(make, run):
    folder = make({"grid": {"margin": [1, 3]}})
    run(folder)
    path = folder / "margin=1" / "params.json"
    path.write_text(json.dumps(json.loads(path.read_text())))
    run(folder)  # the same parameters, written in another way
    before = path.read_bytes()
    with pytest.raises(
        ExperimentError, match=r"margin=1 holds a run with other parameters \(epochs 1, here 2\)"
    ):
        run(make({"grid": {"margin": [9, 1]}}, epochs=2))
    assert path.read_bytes() == before
    assert not (folder / "margin=9").exists()
    path.write_text("{")
    with pytest.raises(ExperimentError, match=r"margin=1.params\.json is not JSON"):
        run(make({"grid": {"margin": [1]}}))


def test_a_run_that_fails_does_not_stop_the_others(make, run):
    folder = make({"grid": {"margin": [66, 1, 3]}})
    reason = "margin=66: status 2: the disk is full"
    with pytest.raises(ExperimentError, match=f"^1 of 3 runs failed, the first one {reason}$"):
        run(folder, workers=2)
    assert f"Failed: {reason}" in run.said
    assert any(re.match(f"Failed 1 of 3 after .+: {reason}; ", line) for line in run.said)
    states = [(row["margin"], row["state"]) for row in read_csv(folder)]
    assert states == [("1", "finished"), ("3", "finished"), ("66", "failed")]
    with pytest.raises(ExperimentError, match="1 of 3 runs failed"):
        run(folder)
    assert starts(folder) == {"margin=66": 2, "margin=1": 1, "margin=3": 1}
    assert (folder / "margin=66" / "log.txt").read_text().count("the disk is full") == 2


def test_a_training_that_ends_without_a_result_failed(make, run):
    folder = make({"grid": {"margin": [1]}})
    nothing = [sys.executable, "-c", "pass"]
    with pytest.raises(ExperimentError, match="margin=1: ended before it was finished: nothing in"):
        run(folder, command=lambda sub: nothing)
    assert read_csv(folder)[0]["state"] == "failed"
    killed = [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    with pytest.raises(ExperimentError, match="margin=1: ended by SIGKILL: "):
        run(folder, command=lambda sub: killed)


def test_a_training_that_diverges_has_no_result_and_is_not_tried_again(make, run):
    folder = make({"grid": {"margin": [77, 1]}})
    for _ in range(2):
        rows = run(folder)
        assert [(row["margin"], row["state"]) for row in rows] == [
            (1, "finished"),
            (77, "diverged"),
        ]
        assert "recall_at_k.1" not in rows[1]
        assert "Diverged: margin=77" in run.said
    assert starts(folder) == {"margin=77": 1, "margin=1": 1}


def test_several_train_at_a_time_and_share_the_cores(make, run, monkeypatch):
    monkeypatch.setattr(room, "_cores", lambda: 6)
    # Each of the first three ends only when it has seen the two others begin.
    together = """
        import sys, time
        from pathlib import Path

        folder, deadline = Path(sys.argv[1]), time.monotonic() + 300
        (folder / "began.txt").touch()
        while len(list(folder.parent.glob("*/began.txt"))) < 3 and time.monotonic() < deadline:
            time.sleep(0.01)
        sys.exit("" if time.monotonic() < deadline else "alone")
    """
    folder = make({"grid": {"margin": [1, 2, 3, 4, 5]}})
    with pytest.raises(ExperimentError, match="5 of 5 runs failed"):
        run(
            folder,
            workers=3,
            command=lambda sub: [sys.executable, "-c", textwrap.dedent(together), str(sub)],
        )
    assert "alone" not in "".join(path.read_text() for path in folder.glob("*/log.txt"))
    changes = [{"Started": 1, "Failed": -1}.get(line.split(" ")[0], 0) for line in run.said]
    assert max(np.cumsum(changes)) == 3
    run(folder, workers=3)
    assert run.said[0] == "5 runs, 0 done already; 3 at a time, each with 2 threads"
    assert {path.read_text() for path in folder.glob("*/starts.txt")} == {"2\n"}


def test_one_at_a_time_has_all_the_cores(make, run, monkeypatch):
    monkeypatch.setattr(room, "_cores", lambda: 3)
    folder = make({"grid": {"margin": [1, 3]}})
    run(folder)
    assert run.said[0] == "2 runs, 0 done already; 1 at a time"
    assert {path.read_text() for path in folder.glob("*/starts.txt")} == {"\n"}


def test_threads_that_somebody_asked_for_stay(make, run, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "7")
    folder = make({"grid": {"margin": [1, 3]}})
    run(folder, workers=2)
    assert {path.read_text() for path in folder.glob("*/starts.txt")} == {"7\n"}


@pytest.fixture
def _interruptible():
    """As in a terminal, also where the tests run in the background with interrupts ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.skipif(os.name == "nt", reason="the console interrupts by itself")
@pytest.mark.usefixtures("_interruptible")
@pytest.mark.parametrize("margin", [88, 89])  # SIGINT, SIGTERM
def test_an_interrupt_ends_the_trainings_cleanly_and_the_search_goes_on_later(make, run, margin):
    folder = make({"grid": {"margin": [1, margin, 3]}})
    with pytest.raises(
        ExperimentError, match=r"^interrupted: 1 of 3 runs are finished; the same search goes on"
    ):
        run(folder, workers=1)
    stopped = folder / f"margin={margin}"
    assert (stopped / "kept.txt").exists(), "the training was not asked to end, but killed"
    assert "Stopping 1 training; what is learnt is kept" in run.said
    states = {row["margin"]: row["state"] for row in read_csv(folder)}
    assert states == {"1": "finished", str(margin): "unfinished", "3": "unfinished"}
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    rows = run(folder, workers=1)
    assert [row["margin"] for row in rows] == [1, 3, margin]
    assert starts(folder) == {"margin=1": 1, f"margin={margin}": 2, "margin=3": 1}


@pytest.mark.skipif(os.name == "nt", reason="the console interrupts by itself")
@pytest.mark.usefixtures("_interruptible")
def test_a_second_interrupt_does_not_wait(make, run, monkeypatch):
    monkeypatch.setattr(room, "_STOP_SECONDS", math.inf)  # nothing else ends the waiting
    folder = make({"grid": {"margin": [90]}})
    said = []

    def say(line):
        said.append(line)
        if line.startswith("Stopping"):
            (folder / "stopping.txt").touch()

    with pytest.raises(ExperimentError, match="interrupted: 0 of 1"):
        run(folder, say=say)
    assert "Stopping 1 training; what is learnt is kept" in said
    assert not (folder / "margin=90" / "metrics.json").exists(), "it was waited for to its end"
    assert not (folder / "margin=90" / "kept.txt").exists()
    assert not (folder / "search.html").exists()


@pytest.mark.usefixtures("_interruptible")
def test_a_training_that_does_not_end_is_not_waited_for_without_end(
    make, run, monkeypatch, tmp_path
):
    monkeypatch.setattr(room, "_STOP_SECONDS", 0.2)
    program = """
        import os, pathlib, signal, sys, time
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        os.kill(os.getppid(), signal.SIGINT)
        time.sleep(120)
        pathlib.Path(sys.argv[1]).touch()
    """
    ended = tmp_path / "ended.txt"
    command = [sys.executable, "-c", textwrap.dedent(program), str(ended)]
    with pytest.raises(ExperimentError, match="interrupted"):
        run(make({"grid": {"margin": [1]}}), command=lambda sub: command)
    assert not ended.exists(), "it was waited for to its end"


def test_a_search_that_is_killed_goes_on(make, run):
    folder = make({"grid": {"margin": [1, 2, 3]}})
    script = run.command("")[1]
    program = """
        import os, sys
        from tripletviz.search import search

        def say(line):
            if line.startswith("Finished 2"):
                os.kill(os.getpid(), 9)

        def command(folder):
            return [sys.executable, sys.argv[2], str(folder)]

        search(sys.argv[1], workers=1, say=say, command=command)
    """
    arguments = [sys.executable, "-c", textwrap.dedent(program), str(folder), script]
    killed = subprocess.run(arguments, cwd=ROOT)
    assert killed.returncode == -9
    assert [row["margin"] for row in run(folder)] == [1, 2, 3]
    assert starts(folder) == {"margin=1": 1, "margin=2": 1, "margin=3": 1}


def test_only_one_search_at_a_time(make, run):
    folder = make({"grid": {"margin": [1]}})

    def search_again(sub):
        with pytest.raises(ExperimentError, match="another command is at work in this model dir"):
            search(folder, say=print, command=run.command)
        return run.command(sub)

    assert len(run(folder, command=search_again)) == 1


def test_the_command_is_that_of_a_training():
    assert room.train_command(Path("some dir")) == (
        [sys.executable, "-m", "tripletviz", "train", "--model-dir", "some dir"]
    )


# Comparing ---------------------------------------------------------------------------------------


def test_the_csv_holds_what_the_rows_hold(make, run):
    stages = [{"name": "batch_all", "until_step": 5}, {"name": "batch_hard"}]
    grid = {"margin": [1, 3], "strategy": ["batch_all", stages], "classes_per_batch": [None]}
    folder = make({"grid": grid})
    rows = run(folder)
    written = read_csv(folder)
    assert list(written[0])[:6] == (
        ["run", "state", "classes_per_batch", "margin", "strategy", "recall_at_k.1"]
    )
    assert list(written[0])[-4:] == (
        ["steps", "seconds", "untrained.recall_at_k.1", "untrained.knn_accuracy.1"]
    )
    assert [line["run"] for line in written] == [row["run"] for row in rows]
    for line, row in zip(written, rows, strict=True):
        assert line["classes_per_batch"] == "null"
        assert line["nmi"] == "", "what was not measured is empty"
        assert float(line["recall_at_k.1"]) == row["recall_at_k.1"]
        assert line["untrained.recall_at_k.1"] == "0.25"
    assert {line["strategy"] for line in written} == {"batch_all", json.dumps(stages)}


def test_the_csv_is_written_whole_or_not_at_all(make, run, monkeypatch):
    folder = make({"grid": {"margin": [1, 3]}})
    run(folder)
    before, files = (folder / "search.csv").read_bytes(), files_of(folder)

    def full(writer, row):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(csv.DictWriter, "writerow", full)
    with pytest.raises(OSError, match="No space left on device"):
        run(folder)
    assert (folder / "search.csv").read_bytes() == before
    assert files_of(folder) == files


@pytest.mark.parametrize(
    ("sort_by", "margins"),
    [
        ("recall_at_k.1", [1, 2, 3]),
        ("verification.equal_error_rate", [1, 2, 3]),
        ("seconds", [1, 2, 3]),
        ("knn_accuracy.1", [1, 2, 3]),
    ],
)
def test_the_best_run_comes_first(make, run, sort_by, margins):
    folder = make({"grid": {"margin": [2, 77, 3, 1]}})
    rows = run(folder, sort_by=sort_by)
    assert [row["margin"] for row in rows] == [*margins, 77]
    assert f"Best run: {folder / 'margin=1'}" in run.said


def test_a_measure_that_no_run_has_is_said(make, run):
    folder = make({"grid": {"margin": [1]}})
    with pytest.raises(ExperimentError, match=r'cannot sort by "held_out.nmi": no run has it'):
        run(folder, sort_by="held_out.nmi")
    assert len(read_csv(folder)) == 1


def test_classes_held_out_are_compared_apart(make, run):
    folder = make({"grid": {"margin": [1, 3]}})
    run(folder)
    for margin, value in ((1, 0.1), (3, 0.9)):
        path = folder / f"margin={margin}" / "metrics.json"
        metrics = json.loads(path.read_text())
        metrics["trained"]["held_out"] = {"recall_at_k": {"1": value}}
        path.write_text(json.dumps(metrics))
    rows = run(folder, sort_by="held_out.recall_at_k.1")
    assert [row["margin"] for row in rows] == [3, 1]
    assert read_csv(folder)[0]["held_out.recall_at_k.1"] == "0.9"
    assert "held-out R@1" in next(line for line in run.said if line.startswith("margin"))


def table_of(said):
    start = said.index("") + 1
    return said[start : said.index("", start)]


def test_the_table_is_aligned_with_the_baseline_beside(make, run):
    grid = {"margin": [1, 3], "strategy": ["batch_all", "batch_semi_hard"], "epochs": [2]}
    run(make({"grid": grid}))
    assert table_of(run.said) == [
        "margin  strategy            R@1  untrained  1-NN accuracy  seconds",
        "     1  batch_all        0.5000     0.2500         0.2500       10",
        "     1  batch_semi_hard  0.5000     0.2500         0.2500       10",
        "     3  batch_all        0.2500     0.2500         0.1250       30",
        "     3  batch_semi_hard  0.2500     0.2500         0.1250       30",
    ]


def test_the_table_fits_a_terminal(make, run):
    grid = {
        "margin": [1, 3],
        "strategy": ["batch_semi_hard", "batch_all"],
        "pretrained_from": [None, "../a/model/dir/far/away/from/here/classifier"],
        "classes_per_batch": [4, 8],
        "images_per_class": [4],
        "learning_rate_schedule": ["cosine", "exponential"],
        "embedding_size": [64, 128],
    }
    run(make({"random": grid, "runs": 6}))
    table = table_of(run.said)
    assert max(map(len, table)) <= 100
    assert len(table) == 6 + 3
    assert "R@1" in table[2]
    assert "untrained" in table[2]
    assert "../a/mod…ssifier" in "".join(table)


def test_a_long_table_shows_the_best(make, run, monkeypatch):
    monkeypatch.setattr(room, "_TABLE_RUNS", 2)
    folder = make({"grid": {"margin": [1, 2, 3]}})
    run(folder)
    assert len(table_of(run.said)) == 4
    assert "and 1 more, in search.csv" in run.said
    assert len(read_csv(folder)) == 3


def test_the_page_says_what_was_found_and_needs_no_network(make, run):
    folder = make({"grid": {"margin": [1, 77, 3], "normalize": [True, False]}})
    run(folder)
    page = (folder / "search.html").read_text(encoding="utf-8")
    finding = "Best R@1 0.5000 (untrained 0.2500) with normalize false, margin 1"
    assert f"<h1>{finding}</h1>" in page
    assert f"<title>{finding}</title>" in page
    assert "4 runs, each a line" in page
    assert "Parallel coordinates: 4 lines" in page
    assert page.count("<tr>") == 1 + 4
    assert not re.search(r"<(script|link|img)[^>]*(src|href)=", page)
    assert len(page) > 1_000_000, "Plotly is not in the page"


def test_there_is_no_page_of_nothing(make, run):
    folder = make({"grid": {"margin": [1]}})
    run(folder)
    assert (folder / "search.html").exists()
    with pytest.raises(ExperimentError, match="all 1 runs diverged; a lower learning rate"):
        run(make({"grid": {"margin": [77]}}))
    assert not (folder / "search.html").exists()


def test_importing_the_room_does_not_import_tensorflow():
    program = "import sys, tripletviz.search; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == 0
