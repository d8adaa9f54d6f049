"""The threshold explorer: which pairs a threshold on their distance accepts, and which wrongly."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import traitlets

from .._validation import class_labels
from ._widget import (
    METRIC_WORDS,
    Widget,
    arrays_of_one_set,
    check_images,
    describe_classes,
    load_script,
    make_sprite,
    untrained_and_trained,
)

_QUESTION = "Up to which distance are two items taken for one class?"
_ITEM = "item of `embeddings`"
_MOST_EMBEDDINGS = 2
# Thresholds that can be chosen: finer than a pixel of any screen, and 80 kB a kind of pairs.
_MOST_THRESHOLDS = 20_000
# Pairs kept to be shown, of each kind: all of the most surprising ones, and of the others so many.
_SURPRISING, _OTHERS = 1500, 1500


class ThresholdExplorer(Widget):
    """Drag a threshold on the distance of two items and see which pairs it accepts wrongly.

    A pair is accepted, that is taken for one class, if and only if its distance is at most the
    threshold. Genuine pairs are of one class, impostor pairs of two. The widget shows the
    distances of both, the ROC curve, false accepts and false rejects as rates and as counts, and
    the pairs that are wrong at this threshold.

    The pairs are those of `tripletviz.evaluation.verification_curve`, and so is every number: the
    counts at each threshold that can be chosen are counted from all pairs in float64. Thresholds
    lie on a grid of round numbers, at most 20,000 from 0 to the largest distance. The pairs
    shown are picked from the 1,500 nearest impostor pairs and the 1,500 farthest genuine ones,
    and of the others from 1,500 that lie evenly in the order of their distances.

    Keys: left and right (or down and up) move the threshold, with shift by the smallest step;
    page up and page down move it far, Home and End to the ends.

    Args:
        embeddings: float array of shape `(N, dimensions)`, or one or two of the same items by
            name. Each is the other's baseline.
        labels: class of every item, integers of shape `(N,)` or `(N, 1)`.
        images: picture of every item, `uint8` array of shape `(N, H, W)`; None shows the classes'
            labels instead.
        metric: `"euclidean"`, `"squared_euclidean"` or `"cosine"`.
        threshold: where to start, a distance in the embedding shown first. `None`: where the false
            accept rate and the false reject rate are nearest to each other.
        max_items: largest number of items to pair, at least 2, at most 1,000 with pictures; of
            more, that many are drawn, as evenly over the classes as these have members.
        seed: non-negative integer that the draw depends on.
        class_names: name of class `label` at `class_names[label]`; the labels themselves if None.
        title: heading; a question if None.
        **traits: starting values of the traits below, or of ipywidgets' own (`layout`, ...).

    Attributes:
        embedding: name of the embedding shown; the last one at first. A choice made in the widget
            keeps the false accept rate, since distances of two embeddings are not on one scale; a
            name set from Python keeps `threshold`, as near as the other grid allows.
        threshold: largest distance that is accepted. Rounded to the grid of the embedding shown,
            and to its ends.
        scale: `"linear"` or `"log"`, the scale of the false accept rate in the ROC curve.
        false_accept_rate: share of the impostor pairs that are accepted, from 0 to 1. It follows
            from `threshold` and cannot be set.
        false_reject_rate: share of the genuine pairs that are not accepted, likewise.

    Raises:
        TypeError: if `max_items` or `seed` is not an integer.
        ValueError: if an array has the wrong shape or type, is not finite, or does not fit the
            others; if there is no genuine pair or no impostor pair; if the metric is unknown.

    Example:
        >>> explorer = ThresholdExplorer({"untrained": before, "trained": after}, labels, images)
        >>> explorer.threshold = explorer.at_false_accept_rate(0.001)
        >>> explorer.false_reject_rate
    """

    _esm = load_script("threshold_explorer")

    embedding = traitlets.Unicode().tag(sync=True)
    # An echo would take the line back to where it was when the message left.
    threshold = traitlets.Float(0.0).tag(sync=True, echo_update=False)
    scale = traitlets.Enum(["linear", "log"], "linear").tag(sync=True)
    false_accept_rate = traitlets.Float(0.0).tag(sync=True, echo_update=False)
    false_reject_rate = traitlets.Float(0.0).tag(sync=True, echo_update=False)
    title = traitlets.Unicode(_QUESTION).tag(sync=True)

    _embeddings = traitlets.List().tag(sync=True)
    _counts = traitlets.Bytes().tag(sync=True)
    _examples = traitlets.Bytes().tag(sync=True)
    _items = traitlets.Bytes().tag(sync=True)
    _class_of = traitlets.Bytes().tag(sync=True)
    _classes = traitlets.List().tag(sync=True)
    _metric = traitlets.Unicode().tag(sync=True)
    _available = traitlets.Int(0).tag(sync=True)
    _sprite = traitlets.Bytes().tag(sync=True)
    _sprite_layout = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        embeddings,
        labels,
        images=None,
        *,
        metric: str = "euclidean",
        threshold: float | None = None,
        max_items: int = 1000,
        seed: int = 0,
        class_names: Sequence[str] | None = None,
        title: str | None = None,
        **traits,
    ):
        from ..evaluation import balanced_choice  # it imports scikit-learn: a second

        arrays, count = _check_embeddings(embeddings)
        labels = class_labels(labels, count)
        images = None if images is None else check_images(images, count, _ITEM)
        distances = {
            name: _Distances(name, array, labels, metric, max_items, seed)
            for name, array in arrays.items()
        }
        items = balanced_choice(labels, max_items, seed)
        chosen_images = None if images is None else images[items]
        sprite, sprite_layout = make_sprite(chosen_images, len(items), _ITEM)
        present, class_of = np.unique(labels[items], return_inverse=True)
        self._distances = distances
        name = traits.setdefault("embedding", list(distances)[-1])
        if threshold is None and name in distances:
            threshold = distances[name].equal_error_threshold
        super().__init__(
            threshold=threshold,
            _embeddings=[each.description for each in distances.values()],
            _counts=b"".join(each.counts_to_bytes() for each in distances.values()),
            _examples=b"".join(
                each.examples.astype("<i4").tobytes() for each in distances.values()
            ),
            _items=items.astype("<i4").tobytes(),
            _class_of=class_of.astype("<i4").tobytes(),
            _classes=describe_classes(present.tolist(), class_names),
            _metric=METRIC_WORDS[metric],
            _available=count,
            _sprite=sprite,
            _sprite_layout=sprite_layout,
            title=_QUESTION if title is None else title,
            **traits,
        )
        self._measure()

    @classmethod
    def from_recording(cls, recording, **arguments) -> "ThresholdExplorer":
        """Shows the last snapshot of a recording, "trained", beside the first, "untrained".

        Args:
            recording: a `tripletviz.recordings.Recording` of two snapshots or more.
            **arguments: as for the class: `metric`, `threshold`, `scale`, ...

        Returns:
            A `ThresholdExplorer`.

        Raises:
            ValueError: if there is one snapshot only, or the first is not at step 0.

        Example:
            >>> ThresholdExplorer.from_recording(Recording.load("data/mnist-recording.npz"))
        """
        embeddings = untrained_and_trained(recording)
        return cls(embeddings, recording.labels, recording.images, **arguments)

    def at_false_accept_rate(self, rate: float) -> float:
        """The largest threshold that can be chosen with at most this false accept rate.

        Args:
            rate: from 0 to 1.

        Returns:
            A threshold for the embedding shown. Where even distance 0 is one impostor too many, it
            is below 0, and nothing is accepted.

        Raises:
            ValueError: if the rate is not from 0 to 1.
        """
        if not 0 <= rate <= 1:
            raise ValueError(f"a false accept rate must be from 0 to 1, got {rate}.")
        return self._distances[self.embedding].at_false_accept_rate(rate)

    @traitlets.validate("embedding")
    def _check_embedding(self, proposal):
        if proposal.value not in self._distances:
            raise traitlets.TraitError(
                f"`embedding` must be one of {list(self._distances)}, got {proposal.value!r}."
            )
        return proposal.value

    @traitlets.validate("threshold")
    def _round_threshold(self, proposal):
        if not math.isfinite(proposal.value):
            raise traitlets.TraitError(f"`threshold` must be finite, got {proposal.value}.")
        return self._distances[self.embedding].rounded(proposal.value)

    @traitlets.validate("false_accept_rate", "false_reject_rate")
    def _check_rate(self, proposal):
        rates = self._distances[self.embedding].rates(self.threshold)
        name = proposal.trait.name
        if proposal.value != rates[name == "false_reject_rate"]:
            raise traitlets.TraitError(
                f"`{name}` follows from `threshold`, which is {self.threshold}: set that instead."
            )
        return proposal.value

    @traitlets.observe("embedding")
    def _round_again(self, change):
        self.threshold = self.threshold

    @traitlets.observe("embedding", "threshold")
    def _measure(self, change=None):
        rates = self._distances[self.embedding].rates(self.threshold)
        self.false_accept_rate, self.false_reject_rate = rates

    def __repr__(self) -> str:
        first = next(iter(self._distances.values()))
        return (
            f"ThresholdExplorer({first.genuine[-1]} genuine and {first.impostor[-1]} impostor "
            f"pairs, in {', '.join(self._distances)})"
        )


class _Distances:
    """The distances of all pairs in one embedding, counted on a grid of thresholds.

    Args:
        name: what the embedding is called.
        embeddings: float array of shape `(N, dimensions)`.
        labels: int array of shape `(N,)`.
        metric, max_items, seed: as for `verification_curve`.

    Attributes:
        thresholds: float64 array `(T,)`: 0 and round numbers, evenly apart, up to the first that
            accepts everything.
        genuine, impostor: int64 arrays `(T,)`: how many pairs each threshold accepts.
        examples: int array `(E, 3)`: pairs to show, genuine ones first, by increasing distance:
            the index of the smallest threshold that accepts the pair, and its two items.
        description: what the browser has to know beside the arrays.
    """

    def __init__(self, name, embeddings, labels, metric, max_items, seed):
        from ..evaluation import verification_curve

        try:
            curve = verification_curve(
                embeddings, labels, metric=metric, max_items=max_items, seed=seed
            )
        except ValueError as error:
            raise ValueError(f"embedding {name!r}: {error}") from None
        self._multiple, self._divisor = _nice_step(curve.thresholds[-1])
        self.thresholds = self._grid(curve.thresholds[-1])
        # A pair is accepted from the first threshold on that is not below its distance.
        last = np.searchsorted(curve.thresholds, self.thresholds, side="right") - 1
        last = np.maximum(last, 0)  # the curve's first threshold accepts nothing
        accepted = curve.true_accept_rate[last], curve.false_accept_rate[last]
        self.genuine = np.rint(accepted[0] * curve.genuine_pairs).astype(np.int64)
        self.impostor = np.rint(accepted[1] * curve.impostor_pairs).astype(np.int64)
        # One threshold below 0 rejects even pairs that coincide, if there are any.
        self.lowest = -1 if self.genuine[0] + self.impostor[0] else 0
        self.examples, counts = self._choose_examples(embeddings, labels, metric, max_items, seed)
        self.description = {
            "name": name,
            "multiple": self._multiple,
            "divisor": self._divisor,
            "thresholds": len(self.thresholds),
            "examples": counts,
            "roc_auc": curve.roc_auc,
            "equal_error_rate": curve.equal_error_rate,
        }

    def _grid(self, largest: float) -> np.ndarray:
        # The script computes them in the same two operations, so that they agree to the last bit.
        places = np.arange(_MOST_THRESHOLDS + 2, dtype=float)
        thresholds = places * self._multiple / self._divisor
        return thresholds[: np.searchsorted(thresholds, largest) + 1]

    def _choose_examples(self, embeddings, labels, metric, max_items, seed):
        from ..evaluation import balanced_choice, pair_distances

        items = balanced_choice(labels, max_items, seed)
        distances, is_genuine = pair_distances(np.asarray(embeddings)[items], labels[items], metric)
        pairs = np.column_stack(np.triu_indices(len(items), 1))
        genuine, impostor = np.flatnonzero(is_genuine), np.flatnonzero(~is_genuine)
        genuine = genuine[np.argsort(distances[genuine], kind="stable")]
        impostor = impostor[np.argsort(distances[impostor], kind="stable")]
        # What is far for a genuine pair surprises as much as what is near for an impostor pair.
        kept_genuine = genuine[::-1][_thinned(len(genuine))][::-1]
        kept_impostor = impostor[_thinned(len(impostor))]
        kept = np.concatenate([kept_genuine, kept_impostor])
        places = np.searchsorted(self.thresholds, distances[kept])
        return np.column_stack([places, pairs[kept]]), [len(kept_genuine), len(kept_impostor)]

    def counts_to_bytes(self) -> bytes:
        """How many genuine, then how many impostor pairs each threshold accepts, as int32."""
        return np.concatenate([self.genuine, self.impostor]).astype("<i4").tobytes()

    def examples_to_bytes(self) -> bytes:
        return self.examples.astype("<i4").tobytes()

    @property
    def equal_error_threshold(self) -> float:
        """The first threshold at which both error rates are nearest to each other."""
        rejected = (self.genuine[-1] - self.genuine) / self.genuine[-1]
        gaps = np.abs(self.impostor / self.impostor[-1] - rejected)
        return float(self.thresholds[np.argmin(gaps)])

    def at_false_accept_rate(self, rate: float) -> float:
        place = int(np.searchsorted(self.impostor / self.impostor[-1], rate, side="right")) - 1
        return self._threshold(max(place, self.lowest))

    def rounded(self, threshold: float) -> float:
        """The threshold of the grid that is nearest."""
        step = self._multiple / self._divisor
        place = min(max(threshold / step, self.lowest), len(self.thresholds) - 1)
        return self._threshold(round(place))

    def rates(self, threshold: float) -> tuple[float, float]:
        """False accept rate and false reject rate at a threshold of the grid."""
        place = int(np.searchsorted(self.thresholds, threshold, side="right")) - 1
        genuine, impostor = (0, 0) if place < 0 else (self.genuine[place], self.impostor[place])
        return (
            float(impostor / self.impostor[-1]),
            float((self.genuine[-1] - genuine) / self.genuine[-1]),
        )

    def _threshold(self, place: int) -> float:
        return place * self._multiple / self._divisor


def _check_embeddings(embeddings) -> tuple[dict, int]:
    """The embeddings as arrays by name, and their number of items."""
    if not isinstance(embeddings, Mapping):
        embeddings = {"embedding": embeddings}
    if not 1 <= len(embeddings) <= _MOST_EMBEDDINGS:
        raise ValueError(
            "`embeddings` must be an array, or one or two arrays by name, "
            f"got {len(embeddings)} of them."
        )
    return arrays_of_one_set(embeddings)


def _nice_step(largest: float) -> tuple[float, float]:
    """A round number, as a multiple over a divisor, of which few enough reach the largest."""
    if largest <= 0:
        return 1.0, 1000.0
    first = max(math.floor(math.log10(largest / _MOST_THRESHOLDS)), -300)
    for exponent, digit in ((first, 1), (first, 2), (first, 5), (first + 1, 1), (first + 1, 2)):
        multiple = float(digit * 10 ** max(exponent, 0))
        divisor = float(10 ** max(-exponent, 0))
        if largest * divisor / multiple <= _MOST_THRESHOLDS:
            break
    return multiple, divisor


def _thinned(count: int) -> np.ndarray:
    """Places, increasing: all of the first, and evenly some of the rest."""
    rest = max(count - _SURPRISING, 0)
    others = _SURPRISING + np.arange(min(rest, _OTHERS)) * rest // max(min(rest, _OTHERS), 1)
    return np.concatenate([np.arange(min(count, _SURPRISING)), others])
