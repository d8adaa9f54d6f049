"""The embedding network: shapes, seeds, dtypes, and the fused layer against Keras's own."""

import random
import subprocess
import sys

import numpy as np
import pytest

from tripletviz._tensorflow import keras, tf
from tripletviz.networks import FusedBatchNormalization, conv_net, settle_batch_norm


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (6, 28, 28), dtype=np.uint8)


@pytest.fixture
def dtype_policy():
    """Set the policy by a call; the one before comes back."""
    before = keras.config.dtype_policy()
    yield keras.config.set_dtype_policy
    keras.config.set_dtype_policy(before)


def small_net(**arguments):
    return conv_net(**{"channels": 4, "embedding_size": 8, **arguments})


def embed(network, images):
    return network(images, training=False).numpy()


def same_weights(first, second):
    pairs = zip(first.get_weights(), second.get_weights(), strict=True)
    return all(np.array_equal(*pair) for pair in pairs)


def test_architecture_is_the_documented_one():
    network = conv_net()
    shapes = {layer.name: tuple(layer.output.shape[1:]) for layer in network.layers}
    assert shapes["conv_1"] == (28, 28, 32)
    assert shapes["pool_1"] == (14, 14, 32)
    assert shapes["conv_2"] == (14, 14, 64)
    assert shapes["pool_2"] == (7, 7, 64)
    assert shapes["embedding"] == (64,)
    order = [name.rsplit("_", 1)[0] for name in shapes if name.endswith(("_1", "_2"))]
    assert order == ["conv", "batch_norm", "relu", "pool"] * 2
    kernels = 3 * 3 * 32 + 3 * 3 * 32 * 64 + 7 * 7 * 64 * 64
    batch_norm = 4 * (32 + 64)
    assert network.count_params() == kernels + 64 + batch_norm


def test_convolutions_have_a_bias_exactly_without_batch_norm():
    for batch_norm in (True, False):
        network = small_net(batch_norm=batch_norm)
        assert network.get_layer("conv_1").use_bias is not batch_norm
        assert ("batch_norm_1" in {layer.name for layer in network.layers}) is batch_norm


def test_images_with_and_without_a_channel_axis_in_any_number_type(images):
    network = small_net()
    expected = embed(network, images)
    assert expected.shape == (6, 8)
    assert expected.dtype == np.float32
    assert np.ptp(expected, axis=0).min() > 0
    for variant in (images[..., None], images.astype("float32"), images.astype("float64")):
        np.testing.assert_array_equal(embed(network, variant), expected)
    np.testing.assert_allclose(network.predict(images, verbose=0), expected, atol=1e-5)


def test_pixels_between_whole_numbers_are_not_cut_off(images):
    network = small_net()
    raw = images.astype("float32")
    assert not np.array_equal(embed(network, raw), embed(network, raw + 0.5))


def test_pixels_are_scaled_to_0_1(images):
    scaled = small_net().get_layer("scale")(images)
    np.testing.assert_allclose(scaled, images / 255, rtol=1e-6)


def test_other_image_shapes():
    colour = small_net(image_shape=(12, 8, 3))
    assert embed(colour, np.zeros((2, 12, 8, 3), np.uint8)).shape == (2, 8)


def test_seed_decides_the_weights():
    assert same_weights(small_net(seed=3), small_net(seed=3))
    networks = small_net(seed=3), small_net(seed=4)
    for name in ("conv_1", "conv_2", "embedding"):
        kernels = [network.get_layer(name).kernel for network in networks]
        assert not np.isclose(*kernels).any(axis=-1).all()
    assert small_net(seed=2**40).count_params() == small_net().count_params()
    kernels = [small_net().get_layer(name).get_weights()[0] for name in ("conv_1", "conv_2")]
    assert not np.isclose(kernels[0].ravel()[0], kernels[1].ravel()[0])


def test_weights_do_not_depend_on_global_seeds_and_leave_them_alone():
    def draws():
        return random.random(), np.random.rand(), float(keras.random.uniform(()))  # noqa: NPY002

    keras.utils.set_random_seed(1)
    expected = draws()
    keras.utils.set_random_seed(2)
    first = small_net()
    keras.utils.set_random_seed(1)
    second = small_net()
    assert draws() == expected
    assert same_weights(first, second)


def test_normalize_gives_unit_norm_and_finite_gradients_at_zero(images):
    network = small_net(normalize=True)
    np.testing.assert_allclose(np.linalg.norm(embed(network, images), axis=1), 1, atol=1e-5)
    dense = network.get_layer("embedding")
    dense.set_weights([np.zeros_like(weight) for weight in dense.get_weights()])
    with tf.GradientTape() as tape:
        embeddings = network(images, training=True)
        loss = tf.reduce_sum(embeddings)
    np.testing.assert_array_equal(embeddings, 0)
    for gradient in tape.gradient(loss, network.trainable_variables):
        assert np.isfinite(gradient).all()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_half_precision_policies_give_float32_embeddings(policy, dtype_policy, images):
    expected = embed(small_net(normalize=True), images)
    dtype_policy(policy)
    dense = small_net(normalize=False).get_layer("embedding")
    assert (dense.compute_dtype, dense.output.dtype) == ("float32", "float32")
    network = small_net(normalize=True)
    assert network.get_layer("conv_2").compute_dtype == policy.removeprefix("mixed_")
    embeddings = network(images, training=False)
    assert embeddings.dtype == tf.float32
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(embeddings, expected, atol=0.03)
    network.compile("adam", "mse")
    history = network.fit(images, np.zeros((6, 8)), epochs=2, verbose=0).history
    assert np.isfinite(history["loss"]).all()


def test_saves_and_loads(tmp_path, images):
    network = small_net(normalize=True, seed=5)
    network(images, training=True)  # moves the moving averages away from where they start
    network.save(tmp_path / "net.keras")
    loaded = keras.saving.load_model(tmp_path / "net.keras")
    assert same_weights(loaded, network)
    np.testing.assert_allclose(embed(loaded, images), embed(network, images), atol=1e-6)
    assert loaded.get_layer("batch_norm_1").momentum == network.get_layer("batch_norm_1").momentum


def test_loads_in_a_fresh_process(tmp_path):
    small_net().save(tmp_path / "net.keras")
    script = (
        "from tripletviz._tensorflow import keras; import tripletviz.networks, sys;"
        "print(keras.saving.load_model(sys.argv[1]).output.shape)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "net.keras")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "(None, 8)\n"


def test_training_is_the_same_again(images):
    def trained():
        network = small_net()
        network.compile("adam", "mse")
        network.fit(images, np.ones((6, 8)), epochs=3, shuffle=False, verbose=0)
        return embed(network, images)

    np.testing.assert_allclose(trained(), trained(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"embedding_size": 0}, ValueError, "embedding_size must be at least 1, got 0"),
        ({"channels": -1}, ValueError, "channels must be at least 1, got -1"),
        ({"channels": 2.5}, TypeError, "channels must be an integer, got 2.5"),
        ({"channels": True}, TypeError, "channels must be an integer, got True"),
        ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ({"seed": None}, TypeError, "seed must be an integer, got None"),
        ({"image_shape": (28,)}, ValueError, r"image_shape must be .*got \(28,\)"),
        ({"image_shape": (28, 3)}, ValueError, "at least 4 pixels"),
    ],
)
def test_bad_arguments_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        conv_net(**arguments)


class TestFusedBatchNormalization:
    @staticmethod
    def run(layer, inputs, training=True):
        """Return outputs and gradients of one step, and the moving averages after it."""
        if not layer.built:
            layer.build(inputs.shape)
            layer.gamma.assign([0.5, -2.0, 1.0])
            layer.beta.assign([1.0, 0.0, -1.0])
        weights = [tf.convert_to_tensor(inputs), *(w.value for w in layer.trainable_variables)]
        with tf.GradientTape() as tape:
            tape.watch(weights[0])
            outputs = layer(weights[0], training=training)
            loss = tf.reduce_sum(tf.cast(outputs, tf.float32) ** 3)
        return outputs, tape.gradient(loss, weights), layer.moving_mean, layer.moving_variance

    @pytest.fixture
    def inputs(self):
        generator = np.random.default_rng(1)
        return generator.normal(5, 2, (4, 6, 5, 3)).astype("float32")

    def test_equals_keras(self, inputs):
        ours = self.run(FusedBatchNormalization(momentum=0.9), inputs)
        theirs = self.run(keras.layers.BatchNormalization(momentum=0.9), inputs)
        np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-4, atol=1e-4)
        for our_gradient, their_gradient in zip(ours[1], theirs[1], strict=True):
            np.testing.assert_allclose(our_gradient, their_gradient, rtol=1e-3, atol=1e-2)
        np.testing.assert_allclose(ours[2], theirs[2], rtol=1e-5)
        count = 4 * 6 * 5
        unbiased = (np.asarray(theirs[3]) - 0.9) * count / (count - 1) + 0.9
        np.testing.assert_allclose(ours[3], unbiased, rtol=1e-5)

    def test_inference_uses_the_moving_averages(self, inputs):
        layers = FusedBatchNormalization(), keras.layers.BatchNormalization()
        for layer in layers:
            layer.build(inputs.shape)
            layer.set_weights(list(np.float32([[0.5, -2, 1], [1, 0, -1], [4, 5, 6], [1, 2, 3]])))
        ours, theirs = (self.run(layer, inputs, training=False) for layer in layers)
        expected = (inputs - [4, 5, 6]) / np.sqrt(np.add([1, 2, 3], layers[0].epsilon))
        np.testing.assert_allclose(ours[0], expected * [0.5, -2, 1] + [1, 0, -1], atol=1e-4)
        for our_gradient, their_gradient in zip(ours[1], theirs[1], strict=True):
            np.testing.assert_allclose(our_gradient, their_gradient, rtol=1e-3, atol=1e-2)
        np.testing.assert_array_equal(ours[2], [4, 5, 6])
        np.testing.assert_array_equal(ours[3], [1, 2, 3])

    def test_frozen_layer_learns_nothing(self, inputs):
        layer = FusedBatchNormalization()
        layer.build(inputs.shape)
        layer.trainable = False
        layer(inputs, training=True)
        np.testing.assert_array_equal(layer.moving_mean, 0)

    @pytest.mark.parametrize(
        ("arguments", "shape"),
        [({}, (8, 3)), ({"axis": 1}, (2, 3, 4, 5)), ({"scale": False}, (2, 4, 4, 3))],
    )
    def test_leaves_to_keras_what_the_operation_cannot_do(self, arguments, shape):
        inputs = np.random.default_rng(2).normal(size=shape).astype("float32")
        ours = FusedBatchNormalization(**arguments)(inputs, training=True)
        theirs = keras.layers.BatchNormalization(**arguments)(inputs, training=True)
        np.testing.assert_allclose(ours, theirs, atol=1e-6)

    @pytest.mark.parametrize("jit_compile", [False, True])
    def test_graph_and_xla_equal_eager(self, inputs, jit_compile):
        eager = self.run(FusedBatchNormalization(), inputs)
        layer = FusedBatchNormalization()
        self.run(layer, inputs)  # makes the weights, which a graph must not
        again = tf.function(lambda: self.run(layer, inputs)[:2], jit_compile=jit_compile)()
        np.testing.assert_allclose(again[0], eager[0], rtol=1e-4, atol=1e-4)
        for in_graph, expected in zip(again[1], eager[1], strict=True):
            np.testing.assert_allclose(in_graph, expected, rtol=1e-3, atol=1e-2)


def test_settling_moves_only_the_averages_and_brings_inference_to_what_training_sees(digits):
    network = conv_net(channels=4, embedding_size=3)
    trainable = [weight.numpy() for weight in network.trainable_weights]
    batch = digits[-64:]

    def scale(training):
        embeddings = network(batch, training=training).numpy()
        return np.linalg.norm(embeddings - embeddings.mean(axis=0), axis=1).mean()

    unsettled = scale(training=False) / scale(training=True)
    network = conv_net(channels=4, embedding_size=3)
    settle_batch_norm(network, digits)
    for before, after in zip(trainable, network.trainable_weights, strict=True):
        np.testing.assert_array_equal(before, after.numpy())
    assert unsettled < 0.5
    assert scale(training=False) / scale(training=True) == pytest.approx(1.0, abs=0.15)


def test_settling_without_batch_norm_or_images():
    network = conv_net(channels=4, embedding_size=3, batch_norm=False)
    weights = network.get_weights()
    settle_batch_norm(network, np.zeros((64, 28, 28), np.uint8))
    for before, after in zip(weights, network.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    with pytest.raises(ValueError, match="at least one batch of 64, got 63"):
        settle_batch_norm(network, np.zeros((63, 28, 28), np.uint8))


@pytest.fixture(scope="module")
def digits():
    from tripletviz.datasets import load_mnist_sample

    return load_mnist_sample()[0][np.random.default_rng(0).permutation(2000)]
