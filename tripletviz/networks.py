"""Embedding networks: an image in, a point out."""

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


def conv_net(
    *,
    image_shape=(28, 28),
    embedding_size=64,
    channels=32,
    batch_norm=True,
    normalize=False,
    seed=0,
    name="conv_net",
):
    """Build the small convolutional embedding network, untrained.

    Two blocks of 3x3 convolution, batch normalisation, ReLU and 2x2 max-pooling, with `channels`
    and `2 * channels` filters; then one dense layer without an activation, whose output is the
    embedding. The network scales pixel values to 0..1 by itself: feed it raw images.

    Embeddings come out in float32 under every dtype policy (`mixed_float16` and `mixed_bfloat16`
    too), since distances between them need the digits.

    Args:
        image_shape: Height and width, or height, width and colours; sides of at least 4 pixels.
        embedding_size: Dimension of the embedding.
        channels: Filters of the first block; the second has twice as many.
        batch_norm: Whether to normalise batches after each convolution (which then needs no bias).
        normalize: Whether to scale embeddings to unit Euclidean norm. A zero embedding stays zero.
        seed: Non-negative integer. The same seed gives the same initial weights, whatever else
            draws random numbers; no global random state is read or changed.
        name: Name of the model.

    Returns:
        A functional `keras.Model` from images, shape `(B, 28, 28)` or `(B, 28, 28, 1)`, `uint8` or
        float, pixel values 0 to 255, to embeddings, shape `(B, embedding_size)`, `float32`. It has
        one `keras.layers.Dense` layer, named "embedding". After `model.save("net.keras")`,
        `keras.saving.load_model` finds the network's own layer once this room is imported.

    Raises:
        TypeError: If a size or the seed is not an integer.
        ValueError: If a size is less than 1, the seed is negative, or the images are too small.

    Example:

    >>> network = conv_net(embedding_size=2)
    >>> network.predict(np.zeros((5, 28, 28), np.uint8), verbose=0).shape
    (5, 2)

    Reference:

    - The network of https://github.com/omoindrot/tensorflow-triplet-loss (`model/model_fn.py`),
      with its batch normalisation momentum of 0.9: evaluation is right after tens of steps, where
      Keras's default of 0.99 takes hundreds.
    """
    height, width, *colours = _image_shape(image_shape)
    embedding_size = positive_integer(embedding_size, "embedding_size")
    channels = positive_integer(channels, "channels")
    seeds = np.random.SeedSequence(non_negative_integer(seed, "seed")).generate_state(3).tolist()

    images = keras.Input((height, width, *colours), name="images")
    outputs = keras.layers.Rescaling(1 / 255, name="scale")(images)
    outputs = keras.layers.Reshape((height, width, *(colours or [1])), name="image")(outputs)
    for block, block_seed in enumerate(seeds[:2], start=1):
        # ReLU before pooling, as the architecture has it: the other way round gives the same
        # numbers, and was measured to be no faster to train.
        outputs = _convolution(block * channels, batch_norm, block_seed, block)(outputs)
        if batch_norm:
            outputs = FusedBatchNormalization(momentum=0.9, name=f"batch_norm_{block}")(outputs)
        outputs = keras.layers.ReLU(name=f"relu_{block}")(outputs)
        outputs = keras.layers.MaxPooling2D(2, name=f"pool_{block}")(outputs)
    outputs = keras.layers.Flatten(name="flatten")(outputs)
    outputs = keras.layers.Dense(
        embedding_size,
        kernel_initializer=keras.initializers.GlorotUniform(seed=seeds[2]),
        dtype="float32",
        name="embedding",
    )(outputs)
    if normalize:
        outputs = keras.layers.UnitNormalization(dtype="float32", name="unit_norm")(outputs)
    return keras.Model(images, outputs, name=name)


def settle_batch_norm(network, images, *, batch_size=64, batches=100):
    """Let a network's batch normalisation learn the mean and spread of its inputs; train nothing.

    In use, batch normalisation works with moving averages, which start at mean 0 and variance 1
    whatever the data is like. Until they have followed the data, an untrained network gives
    embeddings of quite another scale than the ones its own training sees. So before an untrained
    network is measured, show it some images. No weight changes, only those averages.

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


def _convolution(filters, batch_norm, seed, block):
    return keras.layers.Conv2D(
        filters,
        3,
        padding="same",
        # Batch normalisation subtracts the mean, and a bias with it.
        use_bias=not batch_norm,
        kernel_initializer=keras.initializers.GlorotUniform(seed=seed),
        name=f"conv_{block}",
    )


def _image_shape(image_shape):
    sides = tuple(positive_integer(side, "each of image_shape") for side in image_shape)
    if len(sides) not in (2, 3) or min(sides[:2]) < 4:
        raise ValueError(
            "image_shape must be (height, width) or (height, width, colours) with sides of at "
            f"least 4 pixels, which two poolings halve, got {sides}."
        )
    return sides
