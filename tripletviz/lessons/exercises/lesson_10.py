"""Exercises of lesson 10: a class by the nearest prototype, and by a linear probe."""

import math
from functools import partial

import numpy as np

from ._cases import examine_cases
from ._exercise import Exercise, Wrong

# The package's versions ---------------------------------------------------------------------------


def prototype_predict(support, support_labels, queries):
    """For each query the class whose mean over the support set is nearest.

    Args:
        support: embeddings of labelled images, shape `(S, D)`.
        support_labels: their classes, integers of shape `(S,)`.
        queries: embeddings to classify, shape `(Q, D)`.

    Returns:
        Classes, integers of shape `(Q,)`.
    """
    classes = np.unique(support_labels)
    prototypes = np.stack([support[support_labels == c].mean(axis=0) for c in classes])
    # |q - p|^2 without |q|^2, which is the same for all prototypes p of a query q.
    offsets = prototypes.astype(np.float64) - prototypes.mean(axis=0)
    centred = queries - prototypes.mean(axis=0)
    squared = (offsets**2).sum(axis=1) - 2 * centred @ offsets.T
    return classes[squared.argmin(axis=1)]


def linear_probe(embeddings, labels, new_embeddings):
    """Classes of new embeddings, by linear least squares on one-hot vectors.

    Args:
        embeddings: shape `(N, D)`.
        labels: their classes, integers of shape `(N,)`.
        new_embeddings: embeddings to classify, shape `(Q, D)`.

    Returns:
        Classes, integers of shape `(Q,)`.
    """
    classes, number = np.unique(labels, return_inverse=True)
    weights, *_ = np.linalg.lstsq(_with_ones(embeddings), np.eye(len(classes))[number], rcond=None)
    return classes[(_with_ones(new_embeddings) @ weights).argmax(axis=1)]


def _with_ones(embeddings):
    return np.column_stack([embeddings, np.ones(len(embeddings))])


# Naming a mistake ---------------------------------------------------------------------------------


def _spoken(arguments, found, wanted, names):
    known, labels, new = arguments
    place = np.flatnonzero(found != wanted)[0]
    if len(labels) > 8:
        given = (
            f"With {len(labels)} random embeddings of the classes `{np.unique(labels).tolist()}`"
        )
    else:
        given = f"With {names[0]} `{known.tolist()}` and labels `{labels.tolist()}`"
    return (
        f"{given}, {names[1]} `{np.round(new[place], 3).tolist()}` is given class "
        f"`{found[place]:g}`; right is `{wanted[place]}`."
    )


def _case(points, labels, new):
    return (
        np.array(points, np.float64).reshape(len(points), -1),
        np.array(labels),
        np.array(new, np.float64).reshape(len(new), -1),
    )


def _random_cases(rng, count, is_clear):
    """Skewed classes of different sizes, with labels that have gaps.

    `is_clear` gets the three arguments and says of each new embedding whether its class is beyond
    rounding; the others are left out.
    """
    for _ in range(count):
        classes = rng.choice([1, 2, 4, 5, 8, 9], size=4, replace=False)
        labels = rng.permutation(np.repeat(classes, [6, 9, 13, 18]))
        centres = dict(zip(classes.tolist(), rng.normal(scale=1.5, size=(4, 3)), strict=True))
        means = np.array([centres[label] for label in labels.tolist()])
        known = means + rng.exponential(size=(len(labels), 3)) + [2.0, -1.0, 3.0]
        new = rng.choice(known, size=80) + rng.normal(size=(80, 3))
        yield known, labels, new[is_clear(known, labels, new)]


def _gap(values):
    """Between the best and the second best of each row, where large is good."""
    ordered = np.sort(values, axis=1)
    return ordered[:, -1] - ordered[:, -2]


_INDEX = (
    "You give back which class it is in order, counted from 0. Wanted is its label: they differ as"
    " soon as the labels are not 0, 1, 2, …"
)


# Prototypes ---------------------------------------------------------------------------------------


def _mean(points):
    return [math.fsum(column) / len(points) for column in zip(*points, strict=True)]


def _by_prototypes(support, labels, queries, *, centre=_mean, score=math.dist, give=None):
    """The class of the smallest score, in plain loops; `give` turns places into answers."""
    classes = sorted(set(labels.tolist()))
    prototypes = [centre(support[labels == c].tolist()) for c in classes]
    places = [min(range(len(classes)), key=lambda i: score(q, prototypes[i])) for q in queries]
    return [classes[place] if give is None else give(place, classes) for place in places]


def _by_examples(score):
    """The class whose examples give the smallest score of their distances to the query."""

    def mistaken(support, labels, queries):
        classes = sorted(set(labels.tolist()))
        rows = {c: support[labels == c].tolist() for c in classes}
        return [
            min(classes, key=lambda c: score([math.dist(query, each) for each in rows[c]]))
            for query in queries.tolist()
        ]

    return mistaken


def _of_all(support, labels, queries):
    """Sums of each class, divided by the number of all examples."""

    def centre(points):
        return np.sum(points, axis=0) / len(labels)

    return _by_prototypes(support, labels, queries, centre=centre)


def _for_all_numbers(last):
    """Prototypes of the classes 0, 1, 2, …, whether they have an example or not."""

    def mistaken(support, labels, queries):
        numbers = range(last(labels))
        prototypes = [support[labels == c].sum(axis=0) / np.sum(labels == c) for c in numbers]
        distances = [[np.linalg.norm(q - p) for p in prototypes] for q in queries]
        return np.argmin(distances, axis=1).tolist()

    return mistaken


def _in_order_of_appearance(support, labels, queries):
    """Prototypes in the order in which the classes come up, labels in rising order."""
    order = list(dict.fromkeys(labels.tolist()))
    found = _by_prototypes(support, labels, queries)
    classes = sorted(order)
    return [classes[order.index(label)] for label in found]


def _cosine(query, prototype):
    norms = math.hypot(*query) * math.hypot(*prototype)
    return -np.dot(query, prototype) / (norms or 1.0)


_PROTOTYPE_MISTAKES = {
    _INDEX: lambda s, y, q: _by_prototypes(s, y, q, give=lambda place, classes: place),
    "You make a prototype for every number from 0 on. A class without an example has no mean (0 / 0"
    " is not a number, and `argmin` takes it for the smallest). Take the classes that occur:"
    " `np.unique`.": (
        _for_all_numbers(lambda labels: labels.max() + 1),
        _for_all_numbers(lambda labels: len(np.unique(labels))),
    ),
    "You look for the nearest single example, which is 1-NN. A prototype is the mean of all"
    " examples of its class.": _by_examples(min),
    "You average the distances to the examples of a class. Average the examples first, then take"
    " one distance.": (
        _by_examples(lambda distances: sum(distances) / len(distances)),
        _by_examples(lambda distances: sum(d**2 for d in distances) / len(distances)),
    ),
    "You add the distances to the examples of a class, so that a large class seems far away."
    " Average the examples first, then take one distance.": _by_examples(sum),
    "You take the median of each coordinate. A prototype is the mean.": lambda s, y, q: (
        _by_prototypes(s, y, q, centre=lambda points: np.median(points, axis=0))
    ),
    "You take the sum of a class as its prototype. Divide by the number of its examples.": (
        lambda s, y, q: _by_prototypes(s, y, q, centre=lambda points: np.sum(points, axis=0))
    ),
    "You divide the sum of each class by the number of *all* examples. Divide by the number of its"
    " own.": _of_all,
    "You take the farthest prototype. The nearest has the smallest distance.": lambda s, y, q: (
        _by_prototypes(s, y, q, score=lambda a, b: -math.dist(a, b))
    ),
    "You compare by the dot product, which prefers long prototypes. Wanted is the Euclidean"
    " distance.": lambda s, y, q: _by_prototypes(s, y, q, score=lambda a, b: -np.dot(a, b)),
    "You compare by the cosine, which ignores lengths. Wanted is the Euclidean distance.": (
        lambda s, y, q: _by_prototypes(s, y, q, score=_cosine)
    ),
    "You add up absolute differences of the coordinates. Wanted is the Euclidean distance.": (
        lambda s, y, q: _by_prototypes(s, y, q, score=lambda a, b: np.abs(a - b).sum())
    ),
    "Prototypes and labels stand in different orders: the ones as the classes come up, the others"
    " sorted. Make both from one list of classes.": _in_order_of_appearance,
}


def _is_clear_by_prototypes(support, labels, queries):
    prototypes = [support[labels == c].mean(axis=0) for c in np.unique(labels)]
    return _gap(-np.array([[math.dist(q, p) for p in prototypes] for q in queries])) > 1e-3


def _examine_prototypes(answer, rng):
    cases = [
        _case([0, 2, 10, 14], [0, 0, 1, 1], [6.2, -3, 13]),
        _case([0, 1, 8, 12, 12], [0, 0, 0, 1, 1], [7, 1, 20]),
        _case([0, 1, 8, 12, 12], [3, 3, 3, 7, 7], [7, 1, 20]),
        _case([12, 12, 0, 1, 8], [7, 7, 3, 3, 3], [7, 1, 20]),
        *_random_cases(rng, 5, _is_clear_by_prototypes),
    ]
    names = "support", "the query"
    examine_cases(
        answer,
        cases,
        _by_prototypes,
        _PROTOTYPE_MISTAKES,
        partial(_spoken, names=names),
        np.array_equal,
    )


# The linear probe ---------------------------------------------------------------------------------


def _scores(known, labels, new, *, ones=True, penalty=0.0, of_bias=False):
    """Of each new embedding for each class, by the normal equations; if need be, the least W."""
    known, new = (_with_ones(each) if ones else each for each in (known, new))
    wanted = np.equal.outer(labels, np.unique(labels)).astype(float)
    penalties = np.full(known.shape[1], penalty)
    if ones and not of_bias:
        penalties[-1] = 0.0
    inverse = np.linalg.pinv(known.T @ known + np.diag(penalties), hermitian=True)
    return new @ inverse @ known.T @ wanted


def _by_least_squares(known, labels, new, **options):
    return np.unique(labels)[_scores(known, labels, new, **options).argmax(axis=1)]


def _by_scores(pick):
    """What a way to pick a class from the scores, given as an array and the classes, answers."""
    return lambda e, y, new: pick(_scores(e, y, new), np.unique(y))


def _each_by_its_own(scale, ones):
    def mistaken(known, labels, new):
        known, new = (
            (each - each.mean(axis=0)) / (each.std(axis=0) if scale else 1.0)
            for each in (known, new)
        )
        return _by_least_squares(known, labels, new, ones=ones)

    return mistaken


def _on_the_label(pick):
    """Least squares on the label as if it were a quantity."""

    def mistaken(known, labels, new):
        weights, *_ = np.linalg.lstsq(_with_ones(known), labels.astype(float), rcond=None)
        return pick(_with_ones(new) @ weights, np.unique(labels)).tolist()

    return mistaken


def _nearest_class(values, classes):
    return classes[np.abs(values[:, np.newaxis] - classes).argmin(axis=1)]


def _by_logistic_regression(known, labels, new):
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=1000).fit(known, labels).predict(new)


def _unit(embeddings):
    norms = np.linalg.norm(embeddings, axis=1, keepdims=True)
    return embeddings / np.where(norms > 0, norms, 1.0)


def _by_unit_length(known, labels, new):
    return _by_least_squares(_unit(known), labels, _unit(new))


_PROBE_MISTAKES = {
    _INDEX: _by_scores(lambda scores, classes: scores.argmax(axis=1)),
    "There is no bias: every plane goes through the origin. Add a column of ones to the embeddings,"
    " old and new.": lambda e, y, new: _by_least_squares(e, y, new, ones=False),
    "You shift or scale the new embeddings by their *own* mean or spread. Whatever is measured of"
    " the data is measured on the labelled embeddings, and then used for both: a single new image"
    " has no spread.": tuple(
        _each_by_its_own(scale, ones) for scale in (False, True) for ones in (False, True)
    ),
    "You fit the label as if it were a quantity, so that class 2 lies between 1 and 3. Give each"
    " class a column of its own, 1 for its images and 0 for the others.": (
        _on_the_label(lambda values, classes: np.rint(values)),
        _on_the_label(lambda values, classes: values.astype(int)),
        _on_the_label(_nearest_class),
        _on_the_label(lambda values, classes: np.clip(np.rint(values), classes[0], classes[-1])),
    ),
    "You take the class with the *smallest* score. A score near 1 speaks for the class.": (
        _by_scores(lambda scores, classes: classes[scores.argmin(axis=1)])
    ),
    "You take the score that is farthest from 0, so that a very negative one wins. The largest"
    " score wins.": _by_scores(lambda scores, classes: classes[np.abs(scores).argmax(axis=1)]),
    "You take the score that is nearest to 1, so that a score of 0.9 beats one of 1.2. The largest"
    " score wins.": _by_scores(lambda scores, classes: classes[np.abs(scores - 1).argmin(axis=1)]),
    "That is the class with the nearest mean, the exercise before. A probe fits planes.": (
        lambda e, y, new: _by_prototypes(e, y, new)
    ),
    "That is logistic regression, a linear probe too, and often the better one. Here we want the"
    " one that can be written in one line: least squares.": _by_logistic_regression,
    "You add a penalty on the weights, which is ridge regression. Here we want plain least squares"
    " (the lesson comes back to the penalty).": (
        lambda e, y, new: _by_least_squares(e, y, new, penalty=1.0),
        lambda e, y, new: _by_least_squares(e, y, new, penalty=1.0, of_bias=True),
    ),
    "You scale the embeddings to length 1 first. The probe takes them as they are.": (
        _by_unit_length
    ),
}


def _is_clear_by_probe(known, labels, new):
    return _gap(_scores(known, labels, new)) > 2e-3


def _examine_probe(answer, rng):
    cases = [
        _case([1, 2, 3, 8], [0, 0, 1, 1], [1.5, 3.2, 6, 9, 2.8]),
        _case([0.1, 0.2, 0.3, 1.1], [0, 0, 0, 1], [1.0, 0.8, 0.2]),
        # Far out, scores are far beyond 1 and far below 0.
        _case([1, 2, 7, 8, 8, 15], [0, 0, 1, 1, 2, 2], [0.5, 5, 9, 100]),
        _case([1, 2, 3, 8], [3, 3, 7, 7], [1.5, 3.2, 6, 9, 2.8]),
        *_random_cases(rng, 5, _is_clear_by_probe),
    ]
    names = "embeddings", "the new embedding"
    examine_cases(
        answer,
        cases,
        _by_least_squares,
        _PROBE_MISTAKES,
        partial(_spoken, names=names),
        np.array_equal,
    )
    # Only now: a mistake could divide by 0 here and no longer show which one it is.
    known, labels, new = cases[-1]
    black = np.pad(known, [(0, 0), (0, 1)]), labels, np.pad(new, [(0, 0), (0, 1)])
    try:
        examine_cases(
            answer, [black], _by_least_squares, {}, partial(_spoken, names=names), np.array_equal
        )
    except Wrong as wrong:
        raise Wrong(
            "It is right as long as no coordinate is the same for all images. Raw pixels have such"
            f" ones, the corners: they have no spread to divide by. {wrong}"
        ) from None


EXERCISES = (
    Exercise(
        name="prototype_predict",
        lesson="10",
        title="the class whose mean is nearest",
        examine=_examine_prototypes,
        hints=(
            "First make one point of each class, its mean. Only then look at the queries.",
            "`classes = np.unique(support_labels)` are the classes that occur, in rising order."
            " `support[support_labels == c].mean(axis=0)` is the prototype of class `c`.",
            "`cdist(queries, prototypes)` has shape `(Q, C)`. `argmin(axis=1)` says which prototype"
            " is nearest; `classes[...]` turns that number into a label.",
        ),
        reference=lambda: prototype_predict,
    ),
    Exercise(
        name="linear_probe",
        lesson="10",
        title="a linear classifier on frozen embeddings",
        examine=_examine_probe,
        hints=(
            "Three steps: make the matrices A and Y of the formula, solve for W, and look which"
            " column of the new scores is largest.",
            "`np.unique(labels, return_inverse=True)` gives the classes, and for each image the"
            " number of its class. `np.eye(C)[number]` makes Y of that. `np.column_stack([x,"
            " np.ones(len(x))])` makes A.",
            "`np.linalg.lstsq(A, Y, rcond=None)[0]` is W, of shape `(D + 1, C)`. The new embeddings"
            " get a column of ones too; `scores.argmax(axis=1)` is a number of a class, and"
            " `classes[...]` turns it into a label.",
        ),
        reference=lambda: linear_probe,
    ),
)
