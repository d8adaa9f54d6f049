"""Known wrong answers to the exercises of lesson 05."""

from wrong_answers import WrongAnswer

RIGHT = {
    "A": "one-class batches",
    "B": "learning rate too high",
    "C": "label shape",
    "D": "collapse",
    "E": "identical images",
}


def soft(mistake, says, body):
    code = f"def safe_soft_margin(x):\n    {body}"
    return WrongAnswer("safe_soft_margin", mistake, code, says)


def mixed_up(run, cause, says):
    """The right diagnosis but for one run."""
    code = f"diagnosis = {RIGHT | {run: cause}!r}"
    return WrongAnswer("diagnosis", f"{run} taken for {cause}", code, says)


WRONG = [
    soft("overflow", "float32 ends at", "return tf.math.log1p(tf.exp(x))"),
    soft(
        "clipped",
        "changes the loss, and beyond the limit",
        "return tf.math.log1p(tf.exp(tf.minimum(x, 80.0)))",
    ),
    soft(
        "float64",
        "only delay the overflow",
        "return tf.cast(tf.math.log1p(tf.exp(tf.cast(x, tf.float64))), tf.float32)",
    ),
    soft(
        "a choice behind the overflow",
        "the branch that it leaves out",
        "return tf.where(x > 30.0, x, tf.math.log1p(tf.exp(x)))",
    ),
    soft("hinge", "the hinge without its margin", "return tf.maximum(x, 0.0)"),
    soft(
        "overflow at the other end",
        "only moved to the other end",
        "return x + tf.math.log1p(tf.exp(-x))",
    ),
    soft(
        "1 added before the logarithm",
        "rounds to 1, whose logarithm",
        "return tf.maximum(x, 0.0) + tf.math.log(1.0 + tf.exp(-tf.abs(x)))",
    ),
    soft(
        "NumPy",
        "TensorFlow cannot follow",
        "return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))",
    ),
    soft("wrong sign", "For x = -2 it gives", "return tf.math.softplus(-x)"),
    mixed_up("A", "collapse", "A single batch of such a run looks exactly like collapse"),
    mixed_up("A", "no class twice", "the farthest positive counts as 0"),
    mixed_up("A", "nothing is wrong", "it stays at the value of the untrained network"),
    mixed_up("B", "collapse", "In a collapse distances shrink"),
    mixed_up("B", "no class twice", "does look like a lack of positives"),
    mixed_up("B", "nothing is wrong", "R@1 did rise a little"),
    mixed_up("C", "collapse", "It does go that way"),
    mixed_up("C", "learning rate too high", "it is the wrong loss"),
    mixed_up("C", "nothing is wrong", "The loss falls beautifully"),
    mixed_up("D", "one-class batches", "At the end it looks exactly like that"),
    mixed_up("D", "learning rate too high", "A smaller one would have saved this run"),
    mixed_up("D", "identical images", "all points coincide in the end"),
    mixed_up("E", "learning rate too high", "Steps too large can end in NaN, too"),
    mixed_up("E", "collapse", "A collapsed run goes on"),
    WrongAnswer("diagnosis", "a cause of one's own", 'diagnosis = {"A": "bug"}', "none of the"),
    WrongAnswer("diagnosis", "a run too many", 'diagnosis = {"F": "collapse"}', "There is no run"),
    WrongAnswer("diagnosis", "no dictionary", 'diagnosis = ["collapse"]', "must be a dictionary"),
    WrongAnswer(
        "diagnosis",
        "half of it",
        'diagnosis = {"A": "one-class batches", "B": "learning rate too high", "C": ...}',
        "Still open: C, D, E",
    ),
]
