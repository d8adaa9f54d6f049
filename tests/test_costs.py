"""The cost table and what it measures; the short trainings and replicas of the lesson on scale."""

import time
from types import SimpleNamespace

import numpy as np
import pytest

from tripletviz._tensorflow import keras, tf
from tripletviz.lessons import costs, scale, use_profile
from tripletviz.losses import batch_all_triplet_loss


@pytest.fixture(scope="module")
def small():
    return costs.measure_step("conv_net_8", 16, repeats=2)


def test_a_step_is_measured(small):
    assert small.weights == costs.prepared("conv_net_8").model.count_params() - 2 * (8 + 16)
    assert small.first_seconds > 0
    assert small.step_seconds > 0
    assert 0 < small.loss_share <= 1
    assert small.images_per_second == pytest.approx(16 / small.step_seconds)
    assert small.memory > 0
    assert small.device.startswith(("CPU", "GPU"))


def test_the_first_step_is_told_apart_and_of_the_others_the_median(monkeypatch):
    # By a clock of its own: on a busy machine any step may take longer than the first.
    clock = iter([0, 9, 10, 10.5, 20, 23, 30, 31])
    monkeypatch.setattr(costs, "time", SimpleNamespace(perf_counter=clock.__next__))
    monkeypatch.setattr(costs, "_LONGEST", 100)
    assert costs._first_and_median(lambda: tf.constant(0.0), 3) == (9, 1)


def test_measuring_leaves_the_weights_as_they_were(small):
    step = costs.prepared("conv_net_8")
    assert step is costs.prepared("conv_net_8", "batch_all", "float32"), "the one that is measured"
    before = step.model.get_weights()
    costs.measure_step("conv_net_8", 16, repeats=1)
    for old, new in zip(before, step.model.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_the_dtype_policy_is_put_back():
    before = keras.mixed_precision.global_policy().name
    step = costs.Step("conv_net_8", precision="mixed_bfloat16")
    assert step.model.get_layer("conv_1").compute_dtype == "bfloat16"
    assert keras.mixed_precision.global_policy().name == before == "float32"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"network": "resnet"}, "there is no 'resnet'; there are conv_net_8"),
        ({"strategy": "all"}, "there is no 'all'"),
        ({"precision": "float8"}, "there is no 'float8'"),
        ({"batch_size": 1}, "at least 2 images; got 1"),
        ({"batch_size": 512, "strategy": "cube"}, "one cube of 512 images is 537 MB"),
    ],
)
def test_what_cannot_be_measured_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        costs.measure_step(**arguments)


def test_memory_by_formula_adds_up_tensors():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.ReLU()])
    parts = costs.memory_by_formula(model, 10, "batch_all")
    assert parts == {"weights": 16 * (4 * 3 + 3), "layers": 4 * 10 * (3 + 3), "loss": 8 * 10**2}
    assert costs.memory_by_formula(model, 10, "cube")["loss"] == 4 * 10**3
    assert costs.memory_by_formula(model, 10, "softmax")["loss"] == 4 * 10 * 10


def test_half_precision_halves_what_layers_give_out():
    full, half = (
        costs.memory_by_formula(costs.prepared("conv_net_8", "batch_all", kind).model, 64, "cube")
        for kind in ("float32", "mixed_bfloat16")
    )
    assert half["weights"] == full["weights"]
    assert 0.49 < half["layers"] / full["layers"] < 0.52  # the embedding stays in float32


def test_the_cube_is_batch_all():
    rng = np.random.default_rng(0)
    embeddings = tf.constant(rng.normal(size=(24, 5)), tf.float32)
    labels = tf.constant(rng.integers(0, 4, size=24))
    loss, _ = batch_all_triplet_loss(labels, embeddings, costs.MARGIN)
    assert float(costs.cube_loss(labels, embeddings)) == pytest.approx(float(loss), rel=1e-5)
    assert float(costs.cube_loss(tf.zeros(4, tf.int32), embeddings[:4])) == 0


def test_growth_leaves_out_cubes_that_are_too_large(monkeypatch):
    monkeypatch.setattr(costs, "LARGEST_CUBE", 16)
    seconds = costs.measure_growth("conv_net_8", [16, 24], repeats=1)
    assert list(seconds) == ["network", "batch all, sorted", "batch all, cube"]
    assert np.isnan(seconds["batch all, cube"][1])
    assert all(value > 0 for values in seconds.values() for value in values[:1])


def test_a_convolution_is_timed():
    assert costs.measure_convolution("bfloat16", batch_size=2, filters=4, repeats=1) > 0


def test_pressing_the_button_adds_a_line(small):
    table = costs.CostTable([small], repeats=1)
    table._network.value, table._batch_size.value = "conv_net_8", 16
    assert "Chosen: conv net, 8 filters, 16 images, batch all, float32." in table._status.value
    table._button.click()
    assert [cost.batch_size for cost in table.costs] == [16, 16]
    html = table._table.value
    assert html.count('<th scope="row">conv net, 8 filters</th>') == 2
    assert html.count('<th scope="col">') == 10
    assert f"<caption>What does a step cost? Measured here, on the {small.device}" in html
    assert 'aria-live="polite">conv net, 8 filters, 16 images, batch all' in table._status.value
    assert not table._button.disabled


def test_what_cannot_be_measured_is_said_and_the_table_stays(small):
    table = costs.CostTable([small])
    table._batch_size.value, table._strategy.value = 1024, "cube"
    table.measure()
    assert "Not measured: one cube of 1,024 images is 4,295 MB" in table._status.value
    assert table.costs == [small]
    assert not table._button.disabled


def test_the_table_is_there_without_widgets(small):
    table = costs.CostTable([small])
    text = table._repr_mimebundle_()["text/markdown"]
    assert text.startswith("What does a step cost? Measured here")
    head, rule, line = text.splitlines()[2:]
    assert head.count("|") == rule.count("|") == line.count("|") == 11
    assert "| conv net, 8 filters | 16 | batch all | float32 | 51,512 |" in line
    assert "Nothing is measured yet" in costs.CostTable().to_markdown()


def test_rows_can_be_chosen():
    row = {"network": "conv_net_8", "batch_size": 16}
    table = costs.cost_table(use_profile("ci"), rows=[row])
    assert [(cost.network, cost.batch_size) for cost in table.costs] == [("conv_net_8", 16)]


@pytest.fixture(scope="module")
def digits():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 16)
    images = rng.integers(0, 60, size=(64, 28, 28)) + 48 * labels[:, None, None]
    return images.astype(np.uint8), labels


def test_trainings_begin_at_the_same_place(digits):
    trainer = scale.Trainer("conv_net_8", digits, settle=digits[0])
    first = trainer.train(*digits, updates=6, batch_size=16, looks=3)
    second = trainer.train(*digits, updates=6, batch_size=16, looks=3)
    assert first.updates.tolist() == [0, 3, 6]
    np.testing.assert_array_equal(first.recall, second.recall)
    assert trainer.embed(digits[0]).shape == (64, 64)
    gradient = trainer.gradient(*digits)
    assert gradient.shape == (51_512,)
    assert np.isfinite(gradient).all()


def test_batches_of_a_small_set_go_on_in_another_order():
    plan = scale._plan(10, 5, 5, seed=0)
    assert plan.shape == (5, 5)
    assert sorted(plan[:2].ravel()) == sorted(plan[2:4].ravel()) == list(range(10))
    assert plan[:2].tolist() != plan[2:4].tolist()


def test_fashion_mnist_is_never_fetched(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("TRIPLETVIZ_DATA", str(tmp_path))
    assert scale.fashion_mnist(use_profile("ci")) is None
    assert "not on this computer" in capsys.readouterr().out


def test_slow_batches_come_in_order():
    assert list(scale.slow_batches(3, seconds=0).as_numpy_iterator()) == [0, 1, 2]


@pytest.mark.parametrize(("ahead", "prepared"), [(0, 1), (1, 2)])
def test_slow_batches_are_prepared_ahead_only_if_they_are_prefetched(monkeypatch, ahead, prepared):
    waits = []
    monkeypatch.setattr(scale, "time", SimpleNamespace(sleep=waits.append))
    batches = scale.slow_batches(3, seconds=0.5)
    batches = iter(batches.prefetch(ahead) if ahead else batches)
    assert next(batches) == 0
    deadline = time.monotonic() + 300
    while len(waits) < prepared and time.monotonic() < deadline:
        time.sleep(0.01)
    assert waits[:prepared] == [0.5] * prepared
    assert ahead or len(waits) == 1


def test_hardest_distances_of_parts():
    points = np.array([[0.0], [1.0], [4.0], [6.0]])
    labels = np.array([0, 0, 1, 1])
    assert scale.hardest_distances(points, labels, 1) == ((1 + 1 + 2 + 2) / 4, (4 + 3 + 3 + 5) / 4)
    assert np.isnan(scale.hardest_distances(points, labels, 2)).all()
    mixed = scale.hardest_distances(points[[0, 1, 2, 3, 2, 3]], np.array([0, 0, 1, 0, 1, 1]), 2)
    assert mixed == ((1 + 1 + 2 + 2) / 4, (4 + 3 + 2 + 0) / 4)


def test_a_function_runs_on_replicas_with_their_own_parts():
    strategy = tf.distribute.OneDeviceStrategy("CPU:0")
    given = scale.on_replicas(strategy, lambda a, b: (a + b, tf.size(a)), [1, 2], [10, 20])
    assert [(first.tolist(), int(count)) for first, count in given] == [([11, 22], 2)]
    assert scale.on_replicas(strategy, lambda a: tf.reduce_sum(a), [1, 2]) == [3]


def test_two_replicas_need_a_fresh_kernel():
    tf.constant(1.0)
    if len(tf.config.list_logical_devices("CPU")) < 2:
        with pytest.raises(RuntimeError, match="Restart the kernel"):
            scale.two_replicas()
