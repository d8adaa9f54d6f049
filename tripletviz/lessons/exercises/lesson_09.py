"""Exercises of lesson 09: what each anchor weighs in batch all, and how hard the hardest is."""

import itertools

import numpy as np

from ._cases import examine_cases, in_words
from ._exercise import Exercise, Wrong, as_array

# The package's versions, with the arguments of the exercises --------------------------------------


def anchor_shares(distances, labels, margin):
    """Each anchor's share of the active triplets of a batch; all 0 if none is active."""
    distances, labels = np.asarray(distances, np.float64), np.asarray(labels)
    counts = np.zeros(len(labels))
    for anchor, row in enumerate(distances):
        same = labels == labels[anchor]
        negatives = np.sort(row[~same])
        same[anchor] = False
        counts[anchor] = np.searchsorted(negatives, row[same] + margin).sum()
    return counts / max(counts.sum(), 1)


def expected_hardest(distances, n):
    """Expected smallest of n distances that are drawn without replacement."""
    s = np.sort(np.asarray(distances, np.float64))
    left = len(s) - np.arange(len(s))
    farther = np.cumprod(np.maximum(left - n, 0) / left)
    return float(np.sum(np.diff(-farther, prepend=-1.0) * s))


# Exercise 1: the definition, triplet by triplet, and its mistakes ---------------------------------


def _rows(distances, labels, margin, *, own_positive=False, own_negative=False, ties=False):
    """For each anchor the losses of its triplets that count as active, and how many it has."""
    everyone, found = range(len(labels)), []
    for a in everyone:
        positives = [p for p in everyone if labels[p] == labels[a] and (p != a or own_positive)]
        negatives = [n for n in everyone if labels[n] != labels[a] or (n == a and own_negative)]
        # The same order of arithmetic as in the definition, so that ties come out as they should.
        losses = [distances[a][p] - distances[a][n] + margin for p in positives for n in negatives]
        found.append(([x for x in losses if x > 0 or (ties and x == 0)], len(losses)))
    return found


def _shared(values):
    values = np.array(values, np.float64)
    return values / values.sum() if values.sum() else np.zeros(len(values))


def _counts(*case, **options):
    return [len(losses) for losses, _ in _rows(*case, **options)]


def _shares(*case, **options):
    return _shared(_counts(*case, **options))


def _by_role(distances, labels, margin, roles):
    """Share of the active triplets in which an image has one of some roles (0 is the anchor)."""
    counts = np.zeros(len(labels))
    everyone = range(len(labels))
    for triplet in itertools.product(everyone, repeat=3):
        a, p, n = triplet
        valid = a != p and labels[a] == labels[p] != labels[n]
        if valid and distances[a][p] - distances[a][n] + margin > 0:
            for role in roles:
                counts[triplet[role]] += 1
    return _shared(counts)


def _pairs_with_a_triplet(distances, labels, margin):
    counts = []
    for a in range(len(labels)):
        negatives = [distances[a][n] for n in range(len(labels)) if labels[n] != labels[a]]
        positives = [
            distances[a][p] for p in range(len(labels)) if labels[p] == labels[a] and p != a
        ]
        counts.append(sum(any(d - n + margin > 0 for n in negatives) for d in positives))
    return _shared(counts)


def _of_its_own(*case):
    return [len(losses) / count if count else 0.0 for losses, count in _rows(*case)]


def _of_all_valid(*case):
    rows = _rows(*case)
    valid = sum(count for _, count in rows)
    return [len(losses) / max(valid, 1) for losses, _ in rows]


_SHARE_MISTAKES = {
    "You weigh a triplet by its loss. The slope of an active triplet's loss is the same however"
    " large the loss is: count the triplets.": lambda *c: _shared(
        [sum(losses) for losses, _ in _rows(*c)]
    ),
    "Every anchor that has an active triplet gets the same share. That is batch hard's rule; batch"
    " all hears an anchor as often as it has active triplets.": lambda *c: _shared(
        [count > 0 for count in _counts(*c)]
    ),
    "You divide by the number of *valid* triplets of the batch. Batch all's mean is over the active"
    " ones.": _of_all_valid,
    "You divide by each anchor's own number of valid triplets: its fraction of positive triplets."
    " Wanted is its share of the active triplets of the whole batch.": (
        _of_its_own,
        lambda *c: _shared(_of_its_own(*c)),
    ),
    "You count the hard triplets only, without the margin. A semi-hard one is active as well.": (
        lambda d, y, m: _shares(d, y, 0.0),
        lambda d, y, m: _shares(d, y, 0.0, ties=True),
    ),
    "You count triplets with a loss of exactly 0. Active means a loss *above* 0.": lambda *c: (
        _shares(*c, ties=True)
    ),
    "The anchor is its own positive, at distance 0. A positive is *another* image of the class.": (
        lambda *c: _shares(*c, own_positive=True)
    ),
    "The anchor is its own negative, at distance 0. What is no positive may be the anchor.": (
        lambda *c: _shares(*c, own_negative=True)
    ),
    "Those are counts. Divide them by their sum.": _counts,
    "You count in which triplets an image is the *positive* or the *negative*. Rows are anchors:"
    " add up along the others.": (
        lambda *c: _by_role(*c, roles=[1]),
        lambda *c: _by_role(*c, roles=[2]),
    ),
    "You count an image in all three of its roles. Here only the anchor counts.": lambda *c: (
        _by_role(*c, roles=[0, 1, 2])
    ),
    "You count pairs of anchor and positive. Each active *negative* of the pair makes a triplet of"
    " its own.": _pairs_with_a_triplet,
}


def _line_case(points, labels, margin):
    """Images on a line; the first at 0 and the others above, so that its row tells the points."""
    points = np.array(points, np.float64)
    return np.abs(points[:, np.newaxis] - points), np.array(labels), margin


def _share_cases(rng):
    cases = [
        _line_case([0, 1, 1.25, 6], [0, 0, 1, 1], 0.5),
        # Two classes, mixed; the last image of the first class lies far out.
        _line_case([0, 1, 2.5, 9, 4, 6, 10.25], [0, 0, 0, 0, 1, 1, 1], 0.5),
        # Of three classes one has a single image: it has no positive, and no share.
        _line_case([0, 3, 2, 5, 4.25], [0, 0, 1, 1, 2], 1.5),
        # Whole distances: ties at the margin.
        _line_case([0, 1, 2, 3, 5], [0, 0, 1, 1, 1], 1.0),
        # Tight classes far apart: nothing is active.
        _line_case([0, 0.25, 8, 8.25], [0, 0, 1, 1], 0.5),
        # All of one class: there is no triplet.
        _line_case([0, 1, 3], [0, 0, 0], 0.5),
    ]
    for size in rng.integers(8, 13, size=4):
        labels = rng.permutation(np.r_[0, 0, 1, 1, 7, rng.integers(0, 3, size=size - 5)])
        points = rng.normal(size=(size, 2)) + labels[:, np.newaxis] / 4
        distances = np.linalg.norm(points[:, np.newaxis] - points, axis=2)
        cases.append((distances, labels, 0.5))
    return cases


def _examine_shares(answer, rng):
    def spoken(case, found, wanted):
        distances, labels, margin = case
        if np.isnan(found).any():
            return (
                f"With labels {in_words(labels)} and no active triplet it gives `nan`: 0 / 0."
                " Where nothing is active, all shares are 0."
            )
        where = (
            f"With {len(labels)} images in a plane"
            if len(labels) > 7
            else f"With images on a line at {in_words(distances[0])}"
        )
        return (
            f"{where}, labels {in_words(labels)} and margin {margin:g} it gives"
            f" {_rounded(found)}; right is {_rounded(wanted)}."
        )

    examine_cases(answer, _share_cases(rng), _shares, _SHARE_MISTAKES, spoken)


def _rounded(values):
    return f"`{[round(float(value), 3) for value in values]}`"


# Exercise 2: the definition by going through all draws, and its mistakes --------------------------


def _expected(distances, n, of=min):
    draws = list(itertools.combinations([float(d) for d in distances], n))
    return sum(of(draw) for draw in draws) / len(draws)


def _expected_with_return(distances, n):
    """Each of the n drawn from all."""
    s, count = sorted(float(d) for d in distances), len(distances)
    chances = [((count - k) / count) ** n - ((count - k - 1) / count) ** n for k in range(count)]
    return sum(chance * value for chance, value in zip(chances, s, strict=True))


def _by_chances(chances, values):
    return sum(chance * float(value) for chance, value in zip(chances, values, strict=True))


def _chances(count, n):
    """Of each rank from the nearest: the chance to be the nearest of the n drawn."""
    chances = np.zeros(count)
    draws = list(itertools.combinations(range(count), n))
    for draw in draws:
        chances[min(draw)] += 1 / len(draws)
    return chances


def _one_rank_late(distances, n):
    """Of the ranks counted from 0 in a formula that counts from 1, or the other way round."""
    chances = np.r_[_chances(len(distances), n)[1:], 0.0]
    return _by_chances(chances, sorted(distances))


def _shared_chances(distances, n):
    """The chance to be farther than a rank, in place of that to be at it."""
    farther = 1 - np.cumsum(_chances(len(distances), n))
    return _by_chances(farther, sorted(distances))


_HARDEST_MISTAKES = {
    "That is the nearest of *all*. Of a batch's n negatives the nearest is rarely that one.": (
        lambda d, n: min(d)
    ),
    "That is the mean of all distances, which one draw gives. The nearest of n is nearer.": (
        lambda d, n: np.mean(d)
    ),
    "That is the *farthest* of n. The hardest negative is the nearest.": lambda d, n: _expected(
        d, n, of=max
    ),
    "You draw with replacement, so that the same negative may come twice. A batch holds an image"
    " once.": _expected_with_return,
    "You take the mean of the n nearest. The n of a batch are drawn from all, and only the nearest"
    " of *them* counts.": lambda d, n: np.mean(sorted(d)[:n]),
    "You take a quantile. It tells roughly where the nearest of n lies, but the expected value is a"
    " mean over all draws.": (
        lambda d, n: np.quantile(d, 1 / (n + 1)),
        lambda d, n: np.quantile(d, 1 / n),
        lambda d, n: sorted(d)[min(len(d) // n, len(d) - 1)],
        lambda d, n: sorted(d)[len(d) // (n + 1)],
        lambda d, n: sorted(d)[max(len(d) // n - 1, 0)],
    ),
    "The distances arrive unsorted. The chances belong to ranks: the nearest first.": lambda d, n: (
        _by_chances(_chances(len(d), n), d)
    ),
    "The chances belong to the wrong ranks, by one: the nearest of all must have the chance"
    " n / N.": _one_rank_late,
    "You multiply each distance by the chance that the nearest is *farther*. Wanted is the chance"
    " that the nearest is this one: the difference of two of those.": _shared_chances,
}


def _hardest_cases(rng):
    cases = [
        (np.array([4.0, 1.0, 2.0]), 2),
        (np.array([7.0, 2.0, 11.0, 3.0, 5.0, 20.0]), 3),
        (np.array([5.0, 1.0, 3.0, 8.0]), 1),
        (np.array([6.0, 9.0, 4.0]), 3),
        (np.array([2.0, 2.0, 7.0, 2.0, 9.0]), 2),
        (np.array([3.5]), 1),
    ]
    for size in rng.integers(7, 11, size=4):
        cases.append((rng.gamma(2.0, size=size), int(rng.integers(2, 6))))
    return cases


def _examine_hardest(answer, rng):
    def spoken(case, found, wanted):
        distances, n = case
        if not np.isfinite(found):
            return (
                f"With distances {in_words(np.round(distances, 3))} and n = {n} it gives"
                f" `{float(found)}`; right is `{wanted:.4g}`. Does it divide by 0 when everything"
                " is drawn?"
            )
        return (
            f"With distances {in_words(np.round(distances, 3))} and n = {n} it gives"
            f" `{float(found):.4g}`; right is `{wanted:.4g}`, the mean over all draws."
        )

    distances = np.array([7.0, 2.0, 11.0, 3.0, 5.0, 20.0])
    first, second = (as_array(answer(distances, 3), ()) for _ in range(2))
    if np.isfinite(first) and first != second:
        raise Wrong(
            f"Two calls with the same arguments gave `{float(first):.4g}` and"
            f" `{float(second):.4g}`: you draw at random. The expected value needs no draw; each"
            " rank's chance to be the nearest is known."
        )
    examine_cases(answer, _hardest_cases(rng), _expected, _HARDEST_MISTAKES, spoken)


EXERCISES = (
    Exercise(
        name="anchor_shares",
        lesson="09",
        title="what each anchor weighs in batch all",
        examine=_examine_shares,
        hints=(
            "Which triplets have a gradient? Those with a loss above 0, and all of them the same,"
            " whatever their loss. So the task is to count, anchor by anchor.",
            "For one anchor: take the distances to its positives and to its negatives out of its"
            " row. `positives[:, None] - negatives[None, :] + margin` holds the losses of all its"
            " triplets.",
            "`np.count_nonzero(losses > 0)` counts the active ones. Collect the counts in an array"
            " and divide it by its sum, or by 1 where the sum is 0.",
        ),
        reference=lambda: anchor_shares,
    ),
    Exercise(
        name="expected_hardest",
        lesson="09",
        title="how near the nearest of n is",
        examine=_examine_hardest,
        hints=(
            "Sort the distances. An expected value is a sum of value times chance: what is the"
            " chance that the k-th nearest of all is the nearest of the n drawn?",
            "First the chance that none of the k nearest is drawn. For k = 1 it is (N - n) / N; if"
            " the first was not drawn, the second is passed over with (N - 1 - n) / (N - 1), and so"
            " on. Multiply: `np.cumprod`. Where n is more than what is left, the chance is 0.",
            "Rank k is the nearest of the n if the k - 1 before it are passed over and the k are"
            " not: the difference of two neighbours of that product, which begins with 1."
            " `np.diff(-farther, prepend=-1.0)` gives these differences.",
        ),
        reference=lambda: expected_hardest,
    ),
)
