"""Exercises of lesson 06: recall@k, MAP@R, and the two rates of verification."""

import math

import numpy as np

from ._cases import examine_cases, in_words
from ._exercise import Exercise

# The package's versions, with the arguments of the exercises --------------------------------------


def recall_at_k(embeddings, labels, k):
    """Share of queries with one of their class among their k nearest other items."""
    from ...evaluation import recall_at_k

    return recall_at_k(embeddings, labels, k=k)


def map_at_r(embeddings, labels):
    """MAP@R, each item a query that is looked up among all others."""
    from ...evaluation import map_at_r

    return map_at_r(embeddings, labels)


def false_rates(genuine, impostor, threshold):
    """False accept rate and false reject rate, if a distance up to the threshold is accepted."""
    far = np.mean(np.asarray(impostor) <= threshold)
    frr = np.mean(np.asarray(genuine) > threshold)
    return float(far), float(frr)


# The definitions, in plain loops ------------------------------------------------------------------


def _hits(embeddings, labels, leave_out="the query", sign=1):
    """For each query, of its ranked items: whether each is of the query's class."""
    rows, everyone = [], range(len(labels))
    for query in everyone:
        distances = [math.dist(embeddings[query], other) for other in embeddings]
        ranking = sorted(everyone, key=lambda item: (sign * distances[item], item))
        if leave_out == "the query":
            ranking.remove(query)
        elif leave_out == "the first":
            ranking = ranking[1:]
        elif leave_out == "all at distance 0":
            ranking = [item for item in ranking if distances[item] > 0]
        rows.append([bool(labels[item] == labels[query]) for item in ranking])
    return rows


def _has_company(labels):
    return [np.count_nonzero(labels == label) > 1 for label in labels]


def _mean(values):
    values = list(values)
    return sum(values) / len(values) if values else 0.0


def _recall(embeddings, labels, k, **options):
    return _mean(any(row[:k]) for row in _hits(embeddings, labels, **options))


def _average_precision(row, r, *, over=None, divisor=None):
    """Mean over the first `r` ranks of the precision there, where there is a hit."""
    ranks = range(1, (r if over is None else over) + 1)
    total = sum(sum(row[:i]) / i for i in ranks if i <= len(row) and row[i - 1])
    divisor = r if divisor is None else divisor
    return total / divisor if divisor else 0.0


def _map(embeddings, labels, **options):
    rows = _hits(embeddings, labels, **options)
    return _mean(_average_precision(row, r) for row, r in zip(rows, _others(labels), strict=True))


def _others(labels):
    """R of each query: how many other items are of its class."""
    return [int(np.count_nonzero(labels == label)) - 1 for label in labels]


# Naming a mistake ---------------------------------------------------------------------------------


def _on_a_line(points, labels):
    return np.array(points, np.float64)[:, np.newaxis], np.array(labels)


def _random_cases(rng, count):
    """Embeddings and labels; classes of different sizes, some of one item."""
    for size in rng.integers(5, 25, size=count):
        labels = rng.permutation(np.r_[0, 0, rng.integers(0, 4, size=size - 3), 9])
        yield rng.normal(size=(size, 3)) + labels[:, np.newaxis] / 3, labels


def _set_in_words(embeddings, labels):
    if len(labels) > 8:
        return f"With {len(labels)} random embeddings and labels {in_words(labels)}"
    return f"With embeddings {in_words(embeddings)} and labels {in_words(labels)}"


# No two items of one ranking are equally far away, except where that is the point.
_APART = [0, 1, 3, 7, 12, 20]
_MIXED, _LONELY = [0, 1, 0, 1, 1, 0], [0, 0, 1, 1, 2, 1]
# The first two items lie at one place, and are of two classes.
_TWINS, _TWIN_LABELS = [5, 5, 9, 10, 20, 21], [0, 1, 0, 0, 1, 1]
_FIRST = (
    "You leave out the first of the ranking, as if that were always the query. Another item at the"
    " very same place can come before it; know the query by its position."
)
_ALL_AT_ZERO = (
    "You leave out everything at distance 0. Another item at the very same place is in the gallery"
    " too; know the query by its position."
)
_FARTHEST = "You look at the farthest items. The nearest have the smallest distances."


# recall@k -----------------------------------------------------------------------------------------


def _share_of_class(embeddings, labels, k):
    rows = _hits(embeddings, labels)
    return _mean(
        sum(row[:k]) / r if r else 0.0 for row, r in zip(rows, _others(labels), strict=True)
    )


_RECALL_MISTAKES = {
    "The query finds itself: it is its own nearest neighbour, at distance 0. The gallery of a query"
    " is all *other* items.": lambda e, y, k: _recall(e, y, k, leave_out="nothing"),
    "You look at k - 1 neighbours: the query still takes one of the k places before you leave it"
    " out.": (
        lambda e, y, k: _recall(e, y, k - 1),
        lambda e, y, k: _recall(e, y, k - 1, leave_out="the first"),
    ),
    "That is the share of right ones among the k nearest, which is called precision@k. For recall@k"
    " one right item among them is enough.": lambda e, y, k: _mean(
        sum(row[:k]) / k for row in _hits(e, y)
    ),
    "You look at the k-th neighbour alone. All of the first k count.": lambda e, y, k: _mean(
        row[k - 1] for row in _hits(e, y)
    ),
    "You ask that all k nearest be of the query's class. One of them is enough.": (
        lambda e, y, k: _mean(all(row[:k]) for row in _hits(e, y))
    ),
    "You divide what was found by all that could be found, which is recall in information"
    " retrieval. In metric learning, recall@k only asks whether one is among the k nearest.": (
        _share_of_class
    ),
    f"{_FARTHEST} `argsort` puts the smallest first.": lambda e, y, k: _recall(e, y, k, sign=-1),
    "That is the number of hits. Recall is their share of all queries.": lambda e, y, k: (
        _recall(e, y, k) * len(y)
    ),
    "A query that is the only one of its class can find no other: it counts as a miss, and stays in"
    " the mean.": lambda e, y, k: _mean(
        any(row[:k]) for row, stays in zip(_hits(e, y), _has_company(y), strict=True) if stays
    ),
    _FIRST: lambda e, y, k: _recall(e, y, k, leave_out="the first"),
    _ALL_AT_ZERO: lambda e, y, k: _recall(e, y, k, leave_out="all at distance 0"),
}


def _examine_recall(answer, rng):
    cases = [(*_on_a_line(_APART, _MIXED), k) for k in (1, 2, 3)]
    cases += [(*_on_a_line(_APART, _LONELY), k) for k in (1, 2)]
    cases += [(*_on_a_line(_TWINS, _TWIN_LABELS), k) for k in (1, 2)]
    for embeddings, labels in _random_cases(rng, 4):
        cases += [(embeddings, labels, k) for k in (1, 3, len(labels) - 1)]

    def spoken(arguments, found, wanted):
        embeddings, labels, k = arguments
        return (
            f"{_set_in_words(embeddings, labels)}, k = {k}, it gives `{found:.4g}`; "
            f"right is `{wanted:.4g}`."
        )

    examine_cases(answer, cases, _recall, _RECALL_MISTAKES, spoken)


# MAP@R --------------------------------------------------------------------------------------------


def _map_by(of_row, **options):
    """MAP@R with another average precision, a function of a row of hits and R."""

    def mistaken(embeddings, labels):
        rows = _hits(embeddings, labels, **options)
        return _mean(of_row(row, r) for row, r in zip(rows, _others(labels), strict=True))

    return mistaken


def _own_in_r(row, r):
    return _average_precision(row, r + 1)


def _all_ranks(row, r):
    return _mean(sum(row[:i]) / i for i in range(1, r + 1))


def _of_company(embeddings, labels):
    rows = zip(_hits(embeddings, labels), _others(labels), strict=True)
    return _mean(_average_precision(row, r) for row, r in rows if r)


def _pooled(embeddings, labels):
    everyone = _others(labels)
    rows = zip(_hits(embeddings, labels), everyone, strict=True)
    total = sum(_average_precision(row, r, divisor=1) for row, r in rows)
    return total / sum(everyone) if sum(everyone) else 0.0


_MAP_MISTAKES = {
    "The query is in its own ranking, at rank 1. The ranking holds all *other* items.": (
        _map_by(_average_precision, leave_out="nothing")
    ),
    "The query is in its own ranking, and is counted in R. Both are about the *other* items.": (
        _map_by(_own_in_r, leave_out="nothing")
    ),
    "The query is counted in R. R is the number of *other* items of its class.": _map_by(_own_in_r),
    "You divide by the number of hits that were found. Dividing by R makes what was missed among"
    " the first R ranks count.": _map_by(
        lambda row, r: _average_precision(row, r, divisor=sum(row[:r]))
    ),
    "That is the R-precision, which does not see in which order the first R ranks stand. MAP@R"
    " takes the precision at each hit.": _map_by(lambda row, r: sum(row[:r]) / r if r else 0.0),
    "You go through the whole ranking, which gives the usual average precision. MAP@R ends at rank"
    " R.": _map_by(lambda row, r: _average_precision(row, r, over=len(row))),
    "You add up the precision at each of the first R ranks. Ranks without a hit add 0.": (
        _map_by(_all_ranks)
    ),
    _FARTHEST: lambda e, y: _map(e, y, sign=-1),
    "You divide the sum over all queries by the sum of their R, so that large classes weigh more."
    " Each query has an average precision of its own; then comes the mean over queries.": _pooled,
    "A query that is the only one of its class has R = 0. It counts as 0, and stays in the mean.": (
        _of_company
    ),
    _FIRST: lambda e, y: _map(e, y, leave_out="the first"),
    _ALL_AT_ZERO: lambda e, y: _map(e, y, leave_out="all at distance 0"),
}


def _examine_map(answer, rng):
    cases = [
        _on_a_line(_APART, _MIXED),
        _on_a_line(_APART, [0, 0, 1, 1, 1, 1]),
        _on_a_line(_APART, [0, 1, 0, 0, 0, 1]),
        _on_a_line(_APART, _LONELY),
        # Equally far items are of one class here, so that their order is no matter.
        _on_a_line([5, 5, 30, 31, 60, 62, 90, 93], [0, 1, 0, 0, 1, 1, 0, 0]),
        *_random_cases(rng, 6),
    ]

    def spoken(arguments, found, wanted):
        if np.isnan(found):
            return (
                f"{_set_in_words(*arguments)} it gives `nan`; right is `{wanted:.4g}`. A query that"
                " is the only one of its class has R = 0, and counts as 0 instead of 0 / 0."
            )
        return f"{_set_in_words(*arguments)} it gives `{found:.4g}`; right is `{wanted:.4g}`."

    examine_cases(answer, cases, _map, _MAP_MISTAKES, spoken)


# Verification -------------------------------------------------------------------------------------


def _rates(genuine, impostor, threshold):
    far = _mean(float(distance <= threshold) for distance in impostor)
    return far, _mean(float(distance > threshold) for distance in genuine)


def _of_all_pairs(genuine, impostor, threshold):
    far, frr = _rates(genuine, impostor, threshold)
    pairs = len(genuine) + len(impostor)
    return far * len(impostor) / pairs, frr * len(genuine) / pairs


def _of_decisions(genuine, impostor, threshold):
    """Among the accepted pairs, and among the rejected ones."""
    everything = np.concatenate([genuine, impostor])
    accepted = max(np.count_nonzero(everything <= threshold), 1)
    rejected = max(np.count_nonzero(everything > threshold), 1)
    far, frr = _rates(genuine, impostor, threshold)
    return far * len(impostor) / accepted, frr * len(genuine) / rejected


_RATE_MISTAKES = {
    "The two are swapped: FAR comes first, the share of *impostor* pairs that are accepted.": (
        lambda g, i, t: _rates(g, i, t)[::-1]
    ),
    "You divide by the number of all pairs. FAR is a share of the impostor pairs, FRR of the"
    " genuine ones.": _of_all_pairs,
    "You divide by the number of accepted pairs, and of rejected ones. FAR is a share of all"
    " impostor pairs, FRR of all genuine ones.": _of_decisions,
    "You accept pairs that are *far* apart. A small distance says that two items are alike.": (
        lambda g, i, t: (1 - _rates(g, i, t)[0], 1 - _rates(g, i, t)[1])
    ),
    "The second number is the share of genuine pairs that are *accepted*. FRR is the share that is"
    " rejected.": lambda g, i, t: (_rates(g, i, t)[0], 1 - _rates(g, i, t)[1]),
    "Those are counts. A rate is a share, from 0 to 1.": lambda g, i, t: (
        _rates(g, i, t)[0] * len(i),
        _rates(g, i, t)[1] * len(g),
    ),
    "A pair exactly at the threshold is accepted, in this workbook; you reject it.": (
        lambda g, i, t: _rates(g, i, np.nextafter(t, -np.inf))
    ),
    "A genuine pair exactly at the threshold is accepted, so it is no false reject.": (
        lambda g, i, t: (_rates(g, i, t)[0], _rates(g, i, np.nextafter(t, -np.inf))[1])
    ),
    "An impostor pair exactly at the threshold is accepted, so it is a false accept.": (
        lambda g, i, t: (_rates(g, i, np.nextafter(t, -np.inf))[0], _rates(g, i, t)[1])
    ),
}


def _examine_rates(answer, rng):
    genuine, impostor = np.array([1.0, 2.0, 4.0, 6.0]), np.array([3.0, 5.0, 7.0, 8.0, 9.0])
    cases = [(genuine, impostor, threshold) for threshold in (5.5, 2.5, 4.0, 5.0, 0.5, 20.0)]
    for sizes in rng.integers(2, 30, size=(6, 2)):
        genuine = rng.integers(0, 12, size=sizes[0]) / 2
        impostor = rng.integers(4, 20, size=sizes[1]) / 2
        cases.append((genuine, impostor, float(rng.integers(0, 20) / 2)))

    def spoken(arguments, found, wanted):
        genuine, impostor, threshold = arguments
        return (
            f"With genuine distances {in_words(genuine)}, impostor distances {in_words(impostor)}"
            f" and threshold {threshold:g} it gives `({found[0]:.4g}, {found[1]:.4g})`; right is"
            f" `({wanted[0]:.4g}, {wanted[1]:.4g})`."
        )

    examine_cases(answer, cases, _rates, _RATE_MISTAKES, spoken)


EXERCISES = (
    Exercise(
        name="recall_at_k",
        lesson="06",
        title="recall@k, every item a query",
        examine=_examine_recall,
        hints=(
            "A matrix of all distances has a row for each query. Which single entry of that row"
            " must never be found?",
            "Make the diagonal infinite: then no query finds itself. `np.argsort(distances,"
            " axis=1)` puts the nearest item of each row first; keep the first k columns.",
            "`labels[nearest]` has shape `(Q, k)`. Compare it with `labels[:, np.newaxis]`, ask for"
            " `any` along the second axis, and take the mean over all queries.",
        ),
        reference=lambda: recall_at_k,
    ),
    Exercise(
        name="map_at_r",
        lesson="06",
        title="MAP@R, every item a query",
        examine=_examine_map,
        hints=(
            "Rank all other items for each query, as for `recall_at_k`, but keep the whole ranking."
            " A loop over the queries is fine.",
            "For one query: `hits` is 0 or 1 at each of the first R ranks. `np.cumsum(hits)`"
            " divided by the ranks 1 to R is the precision at each rank.",
            "Multiply that precision by `hits`, so that ranks without a hit add 0. Then divide the"
            " sum by R, not by the number of hits. Where R is 0, the query adds 0.",
        ),
        reference=lambda: map_at_r,
    ),
    Exercise(
        name="false_rates",
        lesson="06",
        title="the two rates of mistakes in verification",
        examine=_examine_rates,
        hints=(
            "A pair is accepted if its distance is at most the threshold. Which of the two kinds of"
            " pairs should have been rejected?",
            "`impostor <= threshold` says for each impostor pair whether it is accepted. The mean"
            " of that is a share.",
            "FRR is the share of genuine pairs that are *not* accepted: `genuine > threshold`. Give"
            " both back, FAR first.",
        ),
        reference=lambda: false_rates,
    ),
)
