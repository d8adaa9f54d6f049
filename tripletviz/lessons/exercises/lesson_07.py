"""Exercises of lesson 07: what a picture of an embedding keeps."""

import numpy as np

from ._exercise import Exercise, Wrong, as_array, is_close


def _nearest(points, k, with_self=False):
    """Indices of each point's k nearest, nearest first, from float64 differences."""
    points = np.asarray(points, np.float64)
    distances = np.linalg.norm(points[:, None] - points, axis=-1)
    if not with_self:
        np.fill_diagonal(distances, np.inf)
    return np.argsort(distances, axis=1, kind="stable")[:, :k]


def _kept(true, drawn, k):
    return float(np.mean([len(set(a) & set(b)) for a, b in zip(true, drawn, strict=True)]) / k)


def kept_neighbours(embeddings, picture, k):
    """The share of each point's k nearest others that are the same in the picture.

    Args:
        embeddings: floats of shape `(N, D)`.
        picture: where the same points are drawn, floats of shape `(N, 2)`.
        k: how many neighbours, at least 1 and below N.

    Returns:
        A float from 0 to 1.
    """
    return _kept(_nearest(embeddings, k), _nearest(picture, k), k)


def _mistakes(embeddings, picture, k):
    """What known mistakes give, and what to say of each."""
    true, drawn = _nearest(embeddings, k), _nearest(picture, k)
    own = [_nearest(points, k, with_self=True) for points in (embeddings, picture)]
    beyond = [_nearest(points, k + 1, with_self=True) for points in (embeddings, picture)]
    share = _kept(true, drawn, k)
    return [
        (
            _kept(*own, k),
            "Each point is counted as its own neighbour: its distance to itself, 0, is smallest "
            "of all. Take the diagonal out before you sort.",
        ),
        (
            _kept(*beyond, k),
            "You took `k + 1` nearest and left the point itself among them, so that every point "
            "keeps one neighbour for nothing.",
        ),
        (
            float((true == drawn).mean()),
            "You compare the two lists place by place. A neighbour that moved from third to fourth "
            "place is still a neighbour: compare them as sets.",
        ),
        (
            share * k,
            "That is how *many* neighbours are kept, on average. Divide by `k` for the share.",
        ),
        (
            share * k * len(embeddings),
            "That is the number of kept neighbours of all points together. Divide by `N` and `k`.",
        ),
        (1 - share, "That is the share of neighbours that are *lost*."),
        (
            1.0,
            "Your result does not depend on the picture: do both lists of neighbours come from the "
            "same points?",
        ),
        (
            _kept(_farthest(embeddings, k), _farthest(picture, k), k),
            "You took the `k` *farthest* points. `argsort` puts the smallest first.",
        ),
    ]


def _farthest(points, k):
    points = np.asarray(points, np.float64)
    return np.argsort(-np.linalg.norm(points[:, None] - points, axis=-1), axis=1)[:, :k]


def _examine_kept_neighbours(asked, rng):
    cases, found = [], []
    for points, k in ((30, 4), (50, 7), (40, 5)):
        embeddings = rng.normal(size=(points, 6))
        # A picture with some truth in it: right and wrong answers then differ for sure.
        picture = embeddings[:, :2] + 0.3 * rng.normal(size=(points, 2))
        cases.append((embeddings, picture, k))
        found.append(float(as_array(asked(embeddings, picture, k), ())))
    wanted = [kept_neighbours(*case) for case in cases]
    if not is_close(found, wanted, absolute=1e-9):
        # In one case alone two mistakes could give the same share by chance.
        for mistakes in zip(*map(_mistakes, *zip(*cases, strict=True)), strict=True):
            shares, messages = zip(*mistakes, strict=True)
            if is_close(found, shares, absolute=1e-9):
                raise Wrong(messages[0])
        raise Wrong(
            f"For {len(cases[0][0])} random points and `k = {cases[0][2]}` the share is "
            f"{wanted[0]:.4f}; yours is {found[0]:.4f}."
        )
    same = rng.normal(size=(20, 2))
    if not is_close(asked(same, same, 5), 1.0):
        raise Wrong("A picture that *is* the embedding keeps all neighbours: the share must be 1.")


EXERCISES = (
    Exercise(
        name="kept_neighbours",
        lesson="07",
        title="The share of neighbours that a picture keeps",
        examine=_examine_kept_neighbours,
        hints=(
            "Make two lists of neighbours for each point: one from `embeddings`, one from "
            "`picture`. All you need of the points are their distances to each other.",
            "`np.linalg.norm(points[:, None] - points, axis=-1)` gives all distances; put "
            "`np.inf` on the diagonal with `np.fill_diagonal`; `np.argsort(..., axis=1)[:, :k]` "
            "gives the `k` nearest.",
            "`len(set(a) & set(b))` is how many indices two lists share, in whatever order. Take "
            "the mean over all points, and divide by `k`.",
        ),
        reference=lambda: kept_neighbours,
    ),
)
