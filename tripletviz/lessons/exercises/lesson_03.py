"""Exercises of lesson 03: count triplets, mask pairs, mine the hardest, and all without a cube."""

import sys
import tracemalloc

import numpy as np

from ._exercise import Crashed, Exercise, Wrong, as_array, is_close

# A cube of one byte an entry would be as large as twenty matrices of float64 at this batch size:
# more than a sensible answer needs, and far from what endangers a machine.
_BATCH_OF_CUBE_TEST = 160
# So many positives and negatives of one anchor that a table of all pairs stands out.
_SIDE_OF_TABLE_TEST = 2000


# The package's versions ---------------------------------------------------------------------------


def _valid_triplet_count(labels):
    """Number of valid triplets of a batch, from its class sizes."""
    labels = np.asarray(labels).reshape(-1)
    _, sizes = np.unique(labels, return_counts=True)
    return int(np.sum(sizes * (sizes - 1) * (len(labels) - sizes)))


def _positive_mask(labels):
    """Which pairs (anchor, other) are of one class and not the same image; bool `(B, B)`."""
    labels = np.asarray(labels).reshape(-1)
    return (labels[:, None] == labels[None, :]) & ~np.eye(len(labels), dtype=bool)


def _negative_mask(labels):
    """Which pairs (anchor, other) are of different classes; bool `(B, B)`."""
    labels = np.asarray(labels).reshape(-1)
    return labels[:, None] != labels[None, :]


def _batch_hard(distances, labels, margin):
    """Mean over anchors of the loss with the farthest positive and the nearest negative."""
    distances = np.asarray(distances, np.float64)
    positive, negative = _positive_mask(labels), _negative_mask(labels)
    farthest = np.where(positive, distances, -np.inf).max(axis=1)
    nearest = np.where(negative, distances, np.inf).min(axis=1)
    has_triplet = positive.any(axis=1) & negative.any(axis=1)
    losses = np.maximum(farthest[has_triplet] - nearest[has_triplet] + margin, 0.0)
    return losses.mean() if len(losses) else 0.0


def _active_negatives(positives, negatives, margin):
    """For each positive of one anchor: how many negatives lie below its distance + margin."""
    return np.searchsorted(np.sort(negatives), np.asarray(positives) + margin)


def _batch_all(distances, labels, margin):
    """Mean loss over the active triplets, and their share of the valid ones; no cube."""
    distances = np.asarray(distances, np.float64)
    positive, negative = _positive_mask(labels), _negative_mask(labels)
    total, active = 0.0, 0
    for row, is_positive, is_negative in zip(distances, positive, negative, strict=True):
        positives, negatives = row[is_positive], np.sort(row[is_negative])
        counts = _active_negatives(positives, negatives, margin)
        sums = np.concatenate([[0.0], np.cumsum(negatives)])
        total += np.sum(counts * (positives + margin) - sums[counts])
        active += np.sum(counts)
    valid = np.sum(positive.sum(axis=1) * negative.sum(axis=1))
    return (total / active if active else 0.0), (active / valid if valid else 0.0)


# The definitions, in plain loops ------------------------------------------------------------------


def _triplets(labels):
    """Every valid (anchor, positive, negative)."""
    labels, everyone = list(labels), range(len(labels))
    return [
        (a, p, n)
        for a in everyone
        for p in everyone
        for n in everyone
        if p != a and labels[p] == labels[a] and labels[n] != labels[a]
    ]


def _losses(distances, labels, margin):
    return [distances[a, p] - distances[a, n] + margin for a, p, n in _triplets(labels)]


def _batch_all_by_definition(distances, labels, margin):
    losses = _losses(distances, labels, margin)
    active = [loss for loss in losses if loss > 0]
    return _pair(sum(active), len(active), len(losses))


def _pair(total, active, valid):
    return np.array([total / active if active else 0.0, active / valid if valid else 0.0])


def _batch_hard_by_definition(distances, labels, margin):
    hardest = {}
    for (a, _, _), loss in zip(_triplets(labels), _losses(distances, labels, margin), strict=True):
        hardest[a] = max(hardest.get(a, 0.0), loss)
    return sum(hardest.values()) / len(hardest) if hardest else 0.0


# Naming a mistake ---------------------------------------------------------------------------------


def _examine_cases(answer, cases, right, mistakes, said, convert):
    """Raise `Wrong` at the first case that comes out wrong, with the mistake that explains it.

    Args:
        answer: the learner's function.
        cases: list of its arguments, the smallest first.
        right: the definition, as a function of the same arguments.
        mistakes: dict from what to say to the same function with a mistake in it. One is named if
            it gives what the learner's does in every case.
        said: dict with `shown(arguments)`, the case in words, and `spoken(value)`.
        convert: makes an array of what came back, or raises `Wrong`.
    """
    wrong, candidates = None, list(mistakes.items())
    for arguments in cases:
        wanted = right(*arguments)
        try:
            found = convert(answer(*arguments), wanted)
        except (Crashed, Wrong):
            if wrong is None:
                raise
            break  # the first thing wrong is told first
        candidates = [each for each in candidates if is_close(found, each[1](*arguments))]
        if wrong is None and not is_close(found, wanted):
            wrong = arguments, found, wanted
    if wrong is None:
        return
    arguments, found, wanted = wrong
    spoken = said["spoken"]
    example = f"{said['shown'](arguments)} it gives {spoken(found)}; right is {spoken(wanted)}."
    raise Wrong(f"{candidates[0][0]} {example}" if candidates else example)


def _to_scalar(result, wanted):
    return as_array(result, np.shape(wanted)).astype(np.float64)


def _as_code(values):
    return f"`{np.asarray(values).tolist()}`"


def _spoken_number(value):
    return f"`{float(value):.4g}`"


def _line_of(points, labels):
    """Distances of points on a line, as arguments begin, and their labels."""
    points = np.asarray(points, np.float64)
    return np.abs(points[:, None] - points[None, :]), np.asarray(labels)


def _shown_batch(arguments):
    distances, labels, margin = arguments
    points = distances[0]
    if is_close(_line_of(points, labels)[0], distances):
        where = f"images on a line at {_as_code(points)}"
    else:
        where = f"distances {_as_code(np.round(distances, 3))}"
    return f"With {where}, labels {_as_code(labels)} and margin {margin},"


# How many -----------------------------------------------------------------------------------------


def _sizes(labels):
    return np.unique(labels, return_counts=True)[1]


def _equal_sizes(labels):
    classes, size = len(_sizes(labels)), len(labels) / len(_sizes(labels))
    return len(labels) * (size - 1) * (classes * size - size)


def _floored_sizes(labels):
    classes = len(_sizes(labels))
    size = len(labels) // classes
    return classes * size * (size - 1) * (classes * size - size)


_COUNT_MISTAKES = {
    "The pair of anchor and positive is counted once, but each of the two can be the anchor: "
    "(a, p, n) and (p, a, n) are two triplets.": lambda y: _valid_triplet_count(y) / 2,
    "An anchor is counted as its own positive: a class of n images offers an anchor n - 1 "
    "positives, not n.": lambda y: sum(n * n * (len(y) - n) for n in _sizes(y)),
    "Negatives are counted from the whole batch. Those of the anchor's own class are none.": (
        lambda y: sum(n * (n - 1) * len(y) for n in _sizes(y))
    ),
    "Negatives are counted as all images but the anchor. Its positives are no negatives either.": (
        lambda y: sum(n * (n - 1) * (len(y) - 1) for n in _sizes(y))
    ),
    "That counts pairs of anchor and positive. Each of them goes with every negative.": (
        lambda y: sum(n * (n - 1) for n in _sizes(y))
    ),
    "One negative of each other class is counted, but all of their images are negatives.": (
        lambda y: sum(n * (n - 1) * (len(_sizes(y)) - 1) for n in _sizes(y))
    ),
    "That is every way to draw three images, B cubed or nearly. Most of them are no triplets.": (
        lambda y: len(y) ** 3
    ),
    "The formula for classes of equal size does not fit classes of different sizes.": _equal_sizes,
    "The formula for equal classes, with a size rounded down, does not fit classes of different "
    "sizes.": _floored_sizes,
}


def _examine_count(answer, rng):
    labels = np.array([7, 7, 7, 7, 2, 2, 4])
    cases = [(labels,), (np.array([0, 0, 0, 1, 1, 1]),), (np.array([0, 0, 1, 2, 2]),)]
    said = {"shown": lambda case: f"For labels {_as_code(case[0])}", "spoken": _spoken_count}
    _examine_cases(answer, cases, _valid_triplet_count, _COUNT_MISTAKES, said, _to_scalar)
    for labels in (np.array([3, 3, 3]), np.array([1, 2, 3]), np.array([5])):
        _expect_count(answer, labels, "Here no triplet is valid. ")
    _expect_count(answer, np.array([[1], [1], [2], [2], [2]]), "Labels may have shape (B, 1) too. ")
    for size in rng.integers(2, 40, size=8):
        _expect_count(answer, rng.integers(0, rng.integers(1, 8), size=size))


def _expect_count(answer, labels, said=""):
    found, wanted = _to_scalar(answer(labels), 0), len(_triplets(labels.reshape(-1)))
    if not is_close(found, wanted):
        raise Wrong(
            f"{said}For labels {_as_code(labels)} it gives `{found:g}`; right is `{wanted}`."
        )


def _spoken_count(value):
    return f"`{float(value):g}`"


# Masks --------------------------------------------------------------------------------------------


def _by_pairs(labels, holds):
    """A mask by the definition, pair by pair."""
    everyone = range(len(labels))
    return np.array([[holds(labels, i, j) for j in everyone] for i in everyone], bool)


def _is_positive(labels, i, j):
    return i != j and labels[i] == labels[j]


def _is_negative(labels, i, j):
    return labels[i] != labels[j]


_POSITIVE_MISTAKES = {
    "The diagonal is counted as a positive: row i, column i is the anchor with itself, and no "
    "image is its own positive.": lambda y, i, j: y[i] == y[j],
    "Each pair is marked once. Rows are anchors, and both images of a pair can be the anchor: mark "
    "(i, j) and (j, i).": lambda y, i, j: i < j and y[i] == y[j],
    "Each pair is marked in the lower triangle alone. Both images of a pair can be the anchor: "
    "mark (i, j) and (j, i).": lambda y, i, j: i > j and y[i] == y[j],
    "Those are the negative pairs: positives have the **same** label.": _is_negative,
    "Only the diagonal is left out: that a positive has the anchor's label is not asked.": (
        lambda y, i, j: i != j
    ),
}
_NEGATIVE_MISTAKES = {
    'The diagonal is marked. "Not a positive" is not yet "a negative": the anchor with itself is '
    "neither.": lambda y, i, j: i == j or y[i] != y[j],
    "Each pair is marked once. Rows are anchors, and both images of a pair can be the anchor: mark "
    "(i, j) and (j, i) too.": lambda y, i, j: i < j and y[i] != y[j],
    "Those are the pairs of one class: negatives have **another** label.": (
        lambda y, i, j: y[i] == y[j]
    ),
    "Those are the positive pairs: negatives have **another** label.": _is_positive,
    "Everything but the diagonal is marked: that a negative has another label is not asked.": (
        lambda y, i, j: i != j
    ),
}


def _examine_mask(answer, rng, holds, mistakes):
    for labels in ([3, 3, 5], [1, 2, 1, 2, 2]):
        labels = np.array(labels)
        found, wanted = _mask(answer, labels), _by_pairs(labels, holds)
        if (found != wanted).any():
            named = [text for text, other in mistakes.items() if _agrees(found, labels, other)]
            i, j = np.argwhere(found != wanted)[0]
            text = f"{named[0]} " if named else ""
            raise Wrong(
                f"{text}For labels {_as_code(labels)} it "
                f"gives\n\n```text\n{found.astype(int)}\n```\n\n(1 is True). Look at row {i}, "
                f"column {j}."
            )
    column = np.array([[4], [4], [6], [4]])
    shape = np.shape(answer(column))
    if shape != (4, 4):
        raise Wrong(
            f"Labels may come as a column, of shape `(4, 1)`: then yours broadcasts to `{shape}` "
            "instead of `(4, 4)`, without an error. Flatten them first."
        )
    large = np.array([2**24, 2**24 + 1, 2**24])
    cases = [large, column, np.array([8]), np.array([2, 2]), np.array([1, 2])]
    cases += [rng.integers(0, rng.integers(1, 6), size=rng.integers(2, 12)) for _ in range(6)]
    for labels in cases:
        wanted = _by_pairs(labels.reshape(-1), holds)
        if (_mask(answer, labels) != wanted).any():
            text = f"For labels {_as_code(labels)} the mask is wrong."
            if labels is large:
                text += (
                    " Are labels turned into float32 on the way? It cannot tell these two apart."
                )
            raise Wrong(text)


def _mask(answer, labels):
    found = as_array(answer(labels), (labels.size, labels.size))
    if found.dtype != bool:
        raise Wrong(
            f"Your mask has dtype `{found.dtype}`; wanted is `bool`, for a mask selects: with "
            f"numbers, `distances[mask]` means something else."
        )
    return found


def _agrees(found, labels, holds):
    return (found == _by_pairs(labels, holds)).all()


def _examine_positive_mask(answer, rng):
    _examine_mask(answer, rng, _is_positive, _POSITIVE_MISTAKES)


def _examine_negative_mask(answer, rng):
    _examine_mask(answer, rng, _is_negative, _NEGATIVE_MISTAKES)


# Batch hard ---------------------------------------------------------------------------------------


def _hard(
    farthest=lambda row, positive, itself: row[positive].max(),
    nearest=lambda row, negative: row[negative].min(),
    after=lambda losses, lone, count: np.maximum(losses, 0).sum() / max(len(losses), 1),
    power=1,
):
    """Batch hard with one of its parts replaced by a mistaken one."""

    def mistaken(distances, labels, margin):
        distances, losses, lone = distances**power, [], []
        for a, row in enumerate(distances):
            itself = np.arange(len(labels)) == a
            positive, negative = (labels == labels[a]) & ~itself, labels != labels[a]
            if positive.any() and negative.any():
                d_ap, d_an = farthest(row, positive, itself), nearest(row, negative)
                losses.append(d_ap - d_an + margin)
            elif negative.any():
                lone.append(margin - nearest(row, negative))
        return float(after(np.array(losses), np.array(lone), len(labels)))

    return mistaken


def _mean(losses):
    return losses.sum() / max(len(losses), 1)


_HARD_MISTAKES = {
    "The hardest positive is the **farthest** one; yours takes the nearest.": (
        _hard(farthest=lambda row, positive, itself: row[positive].min())
    ),
    "The hardest positive is the **farthest** one; yours takes the minimum, and that is the anchor "
    "itself, at distance 0.": _hard(farthest=lambda row, positive, itself: 0.0),
    "Pairs that are no negatives are set to 0, and then they win the minimum: no distance is "
    "smaller. Put something there that cannot win.": _hard(nearest=lambda row, negative: 0.0),
    "The hardest negative is the **nearest** one; yours takes the farthest.": (
        _hard(nearest=lambda row, negative: row[negative].max())
    ),
    "The mean is taken before the clamp: an anchor that is far in order pays for another one that "
    "is not. Clamp the loss of each anchor, then take the mean.": (
        _hard(after=lambda losses, lone, count: max(_mean(losses), 0))
    ),
    "The clamp at 0 is missing: an anchor cannot earn more than nothing.": (
        _hard(after=lambda losses, lone, count: _mean(losses))
    ),
    "An anchor without a positive, or without a negative, has no triplet. Yours counts it in the "
    "mean, as a loss of 0; leave it out.": (
        _hard(after=lambda losses, lone, count: np.maximum(losses, 0).sum() / count)
    ),
    "A lone anchor, one without a positive, has no triplet. Yours gives it a positive at distance "
    "0; leave it out of the mean.": (
        _hard(after=lambda losses, lone, count: _mean(np.maximum([*losses, *lone], 0)))
    ),
    "The distances are squared on the way. They are wanted as they come.": _hard(power=2),
    "That is the sum over the anchors; wanted is the mean.": (
        _hard(after=lambda losses, lone, count: np.maximum(losses, 0).sum())
    ),
    "The mean is over anchors with a loss above 0. In batch hard every anchor that has a triplet "
    "counts, an easy one as 0.": (
        _hard(after=lambda losses, lone, count: _mean(losses[losses > 0]))
    ),
}


def _examine_batch_hard(answer, rng):
    cases = [
        (*_line_of([0.0, 1.0, 1.5, 4.0, 4.5], [0, 0, 1, 1, 0]), 0.5),
        (*_line_of([0.0, 0.25, 3.0, 3.5, 9.0, 9.5, 9.75], [0, 0, 1, 1, 2, 2, 0]), 0.5),
        (*_line_of([0.0, 0.5, 4.0, 4.5, 9.0, 9.5], [0, 0, 1, 1, 2, 2]), 0.5),
        (*_line_of([0.0, 2.0, 3.0, 5.0, 5.25], [0, 0, 1, 1, 2]), 1.0),
    ]
    said = {"shown": _shown_batch, "spoken": _spoken_number}
    right = _batch_hard_by_definition
    _examine_cases(answer, cases, right, _HARD_MISTAKES, said, _to_scalar)
    _expect_zero_without_triplets(lambda *case: [answer(*case)], ["loss"])
    for _ in range(8):
        case = _random_batch(rng)
        found, wanted = _to_scalar(answer(*case), 0.0), right(*case)
        if not is_close(found, wanted):
            raise Wrong(f"{_shown_batch(case)} it gives `{found:.4g}`; right is `{wanted:.4g}`.")


def _expect_zero_without_triplets(answer, names):
    for labels, what in (
        ([1, 1, 1], "all images are of one class"),
        ([1, 2, 3], "no two images are of one class"),
    ):
        distances, labels = _line_of([0.0, 1.0, 3.0], labels)
        for name, value in zip(names, answer(distances, labels, 0.5), strict=True):
            value = float(_to_scalar(value, 0.0))
            if value != 0:
                raise Wrong(
                    f"A batch in which {what} holds no triplet: nothing to learn, so the {name} is "
                    f"0. Yours is `{value:.4g}`."
                )


def _random_batch(rng):
    """Distances, labels and margin of a random batch; some of its classes have one image."""
    count = int(rng.integers(3, 16))
    points = rng.normal(size=(count, 3))
    distances = np.sqrt(((points[:, None] - points[None, :]) ** 2).sum(axis=-1))
    labels = rng.integers(0, rng.integers(1, 6), size=count)
    return distances, labels, float(rng.choice([0.0, 0.25, 1.0]))


# One anchor ---------------------------------------------------------------------------------------


def _compared(holds):
    return lambda p, n, m: np.array([sum(bool(holds(d, e, m)) for e in n) for d in p])


_ACTIVE_MISTAKES = {
    "A negative **exactly at** the threshold is counted. There the loss is 0, so the triplet is "
    "not "
    'active (look up `side="left"` and `side="right"`).': _compared(lambda d, e, m: e <= d + m),
    "The margin is forgotten: the threshold is d(a, p) + m.": _compared(lambda d, e, m: e < d),
    "The margin is subtracted: the threshold is d(a, p) **+** m.": (
        _compared(lambda d, e, m: e < d - m)
    ),
    "The negatives must be sorted: a binary search in an unsorted list finds nonsense.": (
        lambda p, n, m: np.searchsorted(n, p + m)
    ),
    "You count the negatives that are far enough away. Active are the others, those below the "
    "threshold.": _compared(lambda d, e, m: e >= d + m),
}


def _examine_active_negatives(answer, rng):
    cases = [
        (np.array([1.0, 2.0]), np.array([3.0, 1.25, 1.5]), 0.5),
        (np.array([2.0, 0.5, 1.0]), np.array([1.75, 1.5, 0.75, 4.0, 2.25]), 0.75),
        (np.array([1.0]), np.array([5.0, 4.0, 3.0, 0.5, 1.25, 1.5, 6.0]), 0.5),
    ]
    said = {"shown": _shown_anchor, "spoken": _as_integers}
    right = _compared(lambda d, e, m: e < d + m)
    _examine_cases(answer, cases, right, _ACTIVE_MISTAKES, said, _to_counts)
    for _ in range(8):
        case = (
            rng.integers(0, 40, size=rng.integers(0, 9)) / 8,
            rng.integers(0, 40, size=rng.integers(0, 9)) / 8,
            float(rng.choice([0.0, 0.25, 1.0])),
        )
        found, wanted = _to_counts(answer(*case), right(*case)), right(*case)
        if not is_close(found, wanted):
            example = f"it gives {_as_integers(found)}; right is {_as_integers(wanted)}."
            raise Wrong(f"{_shown_anchor(case)} {example}")
    _refuse_a_table(answer, rng)


def _refuse_a_table(answer, rng):
    side = _SIDE_OF_TABLE_TEST
    most = _peak_memory(answer, rng.random(side), rng.random(side), 0.1)
    if most > 0.9 * side**2:
        raise Wrong(
            "The numbers are right, but your function compares every positive with every negative: "
            f"for {side:,} of each it takes {most / 1e6:,.0f} MB. Sort the negatives once, and let "
            f"a binary search (`np.searchsorted`) find each count."
        )


def _shown_anchor(arguments):
    positives, negatives, margin = arguments
    return (
        f"With positives at {_as_code(positives)}, negatives at {_as_code(negatives)} and margin "
        f"{margin},"
    )


def _to_counts(result, wanted):
    return as_array(result, (len(wanted),)).astype(np.float64)


def _as_integers(values):
    return f"`[{', '.join(f'{value:g}' for value in values)}]`"


# Batch all ----------------------------------------------------------------------------------------


def _all(
    losses=_losses,
    count=lambda losses: (losses > 0).sum(),
    result=lambda total, active, valid, size: _pair(total, active, valid),
):
    """Batch all with one of its parts replaced by a mistaken one."""

    def mistaken(distances, labels, margin):
        values = np.array(losses(distances, labels, margin))
        total, active = np.maximum(values, 0).sum(), count(values)
        return result(total, active, len(values), len(labels))

    return mistaken


def _losses_with_itself(distances, labels, margin):
    """Of every triplet, with the anchor as one of its own positives."""
    own = [
        margin - distances[a, n]
        for a in range(len(labels))
        for n in range(len(labels))
        if labels[n] != labels[a]
    ]
    return _losses(distances, labels, margin) + own


def _losses_against_itself(distances, labels, margin):
    """Of every triplet, with the anchor as one of its own negatives."""
    own = [
        distances[a, p] + margin
        for a in range(len(labels))
        for p in range(len(labels))
        if p != a and labels[p] == labels[a]
    ]
    return _losses(distances, labels, margin) + own


def _by_sums_of(below):
    """The sum over triplets by counts and sums of distances, with a mistaken way to count."""

    def mistaken(distances, labels, margin):
        total = active = valid = 0
        for a, row in enumerate(distances):
            itself = np.arange(len(labels)) == a
            positives = row[(labels == labels[a]) & ~itself]
            negatives = row[labels != labels[a]]
            negatives, counts = below(positives, negatives, margin)
            sums = np.concatenate([[0.0], np.cumsum(negatives)])
            total += np.sum(counts * (positives + margin) - sums[counts])
            active += counts.sum()
            valid += len(positives) * len(negatives)
        return _pair(total, active, valid)

    return mistaken


_ALL_MISTAKES = {
    "The loss is a mean over **all** valid triplets. Batch all takes the mean over the active "
    "ones.": (
        _all(
            result=lambda total, active, valid, size: [
                total / max(valid, 1),
                active / max(valid, 1),
            ]
        )
    ),
    "Triplets with d(a, n) = d(a, p) + m are counted as active. Their loss is exactly 0: they are "
    "not.": _all(count=lambda losses: (losses >= 0).sum()),
    "An anchor is its own positive here: at distance 0 it forms triplets that are not valid.": (
        _all(losses=_losses_with_itself)
    ),
    "An anchor is its own negative here: at distance 0 it lies below every threshold.": (
        _all(losses=_losses_against_itself)
    ),
    "The fraction is of all B x B x B ways to draw three; wanted is the share of the valid "
    "triplets.": (
        _all(
            result=lambda total, active, valid, size: [total / max(active, 1), active / size**3],
        )
    ),
    "The loss is a sum over the active triplets; wanted is their mean.": (
        _all(result=lambda total, active, valid, size: [total, active / max(valid, 1)])
    ),
    "The fraction is turned round: it is the share of the **active** triplets, not of the rest.": (
        _all(
            result=lambda total, active, valid, size: [
                total / max(active, 1),
                1 - active / max(valid, 1),
            ]
        )
    ),
    "The second value is the number of active triplets; wanted is their share of the valid ones.": (
        _all(result=lambda total, active, valid, size: [total / max(active, 1), active])
    ),
    "The margin is left out of the count: only hard triplets are found, the semi-hard are active "
    "too.": _by_sums_of(lambda p, n, m: (np.sort(n), np.searchsorted(np.sort(n), p))),
    "The negatives whose distances you sum up are not sorted, but the counts are those of a sorted "
    "list: the first ones are not the nearest.": (
        _by_sums_of(lambda p, n, m: (n, np.searchsorted(np.sort(n), p + m)))
    ),
}


def _examine_batch_all(answer, rng):
    cases = [
        (*_line_of([0.0, 1.0, 3.0, 1.5, 2.25], [0, 0, 0, 1, 1]), 0.5),
        (*_line_of([0.0, 2.0, 5.0, 2.75, 1.0, 7.0], [0, 0, 0, 1, 1, 2]), 0.75),
        (*_line_of([0.0, 4.0, 0.5, 3.0, 9.0, 9.5], [1, 0, 1, 0, 2, 0]), 1.0),
    ]
    said = {"shown": _shown_batch, "spoken": _spoken_pair}
    right = _batch_all_by_definition
    _examine_cases(answer, cases, right, _ALL_MISTAKES, said, _to_pair)
    _expect_zero_without_triplets(lambda *case: _two(answer(*case)), ["loss", "fraction"])
    for _ in range(8):
        case = _random_batch(rng)
        found, wanted = _to_pair(answer(*case), None), right(*case)
        if not is_close(found, wanted):
            example = f"it gives {_spoken_pair(found)}; right is {_spoken_pair(wanted)}."
            raise Wrong(f"{_shown_batch(case)} {example}")
    _refuse_a_cube(answer, rng)
    return _REMARK_ON_LOOP if _loops_in_tensorflow(answer, rng) else None


def _batch_of(size, rng):
    """Distances and labels of a random batch of two classes."""
    points, labels = rng.normal(size=(size, 2)), np.arange(size) % 2
    return np.hypot(*(points[:, None] - points[None, :]).T), labels


def _refuse_a_cube(answer, rng):
    size = _BATCH_OF_CUBE_TEST
    distances, labels = _batch_of(size, rng)
    most = _peak_memory(answer, distances, labels, 0.5)
    if most > 0.9 * size**3 or _has_cube_in_graph(answer, distances, labels, 0.5):
        raise Wrong(
            "The numbers are right, but your function builds the cube: an array with an entry for "
            f"each of the {size} x {size} x {size} ways to draw three images. At B = 4,096 that is "
            "275 GB. Take one anchor at a time: sort its negatives, and count."
        )


def _two(result):
    try:
        loss, fraction = result
    except (TypeError, ValueError):
        raise Wrong("Your function must give back two values: `return loss, fraction`.") from None
    return loss, fraction


def _to_pair(result, wanted):
    return np.array([float(_to_scalar(value, 0.0)) for value in _two(result)])


def _spoken_pair(values):
    loss, fraction = values
    return f"loss `{loss:.4g}` and fraction `{fraction:.4g}`"


# Memory -------------------------------------------------------------------------------------------


def _peak_memory(answer, *arguments):
    """The most bytes that NumPy and Python held at one time while a function ran."""
    was_tracing = tracemalloc.is_tracing()
    if not was_tracing:
        tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        tracemalloc.reset_peak()
        answer(*arguments)
        return tracemalloc.get_traced_memory()[1] - before
    finally:
        if not was_tracing:
            tracemalloc.stop()


def _is_in_tensorflow(answer, distances, labels, margin):
    loss, _ = answer(distances[:4, :4], labels[:4], margin)
    return type(loss).__module__.startswith("tensorflow")


def _has_cube_in_graph(answer, distances, labels, margin):
    """Whether a TensorFlow function has a tensor of B x B x B entries, seen without running it.

    Python does not see TensorFlow's memory, but a traced function knows the shapes of its tensors.
    """
    if not _is_in_tensorflow(answer, distances, labels, margin):
        return False
    from ..._tensorflow import tf

    function = getattr(answer, "function", answer)
    try:
        traced = tf.function(lambda d, y: function(d, y, margin), autograph=False)
        graph = traced.get_concrete_function(tf.constant(distances), tf.constant(labels)).graph
    except Exception:  # what needs its values in Python, such as a loop over anchors, has no cube
        return False
    sizes = [tensor.shape.num_elements() for op in graph.get_operations() for tensor in op.outputs]
    return max(size or 0 for size in sizes) >= len(labels) ** 3


# Time ---------------------------------------------------------------------------------------------

_REMARK_ON_LOOP = (
    "One thing about its speed: a loop over anchors costs B small steps, and a step in TensorFlow "
    "costs far more than one in NumPy. The package sorts the rows of all anchors at once."
)


def _loops_in_tensorflow(answer, rng):
    """Whether a TensorFlow function takes one anchor after another.

    It does if it makes about as many times more calls as there are more anchors, whatever it calls;
    a clock would tell less on a busy machine. In NumPy such a loop is what the lesson asks for.
    """
    few, many = _batch_of(12, rng), _batch_of(48, rng)
    if not _is_in_tensorflow(answer, *few, 0.5):
        return False
    calls_for_few = _calls(answer, *few, 0.5)
    return _calls(answer, *many, 0.5) > 2 * calls_for_few


def _calls(answer, *arguments):
    """How many functions of Python and of libraries a function calls, with those called by them."""
    count = 0

    def note(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        answer(*arguments)
    finally:
        sys.setprofile(before)
    return count


EXERCISES = (
    Exercise(
        name="valid_triplet_count",
        lesson="03",
        title="Count the valid triplets of a batch",
        examine=_examine_count,
        hints=(
            "Start with one anchor. How many positives does it have, how many negatives, and with "
            "how many triplets does that leave it?",
            "All anchors of a class have the same number: with n images in the class, n - 1 "
            "positives and B - n negatives. There are n such anchors.",
            "`np.unique(labels, return_counts=True)` gives the classes and their sizes n. Sum "
            "`n * (n - 1) * (B - n)` over the classes.",
        ),
        reference=lambda: _valid_triplet_count,
    ),
    Exercise(
        name="positive_mask",
        lesson="03",
        title="Mark the positive pairs of a batch",
        examine=_examine_positive_mask,
        hints=(
            "Compare every label with every label at once: a column of labels with a row of "
            "labels.",
            "`labels[:, None] == labels[None, :]` has shape (B, B), if `labels` has shape (B,). "
            "Which of its entries are True although they are no positive pairs?",
            "Make labels flat with `np.asarray(labels).reshape(-1)`. `np.eye(B, dtype=bool)` is "
            "the diagonal, and `& ~` takes it away.",
        ),
        reference=lambda: _positive_mask,
    ),
    Exercise(
        name="negative_mask",
        lesson="03",
        title="Mark the negative pairs of a batch",
        examine=_examine_negative_mask,
        hints=(
            "A negative has another label than the anchor. That is all.",
            "Is `~positive_mask(labels)` the answer? Look at its diagonal.",
            "Compare as before, with `!=`; and make the labels flat first.",
        ),
        reference=lambda: _negative_mask,
    ),
    Exercise(
        name="batch_hard",
        lesson="03",
        title="Batch hard: farthest positive, nearest negative",
        examine=_examine_batch_hard,
        hints=(
            "Work row by row: a row of `distances` is one anchor. Take the largest distance among "
            "its positives, and the smallest among its negatives.",
            "A maximum must not see what is no positive: put minus infinity there, "
            "`np.where(positive, distances, -np.inf).max(axis=1)`. What goes where no negative is?",
            "Which anchors have a triplet? `positive.any(axis=1) & negative.any(axis=1)`. Keep "
            "those, clamp their losses with `np.maximum(…, 0)`, and only then take the mean. If "
            "there are none, the loss is 0.",
        ),
        reference=lambda: _batch_hard,
    ),
    Exercise(
        name="active_negatives",
        lesson="03",
        title="Count one anchor's active negatives by binary search",
        examine=_examine_active_negatives,
        hints=(
            "Look at the number line. Where would you put a positive's threshold into the sorted "
            "row of negatives? How many stand left of it?",
            "`np.searchsorted(row, values)` answers that for many values at once: the number of "
            "entries of the sorted `row` that are smaller than each value.",
            "The row is `np.sort(negatives)`, the values are `positives + margin`. With the "
            "default "
            '`side="left"`, an entry equal to the value is not counted, just as the definition '
            "says.",
        ),
        reference=lambda: _active_negatives,
    ),
    Exercise(
        name="batch_all",
        lesson="03",
        title="Batch all without the cube",
        examine=_examine_batch_all,
        hints=(
            "Go through the anchors. For each, select its positives and its sorted negatives from "
            "its row, and count with `active_negatives`.",
            "For a positive with count c, the c nearest negatives are active. Their losses add up "
            "to `c * (d_ap + margin)` minus the sum of those c distances.",
            "Sums of the first c of the sorted negatives, for all c at once: "
            "`sums = np.concatenate([[0.0], np.cumsum(negatives)])`, then `sums[counts]`.",
            "Add up three numbers over the anchors: the losses, the counts, and the valid triplets "
            "(positives times negatives). Divide at the end, and take care where there is nothing.",
        ),
        reference=lambda: _batch_all,
    ),
)
"""Six exercises, from counting to the sorted batch all."""
