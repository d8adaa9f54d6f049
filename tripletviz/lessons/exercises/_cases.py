"""Holds a function of a learner against a definition, case by case, and names the mistake."""

import warnings

import numpy as np

from ._exercise import Crashed, Wrong, as_array, is_close


def examine_cases(answer, cases, right, mistakes, spoken, agree=is_close):
    """Raise `Wrong` at the first case that comes out wrong, and name the mistake behind it.

    Args:
        answer: the learner's function.
        cases: tuples of its arguments, the smallest first.
        right: the definition.
        mistakes: dict from what to say to the definition with that mistake, or to several ways to
            make it. It is named where one gives, in every case, what the learner's function does.
            A case for which that gives no number tells nothing of where it comes from, and is
            left out.
        spoken: a function of arguments, found and wanted that puts them in words.
        agree: whether two results are the same.
    """
    first, seen = None, []
    for arguments in cases:
        wanted = np.asarray(right(*arguments))
        try:
            found = as_array(answer(*arguments), wanted.shape)
        except (Crashed, Wrong):
            if first is None:
                raise
            break  # what is wrong first is told first
        if agree is is_close:
            found = found.astype(np.float64)
        if first is None and not agree(found, wanted):
            first = spoken(arguments, found, wanted)
        if np.isfinite(found).all():
            seen.append((found, arguments))
    if first is None:
        return
    for said, ways in mistakes.items():
        for way in ways if isinstance(ways, tuple) else (ways,):
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                if seen and all(agree(found, np.asarray(way(*given))) for found, given in seen):
                    raise Wrong(f"{said} {first}")
    raise Wrong(first)


def in_words(values):
    """An array as a learner writes it."""
    return f"`{np.asarray(values).tolist()}`"
