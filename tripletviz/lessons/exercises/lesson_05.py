"""Exercises of lesson 05: a soft margin that does not overflow, and five broken runs."""

import numpy as np

from ._exercise import Exercise, NotAttempted, Wrong, as_array, is_close

# ---------------------------------------------------------------- safe_soft_margin


def safe_soft_margin(x):
    """`log(1 + exp(x))`, exact for every finite x."""
    from ..._tensorflow import tf

    return tf.maximum(x, 0.0) + tf.math.log1p(tf.exp(-tf.abs(x)))


def _examine_safe_soft_margin(asked, rng):
    from ..._tensorflow import tf

    def ask(values):
        values = np.asarray(values, np.float32)
        return as_array(asked(tf.constant(values)), values.shape).astype(np.float64)

    moderate = np.array([-2.0, -0.5, 0.0, 0.5, 2.0])
    found = ask(moderate)
    if is_close(found, np.maximum(moderate, 0)):
        raise Wrong(
            "That is max(x, 0), the hinge without its margin. It is near for large x, but at x = 0 "
            f"it gives {found[2]:.4f}, and log(1 + exp(0)) = log 2 = 0.6931."
        )
    _compare(found, moderate)
    hundred, thousand = ask([100.0])[0], ask([1000.0])[0]
    if not np.isfinite(hundred):
        raise Wrong(
            f"For x = 100 it gives `{hundred}`; right is 100. The number e^100 is about 10^43, and "
            "float32 ends at 3.4 · 10^38."
        )
    if not np.isfinite(thousand) and is_close(hundred, 100):
        raise Wrong(
            f"x = 100 is right now, but x = 1000 gives `{thousand}`. More digits, as in float64, "
            "only delay the overflow: e^1000 is too large for it as well. Find a form in which "
            "nothing large is ever exponentiated."
        )
    if hundred < 99 or thousand < 999:
        x, value = (100, hundred) if hundred < 99 else (1000, thousand)
        raise Wrong(
            f"For x = {x} it gives {value:.4g}; right is {x}. Holding x back (clipping it) avoids "
            "the overflow, but it changes the loss, and beyond the limit its gradient is 0: just "
            "the worst triplets would no longer be learnt from."
        )
    _compare([hundred, thousand], [100.0, 1000.0])
    low = ask([-100.0])[0]
    if not np.isfinite(low):
        raise Wrong(
            f"For x = -100 it gives `{low}`; right is practically 0. The overflow has only moved "
            "to the other end: for a negative x, exp(-x) is huge. Which sign of x can you always "
            "exponentiate?"
        )
    tail = np.array([-18.0, -30.0])
    found = ask(tail)
    if not found.any():
        raise Wrong(
            "For x = -18 it gives 0; right is 1.5 · 10^-8. The sum 1 + e^-18 rounds to 1, whose "
            "logarithm is 0. There is a function that takes the logarithm of 1 + y without ever "
            "forming the sum."
        )
    _compare(found, tail)
    _compare(ask(x := rng.normal(scale=20, size=50).astype(np.float32)), x)
    _examine_slope(asked, rng)


def _compare(found, x):
    found, x = np.asarray(found), np.asarray(x, np.float64)
    right = np.logaddexp(0.0, x)
    bad = ~np.isclose(found, right, rtol=1e-4, atol=0)
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        raise Wrong(f"For x = {x[i]:.4g} it gives {found[i]:.6g}; right is {right[i]:.6g}.")


def _examine_slope(asked, rng):
    """The derivative, which is the logistic function of x."""
    from ..._tensorflow import tf

    # At exactly 0 a maximum and an absolute value have a corner, which is forgiven.
    x = np.concatenate([[-50.0, -2.0, 2.0, 50.0, 100.0, 1000.0], rng.normal(scale=5, size=20)])
    watched = tf.constant(x, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(watched)
        value = asked(watched)
    slope = tape.gradient(value, watched) if tf.is_tensor(value) else None
    if slope is None:
        raise Wrong(
            "The values are right, but TensorFlow cannot follow your function back to `x`, so "
            "there is no gradient. Use `tf` functions throughout, not NumPy's."
        )
    slope = slope.numpy().astype(np.float64)
    if not np.isfinite(slope).all():
        where = x[~np.isfinite(slope)][0]
        raise Wrong(
            f"The values are right, but the gradient at x = {where:.4g} is `nan`. `tf.where` "
            "chooses a value, yet the branch that it leaves out is computed as well, and the "
            "gradient goes through it as 0 · ∞. Keep what goes *into* the exponential small."
        )
    right = np.exp(-np.logaddexp(0.0, -x))
    bad = ~np.isclose(slope, right, rtol=1e-3, atol=1e-6)
    if bad.any():
        i = int(np.flatnonzero(bad)[0])
        raise Wrong(
            f"The values are right, but at x = {x[i]:.4g} the gradient is {slope[i]:.4g} and "
            f"should be {right[i]:.4g}."
        )


# ---------------------------------------------------------------- diagnosis

_RIGHT = {
    "A": "one-class batches",
    "B": "learning rate too high",
    "C": "label shape",
    "D": "collapse",
    "E": "identical images",
}

# For each run what speaks against each wrong cause, from the curves.
_AGAINST = {
    "A": {
        "collapse": "A single batch of such a run looks exactly like collapse: the loss is the "
        "margin, and there is no gradient. But collapse is something that *happens*: norms and "
        "distances change until all points meet, and R@1 falls to guessing. Here the loss is the "
        "margin from the very first batch, and the embedding never moved at all.",
        "no class twice": "There is nothing to learn from, that much is true. But without a "
        "positive the farthest positive counts as 0 in a home-made loss, so the loss lies below "
        "the margin by the distance of the nearest negative. Here it is exactly the margin.",
        "identical images": "A distance of 0 shows as NaN in the end, not as a level loss.",
        "learning rate too high": "Steps that are too large throw the points far out. Here the "
        "norm does not change in any digit: no step was made at all.",
        "label shape": "With labels of a wrong shape the loss is wrong, but it trains: the loss "
        "starts high, and the embedding moves. Here nothing moves.",
        "nothing is wrong": "A level loss can belong to a network that learns. But then R@1 rises, "
        "and here it stays at the value of the untrained network.",
    },
    "B": {
        "collapse": "In a collapse distances shrink. Here the norm has grown more than a "
        "thousandfold, within the first few steps.",
        "one-class batches": "Some batches do have a loss of 0, as if there were nothing to learn "
        "in them. But others leap far above the margin; and without triplets nothing moves the "
        "points, while here the norm has grown more than a thousandfold.",
        "no class twice": "A loss of 0 in many batches does look like a lack of positives. But the "
        "batches between them leap far above the margin; and without triplets nothing moves the "
        "points, while here the norm has grown more than a thousandfold.",
        "identical images": "A distance of 0 ends in NaN. These curves have gaps nowhere.",
        "label shape": "A wrong label shape changes the very first loss, before any step. Compare "
        "the first batch: it is what the package computes, too. What is wrong comes afterwards.",
        "nothing is wrong": "R@1 did rise a little, but it stops there while the loss leaps from 0 "
        "to several times the margin and back. A healthy run of the same length passes 0.85.",
    },
    "C": {
        "collapse": "It does go that way: the points draw together and the fraction climbs to 1. "
        "But a collapse under a right loss starts at the loss that the package computes too. "
        "Compare the first batch, before any step; and R@1 never rose here, not even at first.",
        "one-class batches": "Without negatives this loss is exactly the margin from the first "
        "batch on, and nothing moves. Here it starts at nine times the margin and falls.",
        "no class twice": "Without positives this loss is below the margin from the first batch "
        "on. Here it starts at nine times the margin.",
        "identical images": "A distance of 0 ends in NaN. These curves have gaps nowhere.",
        "learning rate too high": "Steps that are too large make the loss leap up and down, and "
        "the norm with it. This loss falls as smoothly as one could wish; it is the wrong loss.",
        "nothing is wrong": "The loss falls beautifully. But look at R@1: it falls as well, below "
        "the untrained network. What is minimised here is not what you want.",
    },
    "D": {
        "one-class batches": "At the end it looks exactly like that: the loss is the margin. But "
        "without negatives it would be so from the first batch on, and nothing would move. Here "
        "R@1 rises at first, so there were triplets; then everything shrinks.",
        "no class twice": "Without positives nothing pulls together. Here R@1 rises at first, so "
        "there were triplets; then the norm shrinks to less than a hundredth.",
        "identical images": "It is true that all points coincide in the end. But the loss remains "
        "a number to the last step; NaN is what you would see.",
        "learning rate too high": "A smaller one would have saved this run, and batch all takes "
        "this one. Steps too large for *every* strategy throw the points outwards and make the "
        "loss leap; here the norm shrinks, and the loss ends in a perfectly straight line.",
        "label shape": "With a wrong label shape the first loss is wrong, before any step. Compare "
        "the first batch: it is what the package computes, too; and R@1 rises at first.",
        "nothing is wrong": "The loss is level at the end, but exactly at the margin, with a "
        "fraction of 1; and R@1 has fallen to 0.1, which is guessing among ten digits.",
    },
    "E": {
        "collapse": "A collapsed run goes on with a loss at the margin. This one never came near "
        "it, and then its curves end.",
        "one-class batches": "Without negatives this loss stays at the margin. Here it is far "
        "above, R@1 rises, and then the curves end.",
        "no class twice": "Without positives this loss is below the margin. Here it is far above, "
        "R@1 rises, and then the curves end.",
        "learning rate too high": "Steps too large can end in NaN, too. But before that the norm "
        "would leap; here it hardly changes, and the last loss before the gap is an ordinary one.",
        "label shape": "A wrong label shape gives a wrong number, but a number. And compare the "
        "first batch: it is what the package computes, too.",
        "nothing is wrong": "The curves end before the training does: from there on, what should "
        "be numbers is NaN.",
    },
}


def _examine_diagnosis(answer, rng):
    from ..short_runs import CAUSES

    if not isinstance(answer, dict):
        raise Wrong('`diagnosis` must be a dictionary such as `{"A": "collapse", …}`.')
    given = {run: cause for run, cause in answer.items() if cause is not ...}
    if not given:
        raise NotAttempted
    for run, cause in given.items():
        if run not in _RIGHT:
            raise Wrong(f"There is no run {run!r}; the runs are A to E.")
        if cause not in CAUSES:
            allowed = ", ".join(f'`"{name}"`' for name in CAUSES)
            raise Wrong(f"Run {run}: {cause!r} is none of the causes. They are {allowed}.")
    for run, right in _RIGHT.items():
        if run in given and given[run] != right:
            raise Wrong(f"**Run {run}** is not {given[run]!r}. {_AGAINST[run][given[run]]}")
    still_open = [run for run in _RIGHT if run not in given]
    if still_open:
        raise Wrong(f"So far all is right. Still open: {', '.join(still_open)}.")


EXERCISES = (
    Exercise(
        name="safe_soft_margin",
        lesson="05",
        title="The soft margin is exact for every x, and so is its gradient.",
        examine=_examine_safe_soft_margin,
        hints=(
            "Only exp of something large overflows; exp of something negative is at most 1. For "
            "large x, what remains of log(1 + exp(x)) if you take a factor exp(x) out?",
            "log(1 + exp(x)) = log(exp(x) · (exp(-x) + 1)) = x + log(1 + exp(-x)). This form is "
            "good for positive x, the original one for negative x. What do the two have in common?",
            "Both contain log(1 + exp(-|x|)). What must be added to it: x for positive x, 0 for "
            "negative x. `tf.math.log1p(y)` is an exact log(1 + y).",
        ),
        reference=lambda: safe_soft_margin,
    ),
    Exercise(
        name="diagnosis",
        lesson="05",
        title="All five runs are understood.",
        examine=_examine_diagnosis,
        hints=(
            "Start with what is unlike all others: which run has a curve that ends early? In which "
            "does the norm not change at all, and in which does it grow a thousandfold?",
            "Two runs are left whose points draw together. Read R@1 of both from the left: does it "
            "ever rise? And compare the first batch, before any step, with the package.",
            "Two runs have a loss exactly at the margin. One of them got there in thirty steps, "
            "the other stood there from the first batch: what does a loss need to move at all?",
        ),
        reference=lambda: dict(_RIGHT),
    ),
)
