import numpy as np
import oracles
import pytest
import strategies
from hypothesis import assume, given

from tripletviz._tensorflow import keras, tf
from tripletviz.losses import (
    LOSS_CLASSES,
    BatchAllTripletLoss,
    BatchHardTripletLoss,
    BatchSemiHardTripletLoss,
    FractionOfPositiveTriplets,
    HardestNegativeDistance,
    HardestPositiveDistance,
    MeanEmbeddingNorm,
    StagedTripletLoss,
    batch_all_triplet_loss,
    batch_hard_triplet_loss,
    batch_semi_hard_triplet_loss,
)


def batch_all_loss(*arguments, **options):
    return batch_all_triplet_loss(*arguments, **options)[0]


FUNCTIONS = {
    "batch_all": batch_all_loss,
    "batch_hard": batch_hard_triplet_loss,
    "batch_semi_hard": batch_semi_hard_triplet_loss,
}
CLASSES = {
    "batch_all": BatchAllTripletLoss,
    "batch_hard": BatchHardTripletLoss,
    "batch_semi_hard": BatchSemiHardTripletLoss,
}
every_loss = pytest.mark.parametrize("name", FUNCTIONS)


def expected_loss(name, labels, embeddings, margin, metric):
    if name == "batch_all":
        return oracles.batch_all(labels, embeddings, margin, metric)[0]
    pick = {
        "batch_hard": oracles.batch_hard_triplets,
        "batch_semi_hard": oracles.semi_hard_triplets,
    }[name]
    return oracles.mean_loss(pick(labels, embeddings, metric), embeddings, margin, metric)


def value_and_gradient(function, labels, embeddings, margin, **options):
    variable = tf.Variable(embeddings)
    with tf.GradientTape() as tape:
        loss = function(labels, variable, margin, **options)
    return loss.numpy(), tape.gradient(loss, variable).numpy()


# The definition, and what stands in for it in speed.


@every_loss
@given(strategies.batches(), strategies.margins, strategies.metrics)
def test_equals_the_definition(name, batch, margin, metric):
    labels, embeddings = batch
    assume(not oracles.is_decided_by_rounding(labels, embeddings, margin, metric))
    loss, gradient = value_and_gradient(FUNCTIONS[name], labels, embeddings, margin, metric=metric)
    scale = np.abs(oracles.distances(embeddings, metric)).max() + margin
    expected = expected_loss(name, labels, embeddings, margin, metric)
    assert loss == pytest.approx(expected, rel=1e-5, abs=1e-7 * scale)
    assert np.isfinite(gradient).all()


@pytest.mark.parametrize("name", ["batch_hard", "batch_semi_hard"])
@given(strategies.batches(), strategies.metrics)
def test_soft_margin_equals_the_definition(name, batch, metric):
    labels, embeddings = batch
    loss, gradient = value_and_gradient(FUNCTIONS[name], labels, embeddings, "soft", metric=metric)
    expected = expected_loss(name, labels, embeddings, "soft", metric)
    assert loss == pytest.approx(expected, rel=1e-5, abs=1e-9)
    assert np.isfinite(gradient).all()


@given(strategies.batches(), strategies.margins, strategies.metrics)
def test_fraction_of_positive_triplets_equals_the_definition(batch, margin, metric):
    labels, embeddings = batch
    assume(not oracles.is_decided_by_rounding(labels, embeddings, margin, metric))
    fraction = batch_all_triplet_loss(labels, embeddings, margin, metric=metric)[1]
    expected = oracles.batch_all(labels, embeddings, margin, metric)[1]
    assert float(fraction) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("metric", strategies.METRICS)
@pytest.mark.parametrize(
    ("name", "margin"),
    [*((name, 1.3) for name in FUNCTIONS), ("batch_hard", "soft"), ("batch_semi_hard", "soft")],
)
def test_gradient_equals_finite_differences(name, metric, margin, rng):
    labels = np.array([0, 0, 0, 1, 1, 2])
    points = rng.normal(size=(6, 3))
    _, gradient = value_and_gradient(FUNCTIONS[name], labels, points, margin, metric=metric)
    assert np.abs(gradient).max() > 0
    for index in np.ndindex(*points.shape):
        moved = np.zeros_like(points)
        moved[index] = 1e-6
        above = expected_loss(name, labels, points + moved, margin, metric)
        below = expected_loss(name, labels, points - moved, margin, metric)
        assert gradient[index] == pytest.approx((above - below) / 2e-6, rel=1e-4, abs=1e-7)


@every_loss
@pytest.mark.parametrize("jit_compile", [False, True])
def test_graph_and_xla_agree_with_eager(name, jit_compile, rng):
    graph = tf.function(
        lambda labels, embeddings: value_and_gradient_in_graph(name, labels, embeddings),
        jit_compile=jit_compile,
        reduce_retracing=True,
    )
    normal = rng.normal(size=(20, 4))
    for points in (normal, np.round(normal), 1 + 1e-6 * normal, np.zeros((20, 4))):
        labels = rng.integers(0, 3, size=20)
        embeddings = points.astype(np.float32)
        expected = value_and_gradient(FUNCTIONS[name], labels, embeddings, 0.5)
        actual = graph(tf.constant(labels), tf.constant(embeddings))
        np.testing.assert_allclose(actual[0], expected[0], rtol=1e-6)
        np.testing.assert_allclose(actual[1], expected[1], rtol=1e-4, atol=1e-6)


def value_and_gradient_in_graph(name, labels, embeddings):
    with tf.GradientTape() as tape:
        tape.watch(embeddings)
        loss = FUNCTIONS[name](labels, embeddings, 0.5)
    return loss, tape.gradient(loss, embeddings)


@every_loss
def test_batches_of_unknown_size(name, rng):
    signature = [tf.TensorSpec([None], tf.int64), tf.TensorSpec([None, None], tf.float32)]
    graph = tf.function(
        lambda labels, embeddings: FUNCTIONS[name](labels, embeddings, 0.5),
        input_signature=signature,
    )
    for size in (1, 7, 300):  # 300 is more than one block of anchors
        labels = rng.integers(0, 3, size=size)
        embeddings = rng.normal(size=(size, 4)).astype(np.float32)
        np.testing.assert_allclose(
            graph(labels, embeddings), FUNCTIONS[name](labels, embeddings, 0.5), rtol=1e-6
        )
    with pytest.raises(tf.errors.InvalidArgumentError):
        graph(np.zeros(1, np.int64), np.zeros((3, 2), np.float32))
    under_xla = tf.function(graph.python_function, input_signature=signature, jit_compile=True)
    with pytest.raises(tf.errors.InvalidArgumentError):
        under_xla(np.zeros(1, np.int64), np.zeros((3, 2), np.float32))


@every_loss
def test_shapes_that_are_not_known_at_all(name, rng):
    labels = rng.integers(0, 3, size=(12, 1))
    embeddings = rng.normal(size=(12, 4)).astype(np.float32)
    signature = [tf.TensorSpec(None, tf.int64), tf.TensorSpec(None, tf.float32)]
    graph = tf.function(
        lambda labels, embeddings: CLASSES[name](0.5)(labels, embeddings),
        input_signature=signature,
    )
    expected = float(FUNCTIONS[name](labels, embeddings, 0.5))
    assert float(graph(labels, embeddings)) == pytest.approx(expected, rel=1e-6)


@every_loss
def test_an_empty_batch_has_nothing_to_learn(name):
    nothing = np.zeros((0, 3), np.float32)
    assert float(FUNCTIONS[name]([], nothing, 0.5)) == 0


@every_loss
def test_no_op_makes_a_cube(name):
    """No tensor in the graph, forward or backward, is larger than the pairs of the batch."""
    size = 40
    graph = tf.function(
        lambda labels, embeddings: value_and_gradient_in_graph(name, labels, embeddings)
    ).get_concrete_function(tf.TensorSpec([size], tf.int64), tf.TensorSpec([size, 8], tf.float32))
    graphs = [
        graph.graph,
        *(f.graph for f in graph.graph._functions.values() if hasattr(f, "graph")),
    ]
    sizes = [
        output.shape.num_elements() or 0
        for each in graphs
        for operation in each.get_operations()
        for output in operation.outputs
        if output.shape.rank is not None
    ]
    assert size * size <= max(sizes) < 3 * size * size


# The rules every loss keeps.


@every_loss
@pytest.mark.parametrize("labels", [[0, 0, 0, 0], [0, 1, 2, 3], [5]])
def test_nothing_to_learn_means_zero(name, labels, rng):
    embeddings = rng.normal(size=(len(labels), 3)).astype(np.float32)
    loss, gradient = value_and_gradient(FUNCTIONS[name], labels, embeddings, 0.5)
    assert loss == 0
    np.testing.assert_array_equal(gradient, 0)


def test_an_anchor_without_a_triplet_is_left_out_of_the_mean():
    # Member 2 is alone in its class: only anchors 0 and 1 count.
    loss = batch_hard_triplet_loss([0, 0, 1], [[0.0], [1.0], [1.5]], 1.0)
    assert float(loss) == pytest.approx((0.5 + 1.5) / 2)


def test_batch_all_averages_over_active_triplets_only():
    # (0, 1, 2): 1 - 3 + 1 < 0 is easy; (1, 0, 2): 1 - 2 + 1 = 0 is not active; (0, 1, 3): 0.5.
    labels, embeddings = [0, 0, 1, 2], [[0.0], [1.0], [3.0], [-1.5]]
    loss, fraction = batch_all_triplet_loss(labels, embeddings, 1.0)
    assert float(loss) == pytest.approx(0.5)
    assert float(fraction) == pytest.approx(1 / 4)


def test_a_column_of_labels_is_not_broadcast(rng):
    labels = rng.integers(0, 3, size=12)
    embeddings = rng.normal(size=(12, 4)).astype(np.float32)
    for function in FUNCTIONS.values():
        flat = function(labels, embeddings, 0.5)
        np.testing.assert_array_equal(function(labels[:, None], embeddings, 0.5), flat)


@every_loss
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_non_finite_embeddings_give_a_non_finite_loss(name, bad, rng):
    embeddings = rng.normal(size=(8, 3)).astype(np.float32)
    embeddings[5, 0] = bad
    # Even when the bad member has no triplet of its own.
    labels = np.array([0, 0, 0, 0, 1, 9, 1, 1])
    assert not np.isfinite(FUNCTIONS[name](labels, embeddings, 0.5))
    assert not np.isfinite(CLASSES[name](0.5)(labels, embeddings))
    assert not np.isfinite(batch_all_triplet_loss(labels, embeddings, 0.5)[1])
    fraction = FractionOfPositiveTriplets(0.5)
    fraction.update_state(labels, embeddings)
    assert not np.isfinite(fraction.result())
    fraction.reset_state()
    assert float(fraction.result()) == 0


@every_loss
@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_computes_in_float32_or_better(name, dtype, rng):
    labels = rng.integers(0, 3, size=16)
    embeddings = tf.cast(rng.normal(size=(16, 4)), dtype)
    loss = FUNCTIONS[name](labels, embeddings, 0.5)
    assert loss.dtype == tf.float32
    exact = expected_loss(name, labels, tf.cast(embeddings, tf.float64).numpy(), 0.5, "euclidean")
    assert float(loss) == pytest.approx(exact, rel=1e-6)


def test_float64_embeddings_keep_their_precision(rng):
    labels, embeddings = rng.integers(0, 3, size=10), rng.normal(size=(10, 3))
    loss = batch_all_loss(labels, embeddings, 0.5)
    assert loss.dtype == tf.float64
    exact = expected_loss("batch_all", labels, embeddings, 0.5, "euclidean")
    assert float(loss) == pytest.approx(exact, rel=1e-12)


def test_squared_and_metric():
    arguments = ([0, 0, 1], [[0.0], [1.0], [1.5]], 1.0)
    for function in FUNCTIONS.values():
        squared = function(*arguments, squared=True)
        assert float(squared) == float(function(*arguments, metric="squared_euclidean"))
        assert float(squared) != float(function(*arguments))
        with pytest.raises(ValueError, match="squared=True means"):
            function(*arguments, squared=True, metric="euclidean")


def test_soft_margin_is_refused_for_batch_all():
    for make in (
        lambda: batch_all_triplet_loss([0, 0, 1], [[0.0], [1.0], [1.5]], "soft"),
        lambda: BatchAllTripletLoss("soft"),
        lambda: FractionOfPositiveTriplets("soft"),
    ):
        with pytest.raises(ValueError, match="not defined for batch all: under softplus"):
            make()


# The Keras classes.


@every_loss
@pytest.mark.parametrize("metric", strategies.METRICS)
def test_class_equals_function(name, metric, rng):
    labels = rng.integers(0, 3, size=14)
    embeddings = rng.normal(size=(14, 4)).astype(np.float32)
    function = FUNCTIONS[name](labels, embeddings, 0.5, metric=metric)
    loss = CLASSES[name](0.5, metric=metric)
    assert float(loss(labels, embeddings)) == pytest.approx(float(function), rel=1e-6)
    assert float(loss(labels[:, None], embeddings)) == pytest.approx(float(function), rel=1e-6)
    per_anchor = CLASSES[name](0.5, metric=metric, reduction="none")(labels, embeddings)
    assert per_anchor.shape == (14,)
    assert float(tf.reduce_mean(per_anchor)) == pytest.approx(float(function), rel=1e-6)
    total = CLASSES[name](0.5, metric=metric, reduction="sum")(labels, embeddings)
    assert float(total) == pytest.approx(14 * float(function), rel=1e-6)


@every_loss
def test_each_value_is_its_anchors_share(name):
    # Anchors 0 and 1 have triplets, member 2 has none.
    values = CLASSES[name](1.0, reduction="none")([0, 0, 1], [[0.0], [1.0], [1.5]])
    # Two triplets (or anchors, or pairs), with losses 0.5 and 1.5; value = B x sum / 2.
    np.testing.assert_allclose(values, [3 * 0.5 / 2, 3 * 1.5 / 2, 0.0], rtol=1e-6)


@every_loss
def test_a_sample_weight_multiplies_its_anchor(name, rng):
    labels = rng.integers(0, 3, size=10)
    embeddings = rng.normal(size=(10, 4)).astype(np.float32)
    weights = rng.random(10).astype(np.float32)
    values = CLASSES[name](0.5, reduction="none")(labels, embeddings)
    weighted = CLASSES[name](0.5)(labels, embeddings, sample_weight=weights)
    assert float(weighted) == pytest.approx(float(np.mean(values * weights)), rel=1e-5)


@every_loss
def test_labels_that_float32_cannot_tell_apart(name, rng):
    labels = 2**24 + np.arange(8) // 2
    assert len(np.unique(labels.astype(np.float32))) < 4
    embeddings = rng.normal(size=(8, 4)).astype(np.float32)
    expected = float(FUNCTIONS[name](np.arange(8) // 2, embeddings, 0.5))
    assert float(CLASSES[name](0.5)(labels, embeddings)) == pytest.approx(expected, rel=1e-6)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Identity()])
    model.compile(loss=CLASSES[name](0.5))
    assert model.evaluate(embeddings, labels, verbose=0) == pytest.approx(expected, rel=1e-6)


@every_loss
@pytest.mark.parametrize("policy", ["float32", "mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("jit_compile", [False, True])
def test_compile_fit_save_load(name, policy, jit_compile, rng, tmp_path):
    labels = np.arange(64) % 4
    inputs = (np.eye(4)[labels] + 0.3 * rng.normal(size=(64, 4))).astype(np.float32)
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((4,)),
            keras.layers.Dense(16, activation="relu", dtype=policy),
            keras.layers.Dense(8, dtype=policy),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(1e-2),
        loss=CLASSES[name](0.5),
        metrics=[FractionOfPositiveTriplets(0.5)],
        jit_compile=jit_compile,
    )
    before = model.evaluate(inputs, labels, batch_size=64, verbose=0, return_dict=True)
    model.fit(inputs, labels, batch_size=32, epochs=15, verbose=0)
    after = model.evaluate(inputs, labels, batch_size=64, verbose=0, return_dict=True)
    assert after["fraction_positive"] < before["fraction_positive"]
    embeddings = model.predict(inputs, batch_size=64, verbose=0)
    assert after["loss"] == pytest.approx(
        float(FUNCTIONS[name](labels, embeddings, 0.5)), rel=1e-4 if policy == "float32" else 0.02
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert isinstance(loaded.loss, CLASSES[name])
    assert loaded.loss.get_config() == model.loss.get_config()
    again = loaded.evaluate(inputs, labels, batch_size=64, verbose=0, return_dict=True)
    assert again["loss"] == pytest.approx(after["loss"], rel=1e-5)


def test_config_survives_a_round_trip():
    loss = BatchHardTripletLoss("soft", metric="cosine", reduction="sum", name="mine")
    config = keras.saving.deserialize_keras_object(
        keras.saving.serialize_keras_object(loss)
    ).get_config()
    assert config == loss.get_config()
    assert (config["margin"], config["metric"]) == ("soft", "cosine")


@every_loss
def test_dtype_is_kept_and_half_precision_refused(name):
    loss = CLASSES[name](0.0, dtype="float64")
    assert CLASSES[name].from_config(loss.get_config()).dtype == "float64"
    # In float32 these are all one point.
    embeddings = np.array([[1 + 1e-12], [1.0], [1 + 3e-12], [1.0]])
    expected = float(FUNCTIONS[name]([0, 0, 1, 1], embeddings, 0.0))
    assert expected > 0
    assert float(loss([0, 0, 1, 1], embeddings)) == pytest.approx(expected, rel=1e-9)
    with pytest.raises(ValueError, match="float32 or float64; got dtype float16"):
        CLASSES[name](0.5, dtype="float16")


def test_the_metric_accumulates_counts_over_batches(rng):
    metric = FractionOfPositiveTriplets(0.5, metric="cosine")
    active = valid = 0
    for size in (5, 9, 12):
        labels = rng.integers(0, 2, size=size)
        embeddings = rng.normal(size=(size, 2)).astype(np.float32)
        metric.update_state(labels, embeddings)
        number, _, semi_hard, hard = oracles.counts(labels, embeddings, 0.5, "cosine")
        valid, active = valid + number, active + semi_hard + hard
    assert float(metric.result()) == pytest.approx(active / valid, rel=1e-6)
    metric.reset_state()
    assert float(metric.result()) == 0
    metric.active.assign(2**40)
    metric.valid.assign(2**41)
    assert float(metric.result()) == 0.5


@every_loss
def test_two_replicas_average_their_gradients(name, tmp_path):
    """In a process of its own: logical devices must be set before TensorFlow starts."""
    import subprocess
    import sys
    from pathlib import Path

    script = tmp_path / "replicas.py"
    script.write_text(REPLICAS)
    subprocess.run(
        [sys.executable, script, CLASSES[name].__name__],
        check=True,
        cwd=Path(__file__).parents[1],
    )


REPLICAS = """
import sys
import numpy as np

sys.path.insert(0, ".")
from tripletviz import losses
from tripletviz._tensorflow import keras, tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
rng = np.random.default_rng(0)
labels = np.arange(32) % 4
inputs = rng.normal(size=(32, 5)).astype(np.float32)
weights = rng.normal(size=(5, 3)).astype(np.float32)


def step(strategy, inputs, labels):
    with strategy.scope():
        layer = keras.layers.Dense(3, use_bias=False)
        model = keras.Sequential([keras.Input((5,)), layer])
        loss = getattr(losses, sys.argv[1])(1.0)
        model.compile(keras.optimizers.SGD(1.0), loss, jit_compile=False)
    layer.set_weights([weights])
    data = tf.data.Dataset.from_tensor_slices((inputs, labels)).batch(len(labels))
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    model.fit(data.with_options(options), verbose=0)
    return weights - layer.get_weights()[0]


one = tf.distribute.get_strategy()
halves = [step(one, inputs[part], labels[part]) for part in (slice(0, 16), slice(16, 32))]
both = step(tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]), inputs, labels)
assert np.abs(both).max() > 1e-3
np.testing.assert_allclose(both, np.mean(halves, axis=0), rtol=1e-4, atol=1e-6)
"""


STAGES = [(5, "batch_all"), (7, "batch_hard"), (None, "batch_semi_hard")]


@pytest.mark.parametrize("jit_compile", [None, False, True])
def test_a_staged_loss_is_each_strategy_in_its_steps(jit_compile, rng):
    labels, embeddings = rng.integers(0, 4, 24), rng.normal(size=(24, 3)).astype(np.float32)
    step = keras.Variable(0, dtype="int64")
    staged = StagedTripletLoss(STAGES, 0.5, step=step)

    def both(loss):
        points = tf.constant(embeddings)
        with tf.GradientTape() as tape:
            tape.watch(points)
            value = loss(labels, points)
        return value, tape.gradient(value, points)

    run = both
    if jit_compile is not None:
        run = tf.function(both, jit_compile=jit_compile)
    for done, name in ((0, "batch_all"), (4, "batch_all"), (5, "batch_hard"), (6, "batch_hard"),
                       (7, "batch_semi_hard"), (1000, "batch_semi_hard")):  # fmt: skip
        step.assign(done)
        for found, expected in zip(run(staged), both(LOSS_CLASSES[name](0.5)), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def test_a_staged_loss_without_a_step_stays_at_its_first_stage(rng):
    labels, embeddings = rng.integers(0, 4, 24), rng.normal(size=(24, 3))
    loss = StagedTripletLoss(STAGES, 0.5, True)
    again = StagedTripletLoss.from_config(loss.get_config())
    expected = float(LOSS_CLASSES["batch_all"](0.5, True)(labels, embeddings))
    assert float(loss(labels, embeddings)) == float(again(labels, embeddings)) == expected
    assert again.stages == STAGES


@pytest.mark.parametrize(
    ("stages", "margin", "message"),
    [
        ([], 0.5, "increasing until_step"),
        ([(5, "batch_all")], 0.5, "the last one None"),
        ([(5, "batch_all"), (5, "batch_hard"), (None, "batch_all")], 0.5, "increasing"),
        ([(5, "batch_hard"), (None, "batch_all")], "soft", "not defined for batch all"),
    ],
)
def test_stages_that_do_not_make_a_training(stages, margin, message):
    with pytest.raises(ValueError, match=message):
        StagedTripletLoss(stages, margin)


@pytest.mark.parametrize("metric", ["euclidean", "squared_euclidean", "cosine"])
def test_metrics_of_size_are_means_over_the_anchors_of_all_batches(metric, rng):
    kinds = (MeanEmbeddingNorm, HardestPositiveDistance, HardestNegativeDistance)
    metrics = [kind(metric=metric) for kind in kinds]
    expected = [[], [], []]
    for size in (9, 14):
        labels, embeddings = rng.integers(0, 4, size), rng.normal(size=(size, 3))
        labels[0] = 99  # alone: no positive
        distances = oracles.distances(embeddings, metric)
        for anchor in range(size):
            others = [i for i in range(size) if i != anchor and labels[i] == labels[anchor]]
            rest = [i for i in range(size) if labels[i] != labels[anchor]]
            expected[0].append(np.sqrt((embeddings[anchor] ** 2).sum()))
            if others:
                expected[1].append(max(distances[anchor][i] for i in others))
            if rest:
                expected[2].append(min(distances[anchor][i] for i in rest))
        for each in metrics:
            each.update_state(labels, embeddings)
    for each, values in zip(metrics, expected, strict=True):
        assert float(each.result()) == pytest.approx(np.mean(values), rel=1e-5)
        again = type(each).from_config(each.get_config())
        assert (again.name, again.metric) == (each.name, metric)
        assert float(again.result()) == 0.0
