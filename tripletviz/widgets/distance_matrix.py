"""The distance matrix: which triplets one batch holds, and which of them a strategy picks."""

import math
from collections.abc import Sequence

import numpy as np
import traitlets

from . import _triplets
from ._triplets import METRICS, STRATEGIES
from ._widget import (
    Widget,
    check_labels,
    check_steps,
    describe_classes,
    finite_float32,
    load_script,
    make_sprite,
)

MAX_BATCH = 256
"""Above this many items a cell of the matrix would be thinner than a pixel or two."""

_QUESTION = "Which triplets does a strategy pick from this batch?"


class DistanceMatrix(Widget):
    """All distances between the members of one batch, and what a mining strategy makes of them.

    Rows are anchors, columns the positives and negatives they may form triplets with, both sorted
    by class. The strategy's positives (circles) and negatives (squares) are marked in the cells:
    filled if their triplet is active, that is, if its loss is strictly positive, else hollow. With
    `"batch_all"` the area of a mark is the share of the pair's triplets that are active. For one
    anchor, all distances are laid out on a line, with the margin beyond a positive.

    Distances, triplets and losses are those of `tripletviz.distances`, `tripletviz.triplets` and
    `tripletviz.losses`, computed from the embeddings in float32 as sent; ties count as defined
    there. The browser computes what it shows by itself, so that the widget also lives in an
    exported page.

    Keys: left and right step in time, up and down choose the anchor, Shift and an arrow move the
    inspected cell, plus and minus change the margin, "a" goes back to all anchors.

    Args:
        embeddings: float array of shape `(S, B, D)`: `S` snapshots of one batch of `B` images, or
            `(B, D)` for a single one. At most 256 images. Sent as float32.
        labels: class of every image, integer array of shape `(B,)`.
        steps: training step of every snapshot, `S` increasing integers; snapshots are numbered if
            None.
        images: the pictures, `uint8` array of shape `(B, H, W)`, for the edges.
        class_names: name of class `label` at `class_names[label]`; the labels themselves if None.
        metric: `"euclidean"`, `"squared_euclidean"` or `"cosine"`.
        title: heading; a question if None.
        **traits: starting values of the traits below, or of ipywidgets' own (`layout`, ...).

    Attributes:
        position: index of the snapshot shown, from 0 to S - 1; clipped to that.
        margin: finite number, at least 0, in units of the distance; 0.5 at first.
        strategy: `"batch_all"`, `"batch_hard"` (at first) or `"batch_semi_hard"`.
        anchor: index in the batch of the one anchor shown, or -1 for all.
        hovered: the inspected cell, `[row, column]` as indices in the batch, or `[]`.
        size: largest width of the matrix in CSS pixels, at least 200.
        counts: what the shown snapshot, margin and strategy give; read-only. A dictionary with the
            numbers of triplets `valid`, `easy`, `semi_hard`, `hard`, `active`, the active ones'
            share `fraction_positive`, the numbers `mined` by the strategy and of those
            `mined_active`, and the strategy's `loss`.

    Raises:
        ValueError: if an array has the wrong shape or type, is not finite, or does not fit the
            others, or `metric` is unknown.

    Example:
        >>> matrix = DistanceMatrix.from_recording(recording, margin=1.0)
        >>> matrix.position = 20
        >>> matrix.counts["hard"]
    """

    _esm = load_script("distance_matrix")

    # An echo would take a dragged control back to where it was when the message left.
    position = traitlets.Int(0).tag(sync=True, echo_update=False)
    margin = traitlets.Float(0.5).tag(sync=True, echo_update=False)
    strategy = traitlets.Enum(STRATEGIES, "batch_hard").tag(sync=True)
    anchor = traitlets.Int(-1).tag(sync=True, echo_update=False)
    hovered = traitlets.List(traitlets.Int()).tag(sync=True, echo_update=False)
    title = traitlets.Unicode(_QUESTION).tag(sync=True)
    size = traitlets.Int(640, min=200).tag(sync=True)
    counts = traitlets.Dict(read_only=True)

    _embeddings = traitlets.Bytes().tag(sync=True)
    _shape = traitlets.List().tag(sync=True)
    _class_of = traitlets.Bytes().tag(sync=True)
    _classes = traitlets.List().tag(sync=True)
    _steps = traitlets.List().tag(sync=True)
    _metric = traitlets.Unicode().tag(sync=True)
    _largest = traitlets.Float().tag(sync=True)
    _sprite = traitlets.Bytes().tag(sync=True)
    _sprite_layout = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        embeddings,
        labels,
        *,
        steps=None,
        images=None,
        class_names: Sequence[str] | None = None,
        metric: str = "euclidean",
        title: str | None = None,
        **traits,
    ):
        embeddings = _check_embeddings(embeddings)
        snapshots, batch, _ = embeddings.shape
        labels = check_labels(labels, batch, "row of `embeddings`")
        if metric not in METRICS:
            raise ValueError(f"`metric` must be one of {METRICS}, got {metric!r}.")
        present, class_of = np.unique(labels, return_inverse=True)
        sprite, sprite_layout = make_sprite(images, batch, "row of `embeddings`")
        distances = [_triplets.distances(snapshot, metric=metric) for snapshot in embeddings]
        super().__init__(
            _embeddings=embeddings.tobytes(),
            _shape=list(embeddings.shape),
            _class_of=class_of.astype("<i4").tobytes(),
            _classes=describe_classes(present.tolist(), class_names),
            _steps=[] if steps is None else check_steps(steps, snapshots, "embeddings"),
            _metric=metric,
            _largest=max(float(matrix.max()) for matrix in distances),
            _sprite=sprite,
            _sprite_layout=sprite_layout,
            title=_QUESTION if title is None else title,
            **traits,
        )
        self._class_numbers = class_of
        self._distances = distances
        self._recount()
        self.observe(self._recount, ["position", "margin", "strategy"])

    @classmethod
    def from_recording(cls, recording, classes=10, per_class: int = 4, *, seed: int = 0, **options):
        """A batch of P classes x K images, drawn from the probe images of a recording.

        Args:
            recording: a `tripletviz.recordings.Recording`.
            classes: how many classes, the lowest labels first, or the labels themselves.
            per_class: how many images of each class.
            seed: seed of the draw; the same seed always gives the same batch.
            **options: arguments and traits of `DistanceMatrix`.

        Returns:
            A `DistanceMatrix` of `classes * per_class` images over all snapshots.

        Raises:
            ValueError: if the recording does not hold as many classes, or images of a class.

        Example:
            >>> recording = Recording.load("data/mnist-recording.npz")
            >>> DistanceMatrix.from_recording(recording, per_class=12, strategy="batch_semi_hard")
        """
        labels = np.asarray(recording.labels)
        chosen = _draw_batch(labels, classes, per_class, seed)
        given = {"steps": recording.steps, "images": np.asarray(recording.images)[chosen]}
        return cls(np.asarray(recording.embeddings)[:, chosen], labels[chosen], **given | options)

    def _recount(self, change=None):
        distances = self._distances[self.position]
        counts = _triplets.count_triplets(
            distances, self._class_numbers, self.margin, self.strategy
        )
        self.set_trait("counts", counts)

    @traitlets.validate("position")
    def _clip_position(self, proposal):
        return min(max(proposal.value, 0), self._shape[0] - 1)

    @traitlets.validate("margin")
    def _check_margin(self, proposal):
        if not 0 <= proposal.value < math.inf:
            raise traitlets.TraitError(
                f"`margin` must be a finite number, at least 0, got {proposal.value}."
            )
        return proposal.value

    @traitlets.validate("anchor")
    def _check_anchor(self, proposal):
        batch = self._shape[1]
        if not -1 <= proposal.value < batch:
            raise traitlets.TraitError(
                f"`anchor` must be the index of one of the {batch} images, or -1 for all, "
                f"got {proposal.value}."
            )
        return proposal.value

    @traitlets.validate("hovered")
    def _check_hovered(self, proposal):
        batch = self._shape[1]
        cell = proposal.value
        if cell and not (len(cell) == 2 and all(0 <= index < batch for index in cell)):
            raise traitlets.TraitError(
                f"`hovered` must be [row, column], both indices of one of the {batch} images, "
                f"or [] for none, got {cell}."
            )
        return cell

    def __repr__(self) -> str:
        snapshots, batch, _ = self._shape
        return (
            f"DistanceMatrix({batch} images in {len(self._classes)} classes, "
            f"{snapshots} snapshots, {self._metric})"
        )


def _check_embeddings(embeddings) -> np.ndarray:
    """The embeddings as float32 of shape `(S, B, D)`."""
    embeddings = np.asarray(embeddings)
    if embeddings.ndim not in (2, 3) or 0 in embeddings.shape:
        raise ValueError(
            "`embeddings` must have shape (snapshots, batch, dimensions) or (batch, dimensions) "
            f"with at least one of each, got shape {embeddings.shape}."
        )
    if embeddings.shape[-2] > MAX_BATCH:
        raise ValueError(
            f"`embeddings` must be of {MAX_BATCH} images at most, got {embeddings.shape[-2]}: "
            "a larger matrix has no room for its cells."
        )
    return finite_float32(embeddings.reshape(-1, *embeddings.shape[-2:]), "embeddings")


def _draw_batch(labels: np.ndarray, classes, per_class: int, seed: int) -> np.ndarray:
    """Indices of `per_class` images of each class, class by class, without replacement."""
    present = np.unique(labels).tolist()
    if np.ndim(classes) == 0:
        if not 1 <= classes <= len(present):
            raise ValueError(f"`classes` must be from 1 to {len(present)}, got {classes}.")
        classes = present[:classes]
    unknown = [label for label in classes if label not in present]
    if unknown or len(set(classes)) < len(classes) or len(classes) == 0:
        raise ValueError(f"`classes` must be different labels among {present}, got {classes}.")
    generator = np.random.default_rng(seed)
    chosen = []
    for label in classes:
        members = np.flatnonzero(labels == label)
        if not 1 <= per_class <= len(members):
            raise ValueError(
                f"`per_class` must be from 1 to {len(members)}, the number of images of class "
                f"{label}, got {per_class}."
            )
        chosen.append(generator.choice(members, per_class, replace=False))
    return np.concatenate(chosen)
