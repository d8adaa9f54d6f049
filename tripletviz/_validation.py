"""Checks of arguments that several rooms share. They need NumPy only."""

import operator

import numpy as np


def positive_integer(value, name):
    """Return `value` as an `int` of at least 1, or raise an error that names the argument.

    Args:
        value: Any integer-like object; `bool` is refused, being a slip more often than a number.
        name: How the error message calls the argument.

    Returns:
        A Python `int`.

    Raises:
        TypeError: If `value` is not an integer.
        ValueError: If it is less than 1.
    """
    return _integer_from(value, 1, name)


def non_negative_integer(value, name):
    """Return `value` as an `int` of at least 0; otherwise like `positive_integer`."""
    return _integer_from(value, 0, name)


def _integer_from(value, least, name):
    # An array of one number would pass `operator.index`; it is not what the caller meant either.
    if isinstance(value, bool | np.bool_) or np.ndim(value) != 0:
        raise TypeError(f"{name} must be an integer, got {value!r}.")
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an integer, got {value!r}.") from None
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {number}.")
    return number


def class_labels(labels, count=None, name="labels", of="embeddings"):
    """Return class labels as one flat array of integers, or say what is wrong with them.

    Nothing is broadcast: a column of labels is flattened, every other mismatch is an error.

    Args:
        labels: Integers, shape `(N,)` or `(N, 1)`; floats that are whole numbers are accepted.
        count: The length wanted (of the array that the labels belong to), or `None`.
        name: How the error message calls the labels.
        of: How the error message calls what the labels belong to.

    Returns:
        An `int64` array of shape `(N,)`.

    Raises:
        ValueError: If the labels are one-hot or otherwise not one a row, are not whole numbers, do
            not fit in 64 bits, or are not `count` many.

    Example:

    >>> class_labels([[3], [1]], count=2)
    array([3, 1])
    """
    array = np.asarray(labels)
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise ValueError(
            f"{name} must have shape (N,) or (N, 1), one class number a row, got shape "
            f"{array.shape}.{_one_hot_advice(array, name)}"
        )
    if count is not None and len(array) != count:
        raise ValueError(
            f"{name} and {of} must have the same length, got {name} of shape {np.shape(labels)} "
            f"for {count} {of}."
        )
    if array.dtype.kind not in "iub":
        array = _whole_numbers(array, name)
    if array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{name} must fit in 64-bit signed integers, got {array.max()}.")
    return array.astype(np.int64)


def _one_hot_advice(array, name):
    if array.ndim != 2 or array.dtype.kind not in "iubf" or not array.size:
        return ""
    one_hot = np.isin(array, (0, 1)).all() and (array.sum(axis=1) == 1).all()
    return f" They look one-hot: pass np.argmax({name}, axis=1)." if one_hot else ""


def _whole_numbers(array, name):
    if array.dtype.kind != "f":
        raise ValueError(f"{name} must be integers, got dtype {array.dtype}.")
    not_whole = array[~np.isfinite(array) | (array != np.round(array))]
    if not_whole.size:
        raise ValueError(
            f"{name} must be whole numbers, got {not_whole.size} that are not, the first "
            f"{not_whole[0]}."
        )
    return array


def finite_embeddings(embeddings, name="embeddings"):
    """Return embeddings as a two-dimensional `float64` array, or say what is wrong with them.

    Args:
        embeddings: Numbers, shape `(N, dimensions)`, neither of them zero.
        name: How the error message calls them.

    Returns:
        A C-contiguous `float64` array of the same shape.

    Raises:
        ValueError: If the shape is another one or empty, or if a value is NaN or infinite (the
            message counts the values and the rows).
    """
    array = np.ascontiguousarray(embeddings, dtype=np.float64)
    if np.ndim(embeddings) != 2:
        raise ValueError(
            f"{name} must have shape (N, dimensions), got shape {np.shape(embeddings)}."
        )
    if 0 in array.shape:
        raise ValueError(f"{name} must not be empty, got shape {array.shape}.")
    finite = np.isfinite(array)
    if not finite.all():
        raise ValueError(
            f"{name} must be finite, got {np.isnan(array).sum()} NaN and {np.isinf(array).sum()} "
            f"infinite values in {(~finite.all(axis=1)).sum()} of {len(array)} rows."
        )
    return array
