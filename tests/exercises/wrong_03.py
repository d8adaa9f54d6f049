"""Known wrong answers to the exercises of lesson 03."""

from wrong_answers import WrongAnswer


def _count(mistake, body, says):
    code = f"def valid_triplet_count(labels):\n{_indented(_SIZES + body)}"
    return WrongAnswer("valid_triplet_count", mistake, code, says)


def _mask(exercise, mistake, body, says):
    return WrongAnswer(exercise, mistake, f"def {exercise}(labels):\n{_indented(body)}", says)


def _hard(mistake, says, *, prepare="", farthest=None, nearest=None, end=None):
    parts = [
        "positive, negative = positive_mask(labels), negative_mask(labels)",
        prepare,
        f"farthest = {farthest or 'np.where(positive, distances, -np.inf).max(axis=1)'}",
        f"nearest = {nearest or 'np.where(negative, distances, np.inf).min(axis=1)'}",
        "valid = positive.any(axis=1) & negative.any(axis=1)",
        "losses = farthest[valid] - nearest[valid] + margin",
        end or "return np.maximum(losses, 0).sum() / max(valid.sum(), 1)",
    ]
    code = "def batch_hard(distances, labels, margin):\n" + _indented("\n".join(parts))
    return WrongAnswer("batch_hard", mistake, code, says)


def _active(mistake, body, says):
    code = f"def active_negatives(positives, negatives, margin):\n{_indented(body)}"
    return WrongAnswer("active_negatives", mistake, code, says)


def _cube(mistake, says, *, masks="positive_mask(labels), negative_mask(labels)", end, active=">"):
    parts = [
        f"positive, negative = {masks}",
        "losses = distances[:, :, None] - distances[:, None, :] + margin",
        "valid = positive[:, :, None] & negative[:, None, :]",
        f"active = valid & (losses {active} 0)",
        "total, count = losses[active].sum(), max(active.sum(), 1)",
        end,
    ]
    code = "def batch_all(distances, labels, margin):\n" + _indented("\n".join(parts))
    return WrongAnswer("batch_all", mistake, code, says)


def _sorted(mistake, says, *, order="np.sort(row[n])", counts, end=None):
    parts = [
        "positive, negative = positive_mask(labels), negative_mask(labels)",
        "total, active = 0.0, 0",
        "for row, p, n in zip(distances, positive, negative):",
        f"    positives, negatives = row[p], {order}",
        f"    counts = {counts}",
        "    sums = np.concatenate([[0.0], np.cumsum(negatives)])",
        "    total += np.sum(counts * (positives + margin) - sums[counts])",
        "    active += counts.sum()",
        "valid = np.sum(positive.sum(axis=1) * negative.sum(axis=1))",
        end or "return (total / active if active else 0.0), (active / valid if valid else 0.0)",
    ]
    code = "def batch_all(distances, labels, margin):\n" + _indented("\n".join(parts))
    return WrongAnswer("batch_all", mistake, code, says)


def _indented(body):
    return "\n".join(f"    {line}" for line in body.splitlines() if line)


_SIZES = (
    "labels = np.asarray(labels).reshape(-1)\n"
    "_, n = np.unique(labels, return_counts=True)\n"
    "B = len(labels)\n"
)
_EYE = "np.eye(len(labels), dtype=bool)"
_FLAT = "labels = np.asarray(labels).reshape(-1)\n"
_MEAN_AND_SHARE = "return total / count, active.sum() / max(valid.sum(), 1)"
_TENSOR_CUBE = """
import tensorflow as tf

def batch_all(distances, labels, margin):
    labels, distances = tf.reshape(labels, [-1]), tf.convert_to_tensor(distances)
    same = labels[:, None] == labels[None, :]
    positive = same & ~tf.eye(tf.size(labels), dtype=tf.bool)
    losses = distances[:, :, None] - distances[:, None, :] + margin
    valid = positive[:, :, None] & ~same[:, None, :]
    active = valid & (losses > 0)
    count = tf.reduce_sum(tf.cast(active, losses.dtype))
    total = tf.reduce_sum(tf.where(active, losses, 0))
    share = tf.math.divide_no_nan(count, tf.reduce_sum(tf.cast(valid, losses.dtype)))
    return tf.math.divide_no_nan(total, count), share
"""

WRONG = [
    _count(
        "unordered pairs of anchor and positive",
        "return int(np.sum(n * (n - 1) // 2 * (B - n)))",
        "are two triplets",
    ),
    _count(
        "the anchor is its own positive",
        "return int(np.sum(n * n * (B - n)))",
        "counted as its own positive",
    ),
    _count("negatives from the whole batch", "return int(np.sum(n * (n - 1) * B))", "whole batch"),
    _count(
        "all but the anchor are negatives",
        "return int(np.sum(n * (n - 1) * (B - 1)))",
        "Its positives are no negatives",
    ),
    _count("pairs only", "return int(np.sum(n * (n - 1)))", "counts pairs of anchor and positive"),
    _count(
        "one negative a class",
        "return int(np.sum(n * (n - 1) * (len(n) - 1)))",
        "One negative of each other class",
    ),
    _count("the cube", "return B**3", "every way to draw three images"),
    _count(
        "classes of equal size taken for granted",
        "P, K = len(n), B / len(n)\nreturn P * K * (K - 1) * (P * K - K)",
        "formula for classes of equal size",
    ),
    _count(
        "equal classes, rounded down",
        "P, K = len(n), B // len(n)\nreturn P * K * (K - 1) * (P * K - K)",
        "with a size rounded down",
    ),
    WrongAnswer(
        "valid_triplet_count",
        "a column of labels",
        "def valid_triplet_count(labels):\n"
        "    labels = list(labels)\n"
        "    if np.ndim(labels) > 1:\n"
        "        return 0\n"
        "    n = np.unique(labels, return_counts=True)[1]\n"
        "    return int(np.sum(n * (n - 1) * (len(labels) - n)))",
        "may have shape (B, 1)",
    ),
    _mask(
        "positive_mask",
        "diagonal counted as a positive",
        _FLAT + "return labels[:, None] == labels[None, :]",
        "diagonal is counted as a positive",
    ),
    _mask(
        "positive_mask",
        "column of labels broadcasts",
        f"return (labels[:, None] == labels[None, :]) & ~{_EYE}",
        "then yours broadcasts",
    ),
    _mask(
        "positive_mask",
        "each pair once",
        _FLAT + "return np.triu(labels[:, None] == labels[None, :], k=1)",
        "Each pair is marked once",
    ),
    _mask(
        "positive_mask",
        "each pair once, below the diagonal",
        _FLAT + "return np.tril(labels[:, None] == labels[None, :], k=-1)",
        "lower triangle alone",
    ),
    _mask(
        "positive_mask",
        "negatives instead",
        _FLAT + "return labels[:, None] != labels[None, :]",
        "positives have the **same** label",
    ),
    _mask(
        "positive_mask",
        "only the diagonal left out",
        f"return ~{_EYE}",
        "that a positive has the anchor's label is not asked",
    ),
    _mask(
        "positive_mask",
        "numbers instead of truth values",
        _FLAT + f"return (labels[:, None] == labels[None, :]).astype(float) - {_EYE}",
        "wanted is `bool`",
    ),
    _mask(
        "positive_mask",
        "labels as float32",
        "labels = np.asarray(labels, np.float32).reshape(-1)\n"
        f"return (labels[:, None] == labels[None, :]) & ~{_EYE}",
        "turned into float32",
    ),
    _mask(
        "negative_mask",
        "not a positive, so the diagonal too",
        "return ~positive_mask(labels)",
        "The diagonal is marked.",
    ),
    _mask(
        "negative_mask",
        "column of labels broadcasts",
        "return labels[:, None] != labels[None, :]",
        "then yours broadcasts",
    ),
    _mask(
        "negative_mask",
        "each pair once",
        _FLAT + "return np.triu(labels[:, None] != labels[None, :], k=1)",
        "mark (i, j) and (j, i) too",
    ),
    _mask(
        "negative_mask",
        "same label",
        _FLAT + "return labels[:, None] == labels[None, :]",
        "Those are the pairs of one class",
    ),
    _mask(
        "negative_mask",
        "positives instead",
        "return positive_mask(labels)",
        "Those are the positive pairs",
    ),
    _mask(
        "negative_mask",
        "everything but the diagonal",
        f"return ~{_EYE}",
        "Everything but the diagonal",
    ),
    _hard(
        "hardest positive as minimum",
        "yours takes the nearest",
        farthest="np.where(positive, distances, np.inf).min(axis=1)",
    ),
    _hard(
        "hardest positive as minimum, with the anchor itself",
        "that is the anchor itself",
        farthest="(distances * positive).min(axis=1)",
    ),
    _hard(
        "invalid pairs zeroed for the minimum",
        "then they win the minimum",
        nearest="(distances * negative).min(axis=1)",
    ),
    _hard(
        "hardest negative as maximum",
        "yours takes the farthest",
        nearest="np.where(negative, distances, -np.inf).max(axis=1)",
    ),
    _hard(
        "mean before the clamp",
        "mean is taken before the clamp",
        end="return max(losses.mean(), 0.0) if len(losses) else 0.0",
    ),
    _hard(
        "no clamp",
        "clamp at 0 is missing",
        end="return losses.mean() if len(losses) else 0.0",
    ),
    _hard(
        "anchors without a triplet in the mean",
        "as a loss of 0; leave it out",
        end="return np.maximum(losses, 0).sum() / len(labels)",
    ),
    _hard(
        "a lone anchor's positive at distance 0",
        "gives it a positive at distance 0",
        farthest="(distances * positive).max(axis=1)",
        end="losses = (farthest - nearest + margin)[negative.any(axis=1)]\n"
        "return np.maximum(losses, 0).mean() if len(losses) else 0.0",
    ),
    _hard("squared distances", "distances are squared", prepare="distances = distances**2"),
    _hard("a sum", "That is the sum", end="return np.maximum(losses, 0).sum()"),
    _hard(
        "mean over losses above 0",
        "mean is over anchors with a loss above 0",
        end="return losses[losses > 0].mean() if (losses > 0).any() else 0.0",
    ),
    _hard(
        "no care for a batch without triplets",
        "so the loss is 0",
        end="return np.maximum(losses, 0).mean() if len(losses) else np.float64('nan')",
    ),
    _active(
        "ties are active",
        "return np.searchsorted(np.sort(negatives), positives + margin, side='right')",
        "**exactly at** the threshold",
    ),
    _active(
        "margin forgotten",
        "return np.searchsorted(np.sort(negatives), positives)",
        "The margin is forgotten",
    ),
    _active(
        "margin subtracted",
        "return np.searchsorted(np.sort(negatives), positives - margin)",
        "The margin is subtracted",
    ),
    _active(
        "not sorted",
        "return np.searchsorted(negatives, positives + margin)",
        "nonsense",
    ),
    _active(
        "those far enough",
        "return len(negatives) - np.searchsorted(np.sort(negatives), positives + margin)",
        "far enough away",
    ),
    _active(
        "a table of all pairs",
        "return (negatives[None, :] < positives[:, None] + margin).sum(axis=1)",
        "compares every positive with every negative",
    ),
    _active(
        "one count for each negative",
        "return np.searchsorted(np.sort(positives + margin), negatives)",
        "gives shape",
    ),
    _cube(
        "mean over all valid triplets",
        "mean over **all** valid triplets",
        end="return total / max(valid.sum(), 1), active.sum() / max(valid.sum(), 1)",
    ),
    _cube(
        "ties are active",
        "Their loss is exactly 0",
        active=">=",
        end=_MEAN_AND_SHARE,
    ),
    _cube(
        "the anchor is its own positive",
        "An anchor is its own positive",
        masks=f"positive_mask(labels) | {_EYE}, negative_mask(labels)",
        end=_MEAN_AND_SHARE,
    ),
    _cube(
        "the anchor is its own negative",
        "An anchor is its own negative",
        masks="positive_mask(labels), ~positive_mask(labels)",
        end=_MEAN_AND_SHARE,
    ),
    _cube(
        "share of the cube",
        "ways to draw three; wanted is the share",
        end="return total / count, active.sum() / active.size",
    ),
    _cube(
        "a sum",
        "The loss is a sum",
        end="return total, active.sum() / max(valid.sum(), 1)",
    ),
    _cube(
        "share of the others",
        "The fraction is turned round",
        end="return total / count, 1 - active.sum() / max(valid.sum(), 1)",
    ),
    _cube(
        "a number in place of a share",
        "number of active triplets; wanted is their share",
        end="return total / count, active.sum()",
    ),
    _cube("one value", "give back two values", end="return total / count"),
    _sorted(
        "hard triplets only",
        "The margin is left out of the count",
        counts="np.searchsorted(negatives, positives)",
    ),
    _sorted(
        "sums of unsorted distances",
        "whose distances you sum up are not sorted",
        order="row[n]",
        counts="active_negatives(positives, negatives, margin)",
    ),
    _sorted(
        "no care for a batch without triplets",
        "so the loss is 0",
        counts="active_negatives(positives, negatives, margin)",
        end="nan = float('nan')\n"
        "return (total / active if active else nan), (active / valid if valid else nan)",
    ),
    _cube("the cube", "builds the cube", end=_MEAN_AND_SHARE),
    WrongAnswer(
        "batch_all", "the cube in TensorFlow", _TENSOR_CUBE, "your function builds the cube"
    ),
]
