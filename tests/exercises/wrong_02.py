"""Known wrong answers to the exercises of lesson 02."""

from wrong_answers import WrongAnswer


def _loss(mistake, body, says):
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return WrongAnswer(
        "triplet_loss",
        mistake,
        f"import numpy as np\n\n\ndef triplet_loss(a, p, n, margin):\n{lines}\n",
        says,
    )


def _loss_from_distances(mistake, expression, says):
    return _loss(
        mistake,
        "d_ap = np.linalg.norm(a - p, axis=1)\n"
        "d_an = np.linalg.norm(a - n, axis=1)\n"
        f"return {expression}",
        says,
    )


def _kinds(mistake, body, says):
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return WrongAnswer(
        "hardness",
        mistake,
        f"import numpy as np\n\n\ndef hardness(d_ap, d_an, margin):\n{lines}\n",
        says,
    )


def _nested(mistake, first, second, says):
    body = f'return np.where({first}, "hard", np.where({second}, "semi-hard", "easy"))'
    return _kinds(mistake, body, says)


WRONG = [
    _loss_from_distances(
        "swapped sign",
        "np.maximum(d_an - d_ap + margin, 0)",
        "The two distances have changed places: so the loss is high",
    ),
    _loss_from_distances("no clamp", "d_ap - d_an + margin", "Your loss can fall below zero"),
    _loss_from_distances(
        "margin subtracted", "np.maximum(d_ap - d_an - margin, 0)", "The margin is subtracted"
    ),
    _loss_from_distances("no margin", "np.maximum(d_ap - d_an, 0)", "The margin is left out"),
    _loss_from_distances(
        "margin outside the clamp",
        "np.maximum(d_ap - d_an, 0) + margin",
        "added after the cut at zero",
    ),
    _loss_from_distances(
        "absolute value", "np.abs(d_ap - d_an + margin)", "Your loss is an absolute value"
    ),
    _loss_from_distances(
        "mean over all",
        "np.maximum(d_ap - d_an + margin, 0).mean()",
        "gives the mean over all triplets",
    ),
    _loss_from_distances(
        "clamp after the mean",
        "max((d_ap - d_an + margin).mean(), 0)",
        "takes the mean first and cuts off at zero afterwards",
    ),
    _loss_from_distances(
        "the largest only",
        "np.maximum(d_ap - d_an + margin, 0).max()",
        "gives one number for 3 triplets",
    ),
    _loss(
        "squared distances",
        "d_ap = ((a - p) ** 2).sum(axis=1)\n"
        "d_an = ((a - n) ** 2).sum(axis=1)\n"
        "return np.maximum(d_ap - d_an + margin, 0)",
        "The distances are squared",
    ),
    _loss(
        "city block distances",
        "d_ap = np.abs(a - p).sum(axis=1)\n"
        "d_an = np.abs(a - n).sum(axis=1)\n"
        "return np.maximum(d_ap - d_an + margin, 0)",
        "sums of absolute differences",
    ),
    _loss(
        "mean over dimensions",
        "d_ap = np.sqrt(((a - p) ** 2).mean(axis=1))\n"
        "d_an = np.sqrt(((a - n) ** 2).mean(axis=1))\n"
        "return np.maximum(d_ap - d_an + margin, 0)",
        "take a mean over the dimensions",
    ),
    _loss(
        "negative measured from the positive",
        "d_ap = np.linalg.norm(a - p, axis=1)\n"
        "d_pn = np.linalg.norm(p - n, axis=1)\n"
        "return np.maximum(d_ap - d_pn + margin, 0)",
        "measured from the positive",
    ),
    _loss(
        "norm of the whole array",
        "d_ap = np.linalg.norm(a - p)\n"
        "d_an = np.linalg.norm(a - n)\n"
        "return max(d_ap - d_an + margin, 0)",
        "the norm of the whole array",
    ),
    _loss(
        "summed over the triplets",
        "d_ap = np.linalg.norm(a - p, axis=0)\n"
        "d_an = np.linalg.norm(a - n, axis=0)\n"
        "return np.maximum(d_ap - d_an + margin, 0)",
        "it sums over the triplets",
    ),
    _loss(
        "not summed at all",
        "return np.maximum(np.abs(a - p) - np.abs(a - n) + margin, 0)",
        "one number for each dimension of each triplet",
    ),
    _loss(
        "NaN where points coincide",
        "with np.errstate(invalid='ignore', divide='ignore'):\n"
        "    s_ap, s_an = ((a - p) ** 2).sum(axis=1), ((a - n) ** 2).sum(axis=1)\n"
        "    d_ap, d_an = s_ap / np.sqrt(s_ap), s_an / np.sqrt(s_an)\n"
        "return np.maximum(d_ap - d_an + margin, 0)",
        "both distances are 0 and the loss is the margin",
    ),
    _loss_from_distances(
        "twice the margin",
        "np.maximum(d_ap - d_an + 2 * margin, 0)",
        "d(a, p) = 2, d(a, n) = 1 and margin 1 your function gives 3; right is 2",
    ),
    _nested(
        "tie of the distances not hard",
        "d_an < d_ap",
        "d_an < d_ap + margin",
        "exactly as far from the anchor as the positive",
    ),
    _nested(
        "tie at the ring's edge semi-hard",
        "d_an <= d_ap",
        "d_an <= d_ap + margin",
        "farther by *exactly* the margin",
    ),
    _nested(
        "distances swapped",
        "d_ap <= d_an",
        "d_ap < d_an + margin",
        "The two distances have changed places.",
    ),
    _kinds(
        "easy and hard swapped",
        'return np.where(d_an <= d_ap, "easy", '
        'np.where(d_an < d_ap + margin, "semi-hard", "hard"))',
        "The words easy and hard have changed places",
    ),
    _kinds(
        "hard ones called semi-hard",
        'return np.where(d_an < d_ap + margin, "semi-hard", '
        'np.where(d_an <= d_ap, "hard", "easy"))',
        "The hard ones are called semi-hard",
    ),
    _kinds(
        "all active ones called hard",
        'return np.where(d_an < d_ap + margin, "hard", "easy")',
        "Every triplet with a loss above zero is called hard",
    ),
    _kinds(
        "no ring",
        'return np.where(d_an <= d_ap, "hard", "easy")',
        "among those you call easy",
    ),
    _nested("ring inside", "d_an <= d_ap - margin", "d_an <= d_ap", "on the wrong side"),
    _nested("ring on both sides", "d_an <= d_ap - margin", "d_an < d_ap + margin", "twice as wide"),
    _nested("margin alone", "d_an <= d_ap", "d_an < margin", "with the margin alone"),
    _nested(
        "squared distances",
        "d_an**2 <= d_ap**2",
        "d_an**2 < d_ap**2 + margin",
        "You compare squared distances",
    ),
    _kinds(
        "text cut short",
        'kinds = np.full(len(d_ap), "easy")\n'
        'kinds[d_an < d_ap + margin] = "semi-hard"\n'
        'kinds[d_an <= d_ap] = "hard"\n'
        "return kinds",
        "are cut short",
    ),
    _kinds(
        "another word",
        'return np.where(d_an <= d_ap, "hard", '
        'np.where(d_an < d_ap + margin, "semi_hard", "easy"))',
        "Your function says `'semi_hard'`",
    ),
    _kinds(
        "numbers instead of words",
        "return np.where(d_an <= d_ap, 2, np.where(d_an < d_ap + margin, 1, 0))",
        "wanted is text",
    ),
    _kinds(
        "half the margin",
        'return np.where(d_an <= d_ap, "hard", '
        'np.where(d_an < d_ap + margin / 2, "semi-hard", "easy"))',
        "d(a, n) = 1.25 and margin 0.5 your function says `easy`; right is `semi-hard`",
    ),
]
