"""Known wrong answers to the exercises of lesson 11."""

import textwrap

from wrong_answers import WrongAnswer

_VALID = """
def valid(part):
    n = np.unique(part, return_counts=True)[1]
    return np.sum(n * (n - 1) * (len(part) - n))
"""


def _function(name, arguments, body):
    return f"def {name}({arguments}):\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n"


def _triplets(mistake, says, body):
    code = f"{_VALID}\n\n{_function('triplets_per_device', 'labels, devices', body)}"
    return WrongAnswer("triplets_per_device", mistake, code, says)


def _scaling(mistake, says, body):
    code = _function("through_float16", "gradient, scale", body)
    return WrongAnswer("through_float16", mistake, code, says)


WRONG = [
    _triplets("as on one device", "one device with the whole batch", "return valid(labels)"),
    _triplets(
        "divided by the devices",
        "by the number of devices. A triplet needs",
        "return valid(labels) / devices",
    ),
    _triplets(
        "divided by the devices, rounded",
        "all three images on *one* device",
        "return valid(labels) // devices",
    ),
    _triplets("divided by the square", "devices squared", "return valid(labels) / devices**2"),
    _triplets("divided by the cube", "devices cubed", "return valid(labels) / devices**3"),
    _triplets(
        "the first device only", "one device alone", "return valid(np.split(labels, devices)[0])"
    ),
    _triplets(
        "the mean over devices",
        "the mean over the devices",
        "return np.mean([valid(part) for part in np.split(labels, devices)])",
    ),
    _triplets(
        "dealt out in turn",
        "deal the images out in turn",
        "return sum(valid(labels[i::devices]) for i in range(devices))",
    ),
    _triplets(
        "whole classes",
        "sort the labels first",
        "return sum(valid(part) for part in np.split(np.sort(labels), devices))",
    ),
    _triplets(
        "the anchor its own positive",
        "its own positive",
        """
        total = 0
        for part in np.split(labels, devices):
            n = np.unique(part, return_counts=True)[1]
            total += np.sum(n * n * (len(part) - n))
        return total
        """,
    ),
    _triplets(
        "negatives of other devices",
        "negatives of other devices",
        """
        total = 0
        for part in np.split(labels, devices):
            for label in part:
                total += (np.sum(part == label) - 1) * np.sum(labels != label)
        return total
        """,
    ),
    _triplets(
        "pairs",
        "Those are the pairs",
        """
        total = 0
        for part in np.split(labels, devices):
            n = np.unique(part, return_counts=True)[1]
            total += np.sum(n * (n - 1))
        return total
        """,
    ),
    _triplets(
        "a number a device",
        "gives shape `(2,)`",
        "return [valid(part) for part in np.split(labels, devices)]",
    ),
    _scaling(
        "not scaled",
        "without scaling",
        """
        small = gradient.astype(np.float16)
        if not np.isfinite(small).all():
            return np.zeros_like(gradient)
        return small.astype(np.float32)
        """,
    ),
    _scaling(
        "scaled in float16",
        "multiply there",
        """
        small = gradient.astype(np.float16) * np.float16(scale)
        if not np.isfinite(small).all():
            return np.zeros_like(gradient)
        return small.astype(np.float32) / np.float32(scale)
        """,
    ),
    _scaling(
        "not divided",
        "still multiplied by `scale`",
        """
        small = (gradient * scale).astype(np.float16)
        if not np.isfinite(small).all():
            return np.zeros_like(gradient)
        return small.astype(np.float32)
        """,
    ),
    _scaling(
        "divided in float16",
        "divide while it is still float16",
        """
        small = (gradient * scale).astype(np.float16)
        if not np.isfinite(small).all():
            return np.zeros_like(gradient)
        return (small / np.float16(scale)).astype(np.float32)
        """,
    ),
    _scaling(
        "given back in float16",
        "What you give back is float16",
        "return (gradient * scale).astype(np.float16) / np.float16(scale)",
    ),
    _scaling(
        "divided for multiplied",
        "divide where you should multiply",
        "return (gradient / np.float32(scale)).astype(np.float16).astype(np.float32) * scale",
    ),
    _scaling(
        "overflow kept",
        "comes back as infinite",
        "return (gradient * scale).astype(np.float16).astype(np.float32) / np.float32(scale)",
    ),
    _scaling(
        "overflow alone put to 0",
        "for the entries that were too large only",
        """
        small = (gradient * scale).astype(np.float16).astype(np.float32)
        return np.where(np.isfinite(small), small / np.float32(scale), 0)
        """,
    ),
    _scaling(
        "overflow cut off",
        "You cut off",
        """
        small = np.clip(gradient * scale, -65504, 65504).astype(np.float16)
        return small.astype(np.float32) / np.float32(scale)
        """,
    ),
    _scaling("float16 left out", "never go through float16", "return gradient * scale / scale"),
]
