"""Triplet losses over all triplets of a batch: batch all, batch hard, batch semi-hard.

Each loss is a plain function, and a Keras class on top of it for `model.compile(loss=…)`. They
equal their definitions on every input and never build the B x B x B cube of all triplets.

Every function shares its arguments and its rules:

- `labels` of shape `(B,)` or `(B, 1)`, `embeddings` of shape `(B, D)`; any other fit of shapes is a
  `ValueError`.
- They compute in float64 and return float32 (float64 for float64 embeddings).
- A batch without a valid triplet gives loss 0 and zero gradients.
- An embedding that is not finite gives a loss that is not finite.
"""

import numpy as np

from ._tensorflow import keras, tf
from .distances import as_embeddings, result_dtype
from .triplets import (
    SOFT_BATCH_ALL,
    check_margin,
    flat_labels,
    has_triplet,
    nearest_farther_negative,
    positive_sums,
    prepare,
    resolve_metric,
    signed_counts,
    valid_counts,
)


def batch_all_triplet_loss(labels, embeddings, margin, squared=False, *, metric=None):
    """Mean of `max(d(a, p) - d(a, n) + margin, 0)` over the active triplets of a batch.

    The mean is over active triplets only, those whose loss is strictly positive: easy triplets
    would otherwise drown it. So the loss can stay level while the embedding improves and the
    fraction of positive (active) triplets falls. Time O(B^2 log B), memory O(B^2).

    Args:
        labels: tensor of shape `(B,)` or `(B, 1)`: the class of each embedding, of any dtype that
            compares for equality.
        embeddings: float tensor of shape `(B, D)`.
        margin: finite number, at least 0, in units of the distance.
        squared: whether to take squared Euclidean distances.
        metric: a metric of `tripletviz.distances.METRICS`, instead of `squared`.

    Returns:
        loss: scalar tensor.
        fraction_positive: scalar tensor: active triplets as a fraction of the valid ones, 0 if
            there are none.

    Raises:
        ValueError: if the shapes do not fit, `margin` is negative or `"soft"`, or `metric` is
            unknown or contradicts `squared`.

    Example:

    >>> loss, fraction = batch_all_triplet_loss([0, 0, 1], [[0.0], [1.0], [1.5]], margin=1.0)
    >>> float(loss), float(fraction)
    (1.0, 1.0)

    Reference:
        Hermans, Beyer, Leibe, *In Defense of the Triplet Loss for Person Re-Identification*
        (arXiv:1703.07737, 2017), equation 6, with their mean over non-zero terms.
    """
    margin = _number(margin)
    batch = prepare(labels, embeddings, resolve_metric(metric, squared))
    sums, active = _batch_all_sums(batch, margin)
    total_active = tf.reduce_sum(active)
    fraction = _ratio(total_active, tf.reduce_sum(valid_counts(batch)))
    return _result(_ratio(tf.reduce_sum(sums), total_active), batch), _result(fraction, batch)


def batch_hard_triplet_loss(labels, embeddings, margin, squared=False, *, metric=None):
    """Mean over anchors of the loss of the hardest triplet: farthest positive, nearest negative.

    An anchor without a positive or without a negative is left out of the mean.

    Args:
        labels: tensor of shape `(B,)` or `(B, 1)`: the class of each embedding.
        embeddings: float tensor of shape `(B, D)`.
        margin: finite number, at least 0, in units of the distance; or `"soft"` for
            `log(1 + exp(d(a, p) - d(a, n)))` in place of the hinge.
        squared: whether to take squared Euclidean distances.
        metric: a metric of `tripletviz.distances.METRICS`, instead of `squared`.

    Returns:
        Scalar tensor: the loss.

    Raises:
        ValueError: if the shapes do not fit, `margin` is negative, or `metric` is unknown or
            contradicts `squared`.

    Example:

    >>> float(batch_hard_triplet_loss([0, 0, 1], [[0.0], [1.0], [1.5]], margin=1.0))
    1.0

    Reference:
        Hermans, Beyer, Leibe, *In Defense of the Triplet Loss for Person Re-Identification*
        (arXiv:1703.07737, 2017), equation 5; section 2 for the soft margin.
    """
    margin = check_margin(margin)
    batch = prepare(labels, embeddings, resolve_metric(metric, squared))
    values, valid = _batch_hard_values(batch, margin)
    return _result(_ratio(tf.reduce_sum(values), _count(valid)), batch)


def batch_semi_hard_triplet_loss(labels, embeddings, margin, squared=False, *, metric=None):
    """Mean over pairs (a, p) of the loss with the nearest negative farther than the positive.

    Where no negative is farther from the anchor than the positive, the farthest negative is taken.
    "Semi-hard" means different things in different libraries; this is FaceNet's idea as TensorFlow
    Addons implemented it. The chosen negative may lie beyond the margin: its loss is then 0. The
    mean is over the pairs whose anchor has a negative.

    Args:
        labels: tensor of shape `(B,)` or `(B, 1)`: the class of each embedding.
        embeddings: float tensor of shape `(B, D)`.
        margin: finite number, at least 0, in units of the distance; or `"soft"` for
            `log(1 + exp(d(a, p) - d(a, n)))` in place of the hinge.
        squared: whether to take squared Euclidean distances.
        metric: a metric of `tripletviz.distances.METRICS`, instead of `squared`.

    Returns:
        Scalar tensor: the loss.

    Raises:
        ValueError: if the shapes do not fit, `margin` is negative, or `metric` is unknown or
            contradicts `squared`.

    Example:

    >>> float(batch_semi_hard_triplet_loss([0, 0, 1], [[0.0], [1.0], [1.5]], margin=1.0))
    1.0

    Reference:
        Schroff, Kalenichenko, Philbin, *FaceNet: A Unified Embedding for Face Recognition and
        Clustering* (CVPR 2015), section 3.2.
    """
    margin = check_margin(margin)
    batch = prepare(labels, embeddings, resolve_metric(metric, squared))
    values, valid = _batch_semi_hard_values(batch, margin)
    return _result(_ratio(tf.reduce_sum(values), _count(valid)), batch)


def _batch_all_sums(batch, margin):
    """For each anchor the sum of its active triplets' losses, and their number."""
    # The sum over active triplets of d(a, p) - d(a, n) + margin holds each distance as often as the
    # pair is part of an active triplet. Those numbers are piecewise constant in the embeddings, so
    # the gradient passes through the distances alone.
    counts = signed_counts(batch, margin)
    active = positive_sums(counts)
    sums = tf.einsum("ij,ij->i", tf.cast(counts, tf.float64), batch.distances)
    return sums + margin * tf.cast(active, tf.float64), active


def _batch_hard_values(batch, margin):
    """Loss of each anchor, 0 where it has no triplet, and whether it has one."""
    valid = has_triplet(batch)
    farthest = tf.reduce_max(tf.where(batch.positive, batch.distances, -1.0), axis=1)
    nearest = tf.reduce_min(tf.where(batch.negative, batch.distances, np.inf), axis=1)
    # Infinite minus infinite would put NaN into the gradient of the anchors left out.
    difference = tf.where(valid, farthest, 0.0) - tf.where(valid, nearest, 0.0)
    return tf.where(valid, _hinge(difference, margin), 0.0), valid


def _batch_semi_hard_values(batch, margin):
    """Loss of each pair `(a, p)`, 0 where the pair is not valid, and whether it is."""
    chosen, valid = nearest_farther_negative(batch)
    difference = batch.distances - tf.gather(batch.distances, chosen, batch_dims=1)
    return tf.where(valid, _hinge(difference, margin), 0.0), valid


def _hinge(difference, margin):
    if margin == "soft":
        return tf.math.softplus(difference)
    return tf.maximum(difference + margin, 0.0)


def _number(margin):
    margin = check_margin(margin)
    if margin == "soft":
        raise ValueError(SOFT_BATCH_ALL)
    return margin


def _count(mask):
    return tf.reduce_sum(tf.cast(mask, tf.int64))


def _ratio(part, whole):
    return tf.math.divide_no_nan(tf.cast(part, tf.float64), tf.cast(whole, tf.float64))


def _result(value, batch):
    """The value in the dtype promised, NaN if an embedding is not finite."""
    finite = tf.reduce_all(tf.math.is_finite(batch.embeddings))
    value = tf.where(finite, value, tf.constant(np.nan, value.dtype))
    return tf.cast(value, result_dtype(batch.embeddings))


class _TripletLoss(keras.losses.Loss):
    """What the three classes share: arguments, labels, and one value per anchor.

    Keras averages one value per example. The values are scaled so that their average is the
    function's result: B times the anchor's sum over the number of terms in the whole batch.
    """

    def __init__(
        self,
        margin,
        squared=False,
        *,
        metric=None,
        reduction="sum_over_batch_size",
        name=None,
        dtype=None,
    ):
        super().__init__(name=name, reduction=reduction, dtype=dtype)
        if self.dtype not in ("float32", "float64"):
            raise ValueError(f"the loss is computed in float32 or float64; got dtype {self.dtype}")
        self.margin = check_margin(margin)
        self.squared = bool(squared)
        self.metric = resolve_metric(metric, squared)

    def __call__(self, y_true, y_pred, sample_weight=None):
        # Keras casts y_true to float, where integer labels above 2^24 would collide. A batch
        # position is small enough to survive: each class is named by its first member.
        labels = _first_members(y_true, y_pred)
        return super().__call__(labels, y_pred, sample_weight)

    def call(self, y_true, y_pred):
        batch = prepare(y_true, y_pred, self.metric)
        sums, terms = self._anchor_sums(batch)
        size = tf.cast(tf.shape(y_pred)[0], tf.float64)
        return _result(size * _ratio(sums, terms), batch)

    def _anchor_sums(self, batch):
        """Sum of the losses of each anchor `(B,)`, and the number of terms in the whole batch."""
        raise NotImplementedError

    def get_config(self):
        return {
            **super().get_config(),
            "margin": self.margin,
            "squared": self.squared,
            "metric": self.metric,
            "dtype": self.dtype,
        }


def _first_members(labels, embeddings):
    """int32 tensor `(B,)`: for each label the position of its first occurrence in the batch."""
    labels = flat_labels(labels, as_embeddings(embeddings))
    same = tf.equal(labels[:, None], labels[None, :])
    count = tf.shape(labels)[0]
    return tf.reduce_min(tf.where(same, tf.range(count), count), axis=1)


@keras.saving.register_keras_serializable(package="tripletviz")
class BatchAllTripletLoss(_TripletLoss):
    """Keras loss for `batch_all_triplet_loss`.

    Args:
        margin: finite number, at least 0.
        squared: whether to take squared Euclidean distances.
        metric: a metric of `tripletviz.distances.METRICS`, instead of `squared`.
        reduction: `"sum_over_batch_size"` (equals the function), `"sum"`, or `"none"` (one value
            per anchor).
        name: name of the loss.
        dtype: dtype in which Keras hands over the embeddings and gets the loss: "float32", the
            default, or "float64".

    A sample weight multiplies the share of its anchor.

    Example:

    >>> model.compile(optimizer="adam", loss=BatchAllTripletLoss(margin=0.5))
    """

    def __init__(self, margin, squared=False, *, name="batch_all_triplet_loss", **options):
        super().__init__(_number(margin), squared, name=name, **options)

    def _anchor_sums(self, batch):
        sums, active = _batch_all_sums(batch, self.margin)
        return sums, tf.reduce_sum(active)


@keras.saving.register_keras_serializable(package="tripletviz")
class BatchHardTripletLoss(_TripletLoss):
    """Keras loss for `batch_hard_triplet_loss`; arguments as `BatchAllTripletLoss`.

    `margin` may also be `"soft"`.
    """

    def __init__(self, margin, squared=False, *, name="batch_hard_triplet_loss", **options):
        super().__init__(margin, squared, name=name, **options)

    def _anchor_sums(self, batch):
        values, valid = _batch_hard_values(batch, self.margin)
        return values, _count(valid)


@keras.saving.register_keras_serializable(package="tripletviz")
class BatchSemiHardTripletLoss(_TripletLoss):
    """Keras loss for `batch_semi_hard_triplet_loss`; arguments as `BatchAllTripletLoss`.

    `margin` may also be `"soft"`.
    """

    def __init__(self, margin, squared=False, *, name="batch_semi_hard_triplet_loss", **options):
        super().__init__(margin, squared, name=name, **options)

    def _anchor_sums(self, batch):
        values, valid = _batch_semi_hard_values(batch, self.margin)
        return tf.reduce_sum(values, axis=1), _count(valid)


@keras.saving.register_keras_serializable(package="tripletviz")
class StagedTripletLoss(_TripletLoss):
    """Keras loss that changes its strategy in the course of a training.

    Args:
        stages: list of `(until_step, strategy)`, in order: a strategy of `LOSS_CLASSES` holds for
            the steps before `until_step`, counted from 0; the last has `None` and holds to the end.
        margin: finite number, at least 0, or `"soft"` if no stage is batch all.
        squared: whether to take squared Euclidean distances.
        step: variable that counts the updates made, as a rule `optimizer.iterations`, which a
            resumed training restores. Without one the loss stays at its first stage. It is not
            part of the configuration.

    Raises:
        ValueError: if the stages are not in order, or a strategy does not take the margin.

    Example:

    >>> optimizer = keras.optimizers.Adam()
    >>> stages = [(500, "batch_all"), (None, "batch_hard")]
    >>> loss = StagedTripletLoss(stages, margin=0.5, step=optimizer.iterations)
    >>> model.compile(optimizer=optimizer, loss=loss)
    """

    def __init__(
        self, stages, margin, squared=False, *, step=None, name="staged_triplet_loss", **options
    ):
        super().__init__(margin, squared, name=name, **options)
        self.stages = [tuple(stage) for stage in stages]
        *ends, last = [until for until, _ in self.stages] or [0]
        if last is not None or None in ends or ends != sorted(set(ends)):
            raise ValueError(
                "stages must be a list of (until_step, strategy) with increasing until_step, the "
                f"last one None; got {stages!r}"
            )
        self._ends = ends
        self._losses = [LOSS_CLASSES[name](margin, metric=self.metric) for _, name in self.stages]
        self._step = step

    def _anchor_sums(self, batch):
        if self._step is None:
            return self._losses[0]._anchor_sums(batch)
        done = tf.cast(tf.convert_to_tensor(self._step), tf.int64)
        stage = tf.reduce_sum(tf.cast(done >= tf.constant(self._ends, tf.int64), tf.int32))
        # Only the branch of the present stage is computed.
        return tf.switch_case(
            stage, [lambda loss=loss: loss._anchor_sums(batch) for loss in self._losses]
        )

    def get_config(self):
        return {**super().get_config(), "stages": self.stages}


@keras.saving.register_keras_serializable(package="tripletviz")
class FractionOfPositiveTriplets(keras.metrics.Metric):
    """Keras metric: active triplets as a fraction of the valid ones, over all batches so far.

    A triplet is active, or positive, if d(a, p) - d(a, n) + margin is strictly positive. The
    numbers of triplets are added up over batches in int64, so that the result is exact.

    Args:
        margin: finite number, at least 0.
        squared: whether to take squared Euclidean distances.
        metric: a metric of `tripletviz.distances.METRICS`, instead of `squared`.
        name: name of the metric.
        dtype: dtype of the result.
    """

    def __init__(self, margin, squared=False, *, metric=None, name="fraction_positive", dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.margin = _number(margin)
        self.squared = bool(squared)
        self.metric = resolve_metric(metric, squared)
        self.active = self.add_variable((), initializer="zeros", dtype="int64", name="active")
        self.valid = self.add_variable((), initializer="zeros", dtype="int64", name="valid")
        self.bad = self.add_variable((), initializer="zeros", dtype="int64", name="bad")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch: labels `(B,)`, embeddings `(B, D)`; a sample weight has no meaning here."""
        batch = prepare(y_true, y_pred, self.metric)
        active = positive_sums(signed_counts(batch, self.margin))
        self.active.assign_add(tf.reduce_sum(active))
        self.valid.assign_add(tf.reduce_sum(valid_counts(batch)))
        self.bad.assign_add(_count(~tf.math.is_finite(batch.embeddings)))

    def result(self):
        """The fraction so far; NaN if an embedding was not finite."""
        fraction = _ratio(self.active.value, self.valid.value)
        return tf.cast(tf.where(self.bad.value > 0, np.float64(np.nan), fraction), self.dtype)

    def get_config(self):
        return {
            **super().get_config(),
            "margin": self.margin,
            "squared": self.squared,
            "metric": self.metric,
        }


class _MeanOverAnchors(keras.metrics.Metric):
    """Mean over the anchors of all batches so far of what `_values(batch)` says of each.

    Args:
        squared: whether to take squared Euclidean distances.
        metric: a metric of `tripletviz.distances.METRICS`, instead of `squared`.
        name: name of the metric.
        dtype: dtype of the result.
    """

    def __init__(self, squared=False, *, metric=None, name=None, dtype=None):
        super().__init__(name=name, dtype=dtype)
        self.squared = bool(squared)
        self.metric = resolve_metric(metric, squared)
        self.total = self.add_variable((), initializer="zeros", dtype="float64", name="total")
        self.count = self.add_variable((), initializer="zeros", dtype="int64", name="count")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch: labels `(B,)`, embeddings `(B, D)`; a sample weight has no meaning here."""
        values, counted = self._values(prepare(y_true, y_pred, self.metric))
        self.total.assign_add(tf.reduce_sum(tf.where(counted, values, 0.0)))
        self.count.assign_add(_count(counted))

    def result(self):
        """The mean so far; 0 if no anchor counted."""
        return tf.cast(_ratio(self.total.value, self.count.value), self.dtype)

    def _values(self, batch):
        """A float64 value for each anchor `(B,)`, and whether it counts."""
        raise NotImplementedError

    def get_config(self):
        return {**super().get_config(), "squared": self.squared, "metric": self.metric}


@keras.saving.register_keras_serializable(package="tripletviz")
class MeanEmbeddingNorm(_MeanOverAnchors):
    """Keras metric: mean Euclidean norm of the embeddings; near 0 when a training collapses."""

    def __init__(self, squared=False, *, name="embedding_norm", **options):
        super().__init__(squared, name=name, **options)

    def _values(self, batch):
        norms = tf.norm(tf.cast(batch.embeddings, tf.float64), axis=1)
        return norms, tf.ones_like(norms, tf.bool)


@keras.saving.register_keras_serializable(package="tripletviz")
class HardestPositiveDistance(_MeanOverAnchors):
    """Keras metric: mean distance from an anchor to its farthest positive in the batch.

    Anchors without a positive are left out.
    """

    def __init__(self, squared=False, *, name="hardest_positive", **options):
        super().__init__(squared, name=name, **options)

    def _values(self, batch):
        farthest = tf.reduce_max(tf.where(batch.positive, batch.distances, 0.0), axis=1)
        return farthest, tf.reduce_any(batch.positive, axis=1)


@keras.saving.register_keras_serializable(package="tripletviz")
class HardestNegativeDistance(_MeanOverAnchors):
    """Keras metric: mean distance from an anchor to its nearest negative in the batch.

    Anchors without a negative are left out.
    """

    def __init__(self, squared=False, *, name="hardest_negative", **options):
        super().__init__(squared, name=name, **options)

    def _values(self, batch):
        nearest = tf.reduce_min(tf.where(batch.negative, batch.distances, np.inf), axis=1)
        return nearest, tf.reduce_any(batch.negative, axis=1)


LOSS_CLASSES = {
    "batch_all": BatchAllTripletLoss,
    "batch_hard": BatchHardTripletLoss,
    "batch_semi_hard": BatchSemiHardTripletLoss,
}
"""The Keras loss of each strategy of `tripletviz.triplets.STRATEGIES`."""
