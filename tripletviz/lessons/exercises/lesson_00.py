"""Exercise of lesson 00."""

import numpy as np

from ._exercise import Exercise, Wrong, as_array


def first_check(labels):
    """How many of the labels, an integer array of shape `(N,)`, are a 7."""
    return int((labels == 7).sum())


def _examine_first_check(asked, rng):
    cases = [
        np.array([7, 1, 7, 3, 9]),
        np.array([0, 1, 2, 3]),
        np.array([7]),
        *(rng.integers(0, 10, size=size) for size in (40, 1000)),
    ]
    answers = [asked(labels) for labels in cases]
    _name_other_kinds(cases[0], answers[0])
    counts = [int(as_array(answer, (), "`first_check`")) for answer in answers]
    if counts == [first_check(labels) for labels in cases]:
        return
    if len(set(counts)) == 1:
        raise Wrong(
            f"Whatever the labels are, your function gives {counts[0]}. It must count anew each "
            "time: use its argument `labels`."
        )
    for says, mistaken in _MISCOUNTS:
        if counts == [mistaken(labels) for labels in cases]:
            raise Wrong(says)
    labels, count = next(
        (labels, count)
        for labels, count in zip(cases, counts, strict=True)
        if count != first_check(labels)
    )
    shown = f"the labels `{labels.tolist()}`" if len(labels) < 10 else f"{len(labels)} labels"
    raise Wrong(f"For {shown} your function gives {count}; {first_check(labels)} are a 7.")


def _name_other_kinds(labels, answer):
    """Refuse what is no whole number, each by its own name."""
    array = np.asarray(answer)
    if array.dtype == bool and array.shape == labels.shape:
        raise Wrong(
            f"For the labels `{labels.tolist()}` your function gives one `True` or `False` for "
            "each label. That is half of the way: now count how many are `True`."
        )
    if array.shape and array.dtype != object:
        raise Wrong(
            f"For the labels `{labels.tolist()}` your function gives `{array.tolist()}`, an array "
            "of several numbers or none. Wanted is one number: how many are a 7."
        )
    if array.dtype.kind == "f" and array == (labels == 7).mean():
        raise Wrong(
            f"For the labels `{labels.tolist()}` your function gives {float(array):g}, which is "
            "the *share* of the 7s. Wanted is their number."
        )
    if array.dtype.kind not in "iu" and not (array.dtype.kind == "f" and array == array.round()):
        raise Wrong(f"Your function gives a `{type(answer).__name__}`; wanted is a whole number.")


_MISCOUNTS = [
    (
        "Your function adds up the labels that are a 7, so that each counts seven times. "
        "Add up ones instead.",
        lambda labels: int(labels[labels == 7].sum()),
    ),
    (
        "Your function counts the labels that are *not* a 7.",
        lambda labels: int((labels != 7).sum()),
    ),
    (
        "Your function counts 8 and 9 too: it compares with `>=` or `>` where `==` is meant.",
        lambda labels: int((labels >= 7).sum()),
    ),
    ("Your function counts all labels, whichever digit they are.", len),
]


EXERCISES = (
    Exercise(
        name="first_check",
        lesson="00",
        title="Count the sevens.",
        examine=_examine_first_check,
        hints=(
            "`labels == 7` compares each label with 7. What kind of array comes out?",
            "In a sum `True` counts as 1 and `False` as 0.",
            "`(labels == 7).sum()` is the whole of it. It goes after `return`.",
        ),
        reference=lambda: first_check,
    ),
)
