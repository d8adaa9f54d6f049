"""The embedding player: how an embedding moves during training, as a picture that plays."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import traitlets

from ._widget import Widget, check_labels, describe_classes, load_script, make_sprite

_QUESTION = "How does the embedding move during training?"


class EmbeddingPlayer(Widget):
    """A player for the evolution of an embedding: scatter plot, curves and time controls.

    Points move between the snapshots by straight lines; what the reader sees at a snapshot was
    measured, what lies between two is interpolated. All data is sent to the browser once, when
    the widget is first shown; playing needs no kernel, so that the widget also lives in an
    exported page.

    Keys: space plays and pauses, left and right step, Home and End jump. Where the reader's
    system asks for reduced motion, playing jumps from snapshot to snapshot and never starts by
    itself.

    Args:
        frames: positions, float array of shape `(S, N, 2)`: `S` snapshots of `N` points.
        labels: class of every point, integer array of shape `(N,)`.
        steps: training step of every snapshot, `S` increasing integers. The first is 0 for a
            recording that starts before the first update.
        curves: what was measured at the snapshots, a mapping from name to `S` floats, in the
            order to be shown. A value that is not finite leaves a gap.
        images: picture of every point for the tooltip, `uint8` array of shape `(N, H, W)`, for
            1,000 points at most.
        class_names: name of class `label` at `class_names[label]`; the labels themselves if None.
        title: heading above the plot; a question if None.
        **traits: starting values of the traits below, or of ipywidgets' own (`layout`, ...).

    Attributes:
        position: where the player stands, a float from 0 (first snapshot) to S - 1. Halfway
            between snapshots 3 and 4 is 3.5. Set from Python it moves the picture; while playing
            it is reported about five times a second. Values beyond the ends are clipped.
        playing: whether the position advances. Ends by itself at the last snapshot; started
            there, it begins again at the first.
        speed: snapshots per second, above 0.
        hidden_classes: labels whose points are not drawn.
        hovered: index of the point under the pointer, or -1.
        fit_each: whether every snapshot is fitted to the plot. If not, one scale holds for all
            snapshots, so that distances can be compared over time.
        height: height of the scatter plot in CSS pixels, at least 100. Where the plot is
            narrower than that, it is only as high as wide.

    Raises:
        ValueError: if an array has the wrong shape or type, is not finite, or does not fit the
            others.

    Example:
        >>> player = EmbeddingPlayer(frames, labels, steps=[0, 1, 10], curves={"loss": loss})
        >>> player.position = 2
        >>> player.save_html("evolution.html")
    """

    _esm = load_script("embedding_player")

    # An echo would take a playing view back to where it was when the message left.
    position = traitlets.Float(0.0).tag(sync=True, echo_update=False)
    playing = traitlets.Bool(False).tag(sync=True)
    speed = traitlets.Float(4.0).tag(sync=True)
    hidden_classes = traitlets.List(traitlets.Int()).tag(sync=True)
    hovered = traitlets.Int(-1).tag(sync=True, echo_update=False)
    title = traitlets.Unicode(_QUESTION).tag(sync=True)
    fit_each = traitlets.Bool(False).tag(sync=True)
    height = traitlets.Int(480, min=100).tag(sync=True)

    _frames = traitlets.Bytes().tag(sync=True)
    _class_of = traitlets.Bytes().tag(sync=True)
    _classes = traitlets.List().tag(sync=True)
    _steps = traitlets.List().tag(sync=True)
    _curves = traitlets.List().tag(sync=True)
    _sprite = traitlets.Bytes().tag(sync=True)
    _sprite_layout = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        frames,
        labels,
        *,
        steps,
        curves: Mapping[str, Sequence[float]] | None = None,
        images=None,
        class_names: Sequence[str] | None = None,
        title: str | None = None,
        **traits,
    ):
        frames = _check_frames(frames)
        snapshots, points, _ = frames.shape
        labels = check_labels(labels, frames.shape[1], "point of `frames`")
        present, class_of = np.unique(labels, return_inverse=True)
        sprite, sprite_layout = make_sprite(images, points, "point of `frames`")
        super().__init__(
            _frames=frames.tobytes(),
            _class_of=class_of.astype("<i4").tobytes(),
            _classes=describe_classes(present.tolist(), class_names),
            _steps=_check_steps(steps, snapshots),
            _curves=_check_curves(curves or {}, snapshots),
            _sprite=sprite,
            _sprite_layout=sprite_layout,
            title=_QUESTION if title is None else title,
            **traits,
        )

    @traitlets.validate("position")
    def _clip_position(self, proposal):
        if not math.isfinite(proposal.value):
            raise traitlets.TraitError(f"`position` must be finite, got {proposal.value}.")
        return min(max(proposal.value, 0.0), float(len(self._steps) - 1))

    @traitlets.validate("speed")
    def _check_speed(self, proposal):
        if not 0 < proposal.value < math.inf:
            raise traitlets.TraitError(
                f"`speed` must be a number of snapshots per second above 0, got {proposal.value}."
            )
        return proposal.value

    @traitlets.validate("hidden_classes")
    def _check_hidden_classes(self, proposal):
        known = [entry["label"] for entry in self._classes]
        unknown = [label for label in proposal.value if label not in known]
        if unknown:
            raise traitlets.TraitError(
                f"`hidden_classes` must be among the labels {known}, got {unknown}."
            )
        return proposal.value

    @traitlets.validate("hovered")
    def _check_hovered(self, proposal):
        points = len(self._class_of) // 4
        if not -1 <= proposal.value < points:
            raise traitlets.TraitError(
                f"`hovered` must be the index of one of the {points} points, or -1 for none, "
                f"got {proposal.value}."
            )
        return proposal.value

    def __repr__(self) -> str:
        points = len(self._class_of) // 4
        return (
            f"EmbeddingPlayer({points} points in {len(self._classes)} classes, "
            f"{len(self._steps)} snapshots)"
        )


def _check_frames(frames) -> np.ndarray:
    frames = np.asarray(frames)
    if frames.ndim != 3 or frames.shape[-1] != 2 or 0 in frames.shape:
        raise ValueError(
            "`frames` must have shape (snapshots, points, 2) with at least one of each, "
            f"got shape {frames.shape}."
        )
    if not np.issubdtype(frames.dtype, np.floating):
        raise ValueError(f"`frames` must hold floats, got dtype {frames.dtype}.")
    with np.errstate(over="ignore"):  # said below, in our words
        frames = frames.astype("<f4")
    if not np.isfinite(frames).all():
        snapshot = int(np.argwhere(~np.isfinite(frames))[0, 0])
        raise ValueError(
            "`frames` must be finite in float32, "
            f"got NaN or infinity, first in snapshot {snapshot}."
        )
    return frames


def _check_steps(steps, snapshots: int) -> list[int]:
    steps = np.asarray(steps)
    if steps.shape != (snapshots,):
        raise ValueError(
            "`steps` must have one entry for every snapshot of `frames`, "
            f"got steps of shape {steps.shape} for {snapshots} snapshots."
        )
    if not np.issubdtype(steps.dtype, np.integer):
        raise ValueError(f"`steps` must be integers, got dtype {steps.dtype}.")
    if steps[0] < 0 or (np.diff(steps) <= 0).any():
        raise ValueError(f"`steps` must increase from 0 or above, got {steps.tolist()}.")
    return steps.tolist()


def _check_curves(curves: Mapping, snapshots: int) -> list[dict]:
    described = []
    for name, values in curves.items():
        values = np.asarray(values, dtype=float)
        if values.shape != (snapshots,):
            raise ValueError(
                "`curves` must have one value for every snapshot of `frames`, "
                f"got shape {values.shape} for {name!r} and {snapshots} snapshots."
            )
        # JSON knows no NaN.
        gaps = [value if math.isfinite(value) else None for value in values.tolist()]
        described.append({"name": str(name), "values": gaps})
    return described
