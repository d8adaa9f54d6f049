"""Exercises of lesson 11: triplets left on several devices, and gradients through float16."""

import numpy as np

from ._exercise import Exercise, Wrong, as_array, is_close

# The package's versions ---------------------------------------------------------------------------


def triplets_per_device(labels, devices):
    """Valid triplets of all devices together, if each gets its own part of the batch."""
    return sum(_valid(part) for part in np.split(np.asarray(labels), devices))


def through_float16(gradient, scale):
    """A gradient that was multiplied by `scale`, went through float16, and came back."""
    with np.errstate(over="ignore"):
        small = (np.asarray(gradient, np.float32) * np.float32(scale)).astype(np.float16)
    if not np.isfinite(small).all():
        return np.zeros(small.shape, np.float32)
    return small.astype(np.float32) / np.float32(scale)


def _valid(labels):
    """Valid triplets of one batch: n (n - 1) (B - n), summed over its classes of n images."""
    counts = np.unique(labels, return_counts=True)[1]
    return int(np.sum(counts * (counts - 1) * (len(labels) - counts)))


# Triplets on several devices ----------------------------------------------------------------------


def _by_definition(labels, devices):
    """The same in plain loops over all triplets."""
    size, total = len(labels) // devices, 0
    for first in range(0, len(labels), size):
        mine = range(first, first + size)
        for a in mine:
            for p in mine:
                if p != a and labels[p] == labels[a]:
                    total += sum(labels[n] != labels[a] for n in mine)
    return int(total)


def _of_parts(labels, devices, count):
    return sum(count(part) for part in np.split(labels, devices))


def _with_itself(labels):
    counts = np.unique(labels, return_counts=True)[1]
    return int(np.sum(counts**2 * (len(labels) - counts)))


def _all_negatives(labels, devices):
    """Positives of the own part, negatives of the whole batch."""
    total = 0
    for part in np.split(labels, devices):
        for label in part:
            total += (np.sum(part == label) - 1) * np.sum(labels != label)
    return int(total)


def _pairs(labels):
    counts = np.unique(labels, return_counts=True)[1]
    return int(np.sum(counts * (counts - 1)))


_TRIPLET_MISTAKES = {
    "That is the number for one device with the whole batch. A device sees no image of another"
    " device.": lambda y, d: _valid(y),
    "You divide the triplets of the whole batch by the number of devices. A triplet needs all"
    " three images on *one* device, so many more are lost: count each part on its own.": (
        lambda y, d: _valid(y) / d,
        lambda y, d: _valid(y) // d,
    ),
    "You divide the triplets of the whole batch by the number of devices squared. That is nearly"
    " right for large random batches only. Count each part on its own.": (
        lambda y, d: _valid(y) / d**2,
        lambda y, d: _valid(y) // d**2,
    ),
    "You divide the triplets of the whole batch by the number of devices cubed. That would be one"
    " device of a large random batch. Count each part on its own.": (
        lambda y, d: _valid(y) / d**3,
        lambda y, d: _valid(y) // d**3,
    ),
    "That is one device alone. Add up all of them.": lambda y, d: _valid(np.split(y, d)[0]),
    "That is the mean over the devices. Add them up.": (
        lambda y, d: _of_parts(y, d, _valid) / d,
        lambda y, d: _of_parts(y, d, _valid) // d,
    ),
    "You deal the images out in turn, as `labels[0::devices]` does. Here each device gets a"
    " contiguous part: the first one the first images.": lambda y, d: sum(
        _valid(y[first::d]) for first in range(d)
    ),
    "You sort the labels first, so that each device gets whole classes. The batch is cut as it"
    " is.": lambda y, d: _of_parts(np.sort(y), d, _valid),
    "An anchor is its own positive: of n images of a class an anchor has n - 1 positives.": (
        lambda y, d: _of_parts(y, d, _with_itself)
    ),
    "You count negatives of other devices. An embedding on another device is not there when the"
    " loss is computed.": _all_negatives,
    "Those are the pairs (a, p). Each goes with every negative of its device.": (
        lambda y, d: _of_parts(y, d, _pairs)
    ),
}


def _examine_triplets(answer, rng):
    cases = [
        (np.array([0, 0, 1, 0, 1, 1]), 2),
        (np.array([1, 0, 0, 2, 1, 1, 0, 0]), 2),
        (np.array([0, 0, 1, 1]), 2),
        (np.repeat(np.arange(8), 8), 4),
        (rng.permutation(np.repeat(np.arange(4), 6)), 1),
    ]
    for devices in (2, 3, 4):
        cases.append((rng.integers(0, 4, size=12 * devices), devices))
    first, possible = None, list(_ways(_TRIPLET_MISTAKES))
    for labels, devices in cases:
        wanted = _by_definition(labels, devices)
        found = as_array(answer(labels, devices), ()).astype(np.float64)
        if first is None and not is_close(found, wanted, relative=0, absolute=1e-6):
            shown = f"`{labels.tolist()}`" if len(labels) < 12 else f"{len(labels)} labels"
            first = (
                f"With labels {shown} on {devices} devices it gives `{found:.6g}`; right is "
                f"`{wanted}`."
            )
        possible = [(said, way) for said, way in possible if is_close(found, way(labels, devices))]
    _tell(first, possible)


# Gradients through float16 ------------------------------------------------------------------------


def _scaled(gradient, scale):
    with np.errstate(all="ignore"):
        return (gradient * np.float32(scale)).astype(np.float16)


def _back(small, scale):
    with np.errstate(all="ignore"):
        return small.astype(np.float32) / np.float32(scale)


def _or_zeros(values, finite):
    return values if finite.all() else np.zeros(values.shape, np.float32)


def _scaled_too_late(gradient, scale):
    with np.errstate(all="ignore"):
        small = gradient.astype(np.float16)
        return _or_zeros(small.astype(np.float32), np.isfinite(small))


def _times_in_float16(gradient, scale):
    with np.errstate(all="ignore"):
        small = gradient.astype(np.float16) * np.float16(scale)
    return _or_zeros(_back(small, scale), np.isfinite(small))


def _back_in_float16(gradient, scale):
    small = _scaled(gradient, scale)
    with np.errstate(all="ignore"):
        divided = (small / np.float16(scale)).astype(np.float32)
    return _or_zeros(divided, np.isfinite(small))


def _divided_first(gradient, scale):
    with np.errstate(all="ignore"):
        small = (gradient / np.float32(scale)).astype(np.float16)
        return _or_zeros(small.astype(np.float32) * np.float32(scale), np.isfinite(small))


def _clipped(gradient, scale):
    with np.errstate(all="ignore"):
        large = float(np.finfo(np.float16).max)
        return _back(np.clip(gradient * np.float32(scale), -large, large).astype(np.float16), scale)


def _holes(gradient, scale):
    small = _scaled(gradient, scale)
    return np.where(np.isfinite(small), _back(small, scale), 0).astype(np.float32)


_SCALING_MISTAKES = {
    "You go to float16 without scaling, so what is too small for it has become 0. Multiply by"
    " `scale` *before* float16.": _scaled_too_late,
    "You go to float16 first and multiply there: what was too small has become 0 before. Multiply"
    " in float32, then go to float16.": _times_in_float16,
    "You come back still multiplied by `scale`. Divide by it, or the update is that much too"
    " large.": lambda g, s: _or_zeros(_back(_scaled(g, s), 1), np.isfinite(_scaled(g, s))),
    "You divide while it is still float16, where the result is too small again. Go back to float32"
    " first, then divide.": _back_in_float16,
    "You divide where you should multiply: small numbers get smaller still.": _divided_first,
    "An entry that is too large comes back as infinite. One such update would destroy all weights:"
    " give back zeros for the whole gradient then.": lambda g, s: _back(_scaled(g, s), s),
    "You put 0 for the entries that were too large only, and keep the others. That would be an"
    " update in a wrong direction; give back zeros for the *whole* gradient then.": _holes,
    "You cut off what is too large. That would be an update in a wrong direction; give back zeros"
    " for the whole gradient then.": _clipped,
    "You never go through float16, so nothing is rounded. The point is what float16 makes of it.": (
        lambda g, s: g
    ),
}


def _examine_scaling(answer, rng):
    cases = [
        (np.array([0.25, 1e-8, 3e-7], np.float32), 1024.0),
        (np.array([0.1, 1e-8], np.float32), 1.0),
        (np.array([1e-7, 0.5, 100.0], np.float32), 1024.0),
        (np.array([2e-6, -100.0], np.float32), 1024.0),
        # No power of two: what is rounded on the way tells where it was rounded.
        (np.linspace(0.1, 0.9, 12, dtype=np.float32) ** 3, 1000.0),
    ]
    for scale in (256.0, 4096.0):
        cases.append(((1e-6 * rng.normal(size=6)).astype(np.float32), scale))
    first, possible = None, list(_ways(_SCALING_MISTAKES))
    for gradient, scale in cases:
        wanted = through_float16(gradient, scale)
        found = as_array(answer(gradient, scale), wanted.shape)
        if first is None and found.dtype == np.float16:
            raise Wrong(
                "What you give back is float16. Weights are kept in float32, so the gradient must "
                "come back as float32, divided there."
            )
        found = found.astype(np.float64)
        if first is None and not _equal(found, wanted):
            first = (
                f"With gradient `{_spoken(gradient)}` and scale {scale:g} it gives "
                f"`{_spoken(found)}`; right is `{_spoken(wanted)}`."
            )
        possible = [each for each in possible if _equal(found, each[1](gradient, scale))]
    _tell(first, possible)


def _equal(found, wanted):
    """Equal up to float32's rounding; infinite where the other is."""
    wanted = np.asarray(wanted, np.float64)
    return found.shape == wanted.shape and np.allclose(found, wanted, 1e-5, 1e-14, equal_nan=True)


def _spoken(values):
    return "[" + ", ".join(f"{value:.4g}" for value in values) + "]"


def _ways(mistakes):
    for said, ways in mistakes.items():
        for way in ways if isinstance(ways, tuple) else (ways,):
            yield said, way


def _tell(first, possible):
    if first is not None:
        raise Wrong(f"{possible[0][0]} {first}" if possible else first)


EXERCISES = (
    Exercise(
        name="through_float16",
        lesson="11",
        title="loss scaling: a gradient through float16 and back",
        examine=_examine_scaling,
        hints=(
            "Four steps: multiply, go to float16, look whether it overflowed, come back. In which "
            "of the two dtypes must the multiplication happen, so that nothing is lost before it?",
            "`(gradient * scale).astype(np.float16)` goes there. `np.isfinite(small).all()` says "
            "whether nothing was too large.",
            "Back: `small.astype(np.float32) / scale`, in this order. If something was too large: "
            "`np.zeros_like(gradient)`.",
        ),
        reference=lambda: through_float16,
    ),
    Exercise(
        name="triplets_per_device",
        lesson="11",
        title="the valid triplets that several devices see",
        examine=_examine_triplets,
        hints=(
            "A device computes its loss from its own images alone. So count the valid triplets of "
            "each part as if it were a whole batch, and add them up.",
            "`np.split(labels, devices)` cuts the batch. In a part with n images of a class, each "
            "of the n anchors has n - 1 positives. How many negatives are in that part?",
            "`np.unique(part, return_counts=True)[1]` gives the n of each class. Sum "
            "`n * (n - 1) * (len(part) - n)` over classes, then over parts.",
        ),
        reference=lambda: triplets_per_device,
    ),
)
