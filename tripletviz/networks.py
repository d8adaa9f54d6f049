"""Embedding networks: an image in, a point out; and classifiers built on them."""

import math
import numbers

import numpy as np

from ._tensorflow import keras, tf
from ._validation import non_negative_integer, positive_integer


@keras.saving.register_keras_serializable(package="tripletviz")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation of images by TensorFlow's fused operation.

    The same layer as `keras.layers.BatchNormalization`, with the same weights and arguments. Keras
    computes it from elementary operations, each a pass over all activations; the fused operation
    does it in one, forward and backward. On two CPU cores that takes a third off the training time
    of `conv_net`. One detail differs: the moving variance follows the unbiased variance of a batch
    (divided by n - 1 instead of n), where n counts images times pixels.

    Args:
        **kwargs: As for `keras.layers.BatchNormalization`.

    Reference:

    - Ioffe and Szegedy, *Batch Normalization: Accelerating Deep Network Training by Reducing
      Internal Covariate Shift*, 2015, https://arxiv.org/abs/1502.03167
    """

    def call(self, inputs, training=None, mask=None):
        if not self._can_be_fused(inputs, mask):
            return super().call(inputs, training=training, mask=mask)
        learning = bool(training and self.trainable)
        # The operation wants no averages when it is to take them from the batch.
        nothing = tf.constant([], tf.float32)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma,
            offset=self.beta,
            mean=nothing if learning else self.moving_mean,
            variance=nothing if learning else self.moving_variance,
            epsilon=self.epsilon,
            is_training=learning,
        )
        if learning:
            self._move(self.moving_mean, mean)
            self._move(self.moving_variance, variance)
        return outputs

    def _can_be_fused(self, inputs, mask):
        is_image_batch = len(inputs.shape) == 4 and self.axis in (3, -1)
        is_plain = not (self.renorm or self.synchronized) and self.scale and self.center
        is_single_precision = self.variable_dtype == "float32" and inputs.dtype != tf.float64
        return mask is None and is_image_batch and is_plain and is_single_precision

    def _move(self, average, value):
        average.assign(average * self.momentum + value * (1.0 - self.momentum))


@keras.saving.register_keras_serializable(package="tripletviz")
class CountedDropout(keras.layers.Layer):
    """Dropout whose masks depend on its seed and on how often it has dropped, nothing else.

    The count is a weight of the layer. `keras.layers.Dropout` counts too, but in a place that
    neither `get_weights` nor a saved model holds, so that a training which goes on from saved
    weights would drop other units than the undisturbed one.

    Args:
        rate: Share of the inputs that become 0 in training, from 0 to below 1; the others are
            scaled up by `1 / (1 - rate)`.
        seed: Integer from 0 to 2**32 - 1.
        **kwargs: As for `keras.layers.Layer`.

    Reference:

    - Srivastava et al., *Dropout: A Simple Way to Prevent Neural Networks from Overfitting*, 2014,
      https://jmlr.org/papers/v15/srivastava14a.html
    """

    def __init__(self, rate, seed, **kwargs):
        super().__init__(**kwargs)
        self.rate = _dropout_rate(rate)
        self.seed = non_negative_integer(seed, "seed")

    def build(self, input_shape):
        self.count = self.add_weight(
            shape=(), dtype="int64", initializer="zeros", trainable=False, name="count"
        )

    def call(self, inputs, training=False):
        if not training or not self.rate:
            return inputs
        self.count.assign_add(1)
        seed = tf.stack([tf.constant(self.seed, tf.int64), tf.identity(self.count)])
        return tf.nn.experimental.stateless_dropout(inputs, self.rate, seed, rng_alg="philox")

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "rate": self.rate, "seed": self.seed}


@keras.saving.register_keras_serializable(package="tripletviz")
class LocalResponseNormalization(keras.layers.Layer):
    """Local response normalisation: each value divided by the strength of its neighbours.

    Filter i at a place of the image becomes `a_i / (k + alpha * sum_j a_j**2) ** beta`, where j
    runs over the `size` filters around i, fewer at the ends. The sum is a sum, as in the paper;
    Caffe divides its `alpha` by `size`. The layer computes in float32 whatever the dtype policy.

    Args:
        size: Odd number of filters in the sum, n in the paper.
        k: The constant in the denominator.
        alpha: Factor of the sum.
        beta: Exponent.
        **kwargs: As for `keras.layers.Layer`.

    Reference:

    - Krizhevsky, Sutskever and Hinton, *ImageNet Classification with Deep Convolutional Neural
      Networks*, 2012, section 3.3, with the constants given there as defaults
    """

    def __init__(self, size=5, k=2.0, alpha=1e-4, beta=0.75, **kwargs):
        super().__init__(**kwargs)
        self.size = positive_integer(size, "size")
        if self.size % 2 == 0:
            raise ValueError(f"size must be odd, got {self.size}.")
        self.k, self.alpha, self.beta = float(k), float(alpha), float(beta)

    def call(self, inputs):
        outputs = tf.nn.local_response_normalization(
            tf.cast(inputs, tf.float32),
            depth_radius=self.size // 2,
            bias=self.k,
            alpha=self.alpha,
            beta=self.beta,
        )
        return tf.cast(outputs, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        own = {"size": self.size, "k": self.k, "alpha": self.alpha, "beta": self.beta}
        return {**super().get_config(), **own}


def conv_net(
    *,
    image_shape=(28, 28),
    embedding_size=64,
    channels=32,
    blocks=2,
    convolutions=1,
    batch_norm=True,
    dropout=0.0,
    normalize=False,
    seed=0,
    name="conv_net",
):
    """Build the small convolutional embedding network, untrained.

    Blocks of 3x3 convolution, batch normalisation and ReLU, then 2x2 max-pooling, with `channels`
    filters in the first block and twice as many in each as in the one before; then one dense layer
    without an activation, whose output is the embedding. The network scales pixel values to 0..1 by
    itself: feed it raw images.

    Embeddings come out in float32 under every dtype policy (`mixed_float16` and `mixed_bfloat16`
    too), since distances between them need the digits.

    Args:
        image_shape: Height and width, or height, width and colours. Each block halves the sides,
            which must last: at least 4 pixels for two blocks, 8 for three.
        embedding_size: Dimension of the embedding.
        channels: Filters of the first block.
        blocks: Number of blocks.
        convolutions: Convolutions in each block, with batch normalisation and ReLU after each.
            Where there are several, layers are named by block and place: "conv_2_1" is the first
            of the second block; "conv_2" is its only one.
        batch_norm: Whether to normalise batches after each convolution (which then needs no bias).
        dropout: Share of the inputs of the embedding layer that training drops, below 1. At 0 there
            is no such layer.
        normalize: Whether to scale embeddings to unit Euclidean norm. A zero embedding stays zero.
        seed: Non-negative integer. The same seed gives the same initial weights and drops the same
            inputs, whatever else draws random numbers; no global random state is read or changed.
        name: Name of the model.

    Returns:
        A functional `keras.Model` from images, shape `(B, 28, 28)` or `(B, 28, 28, 1)`, `uint8` or
        float, pixel values 0 to 255, to embeddings, shape `(B, embedding_size)`, `float32`. It has
        one `keras.layers.Dense` layer, named "embedding". After `model.save("net.keras")`,
        `keras.saving.load_model` finds the network's own layers once this room is imported.

    Raises:
        TypeError: If a size or the seed is not an integer, or the dropout is not a number.
        ValueError: If a size is less than 1, the seed is negative, the dropout is out of range, or
            the images are too small for so many blocks.

    Example:

    >>> network = conv_net(embedding_size=2)
    >>> network.predict(np.zeros((5, 28, 28), np.uint8), verbose=0).shape
    (5, 2)

    Reference:

    - The network of https://github.com/omoindrot/tensorflow-triplet-loss (`model/model_fn.py`),
      with its batch normalisation momentum of 0.9: evaluation is right after tens of steps, where
      Keras's default of 0.99 takes hundreds.
    """
    blocks = positive_integer(blocks, "blocks")
    convolutions = positive_integer(convolutions, "convolutions")
    channels = positive_integer(channels, "channels")
    poolings = {1: "one pooling halves", 2: "two poolings halve"}
    image_shape = _image_shape(
        image_shape, 2**blocks, f"which {poolings.get(blocks, f'{blocks} poolings halve')}"
    )
    *conv_seeds, embedding_seed, dropout_seed = _seeds(seed, blocks * convolutions + 2)

    images, outputs = _scaled_images(image_shape)
    for block in range(1, blocks + 1):
        # ReLU before pooling, as the architecture has it: the other way round gives the same
        # numbers, and was measured to be no faster to train.
        for number in range(1, convolutions + 1):
            place = f"{block}" if convolutions == 1 else f"{block}_{number}"
            filters = channels * 2 ** (block - 1)
            outputs = _convolution(filters, batch_norm, conv_seeds.pop(0), place)(outputs)
            if batch_norm:
                outputs = FusedBatchNormalization(momentum=0.9, name=f"batch_norm_{place}")(outputs)
            outputs = keras.layers.ReLU(name=f"relu_{place}")(outputs)
        outputs = keras.layers.MaxPooling2D(2, name=f"pool_{block}")(outputs)
    outputs = keras.layers.Flatten(name="flatten")(outputs)
    if _dropout_rate(dropout):
        outputs = CountedDropout(dropout, dropout_seed, name="dropout")(outputs)
    outputs = _embedding(outputs, embedding_size, normalize, embedding_seed)
    return keras.Model(images, outputs, name=name)


def alexnet(
    *,
    image_shape=(28, 28),
    embedding_size=64,
    channels=96,
    dropout=0.5,
    normalize=False,
    seed=0,
    name="alexnet",
):
    """Build AlexNet as an embedding network, scaled to the images' size, untrained.

    Five convolutions; local response normalisation after the first two; overlapping max-pooling
    (3x3, two pixels apart) after the first, second and fifth; two dense layers with dropout before
    each; ReLU throughout; then one dense layer without an activation, whose output is the
    embedding. In one tower: the original's two were for its two GPUs.

    For 227 x 227 colour images it is the original up to its last layer. For smaller ones, with r
    being the shorter side divided by 227,

    - the first convolution is `4 r` pixels apart, rounded, at least 1, and its kernel as wide as
      twice that and 3 more: 11 at 227 pixels, 7 at 128, 5 at 28;
    - the second kernel is 5 wide, or 3 where the first convolution moves by single pixels;
    - filters and dense units are the original's times r, but at least an eighth of them;
    - all else stays. Larger images go through the original's layers.

    Like `conv_net` it scales pixel values to 0..1 by itself, and gives float32 embeddings under
    every dtype policy. What differs from the paper beside the size: initial weights follow He et
    al., since the paper's need its long training to grow; and on activations of this scale, with
    the paper's constants, local response normalisation does hardly more than halve them.

    Args:
        image_shape: Height and width, or height, width and colours; sides of at least 19 pixels.
        embedding_size: Dimension of the embedding.
        channels: Filters of the first convolution at 227 pixels; those of the others, and the
            dense units, are in proportion: 96, 256, 384, 384, 256 and 4096, 4096.
        dropout: Share of the inputs of both dense layers that training drops, below 1. At 0 there
            are no such layers.
        normalize: Whether to scale embeddings to unit Euclidean norm. A zero embedding stays zero.
        seed: Non-negative integer, as in `conv_net`.
        name: Name of the model.

    Returns:
        A functional `keras.Model` as of `conv_net`. The two dense layers before the embedding are
        named "dense_6" and "dense_7", counted as in the paper.

    Raises:
        TypeError: If a size or the seed is not an integer, or the dropout is not a number.
        ValueError: If a size is less than 1, the seed is negative, the dropout is out of range, or
            the images are too small.

    Example:

    >>> network = alexnet(embedding_size=2)
    >>> network.predict(np.zeros((5, 28, 28), np.uint8), verbose=0).shape
    (5, 2)

    Reference:

    - Krizhevsky, Sutskever and Hinton, *ImageNet Classification with Deep Convolutional Neural
      Networks*, 2012, section 3
    - He, Zhang, Ren and Sun, *Delving Deep into Rectifiers*, 2015,
      https://arxiv.org/abs/1502.01852
    """
    image_shape = _image_shape(image_shape, 19, "for one convolution and three poolings")
    channels = positive_integer(channels, "channels")
    ratio = min(1.0, min(image_shape[:2]) / 227)
    stride = max(1, round(4 * ratio))
    width = max(0.125, ratio) * channels / 96
    seeds = _seeds(seed, 10)
    layers = (
        *_alexnet_convolution(1, 96 * width, 2 * stride + 3, seeds[0], stride, "valid"),
        *_alexnet_convolution(2, 256 * width, 3 if stride == 1 else 5, seeds[1]),
        *_alexnet_convolution(3, 384 * width, 3, seeds[2]),
        *_alexnet_convolution(4, 384 * width, 3, seeds[3]),
        *_alexnet_convolution(5, 256 * width, 3, seeds[4]),
        keras.layers.Flatten(name="flatten"),
        *_alexnet_dense(6, 4096 * width, dropout, seeds[5:7]),
        *_alexnet_dense(7, 4096 * width, dropout, seeds[7:9]),
    )
    images, outputs = _scaled_images(image_shape)
    for layer in layers:
        outputs = layer(outputs)
    outputs = _embedding(outputs, embedding_size, normalize, seeds[9])
    return keras.Model(images, outputs, name=name)


def classifier(backbone, classes, seed=0):
    """Put a softmax classifier's last layer on an embedding network, to train both together.

    The embedding is the penultimate layer. Layers and weights are the backbone's own, not copies:
    training the classifier trains the backbone, whose embeddings can then be evaluated like those
    of a network trained with a triplet loss.

    Args:
        backbone: `keras.Model` from images to embeddings `(B, D)`.
        classes: Number of classes, at least 2.
        seed: Non-negative integer; decides the initial weights of the last layer.

    Returns:
        A functional `keras.Model` from the same images to logits, shape `(B, classes)`, `float32`.
        Its last layer is a `keras.layers.Dense` named "logits".

    Raises:
        TypeError: If the number of classes or the seed is not an integer.
        ValueError: If there are fewer than two classes, the seed is negative, or the backbone's
            output is not one embedding an image.

    Example:

    >>> network = conv_net()
    >>> model = classifier(network, 10)
    >>> loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> model.compile("adam", loss, metrics=["accuracy"])
    """
    classes = positive_integer(classes, "classes")
    if classes < 2:
        raise ValueError(f"classes must be at least 2, got {classes}.")
    if len(backbone.output_shape) != 2:
        raise ValueError(
            f"backbone must give embeddings of shape (B, D), got shape {backbone.output_shape}."
        )
    logits = keras.layers.Dense(
        classes,
        kernel_initializer=keras.initializers.GlorotUniform(seed=_seeds(seed, 1)[0]),
        dtype="float32",
        name="logits",
    )(backbone.output)
    return keras.Model(backbone.input, logits, name=f"{backbone.name}_classifier")


def settle_batch_norm(network, images, *, batch_size=64, batches=100):
    """Let a network's batch normalisation learn the mean and spread of its inputs; train nothing.

    In use, batch normalisation works with moving averages, which start at mean 0 and variance 1
    whatever the data is like. Until they have followed the data, an untrained network gives
    embeddings of quite another scale than the ones its own training sees. So before an untrained
    network is measured, show it some images. Nothing that training learns changes, only those
    averages, and the count of a `CountedDropout`.

    Args:
        network: `keras.Model` from images to embeddings; without batch normalisation it stays as
            it is.
        images: Array `(N, …)` as the network takes them. They are taken in order, and again from
            the first if they are used up.
        batch_size: Images a batch, as in training.
        batches: Number of batches. With the momentum 0.9 of `conv_net` a hundred leave 0.003 % of
            where the averages started.

    Raises:
        ValueError: If there are fewer images than one batch.

    Reference:

    - Ioffe and Szegedy, *Batch Normalization: Accelerating Deep Network Training by Reducing
      Internal Covariate Shift*, 2015, section 3.1, https://arxiv.org/abs/1502.03167
    """
    batch_size = positive_integer(batch_size, "batch_size")
    if len(images) < batch_size:
        raise ValueError(f"images must be at least one batch of {batch_size}, got {len(images)}.")
    look = tf.function(lambda batch: network(batch, training=True))
    for number in range(positive_integer(batches, "batches")):
        chosen = np.arange(number * batch_size, (number + 1) * batch_size) % len(images)
        look(tf.convert_to_tensor(images[chosen]))


def _seeds(seed, count):
    """Seeds of the layers. The first ones are the same, however many there are."""
    sequence = np.random.SeedSequence(non_negative_integer(seed, "seed"))
    return sequence.generate_state(count).tolist()


def _scaled_images(image_shape):
    """The network's input, and the same with values from 0 to 1 and an axis of colours."""
    height, width, *colours = image_shape
    images = keras.Input((height, width, *colours), name="images")
    outputs = keras.layers.Rescaling(1 / 255, name="scale")(images)
    return images, keras.layers.Reshape((height, width, *(colours or [1])), name="image")(outputs)


def _convolution(filters, batch_norm, seed, place):
    return keras.layers.Conv2D(
        filters,
        3,
        padding="same",
        # Batch normalisation subtracts the mean, and a bias with it.
        use_bias=not batch_norm,
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        name=f"conv_{place}",
    )


def _embedding(inputs, embedding_size, normalize, seed):
    outputs = keras.layers.Dense(
        positive_integer(embedding_size, "embedding_size"),
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        dtype="float32",
        name="embedding",
    )(inputs)
    if normalize:
        outputs = keras.layers.UnitNormalization(dtype="float32", name="unit_norm")(outputs)
    return outputs


def _alexnet_convolution(number, filters, kernel_size, seed, stride=1, padding="same"):
    """The layers around one convolution. Its number says what the paper has follow it."""
    yield keras.layers.Conv2D(
        max(1, round(filters)),
        kernel_size,
        strides=stride,
        padding=padding,
        kernel_initializer=keras.initializers.HeUniform(seed=seed),
        name=f"conv_{number}",
    )
    yield keras.layers.ReLU(name=f"relu_{number}")
    if number in (1, 2):
        yield LocalResponseNormalization(name=f"local_response_norm_{number}")
    if number in (1, 2, 5):
        yield keras.layers.MaxPooling2D(3, strides=2, name=f"pool_{number}")


def _alexnet_dense(number, units, dropout, seeds):
    if _dropout_rate(dropout):
        yield CountedDropout(dropout, seeds[0], name=f"dropout_{number}")
    yield keras.layers.Dense(
        max(1, round(units)),
        kernel_initializer=keras.initializers.HeUniform(seed=seeds[1]),
        name=f"dense_{number}",
    )
    yield keras.layers.ReLU(name=f"relu_{number}")


def _dropout_rate(rate):
    if isinstance(rate, bool | np.bool_) or not isinstance(rate, numbers.Real):
        raise TypeError(f"dropout must be a number from 0 to below 1, got {rate!r}.")
    if not (math.isfinite(rate) and 0 <= rate < 1):
        raise ValueError(f"dropout must be from 0 to below 1, got {rate}.")
    return float(rate)


def _image_shape(image_shape, least, reason):
    sides = tuple(positive_integer(side, "each of image_shape") for side in image_shape)
    if len(sides) not in (2, 3) or min(sides[:2]) < least:
        raise ValueError(
            "image_shape must be (height, width) or (height, width, colours) with sides of at "
            f"least {least} pixels, {reason}, got {sides}."
        )
    return sides
