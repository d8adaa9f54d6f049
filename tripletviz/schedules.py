"""Learning rates that change while a training runs."""

from ._tensorflow import keras, tf
from ._validation import non_negative_integer, positive_integer

_SCHEDULES = keras.optimizers.schedules


@keras.saving.register_keras_serializable(package="tripletviz")
class WarmUp(_SCHEDULES.LearningRateSchedule):
    """A learning rate that rises linearly for some steps, then follows another schedule.

    Step s < warmup_steps, counted from 0, has (s + 1) / (warmup_steps + 1) of `peak`. The schedule
    after it starts at its own step 0.

    Args:
        peak: learning rate towards which it rises.
        warmup_steps: number of steps, at least 1.
        after: `keras.optimizers.schedules.LearningRateSchedule`, or `None` to stay at `peak`.

    Reference:

    - Goyal et al., *Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour*, 2017, section 2.2,
      https://arxiv.org/abs/1706.02677
    """

    def __init__(self, peak, warmup_steps, after=None):
        self.peak = float(peak)
        self.warmup_steps = positive_integer(warmup_steps, "warmup_steps")
        self.after = after

    def __call__(self, step):
        step = tf.cast(step, tf.float32)
        rising = self.peak * (step + 1) / (self.warmup_steps + 1)
        later = self.peak
        if self.after is not None:
            later = self.after(tf.maximum(step - self.warmup_steps, 0))
        return tf.where(step < self.warmup_steps, rising, later)

    def get_config(self):
        after = None if self.after is None else _SCHEDULES.serialize(self.after)
        return {"peak": self.peak, "warmup_steps": self.warmup_steps, "after": after}

    @classmethod
    def from_config(cls, config):
        after = config["after"] and _SCHEDULES.deserialize(config["after"])
        return cls(config["peak"], config["warmup_steps"], after)


def learning_rate_schedule(kind, peak, total_steps, *, final=None, warmup_steps=0):
    """The learning rate of each step of a training.

    Args:
        kind: "constant", or the way from `peak` to `final`: "cosine" (half a period), "linear" or
            "exponential".
        peak: highest learning rate.
        total_steps: updates of the whole training; the last one has the rate `final`.
        final: learning rate of the last step; `None`: a hundredth of `peak`. Not for "constant".
        warmup_steps: steps of linear warm-up before it, fewer than `total_steps`.

    Returns:
        A `keras.optimizers.schedules.LearningRateSchedule`, or the number `peak` if it never
        changes; both are what a Keras optimizer takes.

    Raises:
        TypeError: if a number of steps is not an integer.
        ValueError: if `kind` is unknown, a number is out of range, or warm-up leaves no step.

    Example:

    >>> rate = learning_rate_schedule("linear", 1.0, 11, final=0.5)
    >>> [float(rate(step)) for step in (0, 5, 10)]
    [1.0, 0.75, 0.5]

    Reference:

    - Loshchilov and Hutter, *SGDR: Stochastic Gradient Descent with Warm Restarts*, 2016 (cosine,
      without restarts), https://arxiv.org/abs/1608.03983
    """
    total_steps = positive_integer(total_steps, "total_steps")
    warmup_steps = non_negative_integer(warmup_steps, "warmup_steps")
    if warmup_steps >= total_steps:
        raise ValueError(
            f"warmup_steps must be fewer than the training's {total_steps} steps, got "
            f"{warmup_steps}."
        )
    after = _decay(kind, peak, final, max(1, total_steps - warmup_steps - 1))
    if warmup_steps:
        return WarmUp(peak, warmup_steps, after)
    return peak if after is None else after


def _decay(kind, peak, final, steps):
    final = peak / 100 if final is None else final
    if kind == "constant":
        return None
    if kind == "cosine":
        return _SCHEDULES.CosineDecay(peak, steps, alpha=final / peak)
    if kind == "linear":
        return _SCHEDULES.PolynomialDecay(peak, steps, end_learning_rate=final)
    if kind == "exponential":
        return _SCHEDULES.ExponentialDecay(peak, steps, decay_rate=final / peak)
    raise ValueError(f"kind must be constant, cosine, linear or exponential, got {kind!r}.")
