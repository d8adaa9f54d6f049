"""The networks: shapes, seeds, dtypes, and their own layers against plain definitions."""

import random
import subprocess
import sys

import numpy as np
import pytest

from tripletviz._tensorflow import keras, tf
from tripletviz.networks import (
    CountedDropout,
    FusedBatchNormalization,
    LocalResponseNormalization,
    alexnet,
    classifier,
    conv_net,
    settle_batch_norm,
)


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


def shapes_of(network):
    return {layer.name: tuple(layer.output.shape[1:]) for layer in network.layers}


class TestOptionsOfConvNet:
    def test_without_them_a_seed_gives_the_weights_it_always_gave(self):
        """Numbers of the network before it had options; they reproduce published trainings."""
        weights = small_net(seed=7, embedding_size=3).get_weights()
        kernels = [weight for weight in weights if weight.ndim > 1]
        expected = [
            ([-0.104644001, 0.09478700, -0.25741512], 6.580626110),
            ([-0.105968192, -0.008068085, -0.06203021], 32.69420735),
            ([-0.061932728, 0.038644224, 0.11389367], 74.20519807),
        ]
        for kernel, (first, total) in zip(kernels, expected, strict=True):
            np.testing.assert_allclose(kernel.ravel()[:3], first, atol=1e-6)
            assert np.abs(kernel).sum() == pytest.approx(total, rel=1e-5)
        given = small_net(blocks=2, convolutions=1, dropout=0.0, seed=7, embedding_size=3)
        assert [weight.path for weight in given.weights] == [
            *("conv_1/kernel", "batch_norm_1/gamma", "batch_norm_1/beta"),
            *("batch_norm_1/moving_mean", "batch_norm_1/moving_variance"),
            *("conv_2/kernel", "batch_norm_2/gamma", "batch_norm_2/beta"),
            *("batch_norm_2/moving_mean", "batch_norm_2/moving_variance"),
            *("embedding/kernel", "embedding/bias"),
        ]
        for before, after in zip(weights, given.get_weights(), strict=True):
            np.testing.assert_array_equal(before, after)

    def test_blocks_and_convolutions(self):
        network = small_net(blocks=3, convolutions=2)
        shapes = shapes_of(network)
        for block, (side, filters) in enumerate([(28, 4), (14, 8), (7, 16)], start=1):
            for number in (1, 2):
                for kind in ("conv", "batch_norm", "relu"):
                    assert shapes[f"{kind}_{block}_{number}"] == (side, side, filters)
            assert shapes[f"pool_{block}"] == (side // 2, side // 2, filters)
        kernels = [layer.kernel for layer in network.layers if layer.name.startswith("conv_")]
        assert [tuple(kernel.shape[2:]) for kernel in kernels] == [
            *((1, 4), (4, 4), (4, 8), (8, 8), (8, 16), (16, 16))
        ]
        names = [layer.name for layer in network.layers]
        assert names.index("relu_1_1") < names.index("conv_1_2") < names.index("pool_1")

    def test_every_layer_has_weights_of_its_own(self):
        network = small_net(blocks=3, convolutions=3, channels=1)
        kernels = [layer.kernel.numpy() for layer in network.layers if hasattr(layer, "kernel")]
        starts = {float(kernel.ravel()[0] / np.abs(kernel).max()) for kernel in kernels}
        assert len(starts) == len(kernels) == 10

    def test_one_block_and_many_poolings(self, images):
        assert embed(small_net(blocks=1), images).shape == (6, 8)
        assert embed(small_net(blocks=4, image_shape=(28, 16)), images[:, :, :16]).shape == (6, 8)

    @pytest.mark.parametrize(
        ("blocks", "image_shape", "message"),
        [
            (3, (7, 28), r"at least 8 pixels, which 3 poolings halve, got \(7, 28\)"),
            (5, (28, 28), r"at least 32 pixels, which 5 poolings halve, got \(28, 28\)"),
            (1, (1, 4), "at least 2 pixels, which one pooling halves"),
        ],
    )
    def test_images_too_small_for_the_poolings(self, blocks, image_shape, message):
        with pytest.raises(ValueError, match=message):
            small_net(blocks=blocks, image_shape=image_shape)
        larger = tuple(max(side, 2**blocks) for side in image_shape)
        assert small_net(blocks=blocks, image_shape=larger).output.shape == (None, 8)

    def test_dropout_is_before_the_embedding_and_only_in_training(self, images):
        plain, dropping = small_net(), small_net(dropout=0.5)
        names = [layer.name for layer in dropping.layers]
        assert names[names.index("dropout") :] == ["dropout", "embedding"]
        assert dropping.get_layer("dropout").rate == 0.5
        np.testing.assert_array_equal(embed(dropping, images), embed(plain, images))
        assert np.abs(dropping(images, training=True) - plain(images, training=True)).max() > 0.1

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"blocks": 0}, ValueError, "blocks must be at least 1, got 0"),
            ({"convolutions": 1.5}, TypeError, "convolutions must be an integer, got 1.5"),
            ({"dropout": 1}, ValueError, "dropout must be from 0 to below 1, got 1"),
            ({"dropout": -0.1}, ValueError, "dropout must be from 0 to below 1, got -0.1"),
            ({"dropout": float("nan")}, ValueError, "dropout must be from 0 .*got nan"),
            ({"dropout": "half"}, TypeError, "dropout must be a number .*got 'half'"),
        ],
    )
    def test_bad_options_are_named(self, arguments, error, message):
        with pytest.raises(error, match=message):
            conv_net(**arguments)


class TestCountedDropout:
    @staticmethod
    def layer(rate=0.25, seed=3):
        layer = CountedDropout(rate, seed)
        layer.build((None, 1000))
        return layer

    def test_drops_the_share_it_should_and_scales_the_rest(self):
        outputs = self.layer()(tf.ones((20, 1000)), training=True).numpy()
        assert set(np.unique(outputs)) == {0, np.float32(1 / 0.75)}
        assert np.mean(outputs == 0) == pytest.approx(0.25, abs=0.02)

    def test_masks_follow_from_seed_and_count(self):
        ones = tf.ones((2, 1000))
        first, again, other = self.layer(), self.layer(), self.layer(seed=4)
        masks = [first(ones, training=True).numpy() for _ in range(3)]
        assert len({mask.tobytes() for mask in masks}) == 3
        np.testing.assert_array_equal(again(ones, training=True), masks[0])
        assert (other(ones, training=True).numpy() != masks[0]).any()
        again.set_weights([np.int64(2)])  # as a training that goes on from saved weights
        np.testing.assert_array_equal(again(ones, training=True), masks[2])
        assert int(first.count) == 3

    def test_use_neither_drops_nor_counts(self):
        layer = self.layer()
        np.testing.assert_array_equal(layer(tf.ones((2, 1000)), training=False), 1)
        np.testing.assert_array_equal(layer(tf.ones((2, 1000))), 1)
        assert int(layer.count) == 0

    def test_graph_equals_eager(self):
        layer, ones = self.layer(), tf.ones((2, 1000))
        call = tf.function(lambda: layer(ones, training=True))
        np.testing.assert_array_equal(call(), self.layer()(ones, training=True))
        assert int(layer.count) == 1

    def test_global_seeds_neither_matter_nor_move(self):
        tf.random.set_seed(1)
        outputs = self.layer()(tf.ones((2, 1000)), training=True)
        after = tf.random.uniform(())
        tf.random.set_seed(1)
        assert tf.random.uniform(()) == after
        np.testing.assert_array_equal(self.layer()(tf.ones((2, 1000)), training=True), outputs)

    def test_saved_training_goes_on_like_the_undisturbed_one(self, tmp_path, images):
        targets = np.ones((6, 8))

        def dropping():
            network = small_net(dropout=0.5, batch_norm=False)
            network.compile("sgd", "mse")
            return network

        def train(network, steps):
            network.fit(images, targets, epochs=steps, shuffle=False, verbose=0)
            return network

        undisturbed = train(dropping(), 4)
        train(dropping(), 2).save(tmp_path / "net.keras")
        resumed = train(keras.saving.load_model(tmp_path / "net.keras"), 2)
        other = dropping()
        other.set_weights(keras.saving.load_model(tmp_path / "net.keras").get_weights())
        for network in (resumed, train(other, 2)):
            assert int(network.get_layer("dropout").count) == 4
            for first, second in zip(undisturbed.weights, network.weights, strict=True):
                np.testing.assert_allclose(first.numpy(), second.numpy(), rtol=1e-5, atol=1e-6)


class TestLocalResponseNormalization:
    @staticmethod
    def by_definition(inputs, size, k, alpha, beta):
        outputs = np.empty(inputs.shape)
        filters = inputs.shape[-1]
        for place in np.ndindex(inputs.shape[:-1]):
            for i in range(filters):
                total = 0.0
                for j in range(max(0, i - size // 2), min(filters - 1, i + size // 2) + 1):
                    total += float(inputs[*place, j]) ** 2
                outputs[*place, i] = inputs[*place, i] / (k + alpha * total) ** beta
        return outputs

    @pytest.mark.parametrize(
        "constants",
        [
            {"size": 5, "k": 2.0, "alpha": 1e-4, "beta": 0.75},
            {"size": 3, "k": 1.0, "alpha": 0.5, "beta": 0.5},
            {"size": 1, "k": 0.5, "alpha": 1.0, "beta": 1.0},
        ],
    )
    def test_equals_the_papers_formula(self, constants):
        # As large as activations of raw pixels, so that alpha = 1e-4 counts.
        inputs = np.random.default_rng(0).normal(0, 100, (2, 3, 2, 7)).astype("float32")
        expected = self.by_definition(inputs, **constants)
        outputs = LocalResponseNormalization(**constants)(inputs)
        np.testing.assert_allclose(outputs, expected, rtol=1e-5)
        if constants["size"] == 5:  # the paper's constants are the defaults
            np.testing.assert_allclose(LocalResponseNormalization()(inputs), expected, rtol=1e-5)

    def test_half_precision_does_not_overflow(self):
        layer = LocalResponseNormalization(dtype="mixed_float16")
        inputs = np.full((1, 2, 2, 6), 600, np.float16)
        outputs = layer(inputs)
        assert outputs.dtype == tf.float16
        expected = self.by_definition(inputs.astype(float), 5, 2.0, 1e-4, 0.75)
        np.testing.assert_allclose(outputs, expected, rtol=1e-3)

    def test_config_holds_its_constants(self):
        layer = LocalResponseNormalization(size=3, k=1.5, alpha=0.1, beta=0.6)
        again = LocalResponseNormalization.from_config(layer.get_config())
        assert [again.size, again.k, again.alpha, again.beta] == [3, 1.5, 0.1, 0.6]

    def test_even_size_is_refused(self):
        with pytest.raises(ValueError, match="size must be odd, got 4"):
            LocalResponseNormalization(size=4)


class TestAlexNet:
    @staticmethod
    def small(**arguments):
        return alexnet(**{"channels": 16, "embedding_size": 8, **arguments})

    def test_is_the_original_for_the_originals_images(self):
        network = alexnet(image_shape=(227, 227, 3))
        shapes = shapes_of(network)
        assert [shapes[f"conv_{number}"] for number in range(1, 6)] == [
            *((55, 55, 96), (27, 27, 256), (13, 13, 384), (13, 13, 384), (13, 13, 256))
        ]
        assert [shapes[f"pool_{number}"] for number in (1, 2, 5)] == [
            *((27, 27, 96), (13, 13, 256), (6, 6, 256))
        ]
        assert shapes["dense_6"] == shapes["dense_7"] == (4096,)
        first = network.get_layer("conv_1")
        assert (first.kernel_size, first.strides) == ((11, 11), (4, 4))
        assert network.get_layer("conv_2").kernel_size == (5, 5)
        for number in (3, 4, 5):
            assert network.get_layer(f"conv_{number}").kernel_size == (3, 3)
        for number in (1, 2, 5):
            pool = network.get_layer(f"pool_{number}")
            assert (pool.pool_size, pool.strides) == ((3, 3), (2, 2))
        order = [layer.name for layer in network.layers][3:]
        assert order == [
            *("conv_1", "relu_1", "local_response_norm_1", "pool_1"),
            *("conv_2", "relu_2", "local_response_norm_2", "pool_2"),
            *("conv_3", "relu_3", "conv_4", "relu_4", "conv_5", "relu_5", "pool_5", "flatten"),
            *("dropout_6", "dense_6", "relu_6", "dropout_7", "dense_7", "relu_7", "embedding"),
        ]

    def test_scaled_to_the_smallest_images(self):
        network = alexnet()
        shapes = shapes_of(network)
        assert [shapes[f"conv_{number}"] for number in range(1, 6)] == [
            *((24, 24, 12), (11, 11, 32), (5, 5, 48), (5, 5, 48), (5, 5, 32))
        ]
        assert shapes["dense_6"] == (512,)
        assert network.count_params() < 500_000

    @pytest.mark.parametrize(
        ("side", "kernel", "stride", "second"),
        [(28, 5, 1, 3), (32, 5, 1, 3), (64, 5, 1, 3), (96, 7, 2, 5), (128, 7, 2, 5)],
    )
    @pytest.mark.parametrize("colours", [(), (3,)])
    def test_sizes_in_between(self, side, kernel, stride, second, colours):
        network = self.small(image_shape=(side, side, *colours))
        first = network.get_layer("conv_1")
        assert (first.kernel_size[0], first.strides[0]) == (kernel, stride)
        assert network.get_layer("conv_2").kernel_size[0] == second
        assert shapes_of(network)["conv_1"][2] == max(2, round(16 * side / 227))
        images = np.random.default_rng(0).integers(0, 256, (2, side, side, *colours), np.uint8)
        embeddings = embed(network, images)
        assert embeddings.shape == (2, 8)
        assert np.ptp(embeddings, axis=0).max() > 0

    @pytest.mark.parametrize(
        "image_shape", [(28, 64), (96, 40, 3), (19, 19), (19, 300), (300, 260)]
    )
    def test_oblong_smallest_and_larger_images(self, image_shape):
        network = self.small(image_shape=image_shape)
        assert embed(network, np.zeros((1, *image_shape), np.uint8)).shape == (1, 8)
        assert min(shapes_of(network)["pool_5"][:2]) >= 1
        filters = max(2, round(16 * min(1, min(image_shape[:2]) / 227)))
        assert shapes_of(network)["conv_1"][2] == filters

    def test_images_with_and_without_a_channel_axis_in_any_number_type(self, images):
        network = self.small()
        expected = embed(network, images)
        assert expected.dtype == np.float32
        for variant in (images[..., None], images.astype("float32")):
            np.testing.assert_array_equal(embed(network, variant), expected)

    def test_seed_decides_weights_and_dropout(self, images):
        networks = [self.small(seed=seed) for seed in (3, 3, 4)]
        assert same_weights(*networks[:2])
        for name in ("conv_1", "conv_4", "dense_6", "embedding"):
            kernels = [network.get_layer(name).kernel.numpy() for network in networks]
            assert not np.array_equal(kernels[0], kernels[2])
        first, again = (network(images, training=True) for network in networks[:2])
        np.testing.assert_array_equal(first, again)
        assert (networks[0](images, training=True) != first).numpy().any()
        seeds = {networks[0].get_layer(f"dropout_{number}").seed for number in (6, 7)}
        assert len(seeds) == 2

    def test_activations_neither_vanish_nor_grow(self, images):
        embeddings = embed(alexnet(seed=1), images)
        spread = np.linalg.norm(embeddings - embeddings.mean(axis=0), axis=1).mean()
        assert 0.05 < spread < 20

    def test_no_dropout_and_unit_norm(self, images):
        network = self.small(dropout=0, normalize=True)
        assert not [name for name in shapes_of(network) if name.startswith("dropout")]
        np.testing.assert_allclose(np.linalg.norm(embed(network, images), axis=1), 1, atol=1e-5)

    @pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
    def test_half_precision_policies_give_float32_embeddings(self, policy, dtype_policy, images):
        dtype_policy(policy)
        network = self.small()
        assert network.get_layer("conv_2").compute_dtype == policy.removeprefix("mixed_")
        network.compile("adam", "mse")
        history = network.fit(images, np.zeros((6, 8)), epochs=2, verbose=0).history
        assert np.isfinite(history["loss"]).all()
        assert network(images, training=False).dtype == tf.float32

    def test_saves_and_loads(self, tmp_path, images):
        network = self.small(normalize=True)
        network(images, training=True)  # counts a dropout
        network.save(tmp_path / "net.keras")
        loaded = keras.saving.load_model(tmp_path / "net.keras")
        assert same_weights(loaded, network)
        np.testing.assert_allclose(embed(loaded, images), embed(network, images), atol=1e-6)
        np.testing.assert_allclose(
            loaded(images, training=True), network(images, training=True), atol=1e-6
        )

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"image_shape": (18, 28)}, ValueError, "at least 19 pixels, for one convolution and"),
            ({"channels": 0}, ValueError, "channels must be at least 1, got 0"),
            ({"embedding_size": 0}, ValueError, "embedding_size must be at least 1, got 0"),
            ({"dropout": 1.0}, ValueError, "dropout must be from 0 to below 1, got 1.0"),
            ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
        ],
    )
    def test_bad_arguments_are_named(self, arguments, error, message):
        with pytest.raises(error, match=message):
            alexnet(**arguments)


class TestClassifier:
    def test_logits_on_the_embedding(self, images):
        backbone = small_net()
        model = classifier(backbone, 10)
        kernel, bias = model.get_layer("logits").get_weights()
        assert (model.layers[-1].name, model.output.dtype) == ("logits", "float32")
        np.testing.assert_allclose(
            embed(model, images), embed(backbone, images) @ kernel + bias, rtol=1e-4, atol=1e-4
        )
        assert model.layers[:-1] == backbone.layers

    @pytest.mark.parametrize("backbone", [small_net, TestAlexNet.small])
    def test_training_it_trains_the_backbone(self, backbone, images):
        backbone = backbone(dropout=0.0)
        before = embed(backbone, images)
        model = classifier(backbone, 3)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"])
        model.fit(images, np.arange(6) % 3, epochs=30, verbose=0)
        assert model.evaluate(images, np.arange(6) % 3, verbose=0)[1] > 0.5
        assert np.abs(embed(backbone, images) - before).max() > 0.01
        penultimate = keras.Model(model.input, model.get_layer("embedding").output)
        np.testing.assert_array_equal(embed(penultimate, images), embed(backbone, images))

    def test_seed_decides_the_last_layer_alone(self):
        kernels = [
            classifier(small_net(), 10, seed=seed).get_layer("logits").get_weights()[0]
            for seed in (0, 0, 1)
        ]
        np.testing.assert_array_equal(kernels[0], kernels[1])
        assert not np.isclose(kernels[0], kernels[2]).all()

    def test_saves_and_loads_with_the_backbone_inside(self, tmp_path, images):
        backbone = small_net(normalize=True, dropout=0.2)
        model = classifier(backbone, 4)
        model.save(tmp_path / "net.keras")
        loaded = keras.saving.load_model(tmp_path / "net.keras")
        np.testing.assert_allclose(embed(loaded, images), embed(model, images), atol=1e-6)
        assert loaded.get_layer("unit_norm").output.shape == (None, 8)

    def test_half_precision_gives_float32_logits(self, dtype_policy, images):
        dtype_policy("mixed_float16")
        assert classifier(small_net(), 4)(images).dtype == tf.float32

    def test_bad_arguments_are_named(self):
        with pytest.raises(ValueError, match="classes must be at least 2, got 1"):
            classifier(small_net(), 1)
        with pytest.raises(TypeError, match=r"classes must be an integer, got 2\.5"):
            classifier(small_net(), 2.5)
        with pytest.raises(ValueError, match="seed must be at least 0, got -1"):
            classifier(small_net(), 2, seed=-1)
        images = keras.Input((4, 4, 1))
        with pytest.raises(ValueError, match=r"embeddings of shape \(B, D\), got shape \(None, 4"):
            classifier(keras.Model(images, images), 2)
