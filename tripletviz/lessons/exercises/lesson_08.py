"""Exercises of lesson 08: cosine distances, and a margin carried over to another distance."""

import math

import numpy as np

from ._cases import examine_cases, in_words
from ._exercise import Exercise, Wrong, as_array, is_close

# The package's versions, with the arguments of the exercises --------------------------------------


def cosine_distances(embeddings):
    """Cosine distances between all pairs of rows, as `pairwise_distances` defines them."""
    from ...distances import pairwise_distances

    return pairwise_distances(embeddings, "cosine").numpy()


def matching_margin(margin, d_ap, from_metric, to_metric):
    """The margin of another distance that makes the same negatives active, on the unit sphere.

    Args:
        margin: margin in units of `from_metric`.
        d_ap: distance of anchor and positive, measured by `from_metric`.
        from_metric: `"euclidean"`, `"squared_euclidean"` or `"cosine"`.
        to_metric: one of the same three.

    Returns:
        A float, in units of `to_metric`.
    """
    near = _TO_SQUARED[from_metric](d_ap)
    far = _TO_SQUARED[from_metric](d_ap + margin)
    return float(_FROM_SQUARED[to_metric](far) - _FROM_SQUARED[to_metric](near))


_TO_SQUARED = {
    "euclidean": lambda d: d**2,
    "squared_euclidean": lambda d: d,
    "cosine": lambda d: 2 * d,
}
_FROM_SQUARED = {
    "euclidean": math.sqrt,
    "squared_euclidean": lambda s: s,
    "cosine": lambda s: s / 2,
}
METRICS = tuple(_TO_SQUARED)


# Cosine distances ---------------------------------------------------------------------------------


def _by_loop(embeddings):
    """The definition, pair by pair."""
    wanted = np.zeros((len(embeddings), len(embeddings)))
    for i, a in enumerate(embeddings):
        for j, b in enumerate(embeddings):
            lengths = math.hypot(*a) * math.hypot(*b)
            if i != j:
                # Lengths far below 1 would make their product vanish; here they never do.
                wanted[i, j] = 1 - math.fsum(a * b) / lengths if lengths else 1.0
    return np.maximum(wanted, 0.0)


def _length(x, **options):
    return np.linalg.norm(x, keepdims=True, **options)


_COSINE_MISTAKES = {
    "Those are similarities: 1 for the same direction. The distance is 1 minus that.": lambda x: (
        1 - _by_loop(x)
    ),
    "That is the similarity minus 1: the sign is turned round.": lambda x: -_by_loop(x),
    "You take the plain dot product. Divide each embedding by its length first, so that only"
    " directions are left.": lambda x: 1 - x @ x.T,
    "You divide each *column* by its length. An embedding is a row: sum along `axis=1`.": (
        lambda x: 1 - (x / _length(x, axis=0)) @ (x / _length(x, axis=0)).T
    ),
    "You divide all of the matrix by one number. Each row has a length of its own: `axis=1`.": (
        lambda x: 1 - x @ x.T / np.sum(x**2)
    ),
    "Only one of the two embeddings is divided by its length. Both must be.": (
        lambda x: 1 - (x / _length(x, axis=1)) @ x.T,
        lambda x: 1 - x @ (x / _length(x, axis=1)).T,
    ),
    "You divide by the *squared* length: a root is missing.": lambda x: (
        1 - (x / _length(x, axis=1) ** 2) @ (x / _length(x, axis=1) ** 2).T
    ),
    "You divide by the sum of absolute values. The length is the root of the sum of squares.": (
        lambda x: 1 - (x / _length(x, axis=1, ord=1)) @ (x / _length(x, axis=1, ord=1)).T
    ),
    "That is the squared Euclidean distance on the unit sphere, which is twice the cosine"
    " distance.": lambda x: 2 * _by_loop(x),
    "That is the Euclidean distance on the unit sphere. The cosine distance is half of its"
    " square.": lambda x: np.sqrt(2 * _by_loop(x)),
    "That is the angle. The cosine distance is 1 minus the *cosine* of the angle.": lambda x: (
        np.arccos(1 - _by_loop(x))
    ),
    "That is the angle as a share of a half turn. The cosine distance is 1 minus the *cosine* of"
    " the angle.": lambda x: np.arccos(1 - _by_loop(x)) / np.pi,
    "You drop the sign of the cosine, so that opposite directions count as the same. Their distance"
    " is 2.": lambda x: 1 - np.abs(1 - _by_loop(x)),
    "You halve it, so that it goes from 0 to 1. The cosine distance goes from 0 to 2.": lambda x: (
        _by_loop(x) / 2
    ),
    "You never let it be above 1. Directions more than a right angle apart have distances up to"
    " 2.": lambda x: np.minimum(_by_loop(x), 1),
}


def _examine_cosine(answer, rng):
    small = np.array([[3.0, 4.0], [4.0, -3.0], [-6.0, -8.0], [2.0, 0.0]])
    cases = [small, *(rng.normal(size=(rng.integers(4, 9), 3)) for _ in range(3))]
    examine_cases(
        lambda x: as_array(answer(x), (len(x), len(x))),
        [(x,) for x in cases],
        _by_loop,
        _COSINE_MISTAKES,
        lambda arguments, found, wanted: _spoken_pair(arguments[0], found, wanted),
    )
    _examine_zero_vectors(answer)
    for length in (1e-6, 1e-10):
        short = np.array([[3.0, 4.0], [0.6 * length, 0.0]])
        found = as_array(answer(short), (2, 2))
        if not is_close(found, _by_loop(short)):
            raise Wrong(
                "It is wrong for a short embedding: do you add a small number to the length, or"
                " hold it above one? Treat lengths of exactly 0 apart instead. "
                + _spoken_pair(short, found, _by_loop(short))
            )
    _examine_same_direction(answer)


def _examine_zero_vectors(answer):
    some = np.array([[3.0, 4.0], [0.0, 0.0], [0.0, 0.0]])
    found, wanted = as_array(answer(some), (3, 3)).astype(np.float64), _by_loop(some)
    if is_close(found, wanted):
        return
    after = _spoken_pair(some, found, wanted)
    if not np.isfinite(found).all():
        raise Wrong(f"The length of a zero vector is 0, and you divide by it. {after}")
    if is_close(found, wanted + np.diag([0, 1, 1])):
        raise Wrong(
            "A zero vector must have distance 1 to every *other* embedding, and like everything"
            f" else distance 0 to itself: mind the diagonal. {after}"
        )
    if found[0, 1] == 0:
        raise Wrong(
            "A zero vector has no direction, so it must not count as being the same as any other:"
            f" its distance to others is 1. {after}"
        )
    raise Wrong(f"A zero vector has distance 1 to every other embedding. {after}")


def _examine_same_direction(answer):
    # Whether rounding goes below 0 is a matter of luck for one pair; among so many it does.
    rows = np.random.default_rng(8).normal(size=(150, 5))
    both = np.concatenate([rows, 3 * rows])
    found = as_array(answer(both), (300, 300)).astype(np.float64)
    if (found < 0).any():
        i, j = np.argwhere(found < 0)[0]
        raise Wrong(
            "Rounding makes some distances smaller than 0. A distance never is: hold it at 0. For"
            f" example, with {in_words(both[[i, j]])} it gives `{found[i, j]:.3g}`."
        )
    if not is_close(found, _by_loop(both)):
        raise Wrong("With 300 embeddings of 5 dimensions some distances are wrong.")


def _spoken_pair(x, found, wanted):
    """The first entry of a matrix that is wrong, in words."""
    i, j = np.argwhere(~np.isclose(found, wanted, rtol=1e-4, atol=1e-5))[0]
    pair = f"embedding {in_words(x[i])}" + (f" and {in_words(x[j])}" if i != j else " and itself")
    return f"For {pair} it gives `{found[i, j]:.4g}`; right is `{wanted[i, j]:.4g}`."


# Margins ------------------------------------------------------------------------------------------


def _by_search(margin, d_ap, from_metric, to_metric):
    """The definition: how far the farthest active negative lies, found by halving an interval."""

    def measured(metric, angle):
        cosine = 1 - math.cos(angle)
        return {
            "cosine": cosine,
            "squared_euclidean": 2 * cosine,
            "euclidean": math.sqrt(2 * cosine),
        }[metric]

    def angle_at(distance):
        low, high = 0.0, math.pi
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (
                (middle, high) if measured(from_metric, middle) < distance else (low, middle)
            )
        return high

    ends = angle_at(d_ap), angle_at(d_ap + margin)
    near, far = (measured(to_metric, angle) for angle in ends)
    return np.float64(far - near)


def _slope(margin, d_ap, from_metric, to_metric):
    """The margin times the slope at d(a, p)."""
    near = np.sqrt(_TO_SQUARED[from_metric](np.float64(d_ap)))
    slopes = {"euclidean": 1.0, "squared_euclidean": 2 * near, "cosine": near}
    return margin * slopes[to_metric] / slopes[from_metric]


def _threshold(margin, d_ap, from_metric, to_metric):
    return _FROM_SQUARED[to_metric](_TO_SQUARED[from_metric](d_ap + margin))


def _without_conversion(margin, d_ap, from_metric, to_metric):
    """The same, but d(a, p) is not converted before it is taken off."""
    return _threshold(margin, d_ap, from_metric, to_metric) - d_ap


def _always_euclidean(margin, d_ap, from_metric, to_metric):
    """The positive's distance is taken for a Euclidean one, whatever it is."""
    d = _FROM_SQUARED[from_metric](d_ap**2)
    return matching_margin(margin, d, from_metric, to_metric)


def _with_factor(factor):
    """A mistake about cosine: the squared distance is `factor` times the cosine distance."""

    def mistaken(margin, d_ap, from_metric, to_metric):
        into = _TO_SQUARED | {"cosine": lambda d: factor * d}
        back = _FROM_SQUARED | {"cosine": lambda s: s / factor}
        near, far = into[from_metric](d_ap), into[from_metric](d_ap + margin)
        return back[to_metric](far) - back[to_metric](near)

    return mistaken


_MARGIN_MISTAKES = {
    "You convert the margin as if it were a distance. It is a *difference* of two: convert d(a, p)"
    " and d(a, p) + margin, then take the difference.": lambda m, d, f, t: _FROM_SQUARED[t](
        _TO_SQUARED[f](m)
    ),
    "That is where the farthest active negative lies. The margin is how much farther that is than"
    " the positive: take off d(a, p), converted too.": _threshold,
    "You take off d(a, p) as it was measured before. Convert it to the other distance first.": (
        _without_conversion
    ),
    "You multiply the margin by the slope at d(a, p). The slope changes on the way: convert both"
    " ends, and take the difference.": _slope,
    "You take d(a, p) for a Euclidean distance. It is measured by `from_metric`.": (
        _always_euclidean
    ),
    "The two metrics are swapped: the margin is in units of `from_metric`, the result in units of"
    " `to_metric`.": lambda m, d, f, t: matching_margin(m, d, t, f),
    "The factor 2 is on the wrong side: the *squared* distance is twice the cosine distance.": (
        _with_factor(0.5)
    ),
    "You take the cosine distance for the squared Euclidean one. It is half of it.": (
        _with_factor(1.0)
    ),
    "The sign is turned round: a negative lies farther than the positive, so a margin is above"
    " 0.": lambda m, d, f, t: -matching_margin(m, d, f, t),
    "You give the margin back as it was. It means something else in each distance.": (
        lambda m, d, f, t: m
    ),
}


def _examine_margin(answer, rng):
    pairs = [(f, t) for f in METRICS for t in METRICS]
    # Anchor and positive at angles with round Euclidean distances.
    cases = [
        (_FROM_SQUARED[f](0.36) * 0.5, _FROM_SQUARED[f](0.36), f, t) for f, t in pairs if f != t
    ]
    for from_metric, to_metric in pairs:
        top = _FROM_SQUARED[from_metric](4.0)
        cases.append((0.2, 0.0, from_metric, to_metric))
        for near, far in np.sort(rng.uniform(0.05, 0.95, size=(2, 2)), axis=1):
            margin, d_ap = (far - near) * top, near * top
            cases.append((float(margin), float(d_ap), from_metric, to_metric))

    def spoken(arguments, found, wanted):
        margin, d_ap, from_metric, to_metric = arguments
        return (
            f"With margin {margin:.4g} and d(a, p) {d_ap:.4g} from `{from_metric}` to"
            f" `{to_metric}` it gives `{found:.4g}`; right is `{wanted:.4g}`."
        )

    examine_cases(
        lambda *arguments: as_array(answer(*arguments), ()),
        cases,
        _by_search,
        _MARGIN_MISTAKES,
        spoken,
    )


# Naming a mistake ---------------------------------------------------------------------------------


EXERCISES = (
    Exercise(
        name="cosine_distances",
        lesson="08",
        title="cosine distances of all pairs",
        examine=_examine_cosine,
        hints=(
            "Two steps: first divide each row by its length, then all cosines are one matrix"
            " product. Which axis does `np.linalg.norm` need, and what does `keepdims=True` do?",
            "With rows `u` of length 1 the cosines are `u @ u.T`. What if a length is 0? Divide by"
            " 1 there instead: `np.where(lengths > 0, lengths, 1.0)` leaves the row at zero, and"
            " all its cosines at 0.",
            "Two things are left. `np.maximum(…, 0.0)` takes away what rounding puts below 0; and"
            " `np.fill_diagonal(distances, 0.0)` gives everything the distance 0 to itself.",
        ),
        reference=lambda: cosine_distances,
    ),
    Exercise(
        name="matching_margin",
        lesson="08",
        title="a margin carried over to another distance",
        examine=_examine_margin,
        hints=(
            "The active negatives are those nearer than `d_ap + margin`. Where is that limit, and"
            " where is the positive, when both are measured by the other distance?",
            "Go by the squared distance: with `d` Euclidean it is `d**2`, with `d` cosine it is"
            " `2 * d`. Write one small function there for each metric, and one back.",
            "`near` is `d_ap` converted, `far` is `d_ap + margin` converted. The margin is"
            " `far - near`.",
        ),
        reference=lambda: matching_margin,
    ),
)
