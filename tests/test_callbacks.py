import signal

import numpy as np
import pytest

from tripletviz._tensorflow import keras
from tripletviz.callbacks import (
    EmbeddingRecorder,
    Interruptible,
    ProgressBar,
    Recording,
    probe_indices,
    snapshot_steps,
)
from tripletviz.evaluation import recall_at_k
from tripletviz.losses import LOSS_CLASSES, BatchAllTripletLoss, FractionOfPositiveTriplets
from tripletviz.triplets import count_triplets

STEPS = 12


@pytest.fixture
def data(rng):
    labels = np.arange(96) % 4
    images = rng.integers(0, 256, size=(96, 6, 6)).astype(np.uint8)
    images[np.arange(96), labels] = 255
    return images, labels


def network():
    model = keras.Sequential(
        [
            keras.Input((6, 6)),
            keras.layers.Flatten(),
            keras.layers.Rescaling(1 / 255),
            keras.layers.BatchNormalization(momentum=0.5),  # differs in training and in use
            keras.layers.Dense(3, kernel_initializer=keras.initializers.GlorotUniform(seed=1)),
        ]
    )
    model.compile(
        keras.optimizers.Adam(1e-2),
        BatchAllTripletLoss(0.5),
        metrics=[FractionOfPositiveTriplets(0.5)],
    )
    return model


def recorder_of(data, **options):
    options = {"total_steps": STEPS, "strategy": "batch_all", "margin": 0.5} | options
    return EmbeddingRecorder(data[0][:40], data[1][:40], **options)


def fit(model, data, *callbacks, epochs=4):
    model.fit(*data, batch_size=32, epochs=epochs, shuffle=False, callbacks=callbacks, verbose=0)


def test_snapshots_start_before_the_first_update_and_end_after_the_last(data):
    model, recorder = network(), recorder_of(data, snapshots=5)
    before = model.predict(data[0][:40], verbose=0)
    fit(model, data, recorder)
    after = model.predict(data[0][:40], verbose=0)
    recording = recorder.recording()
    assert recording.steps.tolist() == [0, 1, 2, 5, 12]
    assert recording.embeddings.shape == (5, 40, 3)
    np.testing.assert_allclose(recording.embeddings[0], before, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(recording.embeddings[-1], after, rtol=1e-5, atol=1e-6)
    assert np.abs(after - before).max() > 1e-3


def test_curves_are_those_of_the_probe_set_at_each_snapshot(data):
    model, recorder = network(), recorder_of(data, snapshots=4)
    fit(model, data, recorder)
    recording = recorder.recording()
    for i, embeddings in enumerate(recording.embeddings):
        counts = count_triplets(recording.labels, embeddings, 0.5)
        curves = {name: values[i] for name, values in recording.curves.items()}
        assert curves["easy"] == counts.easy / counts.valid
        assert curves["semi-hard"] == counts.semi_hard / counts.valid
        assert curves["hard"] == counts.hard / counts.valid
        active = counts.semi_hard + counts.hard
        assert curves["fraction of positive triplets"] == active / counts.valid
        assert curves["R@1"] == recall_at_k(embeddings, recording.labels, k=1)
        loss = float(BatchAllTripletLoss(0.5)(recording.labels, embeddings))
        assert curves["loss"] == pytest.approx(loss, rel=1e-6)


def test_step_curves_are_those_of_each_batch_not_running_means(data):
    model, recorder = network(), recorder_of(data)
    model.optimizer.learning_rate = 0.0  # so that each batch has the same loss in every epoch
    fit(model, data, recorder)
    losses = recorder.recording().step_curves["loss"]
    batches = [(data[0][i : i + 32], data[1][i : i + 32]) for i in (0, 32, 64)]
    loss = BatchAllTripletLoss(0.5)
    alone = [float(loss(labels, model(images, training=True))) for images, labels in batches]
    assert len(set(np.round(alone, 4))) == 3
    np.testing.assert_allclose(losses, alone * 4, rtol=1e-5)


def test_recording_changes_nothing_about_the_training(data):
    plain, recorded = network(), network()
    fit(plain, data)
    fit(recorded, data, recorder_of(data))
    for one, other in zip(plain.get_weights(), recorded.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("strategy", "margin", "squared", "ring"),
    [
        ("batch_hard", 0.5, False, 0.5),
        ("batch_semi_hard", 0.5, True, 0.5),
        ("batch_hard", "soft", False, 0.0),
    ],
)
def test_every_strategy_is_measured_by_its_own_loss(data, strategy, margin, squared, ring):
    model = network()
    recorder = recorder_of(data, strategy=strategy, margin=margin, squared=squared)
    fit(model, data, recorder)
    recording = recorder.recording()
    loss = LOSS_CLASSES[strategy](margin, squared)(recording.labels, recording.embeddings[-1])
    assert recording.curves["loss"][-1] == pytest.approx(float(loss), rel=1e-6)
    counts = count_triplets(recording.labels, recording.embeddings[-1], ring, squared)
    assert recording.curves["semi-hard"][-1] == counts.semi_hard / counts.valid
    assert recording.curves["hard"][-1] == counts.hard / counts.valid


def test_a_second_fit_is_a_recording_of_its_own(data, capsys):
    model, recorder = network(), recorder_of(data, snapshots=4)
    bar = ProgressBar(STEPS, recorder=recorder)
    with Interruptible(recorder, bar):
        fit(model, data, recorder, bar, InterruptAt(7))
    fit(model, data, recorder, bar)
    assert recorder.recording().steps.tolist() == [0, 1, 3, 12]
    assert len(recorder.recording().step_curves["loss"]) == STEPS
    assert "step 12 of 12" in capsys.readouterr().out.splitlines()[-1]


def test_a_training_that_diverges_stops_and_says_so(data, capsys):
    model, recorder = network(), recorder_of(data, snapshots=13)
    model.optimizer.learning_rate = 1e38
    fit(model, data, recorder)
    recording = recorder.recording()
    assert recorder.diverged
    assert recording.steps[-1] < STEPS
    assert np.isnan(recording.curves["R@1"][-1])
    assert np.isfinite(recording.curves["R@1"][0])
    assert f"diverged: at step {recording.steps[-1]} " in capsys.readouterr().out


def test_an_interrupt_before_anything_is_kept_is_an_interrupt(data):
    with pytest.raises(KeyboardInterrupt), Interruptible(recorder_of(data)):
        raise KeyboardInterrupt


class InterruptAt(keras.callbacks.Callback):
    def __init__(self, step):
        super().__init__()
        self.left = step

    def on_train_batch_end(self, batch, logs=None):
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


class SignalAt(keras.callbacks.Callback):
    """Sends the process a real interrupt in the middle of a step: before its record."""

    def __init__(self, step, times=1):
        super().__init__()
        self.step, self.times = step, times

    def on_train_batch_begin(self, batch, logs=None):
        self.step -= 1
        if self.step == 0:
            for _ in range(self.times):
                signal.raise_signal(signal.SIGINT)


def test_an_interrupt_waits_for_the_end_of_the_step(data, capsys):
    before = signal.getsignal(signal.SIGINT)
    model, recorder = network(), recorder_of(data)
    with Interruptible(recorder) as training:
        fit(model, data, recorder, SignalAt(7), epochs=1000)
    assert not training.finished
    assert recorder.step == int(model.optimizer.iterations) == 7
    assert len(recorder.step_curves["loss"]) == 7
    assert "Training was interrupted" in capsys.readouterr().out
    assert signal.getsignal(signal.SIGINT) is before
    # The context can be entered again, and the next training runs to its end.
    with training:
        fit(model, data, recorder)
    assert training.finished


def test_a_second_interrupt_does_not_wait(data):
    model, recorder = network(), recorder_of(data)
    with Interruptible(recorder) as training:
        fit(model, data, recorder, SignalAt(7, times=2))
    assert not training.finished
    assert recorder.step == 6


def test_an_interrupt_before_the_training_has_begun_is_an_interrupt(data):
    model, recorder = network(), recorder_of(data)
    fit(model, data, recorder, epochs=1)
    recorder.restore(recorder.recording(), recorder.step)

    class TooEarly(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), Interruptible(recorder):
        fit(model, data, TooEarly(), recorder)


def test_an_interrupt_ends_training_cleanly(data, capsys):
    model, recorder = network(), recorder_of(data, snapshots=4)
    bar = ProgressBar(STEPS, recorder=recorder)
    with Interruptible(recorder, bar) as training:
        fit(model, data, recorder, bar, InterruptAt(7))
    assert not training.finished
    assert "keeps what it has learnt" in capsys.readouterr().out
    recording = recorder.recording()
    assert recording.steps[-1] == 7
    np.testing.assert_allclose(
        recording.embeddings[-1], model.predict(data[0][:40], verbose=0), rtol=1e-5, atol=1e-6
    )
    fit(model, data, epochs=1)  # the network is whole: it trains on


def test_other_errors_pass_through_and_a_full_training_is_finished(data):
    with pytest.raises(RuntimeError, match="out of memory"), Interruptible():
        raise RuntimeError("out of memory")
    model, recorder = network(), recorder_of(data)
    with Interruptible(recorder) as training:
        fit(model, data, recorder)
    assert training.finished


def test_a_recording_survives_the_disk(data, tmp_path):
    model, recorder = network(), recorder_of(data)
    fit(model, data, recorder)
    recording = recorder.recording()
    recording.save(tmp_path / "r.npz")
    loaded = Recording.load(tmp_path / "r.npz")
    np.testing.assert_array_equal(loaded.embeddings, recording.embeddings)
    np.testing.assert_array_equal(loaded.images, recording.images)
    assert list(loaded.curves) == list(recording.curves)
    for name in recording.curves:
        np.testing.assert_array_equal(loaded.curves[name], recording.curves[name])
    np.testing.assert_array_equal(loaded.step_curves["loss"], recording.step_curves["loss"])
    assert [path.name for path in tmp_path.iterdir()] == ["r.npz"]
    recording.save(tmp_path / "half.npz", embeddings_dtype="float16")
    half = Recording.load(tmp_path / "half.npz").embeddings
    assert half.dtype == np.float32
    np.testing.assert_allclose(half, recording.embeddings, rtol=1e-3, atol=1e-3)


def test_sizes_of_the_embedding_are_recorded(data):
    model, recorder = network(), recorder_of(data, snapshots=3, squared=True)
    fit(model, data, recorder)
    recording = recorder.recording()
    for i, embeddings in enumerate(recording.embeddings.astype(np.float64)):
        differences = embeddings[:, None] - embeddings
        distances = (differences**2).sum(axis=2)
        same = recording.labels[:, None] == recording.labels
        curves = {name: values[i] for name, values in recording.curves.items()}
        expected = {
            "mean embedding norm": np.sqrt((embeddings**2).sum(axis=1)).mean(),
            "hardest positive distance": np.mean(
                [max(row[mine]) for row, mine in zip(distances, same, strict=True)]
            ),
            "hardest negative distance": np.mean(
                [min(row[~mine]) for row, mine in zip(distances, same, strict=True)]
            ),
        }
        for name, value in expected.items():
            assert curves[name] == pytest.approx(value, rel=1e-5)


def test_an_anchor_alone_in_its_class_has_no_hardest_positive(data):
    images, labels = data[0][:9], np.array([0, 0, 0, 0, 1, 1, 1, 1, 2])
    model = network()
    recorder = EmbeddingRecorder(
        images, labels, total_steps=STEPS, strategy="batch_all", margin=0.5
    )
    fit(model, data, recorder)
    recording = recorder.recording()
    distances = np.linalg.norm(
        recording.embeddings[0][:, None] - recording.embeddings[0], axis=2
    ).astype(np.float64)
    same = labels[:, None] == labels
    expected = np.where(same, distances, 0).max(axis=1)[:8].mean()
    assert recording.curves["hardest positive distance"][0] == pytest.approx(expected, rel=1e-5)


def test_a_network_below_the_trained_model_is_recorded(data):
    """With a softmax layer on it, what is recorded are still the embeddings, and the accuracy."""
    embedding = network()
    images = keras.Input((6, 6))
    logits = keras.layers.Dense(4, kernel_initializer="zeros")(embedding(images))
    model = keras.Model(images, logits)
    model.compile(
        keras.optimizers.Adam(1e-2),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    recorder = recorder_of(data, snapshots=3, network=embedding)
    fit(model, data, recorder)
    recording = recorder.recording()
    assert recording.embeddings.shape == (3, 40, 3)
    after = embedding.predict(data[0][:40], verbose=0)
    np.testing.assert_allclose(recording.embeddings[-1], after, rtol=1e-5, atol=1e-6)
    assert list(recording.step_curves) == ["loss", "accuracy"]
    assert recording.step_curves["loss"][0] == pytest.approx(np.log(4))


def test_a_restored_recorder_goes_on(data):
    model, recorder = network(), recorder_of(data, total_steps=2 * STEPS, snapshots=6)
    fit(model, data, recorder)
    half = recorder.recording(planned=True)
    assert STEPS in recorder.recording().steps
    assert half.steps.tolist() == [0, 1, 2, 5, 11]
    again = recorder_of(data, total_steps=2 * STEPS, snapshots=6)
    again.restore(half, STEPS)
    fit(model, data, again)
    whole = again.recording()
    assert whole.steps.tolist() == [0, 1, 2, 5, 11, 24]
    np.testing.assert_array_equal(whole.embeddings[:5], half.embeddings)
    assert len(whole.step_curves["loss"]) == 2 * STEPS
    # Another training with the same recorder begins anew.
    fit(model, data, again, epochs=1)
    assert again.recording().steps.tolist() == [0, 1, 2, 3]


@pytest.fixture
def standing_clock(monkeypatch):
    """No line appears because of time: the first step may take long on a busy machine."""
    monkeypatch.setattr("tripletviz.callbacks.time.monotonic", lambda: 0.0)


@pytest.mark.usefixtures("standing_clock")
def test_progress_counts_epochs_by_steps_and_from_where_it_goes_on(data, capsys):
    model, recorder = network(), recorder_of(data)
    bar = ProgressBar(STEPS + 5, recorder=recorder, steps_per_epoch=4, first_step=5)
    fit(model, data, recorder, bar)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(", ")[:2] for line in lines] == [
        ["Training: epoch 2", "step 8 of 17"],
        ["Training: epoch 3", "step 12 of 17"],
        ["Training: epoch 4", "step 16 of 17"],
    ]
    assert all(", 00:00 left, " in line for line in lines)


def test_long_epochs_say_how_far_they_are(data, capsys, monkeypatch):
    now = iter(range(0, 1000, 4))  # each look at the clock takes four seconds
    monkeypatch.setattr("tripletviz.callbacks.time.monotonic", lambda: next(now))
    model, recorder = network(), recorder_of(data)
    fit(model, data, recorder, ProgressBar(STEPS, recorder=recorder, steps_per_epoch=12))
    steps = [line.split(", ")[1] for line in capsys.readouterr().out.splitlines()]
    assert steps[-1] == "step 12 of 12"
    assert 3 <= len(steps) <= 6


@pytest.mark.usefixtures("standing_clock")
def test_progress_without_a_terminal_is_a_plain_line_an_epoch(data, capsys):
    model, recorder = network(), recorder_of(data)
    fit(model, data, recorder, ProgressBar(STEPS, recorder=recorder))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[-1].startswith("Training: epoch 4, step 12 of 12, 00:00 left, loss ")
    assert ", positive " in lines[-1]
    assert ", R@1 " in lines[-1]


@pytest.mark.parametrize(
    ("total", "count", "expected"),
    [(1, 2, [0, 1]), (100, 4, [0, 1, 10, 100]), (3, 24, [0, 1, 2, 3]), (50, 2, [0, 50])],
)
def test_snapshot_steps(total, count, expected):
    assert set(expected) <= set(snapshot_steps(total, count))
    assert snapshot_steps(total, count)[0] == 0
    assert snapshot_steps(total, count)[-1] == total
    if count > 2:
        assert snapshot_steps(total, count) == expected


def test_probe_indices_are_the_first_of_each_class_in_order():
    labels = np.array([1, 0, 1, 1, 0, 0])
    assert probe_indices(labels, per_class=2).tolist() == [0, 1, 2, 4]
    with pytest.raises(ValueError, match="class 0 has 3 members; wanted 4"):
        probe_indices(labels, per_class=4)


def test_bad_input_is_named(data):
    for labels, problem in ((data[1][:3], "96"), (np.eye(4)[data[1]], "one-hot")):
        with pytest.raises(ValueError, match=problem):
            EmbeddingRecorder(data[0], labels, total_steps=1, strategy="batch_all", margin=0.5)
    with pytest.raises(ValueError, match=r"must hold a triplet.*got classes of \[40\] images"):
        EmbeddingRecorder(
            data[0][:40], np.zeros(40, int), total_steps=1, strategy="batch_all", margin=0.5
        )
    with pytest.raises(ValueError, match="strategy must be one of"):
        recorder_of(data, strategy="everything")
    with pytest.raises(ValueError, match="at least 1"):
        snapshot_steps(0, 4)
    several = network()
    several.compile("sgd", BatchAllTripletLoss(0.5), steps_per_execution=3)
    with pytest.raises(ValueError, match="set steps_per_execution=1"):
        fit(several, data, recorder_of(data))
    with pytest.raises(RuntimeError, match="nothing is recorded yet"):
        recorder_of(data).recording()
