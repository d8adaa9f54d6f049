"""What `LiveTraining` takes and sends, and how a training tells it. Drawing: `tests/browser`."""

import itertools
import json
import math
import os
import queue
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jupyter_client
import nbclient
import nbformat
import numpy as np
import papermill
import pytest
import traitlets

from tripletviz.callbacks import EmbeddingRecorder, Interruptible
from tripletviz.lessons import live as live_module
from tripletviz.lessons.live import live_callback, live_training
from tripletviz.params import parse_params
from tripletviz.recordings import Recording
from tripletviz.training import Training, build_network, fit
from tripletviz.widgets.live_training import (
    MOST_POINTS,
    LiveTraining,
    duration_text,
    steps_per_point,
    summarise,
)

ROOT = Path(__file__).resolve().parents[1]
SMALL = {
    "strategy": "batch_all",
    "margin": 0.5,
    "channels": 4,
    "embedding_size": 8,
    "snapshots": 4,
    "batch_size": 100,
}

# ---------------------------------------------------------------- the widget


def test_what_is_told_is_sent_as_plain_json():
    widget = LiveTraining(10, title="Small")
    widget.update(
        state="running",
        step=3,
        curves={"loss": (np.array([1, 2, 3]), np.array([0.5, math.nan, 0.25]))},
        snapshots=([0, 1], [0.9, math.nan]),
        seconds=1.5,
        seconds_left=3.5,
    )
    state = widget.get_state()
    assert state["_curves"] == [{"name": "loss", "steps": [1, 2, 3], "values": [0.5, None, 0.25]}]
    assert state["_snapshots"] == {"steps": [0, 1], "values": [0.9, None]}
    assert (state["step"], state["total_steps"], state["seconds_left"]) == (3, 10, 3.5)
    assert not [name for name, value in state.items() if isinstance(value, bytes | memoryview)]
    own = {name: value for name, value in state.items() if name in LiveTraining.class_own_traits()}
    json.dumps({k: v for k, v in own.items() if k != "_esm"}, allow_nan=False)


def test_an_update_is_one_message(monkeypatch):
    widget = LiveTraining(10)
    sent = []
    monkeypatch.setattr(type(widget), "send_state", lambda self, key=None: sent.append(set(key)))
    widget.update(state="running", step=1, curves={"loss": ([1], [0.5])}, seconds=1.0)
    assert len(sent) == 1
    assert {"state", "step", "_curves", "seconds", "summary", "updated"} <= sent[0]


def test_what_is_not_told_stays():
    widget = LiveTraining(10)
    widget.update(state="running", step=3, curves={"loss": ([1], [0.5])}, seconds=1.0)
    widget.update(step=4)
    assert (widget.state, widget.step, widget.seconds) == ("running", 4, 1.0)
    assert len(widget._curves) == 1


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"curves": {"loss": ([1, 2], [0.5])}}, r"shapes \(1,\) and \(2,\) for 'loss'"),
        ({"curves": {"loss": ([1.0, 2.0], [0.5, 0.4])}}, "must be integers, got dtype float64"),
        ({"curves": {"loss": ([1, 1], [0.5, 0.4])}}, "steps must increase; those of 'loss'"),
        ({"snapshots": ([0, 1], [0.9])}, "for 'R@1'"),
        ({"curves": {"loss": ([[1]], [[0.5]])}}, "one value for every step"),
    ],
)
def test_refuses_what_does_not_go_together(given, message):
    with pytest.raises(ValueError, match=message):
        LiveTraining(10).update(**given)


@pytest.mark.parametrize(
    ("name", "value"),
    [("state", "sleeping"), ("step", -1), ("total_steps", -1), ("cursor", -2), ("cursor", 1.5)],
)
def test_traits_refuse_what_makes_no_sense(name, value):
    with pytest.raises(traitlets.TraitError, match=name):
        setattr(LiveTraining(10), name, value)


@pytest.mark.parametrize("count", [1, 2, 299, 300, 301, 600, 601, 937, 56_000])
def test_a_long_curve_is_thinned_to_means(rng, count):
    values = rng.normal(size=count)
    widget = LiveTraining(count)
    widget.update(curves={"loss": (np.arange(1, count + 1), values)})
    (curve,) = widget._curves
    size = widget._steps_per_point
    assert math.ceil(count / size) == len(curve["values"]) <= MOST_POINTS
    assert size == 1 or count / (size // 2) > MOST_POINTS
    expected = [values[i : i + size].mean() for i in range(0, count, size)]
    np.testing.assert_allclose(curve["values"], expected, rtol=1e-3, atol=1e-4)
    assert curve["steps"] == [min(i + size, count) for i in range(0, count, size)]


def test_a_gap_does_not_spoil_the_mean_around_it():
    values = np.ones(600)
    values[10], values[20:22], values[30] = math.nan, math.nan, math.inf
    widget = LiveTraining(600)
    widget.update(curves={"loss": (np.arange(1, 601), values)})
    thinned = widget._curves[0]["values"]
    assert widget._steps_per_point == 2
    assert [i for i, value in enumerate(thinned) if value is None] == [10]
    assert {value for value in thinned if value is not None} == {1.0}


def test_points_stay_where_they_are_while_the_curve_grows():
    sizes = [steps_per_point(count) for count in range(1, 2000)]
    assert sizes == sorted(sizes)
    assert set(sizes) == {1, 2, 4, 8}


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (8.42, "8.4 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (48.2, "48 s"),
        (59.6, "1 min 00 s"),
        (200, "3 min 20 s"),
        (3599.8, "1 h 00 min"),
        (3900, "1 h 05 min"),
    ],
)
def test_durations_in_words(seconds, text):
    assert duration_text(seconds) == text


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (("waiting", 0, 937), "Training has not begun."),
        (("running", 120, 1937), "Training: step 120 of 1,937."),
        (("running", 120, 0), "Training: step 120."),
        (("finished", 937, 937), "Finished: 937 steps in 48 s, R@1 0.933 → 0.984."),
        (("finished", 937, 0), "Finished: 937 steps in 48 s, R@1 0.933 → 0.984."),
        (("finished", 99, 937), "Finished early at step 99 of 937 in 48 s, R@1 0.933 → 0.984."),
        (
            ("interrupted", 120, 937),
            "Interrupted at step 120 of 937; the model keeps what it learned until then, "
            "R@1 0.933 → 0.984.",
        ),
        (("failed", 120, 937), "Failed at step 120 of 937: ValueError: no batch."),
    ],
)
def test_the_state_in_one_sentence(given, sentence):
    options = {"seconds": 48.2, "recalls": [0.933, None, 0.9844, math.nan]}
    assert summarise(*given, **options, error="ValueError: no batch.") == sentence


def test_the_sentence_leaves_out_what_is_not_known():
    assert summarise("finished", 5, 5) == "Finished: 5 steps."
    assert summarise("finished", 5, 5, recalls=[0.9]) == "Finished: 5 steps, R@1 0.900."
    assert summarise("failed", 5, 6) == "Failed at step 5 of 6."
    resumed = summarise("finished", 937, 937, first_step=400, seconds=20)
    assert resumed == "Finished: 537 more steps in 20 s, 937 in all."


def test_a_recording_is_a_last_picture():
    recording = Recording.load(ROOT / "data" / "mnist-recording.npz")
    widget = LiveTraining.from_recording(recording, title="A real training")
    assert repr(widget) == "LiveTraining(finished, step 937 of 937)"
    assert widget.summary == "Finished: 937 steps, R@1 0.619 → 0.983."
    names = [curve["name"] for curve in widget._curves]
    assert names == ["loss", "positive triplets"]
    assert widget._snapshots["steps"] == recording.steps.tolist()
    np.testing.assert_allclose(widget._snapshots["values"], recording.curves["R@1"], rtol=1e-3)


def test_a_recording_without_curves_of_steps_shows_those_of_snapshots(rng):
    recording = Recording(
        steps=np.array([0, 1, 10]),
        embeddings=rng.normal(size=(3, 4, 2)),
        labels=np.array([0, 0, 1, 1]),
        images=np.zeros((4, 2, 2), np.uint8),
        curves={"loss": np.array([0.5, 0.4, 0.3])},
    )
    widget = LiveTraining.from_recording(recording)
    assert widget._curves == [{"name": "loss", "steps": [0, 1, 10], "values": [0.5, 0.4, 0.3]}]
    assert widget.summary == "Finished: 10 steps."


def test_neither_room_imports_tensorflow():
    program = (
        "import sys, tripletviz.lessons.live as live, tripletviz.widgets.live_training;"
        "live.live_training(); sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


# ---------------------------------------------------------------- a training that shows itself


class Act:
    """Makes a callback that does something in the middle of a step, before it is recorded."""

    def __new__(cls, step, action):
        from tripletviz._tensorflow import keras

        def begin(batch, logs=None):
            if batch + 1 == step:
                action()

        return keras.callbacks.LambdaCallback(on_train_batch_begin=begin)


def interrupt():
    signal.raise_signal(signal.SIGINT)


@pytest.fixture
def shown(monkeypatch):
    """What is displayed. Updates come with every step."""
    displayed = []
    monkeypatch.setattr(live_module, "display", displayed.append)
    monkeypatch.setattr(live_module, "SECONDS_BETWEEN_UPDATES", 0)
    return displayed


def test_fit_shows_its_training(sample, shown, monkeypatch):
    told = []
    now = itertools.count()  # each look at the clock takes a second
    monkeypatch.setattr(live_module, "time", SimpleNamespace(monotonic=now.__next__))
    update = LiveTraining.update
    monkeypatch.setattr(
        LiveTraining, "update", lambda self, **news: (told.append(news), update(self, **news))
    )
    live = live_training(title="Mine", face="widget")
    with pytest.raises(RuntimeError, match="no training has begun"):
        _ = live.widget
    params = parse_params(SMALL)
    recording, finished = fit(
        build_network(params), params, *sample[0], probe=sample[1], progress=live
    )
    widget = live.widget
    assert finished
    assert shown == [widget]
    assert (widget.state, widget.step, widget.total_steps) == ("finished", 15, 15)
    assert widget.title == "Mine"
    assert [news["step"] for news in told] == [0, *range(1, 16), 15]
    assert [news["state"] for news in told] == ["running"] * 16 + ["finished"]
    # At the very start R@1 of the untrained network is known, and nothing else.
    assert told[0]["snapshots"][0] == [0]
    assert told[0]["seconds_left"] is None
    assert 0 < told[8]["seconds_left"] < 60
    loss, fraction = widget._curves
    assert fraction["name"] == "positive triplets"
    np.testing.assert_allclose(loss["values"], recording.step_curves["loss"], rtol=1e-3)
    recorded = recording.step_curves["fraction of positive triplets"]
    np.testing.assert_allclose(fraction["values"], recorded, rtol=1e-3)
    assert widget._snapshots["steps"] == recording.steps.tolist()
    assert widget.summary.startswith("Finished: 15 steps in ")
    before, after = recording.curves["R@1"][[0, -1]]
    assert widget.summary.endswith(f", R@1 {before:.3f} → {after:.3f}.")


def test_a_second_training_is_a_picture_of_its_own(sample, shown):
    live = live_training(face="widget")
    params = parse_params(SMALL | {"objective": "classification"})
    network = build_network(params)
    fit(network, params, *sample[0], probe=sample[1], progress=live)
    first = live.widget
    fit(network, params, *sample[0], probe=sample[1], progress=live)
    assert shown == [first, live.widget]
    assert first is not live.widget
    assert [curve["name"] for curve in first._curves] == ["loss", "accuracy"]


def test_an_interrupt_ends_the_training_and_is_told(sample, shown):
    live = live_training(face="widget")
    training = Training(
        build_network(parse_params(SMALL)), parse_params(SMALL), *sample[0], probe=sample[1]
    )
    make = training._callbacks
    training._callbacks = lambda *given: [*make(*given), Act(7, interrupt)]
    before = signal.getsignal(signal.SIGINT)
    assert not training.run(progress=live)
    assert signal.getsignal(signal.SIGINT) is before
    assert (live.widget.state, live.widget.step) == ("interrupted", 7)
    assert live.widget.summary.startswith("Interrupted at step 7 of 15; the model keeps")
    # A last look at what the model has learned until then.
    assert live.widget._snapshots["steps"][-1] == 7


def test_an_interrupt_that_does_not_wait_is_told_too(sample, shown):
    live = live_training(face="widget")
    params = parse_params(SMALL)
    training = Training(build_network(params), params, *sample[0], probe=sample[1])
    make = training._callbacks
    twice = Act(7, lambda: (interrupt(), interrupt()))
    training._callbacks = lambda *given: [*make(*given), twice]
    assert not training.run(progress=live)
    assert (live.widget.state, live.widget.step) == ("interrupted", 6)


def test_a_training_that_diverges_has_failed(sample, shown, capsys):
    live = live_training(face="widget")
    params = parse_params(SMALL | {"learning_rate": 1e30, "batch_norm": False, "snapshots": 15})
    fit(build_network(params), params, *sample[0], probe=sample[1], progress=live)
    assert live.widget.state == "failed"
    assert "the embeddings are no longer finite." in live.widget.summary
    assert None in live.widget._snapshots["values"]


def test_a_training_that_goes_on_shows_what_was_before(sample, shown, tmp_path):
    from tripletviz.checkpoints import Checkpoint

    params = parse_params(SMALL)
    path = tmp_path / "checkpoint"
    first = Training(build_network(params), params, *sample[0], probe=sample[1])
    make = first._callbacks
    first._callbacks = lambda *given: [*make(*given), Act(7, interrupt)]
    first.run(progress=False, checkpoint_path=path)
    live = live_training(face="widget")
    rest = Training(
        build_network(params),
        params,
        *sample[0],
        probe=sample[1],
        checkpoint=Checkpoint.load(path),
    )
    assert rest.run(progress=live)
    assert live.widget._curves[0]["steps"] == list(range(1, 16))
    assert live.widget.first_step == 7
    assert live.widget.summary.startswith("Finished: 8 more steps in ")


def test_with_nobody_looking_there_is_one_line(sample, shown, capfd):
    live = live_training(face="line")
    params = parse_params(SMALL)
    fit(build_network(params), params, *sample[0], probe=sample[1], progress=live)
    out, err = capfd.readouterr()
    assert out.startswith("Finished: 15 steps in ")
    assert out.count("\n") == 1
    assert "Finished" not in err
    assert shown == []
    # The last picture is there for who asks for it.
    assert live.widget.state == "finished"
    assert live.widget.summary == out.strip()


def test_in_a_plain_python_it_is_the_text_bar(sample, shown, capsys):
    live = live_training()
    params = parse_params(SMALL | {"epochs": 2})
    fit(build_network(params), params, *sample[0], probe=sample[1], progress=live)
    lines = capsys.readouterr().out.splitlines()
    # On a slow machine there is a line every ten seconds besides the one an epoch.
    assert all(line.startswith("Training: epoch ") for line in lines)
    assert lines[-1].startswith("Training: epoch 2, step 30 of 30, ")
    assert live.widget.summary.startswith("Finished: 30 steps")


def test_faces_have_names():
    with pytest.raises(ValueError, match="must be one of widget, line, bar, or None; got 'smile'"):
        live_training(face="smile")


# ---------------------------------------------------------------- plain Keras


@pytest.fixture
def model():
    from tripletviz._tensorflow import keras

    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    return model


def batches(count=8):
    import tensorflow as tf

    data = np.ones((count, 2, 3), np.float32), np.zeros((count, 2, 2), np.float32)
    return tf.data.Dataset.from_tensor_slices(data)


def test_any_training_with_keras_shows_itself(model, shown):
    callback = live_callback(face="widget")
    model.fit(batches(), epochs=3, callbacks=[callback], verbose=0, shuffle=False)
    assert shown == [callback.widget]
    assert (callback.widget.step, callback.widget.total_steps) == (24, 24)
    (curve,) = callback.widget._curves
    # What Keras logs without a recorder is a running mean, and is called so.
    assert curve["name"] == "loss, mean of the epoch so far"
    assert curve["steps"] == list(range(1, 25))
    assert callback.widget._snapshots == {"steps": [], "values": []}
    model.fit(batches(), initial_epoch=2, epochs=3, callbacks=[callback], verbose=0, shuffle=False)
    assert callback.widget._curves[0]["steps"] == list(range(17, 25))
    assert callback.widget.first_step == 16


@pytest.mark.filterwarnings("ignore:Your input ran out of data")
def test_a_length_that_keras_does_not_know(model, shown, capsys):
    endless = batches().repeat().take(8).filter(lambda x, y: True)
    callback = live_callback(face="bar")
    model.fit(endless, callbacks=[callback], verbose=0, shuffle=False)
    assert capsys.readouterr().out.startswith("Finished: 8 steps in ")
    assert callback.widget.total_steps == 0


def test_training_that_another_callback_ends_finished_early(model, shown):
    def stop():
        model.stop_training = True

    callback = live_callback(face="widget")
    model.fit(batches(), callbacks=[callback, Act(3, stop)], verbose=0, shuffle=False)
    assert callback.widget.summary.startswith("Finished early at step 3 of 8 in ")


@pytest.fixture
def plain_interrupts():
    """Python's own handler of interrupts, whatever a browser driver has put in its place."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_outside_a_kernel_an_interrupt_of_keras_is_what_it_is(model, shown, plain_interrupts):
    before = signal.getsignal(signal.SIGINT)
    callbacks = [live_callback(), Act(3, interrupt)]
    with pytest.raises(KeyboardInterrupt):
        model.fit(batches(), callbacks=callbacks, verbose=0, shuffle=False)
    assert signal.getsignal(signal.SIGINT) is before


def test_a_recorder_beside_it_gives_single_batches_and_recall(sample, shown, capsys):
    params = parse_params(SMALL)
    model = Training(build_network(params), params, *sample[0], probe=sample[1]).model
    recorder = EmbeddingRecorder(
        *sample[1], total_steps=5, strategy="batch_all", margin=0.5, snapshots=3
    )
    images, labels = (each[:500] for each in sample[0])
    # In this order the recorder's last look would come after ours.
    callback = live_callback(recorder, face="widget")
    with Interruptible(callback, recorder) as training:
        model.fit(
            images,
            labels,
            batch_size=100,
            callbacks=[callback, recorder, Act(4, interrupt)],
            verbose=0,
        )
    assert not training.finished
    loss, *_ = callback.widget._curves
    assert (loss["name"], loss["steps"]) == ("loss", [1, 2, 3, 4])
    np.testing.assert_allclose(loss["values"], recorder.recording().step_curves["loss"], rtol=1e-3)
    assert callback.widget._snapshots["steps"] == recorder.recording().steps.tolist()
    assert callback.widget._snapshots["steps"][-1] == 4
    assert callback.widget.state == "interrupted"


# ---------------------------------------------------------------- in a kernel

TRAIN = """
import numpy as np
from tripletviz.datasets import load_mnist_sample
from tripletviz.lessons.live import live_callback, live_training
from tripletviz.params import parse_params
from tripletviz.training import build_network, fit

images, labels = load_mnist_sample()
params = parse_params({"strategy": "batch_all", "margin": 0.5, "channels": 4, "embedding_size": 8,
                       "batch_size": 100, "snapshots": 3})
live = live_training()
network = build_network(params)
"""
FIT = "_, finished = fit(network, params, images, labels, probe=(images, labels), progress=live)"
FAIL = """
import keras
class Spoil(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        if batch == 2:
            raise ValueError("spoilt on purpose")
model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)])
model.compile("sgd", "mse")
x = np.ones((40, 3), np.float32), np.ones((40, 2), np.float32)
callback = live_callback(face="widget")
"""


def notebook_of(*cells):
    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
    return notebook


@pytest.fixture(autouse=True)
def package_on_path(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))


def test_papermill_gets_one_line_and_the_last_picture_where_it_is_asked_for(tmp_path):
    nbformat.write(notebook_of(TRAIN, FIT, "live.widget"), tmp_path / "in.ipynb")
    executed = papermill.execute_notebook(
        tmp_path / "in.ipynb",
        tmp_path / "out.ipynb",
        progress_bar=False,
        start_timeout=300,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )
    _, trained, asked = (cell.outputs for cell in executed.cells)
    assert [(each.output_type, each.name) for each in trained] == [("stream", "stdout")]
    assert trained[0].text.startswith("Finished: 20 steps in ")
    assert trained[0].text.count("\n") == 1
    view = asked[0].data["application/vnd.jupyter.widget-view+json"]
    assert asked[0].data["text/plain"] == "LiveTraining(finished, step 20 of 20)"
    states = executed.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    saved = states[view["model_id"]]
    assert saved["state"]["state"] == "finished"
    assert saved["state"]["summary"] == trained[0].text.strip()
    assert "buffers" not in saved or saved["buffers"] == []
    # The widget, its layout, and nothing of the training before.
    assert len([s for s in states.values() if s["model_name"] == "AnyModel"]) == 1


def test_a_training_that_fails_or_is_interrupted_in_a_cell_says_so(tmp_path):
    """Seen from the next cell: a kernel, forced to the widget, as JupyterLab would have it."""
    said = 'print(callback.widget.state, "|", callback.widget.summary)'
    training = "model.fit(*x, batch_size=4, epochs=200, callbacks=[callback, {}], verbose=0)"
    signal_at = (
        "import signal, _thread\n"
        "stop = keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: "
        "signal.raise_signal(signal.SIGINT) if batch == 5 else None)"
    )
    notebook = notebook_of(
        TRAIN + FAIL + signal_at,
        training.format("Spoil()"),
        said,
        training.format("stop"),
        said,
    )
    notebook.cells[1].metadata.tags = ["raises-exception"]
    nbclient.NotebookClient(notebook, timeout=900, startup_timeout=300).execute()
    outputs = [cell.outputs for cell in notebook.cells]
    assert outputs[1][-1].ename == "ValueError"
    failed = "failed | Failed at step 3 of 2,000: ValueError: spoilt on purpose.\n"
    assert outputs[2][0].text == failed
    # Without any context around it, the interrupt ends `fit` after its step, without an error.
    assert not [each for each in outputs[3] if each.output_type == "error"]
    assert outputs[4][0].text.startswith("interrupted | Interrupted at step 6 of 2,000; the model")


@pytest.fixture(scope="module")
def kernel():
    manager = jupyter_client.KernelManager(kernel_name="python3")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    manager.start_kernel(env=environment)
    client = manager.client()
    client.start_channels()
    client.wait_for_ready(timeout=300)
    yield client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


@pytest.mark.parametrize(
    ("metadata", "face"),
    [
        ({}, "line"),
        ({"cellId": "3f1c", "deletedCells": [], "recordTiming": False}, "widget"),
        ({"cellId": "vscode-notebook-cell:/a.ipynb#W0"}, "widget"),
    ],
)
def test_a_front_end_is_known_by_naming_the_cell(kernel, metadata, face):
    code = "from tripletviz.lessons.live import fitting_face; print(fitting_face())"
    content = {
        "code": code,
        "silent": False,
        "store_history": True,
        "user_expressions": {},
        "allow_stdin": False,
        "stop_on_error": True,
    }
    message = kernel.session.msg("execute_request", content, metadata=metadata)
    kernel.shell_channel.send(message)
    printed = ""
    while True:
        try:
            reply = kernel.get_iopub_msg(timeout=300)
        except queue.Empty:
            pytest.fail("the kernel does not answer")
        if reply["parent_header"].get("msg_id") != message["header"]["msg_id"]:
            continue
        if reply["msg_type"] == "stream":
            printed += reply["content"]["text"]
        if reply["content"].get("execution_state") == "idle":
            break
    assert printed == f"{face}\n"
