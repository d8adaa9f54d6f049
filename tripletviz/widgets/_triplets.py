"""Distances, counts and miners in NumPy, for widgets.

They equal `tripletviz.distances` and `tripletviz.triplets`, which need TensorFlow: it takes seconds
to import, and a widget shall appear at once. To the last bit they are also what the scripts compute
in the browser: the same sums in the same order.
"""

import numpy as np

METRICS = ("euclidean", "squared_euclidean", "cosine")
STRATEGIES = ("batch_all", "batch_hard", "batch_semi_hard")
CATEGORIES = ("easy", "semi-hard", "hard")


def distances(points, others=None, metric: str = "euclidean") -> np.ndarray:
    """Distances from differences: exactly 0 between coincident points.

    Args:
        points: float array `(A, D)`.
        others: float array `(B, D)`; None: the points themselves, each at distance 0 from itself.
        metric: one of `METRICS`. A zero vector is at cosine distance 1 from every other.

    Returns:
        float64 array `(A, B)`.
    """
    own = others is None
    points = np.asarray(points).astype(np.float64)
    others = points if own else np.asarray(others).astype(np.float64)
    if metric == "cosine":
        points, nonzero = _on_unit_sphere(points)
        others, others_nonzero = _on_unit_sphere(others)
    squared = np.zeros((len(points), len(others)))
    for column, other in zip(points.T, others.T, strict=True):
        squared += np.square(column[:, None] - other)
    if metric != "cosine":
        return np.sqrt(squared) if metric == "euclidean" else squared
    between = np.where(nonzero[:, None] & others_nonzero, 0.5 * squared, 1.0)
    if own:
        np.fill_diagonal(between, 0.0)
    return between


def _on_unit_sphere(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    largest = np.abs(points).max(axis=1)
    nonzero = largest > 0
    # Divided by the largest entry first, squares of huge and tiny entries stay in range.
    scaled = points / np.where(nonzero, largest, 1.0)[:, None]
    squared_length = np.zeros(len(points))
    for column in scaled.T:
        squared_length += np.square(column)
    return scaled / np.sqrt(np.where(nonzero, squared_length, 1.0))[:, None], nonzero


def categories(positive_distance, to_negatives, margin: float) -> np.ndarray:
    """`"hard"`, `"semi-hard"` or `"easy"` for each distance to a negative."""
    hard = to_negatives <= positive_distance
    semi_hard = ~hard & (to_negatives < positive_distance + margin)
    return np.select([hard, semi_hard], ["hard", "semi-hard"], "easy")


def count_triplets(between: np.ndarray, labels: np.ndarray, margin: float, strategy: str) -> dict:
    """Numbers of triplets by kind, and a strategy's loss, by sorting and searching.

    Args:
        between: float64 array `(B, B)` of distances.
        labels: integer array `(B,)`.
        margin: number, at least 0.
        strategy: one of `STRATEGIES`.

    Returns:
        Dictionary of `valid`, `easy`, `semi_hard`, `hard`, `active` (loss above 0), the active
        ones' share `fraction_positive`, the numbers `mined` by the strategy and of those
        `mined_active`, and the strategy's `loss`.
    """
    valid = hard = semi_hard = active = mined = mined_active = 0
    total = 0.0
    for anchor, row in enumerate(between):
        same = labels == labels[anchor]
        negatives = np.sort(row[~same])
        same[anchor] = False
        positives = np.sort(row[same])
        if not len(positives) or not len(negatives):
            continue
        not_farther = np.searchsorted(negatives, positives, "right")
        within = np.searchsorted(negatives, positives + margin, "left")
        valid += len(positives) * len(negatives)
        hard += int(not_farther.sum())
        # A margin too small to move d(a, p) leaves no ring: ties are in `not_farther` alone then.
        semi_hard += int(np.maximum(within - not_farther, 0).sum())
        active += int(within.sum())
        if strategy == "batch_all":
            below = np.concatenate([[0.0], np.cumsum(negatives)])
            total += float((within * (positives + margin) - below[within]).sum())
            continue
        if strategy == "batch_hard":
            positives, picked = positives[-1:], negatives[:1]
        else:
            picked = negatives[np.minimum(not_farther, len(negatives) - 1)]
        total += float(np.maximum(positives - picked + margin, 0.0).sum())
        mined += len(picked)
        mined_active += int((picked < positives + margin).sum())
    if strategy == "batch_all":
        mined = mined_active = active
    return {
        "valid": valid,
        "easy": valid - semi_hard - hard,
        "semi_hard": semi_hard,
        "hard": hard,
        "active": active,
        "fraction_positive": active / valid if valid else 0.0,
        "mined": mined,
        "mined_active": mined_active,
        "loss": total / mined if mined else 0.0,
    }


def mine(between: np.ndarray, labels: np.ndarray, margin: float, strategy: str) -> np.ndarray:
    """The triplets a strategy picks from a batch, as `tripletviz.triplets.mine_triplets`.

    Args:
        between, labels, margin, strategy: as for `count_triplets`.

    Returns:
        int array `(T, 3)`: anchor, positive, negative.
    """
    mined = []
    for anchor, row in enumerate(between):
        same = labels == labels[anchor]
        negatives = np.flatnonzero(~same)
        same[anchor] = False
        positives = np.flatnonzero(same)
        if not len(positives) or not len(negatives):
            continue
        negatives = negatives[np.argsort(row[negatives], kind="stable")]
        if strategy == "batch_hard":
            mined.append((anchor, positives[np.argmax(row[positives])], negatives[0]))
        for positive in positives if strategy != "batch_hard" else ():
            if strategy == "batch_all":
                active = negatives[row[negatives] < row[positive] + margin]
                mined.extend((anchor, positive, negative) for negative in active)
            else:
                farther = negatives[row[negatives] > row[positive]]
                chosen = farther[0] if len(farther) else negatives[-1]
                mined.append((anchor, positive, chosen))
    return np.array(mined, int).reshape(-1, 3)
