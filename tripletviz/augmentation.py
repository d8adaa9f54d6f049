"""Small random shifts, rotations and changes of size, so that a network never sees an image twice.

What is drawn is a pure function of (seed, step): nothing that was drawn before matters, no thread
and no order of work does, so a training that goes on from a checkpoint sees the very images it
would have seen undisturbed.
"""

import math
import numbers

import numpy as np

from ._tensorflow import tf
from ._validation import non_negative_integer

_MOST_ROTATION = 180.0


def augment(images, seed, step, *, max_shift=0, max_rotation=0.0, max_zoom=0.0):
    """Shift, rotate and zoom each image of a batch by random amounts of its own.

    The amounts are drawn evenly between their bounds, of either sign, and for each image anew. With
    all bounds at zero the batch comes back as it is, the very same tensor. For use in a pipeline:

    ```python
    def augmented(step, batch):
        images, labels = batch
        return augment(images, seed, step, max_shift=2, max_rotation=10.0), labels

    dataset.enumerate().map(augmented, num_parallel_calls=tf.data.AUTOTUNE)
    ```

    Args:
        images: `uint8` tensor of shape `(B, H, W)` or `(B, H, W, colours)`.
        seed: Non-negative integer.
        step: Number of the batch in the whole training, from 0: a non-negative integer, or a scalar
            integer tensor. The same seed and step give the same amounts; others give others.
        max_shift: Most pixels by which an image is shifted along each axis, in fractions of pixels
            too; at least 0.
        max_rotation: Most degrees by which it is rotated about its centre, from 0 to 180.
        max_zoom: Most by which its size is changed: 0.1 draws factors from 0.9 to 1.1; from 0 to
            below 1.

    Returns:
        A `uint8` tensor of the same shape, made by bilinear interpolation, 0 (black) where the
        image has been moved away.

    Raises:
        TypeError: If the images are not `uint8`, or an argument is not a number of its kind.
        ValueError: If an argument is out of range, or the images have another number of axes.

    Example:

    >>> augment(np.zeros((64, 28, 28), np.uint8), seed=0, step=0, max_shift=2).shape
    TensorShape([64, 28, 28])

    Reference:

    - Simard, Steinkraus and Platt, *Best Practices for Convolutional Neural Networks Applied to
      Visual Document Analysis*, ICDAR 2003, section 2
    """
    seed = non_negative_integer(seed, "seed")
    # A tensor's value is not known while a pipeline is being built.
    step = step if tf.is_tensor(step) else non_negative_integer(step, "step")
    bounds = check_bounds(max_shift, max_rotation, max_zoom)
    images = _image_batch(images)
    if not any(bounds):
        return images
    draws = tf.random.stateless_uniform(
        (tf.shape(images)[0], 4),
        seed=tf.stack([tf.constant(seed, tf.int64), tf.cast(step, tf.int64)]),
        minval=-1.0,
        dtype=tf.float64,
        alg="philox",  # whatever device, and not what seems best to it
    )
    most_shift, most_rotation, most_zoom = bounds
    return transform(
        images,
        shifts=most_shift * draws[:, :2],
        rotations=most_rotation * draws[:, 2],
        zooms=1.0 + most_zoom * draws[:, 3],
    )


def transform(images, shifts, rotations, zooms):
    """Zoom and rotate each image of a batch about its centre, then shift it, by given amounts.

    Args:
        images: `uint8` tensor of shape `(B, H, W)` or `(B, H, W, colours)`.
        shifts: Pixels down and pixels to the right, shape `(B, 2)`.
        rotations: Degrees, counter-clockwise as an image is shown, shape `(B,)`.
        zooms: Factors of size, greater than 0: at 2 everything is twice as large. Shape `(B,)`.

    Returns:
        A `uint8` tensor of the same shape, made by bilinear interpolation, rounded to the nearest
        integers, 0 where the image has been moved away.

    Raises:
        TypeError: If the images are not `uint8`.
        ValueError: If the images have another number of axes.

    Example:

    >>> image = np.array([[[1, 2], [3, 4]]], np.uint8)
    >>> transform(image, shifts=[[0, 1]], rotations=[0], zooms=[1]).numpy().tolist()
    [[[0, 1], [0, 3]]]
    """
    images = _image_batch(images)
    height, width = images.shape[1:3]
    # The operation takes floats, since from integers it would cut off rather than round.
    pixels = tf.cast(images if images.shape.rank == 4 else images[..., None], tf.float32)
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=pixels,
        transforms=_backwards(shifts, rotations, zooms, (height - 1) / 2, (width - 1) / 2),
        output_shape=(height, width),
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
    moved = tf.cast(tf.round(moved), tf.uint8)
    return moved if images.shape.rank == 4 else moved[..., 0]


def check_bounds(max_shift, max_rotation, max_zoom):
    """Return the bounds of `augment` as three floats, or raise an error that names a wrong one.

    Raises:
        TypeError: If one is not a number.
        ValueError: If one is out of range: see `augment`.
    """
    return (
        _bound(max_shift, "max_shift", "at least 0 (pixels)", lambda value: value >= 0),
        _bound(
            max_rotation,
            "max_rotation",
            "from 0 to 180 (degrees)",
            lambda value: 0 <= value <= _MOST_ROTATION,
        ),
        _bound(max_zoom, "max_zoom", "from 0 to below 1", lambda value: 0 <= value < 1),
    )


def _backwards(shifts, rotations, zooms, middle_row, middle_column):
    """For each image, where each pixel of the result comes from, as the operation wants it.

    A pixel (column, row) is taken from (a column + b row + c, d column + e row + f). The numbers
    a to f, 0, 0 are a row of the tensor `(B, 8)`.
    """
    shifts = tf.cast(shifts, tf.float64)
    angles = tf.cast(rotations, tf.float64) * (math.pi / 180)
    zooms = tf.cast(zooms, tf.float64)
    cosine, sine = tf.cos(angles) / zooms, tf.sin(angles) / zooms
    # The centre of the original has come to here.
    row, column = middle_row + shifts[:, 0], middle_column + shifts[:, 1]
    nothing = tf.zeros_like(angles)
    numbers_of_each = [
        *(cosine, -sine, middle_column - cosine * column + sine * row),
        *(sine, cosine, middle_row - sine * column - cosine * row),
        *(nothing, nothing),
    ]
    return tf.cast(tf.stack(numbers_of_each, axis=1), tf.float32)


def _bound(value, name, range_in_words, is_in_range):
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} must be a number {range_in_words}, got {value!r}.")
    if not (math.isfinite(value) and is_in_range(value)):
        raise ValueError(f"{name} must be {range_in_words}, got {value}.")
    return float(value)


def _image_batch(images):
    if not tf.is_tensor(images):
        images = tf.convert_to_tensor(images)
    if images.dtype != tf.uint8:
        raise TypeError(f"images must be uint8, got {images.dtype.name}.")
    if images.shape.rank not in (3, 4):
        raise ValueError(
            "images must have shape (B, height, width) or (B, height, width, colours), got "
            f"{images.shape}."
        )
    return images
