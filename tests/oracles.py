"""The definitions, as plain float64 NumPy loops over all triplets: slow, and easy to believe."""

import numpy as np


def distances(embeddings, metric):
    """Pairwise distances from differences, one pair at a time."""
    points = np.asarray(embeddings, np.float64)
    count = len(points)
    result = np.zeros((count, count))
    for i in range(count):
        for j in range(count):
            if i == j:
                continue
            if metric == "cosine":
                length_i, length_j = np.linalg.norm(points[i]), np.linalg.norm(points[j])
                if length_i == 0 or length_j == 0:
                    result[i, j] = 1.0
                else:
                    apart = points[i] / length_i - points[j] / length_j
                    result[i, j] = 0.5 * np.sum(apart**2)
            else:
                squared = np.sum((points[i] - points[j]) ** 2)
                result[i, j] = np.sqrt(squared) if metric == "euclidean" else squared
    return result


def triplets(labels):
    """Every valid (anchor, positive, negative)."""
    labels = np.asarray(labels).reshape(-1)
    everyone = range(len(labels))
    return [
        (a, p, n)
        for a in everyone
        for p in everyone
        for n in everyone
        if p != a and labels[p] == labels[a] and labels[n] != labels[a]
    ]


def loss_of(difference, margin):
    """The hinge, or softplus for the soft margin, of d(a, p) - d(a, n)."""
    if margin == "soft":
        return np.logaddexp(0.0, difference)
    return max(difference + margin, 0.0)


def batch_all(labels, embeddings, margin, metric):
    """Mean loss over active triplets, and the fraction of active among valid triplets."""
    d = distances(embeddings, metric)
    valid = triplets(labels)
    active = [d[a, p] - d[a, n] + margin for a, p, n in valid if d[a, n] < d[a, p] + margin]
    if not active:
        return 0.0, 0.0
    return float(np.mean(active)), len(active) / len(valid)


def batch_hard_triplets(labels, embeddings, metric):
    d = distances(embeddings, metric)
    valid = triplets(labels)
    picked = []
    for anchor in sorted({a for a, _, _ in valid}):
        positives = sorted({p for a, p, _ in valid if a == anchor})
        negatives = sorted({n for a, _, n in valid if a == anchor})
        hardest_positive = max(positives, key=lambda p: d[anchor, p])
        hardest_negative = min(negatives, key=lambda n: d[anchor, n])
        picked.append((anchor, hardest_positive, hardest_negative))
    return picked


def semi_hard_triplets(labels, embeddings, metric):
    d = distances(embeddings, metric)
    valid = triplets(labels)
    picked = []
    for anchor, positive in sorted({(a, p) for a, p, _ in valid}):
        negatives = sorted({n for a, _, n in valid if a == anchor})
        farther = [n for n in negatives if d[anchor, n] > d[anchor, positive]]
        if farther:
            picked.append((anchor, positive, min(farther, key=lambda n: d[anchor, n])))
        else:
            picked.append((anchor, positive, max(negatives, key=lambda n: d[anchor, n])))
    return picked


def mean_loss(picked, embeddings, margin, metric):
    """Mean loss over a list of triplets, 0 for an empty one."""
    d = distances(embeddings, metric)
    return float(np.mean([loss_of(d[a, p] - d[a, n], margin) for a, p, n in picked] or [0.0]))


def counts(labels, embeddings, margin, metric):
    """Numbers of valid, easy, semi-hard and hard triplets."""
    d = distances(embeddings, metric)
    valid = triplets(labels)
    hard = sum(d[a, n] <= d[a, p] for a, p, n in valid)
    semi_hard = sum(d[a, p] < d[a, n] < d[a, p] + margin for a, p, n in valid)
    return len(valid), len(valid) - hard - semi_hard, semi_hard, hard


def is_decided_by_rounding(labels, embeddings, margin, metric):
    """Whether dividing by lengths made a tie of cosine distances that rounding then decides.

    Coincident directions (distance 0) and zero vectors (distance 1) tie exactly; other directions
    that make equal angles do so in real numbers only, and no float64 definition is better than
    another there.
    """
    if metric != "cosine":
        return False
    d = distances(embeddings, metric)
    return any(
        abs(d[a, p] + shift - d[a, n]) < 1e-12 and d[a, p] not in (0.0, 1.0)
        for a, p, n in triplets(labels)
        for shift in (0.0, margin)
    )
