import itertools
from types import SimpleNamespace

import numpy as np
import pytest

from tripletviz._tensorflow import keras
from tripletviz.callbacks import EmbeddingRecorder
from tripletviz.checkpoints import Checkpoint, Checkpointer
from tripletviz.losses import BatchAllTripletLoss
from tripletviz.params import ExperimentError

STEPS = 9


@pytest.fixture
def data(rng):
    labels = np.arange(96) % 4
    return rng.normal(size=(96, 5)).astype(np.float32), labels


def made(data, units=3, seed=1):
    """A compiled network with dropout, which draws random numbers, and its recorder."""
    model = keras.Sequential(
        [
            keras.Input((5,)),
            keras.layers.Dropout(0.3, seed=4),
            keras.layers.Dense(units, kernel_initializer=keras.initializers.GlorotUniform(seed)),
        ]
    )
    model.compile(keras.optimizers.Adam(1e-2), BatchAllTripletLoss(0.5))
    recorder = EmbeddingRecorder(
        data[0][:40],
        data[1][:40],
        total_steps=STEPS,
        strategy="batch_all",
        margin=0.5,
        snapshots=4,
    )
    return model, recorder


def fit(model, data, steps, *callbacks):
    """Train on batches of 12 that are the same in every run; `steps` is their range."""
    for step in steps:
        rows = np.arange(12) * 8 + step % 8
        first, last = step == steps[0], step == steps[-1]
        for callback in callbacks:
            callback.set_model(model)
            if first:
                callback.on_train_begin()
            callback.on_train_batch_begin(step)
        logs = model.train_on_batch(data[0][rows], data[1][rows], return_dict=True)
        for callback in callbacks:
            callback.on_train_batch_end(step, logs)
            if last:
                callback.on_train_end()


def state(model):
    return [each.numpy() for each in (*model.variables, *model.optimizer.variables)]


def test_a_training_that_goes_on_ends_equal(data, tmp_path, monkeypatch):
    now = itertools.count(1000.0)  # each look at the clock takes a second
    monkeypatch.setattr("tripletviz.checkpoints.time", SimpleNamespace(monotonic=now.__next__))
    model, recorder = made(data)
    fit(model, data, range(STEPS), recorder)

    first, first_recorder = made(data)
    path = tmp_path / "checkpoint.npz"
    notes = {"untrained": {"recall": 0.5}}
    keeper = Checkpointer(path, first_recorder, notes=notes, seconds=100.0)
    fit(first, data, range(4), first_recorder, keeper)
    checkpoint = Checkpoint.load(path)
    assert (checkpoint.step, checkpoint.notes) == (4, notes)
    # The clock is looked at when training begins, before and after the first checkpoint, after each
    # of four steps, and for the last checkpoint: seven seconds after the first look.
    assert checkpoint.seconds == 107.0
    # The look that the end of this part brought about is none of the whole training's.
    assert checkpoint.recording.steps.tolist() == [0, 1, 3]

    second, second_recorder = made(data, seed=2)
    checkpoint.restore(second, second_recorder)
    fit(second, data, range(4, STEPS), second_recorder)
    for one, other in zip(state(model), state(second), strict=True):
        np.testing.assert_array_equal(one, other)
    expected, found = recorder.recording().to_arrays(), second_recorder.recording().to_arrays()
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(values, found[name], err_msg=name)


def test_it_is_written_at_the_start_from_time_to_time_and_at_the_end(data, tmp_path):
    model, recorder = made(data)
    steps = []

    class Watched(Checkpointer):
        def save(self):
            super().save()
            steps.append(Checkpoint.load(self.path).step)

    fit(model, data, range(3), recorder, Watched(tmp_path / "a.npz", recorder, every_seconds=0))
    assert steps == [0, 1, 2, 3, 3]
    steps.clear()
    model, recorder = made(data)
    fit(model, data, range(3), recorder, Watched(tmp_path / "b.npz", recorder, every_seconds=999))
    assert steps == [0, 3]


def test_a_training_goes_on_from_the_checkpoint_before_its_first_step(data, tmp_path):
    model, recorder = made(data)
    keeper = Checkpointer(tmp_path / "checkpoint.npz", recorder)
    for callback in (recorder, keeper):
        callback.set_model(model)
        callback.on_train_begin()
    again, again_recorder = made(data, seed=2)
    Checkpoint.load(keeper.path).restore(again, again_recorder)
    for each, its_recorder in ((model, recorder), (again, again_recorder)):
        fit(each, data, range(STEPS), its_recorder)
    for one, other in zip(state(model), state(again), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_update_without_its_record_is_not_kept(data, tmp_path):
    model, recorder = made(data)
    keeper = Checkpointer(tmp_path / "checkpoint.npz", recorder)
    fit(model, data, range(2), recorder, keeper)
    model.train_on_batch(data[0][:12], data[1][:12])
    keeper.save()
    assert Checkpoint.load(keeper.path).step == 2


def test_a_training_that_diverged_is_not_kept(data, tmp_path):
    model, recorder = made(data)
    keeper = Checkpointer(tmp_path / "checkpoint.npz", recorder, every_seconds=0)
    fit(model, data, range(2), recorder, keeper)
    recorder.diverged = True
    fit(model, data, range(2, 3), keeper)
    assert Checkpoint.load(keeper.path).step == 2


def test_a_checkpoint_of_another_network_is_refused(data, tmp_path):
    model, recorder = made(data)
    fit(model, data, range(1), recorder, Checkpointer(tmp_path / "checkpoint.npz", recorder))
    with pytest.raises(ExperimentError, match="another network or optimizer"):
        Checkpoint.load(tmp_path / "checkpoint.npz").restore(*made(data, units=4))


@pytest.mark.parametrize("content", [b"", b"not a zip", "half"])
def test_a_damaged_checkpoint_is_named(data, tmp_path, content):
    path = tmp_path / "checkpoint.npz"
    if content == "half":
        model, recorder = made(data)
        fit(model, data, range(1), recorder, Checkpointer(path, recorder))
        content = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(content)
    with pytest.raises(ExperimentError, match=r"checkpoint\.npz is damaged, or no checkpoint"):
        Checkpoint.load(path)


def test_an_npz_of_something_else_is_no_checkpoint(tmp_path):
    np.savez(tmp_path / "other.npz", steps=np.arange(3))
    with pytest.raises(ExperimentError, match="is damaged, or no checkpoint"):
        Checkpoint.load(tmp_path / "other.npz")
