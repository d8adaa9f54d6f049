"""Exercises of lesson 02."""

import numpy as np

from ._exercise import Exercise, Wrong, as_array, is_close

_KINDS = ("easy", "semi-hard", "hard")


def triplet_loss(a, p, n, margin):
    """Loss of each triplet.

    Args:
        a: anchors' embeddings, float array of shape `(T, D)`.
        p: positives' embeddings, likewise.
        n: negatives' embeddings, likewise.
        margin: number, at least 0.

    Returns:
        Float array of shape `(T,)`: `max(d(a, p) - d(a, n) + margin, 0)`, with Euclidean distances.
    """
    d_ap = np.linalg.norm(a - p, axis=1)
    d_an = np.linalg.norm(a - n, axis=1)
    return np.maximum(d_ap - d_an + margin, 0.0)


def hardness(d_ap, d_an, margin):
    """Kind of each triplet.

    Args:
        d_ap: distances from anchors to positives, float array of shape `(T,)`.
        d_an: distances from anchors to negatives, likewise.
        margin: number, at least 0.

    Returns:
        Array of shape `(T,)` with `"hard"` where `d_an <= d_ap`, `"semi-hard"` where
        `d_ap < d_an < d_ap + margin`, `"easy"` elsewhere.
    """
    return np.select([d_an <= d_ap, d_an < d_ap + margin], ["hard", "semi-hard"], "easy")


# The loss ----------------------------------------------------------------------------------------

# One triplet a row, in the plane: what a learner sees of a mistake. Margin 1. The three have loss
# 2, 0 and 1.5, from distances that a head can do.
_ANCHORS = np.array([[0.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
_POSITIVES = np.array([[0.0, 2.0], [0.0, 1.0], [4.0, 5.0]])
_NEGATIVES = np.array([[1.0, 0.0], [3.0, 4.0], [1.0, -3.5]])


def _examine_triplet_loss(asked, rng):
    cases = [(_ANCHORS, _POSITIVES, _NEGATIVES, 1.0)]
    for count, size, margin in ((7, 3, 0.5), (40, 16, 0.2), (1, 5, 2.0), (6, 2, 0.0)):
        cases.append((*rng.normal(size=(3, count, size)), margin))
    together = np.ones((2, 3))
    cases.append((together, together, together, 0.5))
    found = []
    for case in cases:
        result = asked(*case)
        _refuse_one_number(result, case)
        found.append(as_array(result, (len(case[0]),), "`triplet_loss`"))
    wanted = [triplet_loss(*case) for case in cases]
    if all(map(is_close, found, wanted)):
        return
    for says, mistaken in _MISTAKEN_LOSSES:
        if all(is_close(one, mistaken(*case)) for one, case in zip(found, cases, strict=True)):
            raise Wrong(f"{says}\n\n{_first_wrong_loss(cases, found)}")
    if not np.isfinite(found[-1]).all():
        raise Wrong(
            "Where anchor, positive and negative coincide, both distances are 0 and the loss is "
            f"the margin. Your function gives {found[-1].tolist()}."
        )
    raise Wrong(_first_wrong_loss(cases, found))


def _refuse_one_number(result, case):
    """Say what is wrong with one number for all triplets, or with one for each dimension."""
    array = np.asarray(result)
    if array.dtype.kind not in "fiu" or array.shape == (len(case[0]),):
        return
    a, p, n, margin = case
    if array.shape == a.shape:
        raise Wrong(
            f"Your function gives shape `{a.shape}`, one number for each dimension of each "
            "triplet. A distance is one number: sum the squared differences over the "
            "dimensions, `axis=1`."
        )
    if array.shape == (a.shape[1],):
        raise Wrong(
            f"For {len(a)} triplets in {a.shape[1]} dimensions your function gives "
            f"{a.shape[1]} numbers: it sums over the triplets, `axis=0`. A distance sums over the "
            "dimensions."
        )
    if array.shape:
        return  # as_array says it
    inside = np.linalg.norm(a - p, axis=1) - np.linalg.norm(a - n, axis=1) + margin
    if is_close(array, np.maximum(inside, 0).mean()):
        raise Wrong(
            "Your function gives the mean over all triplets. Wanted is the loss of each, "
            f"shape `{(len(a),)}`: which of them to average is decided later, and matters."
        )
    if is_close(array, max(inside.mean(), 0)):
        raise Wrong(
            "Your function takes the mean first and cuts off at zero afterwards. So an easy "
            "triplet pays for a hard one. Cut off each triplet's own loss, and give one number "
            "for each."
        )
    if is_close(array, max(np.linalg.norm(a - p) - np.linalg.norm(a - n) + margin, 0)):
        raise Wrong(
            "Your function takes the norm of the whole array, all triplets in one. "
            "`np.linalg.norm` needs `axis=1` to give one distance for each row."
        )
    raise Wrong(
        f"Your function gives one number for {len(a)} triplets. Wanted is the loss of each, shape "
        f"`{(len(a),)}`."
    )


def _first_wrong_loss(cases, found):
    """The first triplet that is wrong, with its numbers; in the plane with its points too."""
    case, given, i = next(
        (case, given, i)
        for case, given in zip(cases, found, strict=True)
        for i, right in enumerate(triplet_loss(*case))
        if not is_close(given[i], right)
    )
    (a, p, n, margin), right = case, triplet_loss(*case)
    points = ""
    if a.shape[1] == 2:
        names = zip("apn", (a[i], p[i], n[i]), strict=True)
        points = ", ".join(f"{name} = {_pair(point)}" for name, point in names) + ", so "
    d_ap, d_an = np.linalg.norm(a[i] - p[i]), np.linalg.norm(a[i] - n[i])
    return (
        f"For {points}d(a, p) = {d_ap:.4g}, d(a, n) = {d_an:.4g} and margin {margin:g} your "
        f"function gives {given[i]:.4g}; right is {right[i]:.4g}."
    )


def _pair(point):
    return "(" + ", ".join(f"{value:.3g}" for value in point) + ")"


def _loss_of(distances, combine):
    """A way to get the loss wrong: other distances, or put together in another way."""

    def mistaken(a, p, n, margin):
        d_ap, d_an = distances(a, p, n)
        return combine(d_ap, d_an, margin)

    return mistaken


def _euclidean(a, p, n):
    return np.linalg.norm(a - p, axis=1), np.linalg.norm(a - n, axis=1)


def _squared(a, p, n):
    return ((a - p) ** 2).sum(axis=1), ((a - n) ** 2).sum(axis=1)


def _city_block(a, p, n):
    return np.abs(a - p).sum(axis=1), np.abs(a - n).sum(axis=1)


def _root_mean(a, p, n):
    return tuple(distance / np.sqrt(a.shape[1]) for distance in _euclidean(a, p, n))


def _from_positive(a, p, n):
    return np.linalg.norm(a - p, axis=1), np.linalg.norm(p - n, axis=1)


def _hinge(d_ap, d_an, margin):
    return np.maximum(d_ap - d_an + margin, 0)


_MISTAKEN_LOSSES = [
    (
        "The two distances have changed places: so the loss is high when the negative is far, "
        "and training would pull negatives in.",
        _loss_of(_euclidean, lambda d_ap, d_an, m: np.maximum(d_an - d_ap + m, 0)),
    ),
    (
        "Your loss can fall below zero. A triplet that is far in order would pay for others that "
        "are not; and nothing would ever be finished. Cut it off at zero.",
        _loss_of(_euclidean, lambda d_ap, d_an, m: d_ap - d_an + m),
    ),
    (
        "The margin is subtracted. Then the loss is zero even where the negative is a little "
        "*nearer* than the positive; the margin asks for more, not for less.",
        _loss_of(_euclidean, lambda d_ap, d_an, m: np.maximum(d_ap - d_an - m, 0)),
    ),
    (
        "The margin is left out.",
        _loss_of(_euclidean, lambda d_ap, d_an, m: np.maximum(d_ap - d_an, 0)),
    ),
    (
        "The margin is added after the cut at zero. So an easy triplet still costs the margin.",
        _loss_of(_euclidean, lambda d_ap, d_an, m: np.maximum(d_ap - d_an, 0) + m),
    ),
    (
        "Your loss is an absolute value: it grows again when the negative is farther than asked "
        "for. Cut it off at zero instead.",
        _loss_of(_euclidean, lambda d_ap, d_an, m: np.abs(d_ap - d_an + m)),
    ),
    (
        "The distances are squared. Here $d$ is the Euclidean distance itself: take the root.",
        _loss_of(_squared, _hinge),
    ),
    (
        "The distances are sums of absolute differences. Here $d$ is the Euclidean distance: "
        "square, sum, take the root.",
        _loss_of(_city_block, _hinge),
    ),
    (
        "Your distances take a mean over the dimensions where a sum is meant.",
        _loss_of(_root_mean, _hinge),
    ),
    (
        "The negative's distance is measured from the positive. Both distances of a triplet begin "
        "at the anchor.",
        _loss_of(_from_positive, _hinge),
    ),
]


# The kinds ---------------------------------------------------------------------------------------

# d_ap, d_an, margin; numbers that floats hold exactly, so that ties are ties however one computes.
_CLEAR = [
    (1.0, 0.5, 0.5),
    (1.0, 1.25, 0.5),
    (1.0, 2.0, 0.5),
    (2.0, 2.25, 0.5),
    (2.0, 1.75, 0.5),
    (0.25, 0.625, 0.5),
    (0.25, 0.875, 0.5),
    (0.0, 0.25, 0.5),
    (0.0, 1.0, 0.5),
    (1.0, 1.25, 0.125),
    (1.0, 1.0625, 0.125),
]
_AS_NEAR = [(1.0, 1.0, 0.5), (0.0, 0.0, 0.5), (0.5, 0.5, 0.25), (2.0, 2.0, 0.0)]
_AT_THE_EDGE = [(1.0, 1.5, 0.5), (0.0, 0.5, 0.5), (0.5, 0.75, 0.25)]


def _examine_hardness(asked, rng):
    clear = [(_column(rows), margin) for margin, rows in _by_margin(_CLEAR).items()]
    clear += [(rng.uniform(0, 2, size=(2, 50)), margin) for margin in (0.3, 1.0)]
    ties = [(_column(rows), margin) for margin, rows in _by_margin(_AS_NEAR).items()]
    edges = [(_column(rows), margin) for margin, rows in _by_margin(_AT_THE_EDGE).items()]
    found = [_kinds(asked, case) for case in clear]
    _name_mistake(clear, found)
    for cases, says in (
        (
            ties,
            "A tie: the negative is exactly as far from the anchor as the positive. Nothing keeps "
            "them apart, so it counts as hard.",
        ),
        (
            edges,
            "The other tie: the negative is farther by *exactly* the margin. The loss is zero "
            "there, so nothing is left to learn.",
        ),
    ):
        for case in cases:
            given = _kinds(asked, case)
            if (given != hardness(*case[0], case[1])).any():
                raise Wrong(f"{says} {_first_kind(case, given)}")


def _by_margin(rows):
    groups = {}
    for d_ap, d_an, margin in rows:
        groups.setdefault(margin, []).append((d_ap, d_an))
    return groups


def _column(rows):
    return np.array(rows).T


def _kinds(asked, case):
    """What a learner's function says, as an array of text."""
    (d_ap, d_an), margin = case
    result = asked(d_ap, d_an, margin)
    words = _as_words(result)
    if words is None:
        array = as_array(result, d_ap.shape, "`hardness`")
        raise Wrong(
            f"Your function gives an array of `{array.dtype}`; wanted is text: "
            '`"easy"`, `"semi-hard"` or `"hard"`.'
        )
    if words.shape != d_ap.shape:
        raise Wrong(
            f"For {len(d_ap)} triplets your function gives text of shape `{words.shape}`; wanted "
            f"is a word for each, shape `{d_ap.shape}`."
        )
    said = set(words.tolist()) - set(_KINDS)
    cut = [word for word in said if word and "semi-hard".startswith(word)]
    if cut:
        raise Wrong(
            f"Some of your answers are cut short: `{cut[0]!r}`. A NumPy array of text has room "
            'for a fixed number of letters. Make it with `dtype="<U9"`, or with `np.where`, which '
            "finds the room itself."
        )
    if said:
        raise Wrong(
            f"Your function says `{min(said)!r}`. The three words are `'easy'`, `'semi-hard'` and "
            "`'hard'`, written just so."
        )
    return words


def _as_words(result):
    """An array of text, if the result is one in any of the ways that NumPy or TensorFlow has."""
    try:
        array = np.asarray(result)
    except (TypeError, ValueError):
        return None
    words = [each.decode() if isinstance(each, bytes) else each for each in array.ravel().tolist()]
    if not words or not all(isinstance(word, str) for word in words):
        return None
    return np.array(words).reshape(array.shape)


def _name_mistake(cases, found):
    wanted = [hardness(*distances, margin) for distances, margin in cases]
    if all((one == right).all() for one, right in zip(found, wanted, strict=True)):
        return
    for says, mistaken in _MISTAKEN_KINDS:
        if all(
            (one == mistaken(*distances, margin)).all()
            for one, (distances, margin) in zip(found, cases, strict=True)
        ):
            raise Wrong(f"{says} {_first_wrong_kind(cases, found)}")
    raise Wrong(_first_wrong_kind(cases, found))


def _first_wrong_kind(cases, found):
    for case, given in zip(cases, found, strict=True):
        if (given != hardness(*case[0], case[1])).any():
            return _first_kind(case, given)
    raise AssertionError("nothing is wrong")


def _first_kind(case, given):
    (d_ap, d_an), margin = case
    right = hardness(d_ap, d_an, margin)
    i = int(np.flatnonzero(given != right)[0])
    return (
        f"For d(a, p) = {d_ap[i]:.4g}, d(a, n) = {d_an[i]:.4g} and margin {margin:g} your "
        f"function says `{given[i]}`; right is `{right[i]}`."
    )


def _select(first, second, words=("hard", "semi-hard", "easy")):
    """A way to get the kinds wrong: other conditions, or other words for them."""

    def mistaken(d_ap, d_an, margin):
        conditions = [first(d_ap, d_an, margin), second(d_ap, d_an, margin)]
        return np.select(conditions, words[:2], words[2])

    return mistaken


def _is_hard(d_ap, d_an, margin):
    return d_an <= d_ap


def _is_active(d_ap, d_an, margin):
    return d_an < d_ap + margin


_MISTAKEN_KINDS = [
    (
        "The two distances have changed places.",
        lambda d_ap, d_an, margin: hardness(d_an, d_ap, margin),
    ),
    (
        "The words easy and hard have changed places: an easy triplet is one that costs nothing.",
        _select(_is_hard, _is_active, ("easy", "semi-hard", "hard")),
    ),
    (
        "The hard ones are called semi-hard: they too lie below d(a, p) + margin. "
        "Semi-hard also needs d(a, p) < d(a, n), or the question must be asked after the other.",
        _select(_is_active, _is_hard, ("semi-hard", "hard", "easy")),
    ),
    (
        "Every triplet with a loss above zero is called hard. Those whose negative is farther "
        "than the positive, but not by the margin, are semi-hard.",
        _select(_is_active, _is_hard, ("hard", "semi-hard", "easy")),
    ),
    (
        "There are semi-hard triplets among those you call easy: the ring reaches from d(a, p) to "
        "d(a, p) + margin.",
        _select(_is_hard, lambda d_ap, d_an, m: np.zeros_like(d_an, bool)),
    ),
    (
        "Your ring lies on the wrong side, from d(a, p) - margin to d(a, p). It begins at the "
        "positive's distance and reaches outwards.",
        _select(lambda d_ap, d_an, m: d_an <= d_ap - m, _is_hard),
    ),
    (
        "Your ring is twice as wide, from d(a, p) - margin to d(a, p) + margin.",
        _select(lambda d_ap, d_an, m: d_an <= d_ap - m, _is_active),
    ),
    (
        "The negative's distance is compared with the margin alone. The ring begins at d(a, p), "
        "and ends a margin farther out.",
        _select(_is_hard, lambda d_ap, d_an, m: d_an < m),
    ),
    (
        "You compare squared distances. Then the ring has another width: $d$ is the Euclidean "
        "distance itself, and comes as such.",
        lambda d_ap, d_an, margin: hardness(d_ap**2, d_an**2, margin),
    ),
]


EXERCISES = (
    Exercise(
        name="triplet_loss",
        lesson="02",
        title="The loss of each triplet.",
        examine=_examine_triplet_loss,
        hints=(
            "Two distances for each triplet come first. `a - p` has shape `(T, D)`: along which "
            "axis must its squares be summed, so that T numbers remain?",
            "`np.linalg.norm(a - p, axis=1)` is the distance from anchor to positive, shape "
            "`(T,)`. The negative's is made in the same way.",
            "`np.maximum(x, 0)` cuts off each entry of `x` at zero; `max` and `np.max` do not.",
            "In the order of the formula: distance to the positive, minus distance to the "
            "negative, plus margin; then the cut.",
        ),
        reference=lambda: triplet_loss,
    ),
    Exercise(
        name="hardness",
        lesson="02",
        title="Easy, semi-hard or hard.",
        examine=_examine_hardness,
        hints=(
            "Two questions decide. Is the negative as near as the positive, or nearer? And if "
            "not: is it nearer than the positive's distance plus the margin?",
            "A loop over `zip(d_ap, d_an)` with `if`, `elif` and `else` is a right answer; "
            "turn its list into an array with `np.array`.",
            "Without a loop: `np.where(condition, one, other)` chooses for each entry, and "
            "`other` may be another `np.where`.",
            "At the ties: `<=` in the first question, `<` in the second.",
        ),
        reference=lambda: hardness,
    ),
)
