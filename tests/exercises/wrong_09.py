"""Known wrong answers to the exercises of lesson 09."""

import textwrap

from wrong_answers import WrongAnswer


def _function(name, arguments, body):
    return f"def {name}({arguments}):\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n"


def _shares(
    mistake,
    says,
    *,
    positive="same & ~np.eye(len(labels), dtype=bool)",
    negative="~same",
    value="np.count_nonzero(losses > 0)",
    end="return counts / max(counts.sum(), 1)",
):
    body = f"""
        same = labels[:, None] == labels[None, :]
        positive, negative = {positive}, {negative}
        counts = []
        for a, row in enumerate(distances):
            losses = row[positive[a]][:, None] - row[negative[a]][None, :] + margin
            counts.append({value})
        counts = np.array(counts, float)
        {end}
    """
    code = _function("anchor_shares", "distances, labels, margin", body)
    return WrongAnswer("anchor_shares", mistake, code, says)


def _by_axes(mistake, says, axes):
    body = f"""
        same = labels[:, None] == labels[None, :]
        positive = same & ~np.eye(len(labels), dtype=bool)
        losses = distances[:, :, None] - distances[:, None, :] + margin
        active = positive[:, :, None] & ~same[:, None, :] & (losses > 0)
        counts = {axes}
        return counts / max(counts.sum(), 1)
    """
    code = _function("anchor_shares", "distances, labels, margin", body)
    return WrongAnswer("anchor_shares", mistake, code, says)


def _hardest(mistake, says, body):
    code = _function("expected_hardest", "distances, n", body)
    return WrongAnswer("expected_hardest", mistake, code, says)


_FARTHER = """
    s = {s}
    left = len(s) - np.arange(len(s))
    farther = np.cumprod(np.maximum(left - n, 0) / left)
    {end}
"""


def _by_product(mistake, says, *, s="np.sort(distances)", end):
    return _hardest(mistake, says, _FARTHER.format(s=s, end=end))


WRONG = [
    _shares("weighed by the loss", "weigh a triplet by its loss", value="losses[losses > 0].sum()"),
    _shares(
        "batch hard's equal shares",
        "That is batch hard's rule",
        value="(losses > 0).any()",
    ),
    _shares(
        "of all valid triplets",
        "by the number of *valid* triplets of the batch",
        end="return counts / max(np.sum(positive.sum(axis=1) * negative.sum(axis=1)), 1)",
    ),
    _shares(
        "each anchor's own fraction",
        "by each anchor's own number",
        value="np.mean(losses > 0) if losses.size else 0",
        end="return counts",
    ),
    _shares(
        "margin forgotten",
        "without the margin",
        value="np.count_nonzero(losses > margin)",
    ),
    _shares("ties are active", "a loss of exactly 0", value="np.count_nonzero(losses >= 0)"),
    _shares("its own positive", "its own positive", positive="same"),
    _shares(
        "its own negative",
        "its own negative",
        negative="~(same & ~np.eye(len(labels), dtype=bool))",
    ),
    _shares("counts", "Those are counts", end="return counts"),
    _shares(
        "0 / 0", "Where nothing is active, all shares are 0", end="return counts / counts.sum()"
    ),
    _shares("one number", "gives shape `()`", end="return np.mean(counts > 0)"),
    _by_axes(
        "the image as the positive",
        "is the *positive* or the *negative*",
        "active.sum(axis=(0, 2))",
    ),
    _by_axes(
        "the image in any role",
        "in all three of its roles",
        "active.sum(axis=(0, 1)) + active.sum(axis=(0, 2)) + active.sum(axis=(1, 2))",
    ),
    _by_axes("pairs", "count pairs of anchor and positive", "active.any(axis=2).sum(axis=1)"),
    _hardest("the nearest of all", "the nearest of *all*", "return distances.min()"),
    _hardest("no mining", "the mean of all distances", "return distances.mean()"),
    _by_product(
        "the farthest",
        "the *farthest* of n",
        s="-np.sort(-distances)",
        end="return np.sum(np.diff(-farther, prepend=-1.0) * s)",
    ),
    _hardest(
        "with replacement",
        "draw with replacement",
        """
        s, N = np.sort(distances), len(distances)
        farther = ((N - np.arange(N + 1)) / N) ** n
        return np.sum((farther[:-1] - farther[1:]) * s)
        """,
    ),
    _hardest(
        "mean of the n nearest", "mean of the n nearest", "return np.sort(distances)[:n].mean()"
    ),
    _hardest("a quantile", "You take a quantile", "return np.quantile(distances, 1 / (n + 1))"),
    _by_product(
        "not sorted",
        "arrive unsorted",
        s="distances",
        end="return np.sum(np.diff(-farther, prepend=-1.0) * s)",
    ),
    _by_product(
        "ranks off by one",
        "the wrong ranks, by one",
        end="return np.sum(np.append(np.diff(-farther), 0.0) * s)",
    ),
    _by_product(
        "the chance to be farther",
        "the nearest is *farther*",
        end="return np.sum(farther * s)",
    ),
    _hardest(
        "drawn at random",
        "you draw at random",
        """
        rng = np.random.default_rng()
        return np.mean([rng.choice(distances, n, replace=False).min() for _ in range(50)])
        """,
    ),
    _hardest("one value a distance", "gives shape", "return np.sort(distances)"),
]
