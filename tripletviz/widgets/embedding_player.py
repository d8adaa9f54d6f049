"""The embedding player: how an embedding moves during training, as a picture that plays."""

import math
from collections.abc import Mapping, Sequence
from numbers import Real

import numpy as np
import traitlets

from ._widget import (
    CURVE_WORDS,
    MAX_PICTURES,
    Widget,
    check_labels,
    check_steps,
    describe_classes,
    finite_float32,
    load_script,
    make_sprite,
)

_QUESTION = "How does the embedding move during training?"
_WHOLE_VIEW = {"x": 0.0, "y": 0.0, "zoom": 1.0}
_LARGEST_ZOOM = 100
_MOST_NEIGHBORS = 10


class EmbeddingPlayer(Widget):
    """A player for the evolution of an embedding: scatter plot, curves and time controls.

    Points move between the snapshots by straight lines; what the reader sees at a snapshot was
    measured, what lies between two is interpolated. All data is sent to the browser once, when
    the widget is first shown; playing needs no kernel, so that the widget also lives in an
    exported page.

    With the embeddings behind the picture the player also says how far it can be believed: at
    every snapshot the *trustworthiness* of the whole picture, and for a pinned point its nearest
    neighbours in the embedding, true distance beside drawn distance. In the plot a ring at the end
    of a line marks a true neighbour drawn near, a broken ring and a dashed line a true neighbour
    torn away (not among the 10 nearest drawn), a triangle a false neighbour (among the 10 nearest
    drawn, not among the true ones).

    A click pins a point, another releases it. Dragging moves the picture, or turns it in three
    dimensions, where it is moved with shift held or with two fingers; pinching zooms, and so does
    the wheel while the plot has the focus or Ctrl is held; a double click shows all again.

    Keys: space plays and pauses, left and right step, Home and End jump; + and - zoom, 0 shows
    all again, shift and the arrows move the picture; A and D turn it, W and S tilt it, in three
    dimensions; N and P pin the next and the previous point, Enter the one under the pointer,
    Escape releases. Where the reader's system asks for reduced motion, playing jumps from
    snapshot to snapshot and never starts by itself.

    Args:
        frames: positions, float array of shape `(S, N, 2)`: `S` snapshots of `N` points; or, for
            1,000 points at most, `(S, N, 3)`: the first axis points right, the second up, the
            third towards the reader.
        labels: class of every point, integer array of shape `(N,)`.
        steps: training step of every snapshot, `S` increasing integers. The first is 0 for a
            recording that starts before the first update.
        curves: what was measured at the snapshots, a mapping from name to `S` floats, in the
            order to be shown. A value that is not finite leaves a gap. A value that is itself a
            mapping from name to `S` floats becomes one chart of several lines; those named
            `"easy"`, `"semi-hard"` and `"hard"` have the colours of these kinds of triplets.
        images: picture of every point, `uint8` array of shape `(N, H, W)`, for 1,000 points at
            most: beside the pointer, and for the neighbours of a pinned point.
        embeddings: the true places of the points, float array of shape `(S, N, D)`, for 3 to
            1,000 points. They stay in Python: what is sent are each point's nearest neighbours
            (10, or as many as are below half the number of points) and distances to 1 part in
            1,000.
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
        pinned: index of the point whose neighbours are shown, or -1.
        view: what part of the picture is seen, a dictionary: `"zoom"` from 1 (all of it) to 100,
            and `"x"` and `"y"`, how far right of and above its middle the middle of the plot
            lies, in units of `frames`. What is left out of a dictionary given is 0, or 1 for the
            zoom.
        rotation: how frames of three dimensions are turned, `[turn, tilt]` in degrees: first
            about the upright axis, what is in front moving right, then its front down. The tilt
            is from -90 to 90.
        fit_each: whether every snapshot is fitted to the plot. If not, one scale holds for all
            snapshots, so that distances can be compared over time.
        height: height of the scatter plot in CSS pixels, at least 100. Where the plot is
            narrower than that, it is only as high as wide.
        step_name: what `steps` count, in one word, where they are not steps of a training, such as
            `"perplexity"`.
        trustworthiness: one float from 0 to 1 for every snapshot, or an empty list without
            `embeddings`; see `tripletviz.projection.trustworthiness`. Read only.

    Raises:
        ValueError: if an array has the wrong shape or type, is not finite, or does not fit the
            others.

    Example:
        >>> player = EmbeddingPlayer(frames, labels, steps=[0, 1, 10], curves={"loss": loss})
        >>> player.position = 2
        >>> player.save_html("evolution.html")
        >>> EmbeddingPlayer.from_recording(Recording.load("data/mnist-recording.npz"))
    """

    _esm = load_script("embedding_player")

    # An echo would take a playing view back to where it was when the message left.
    position = traitlets.Float(0.0).tag(sync=True, echo_update=False)
    playing = traitlets.Bool(False).tag(sync=True)
    speed = traitlets.Float(4.0).tag(sync=True)
    hidden_classes = traitlets.List(traitlets.Int()).tag(sync=True)
    hovered = traitlets.Int(-1).tag(sync=True, echo_update=False)
    pinned = traitlets.Int(-1).tag(sync=True, echo_update=False)
    view = traitlets.Dict(default_value=dict(_WHOLE_VIEW)).tag(sync=True, echo_update=False)
    rotation = traitlets.List(traitlets.Float(), [25.0, 20.0], minlen=2, maxlen=2).tag(
        sync=True, echo_update=False
    )
    title = traitlets.Unicode(_QUESTION).tag(sync=True)
    fit_each = traitlets.Bool(False).tag(sync=True)
    height = traitlets.Int(480, min=100).tag(sync=True)
    step_name = traitlets.Unicode("step").tag(sync=True)

    _frames = traitlets.Bytes().tag(sync=True)
    _dimensions = traitlets.Int(2).tag(sync=True)
    _class_of = traitlets.Bytes().tag(sync=True)
    _classes = traitlets.List().tag(sync=True)
    _steps = traitlets.List().tag(sync=True)
    _curves = traitlets.List().tag(sync=True)
    _sprite = traitlets.Bytes().tag(sync=True)
    _sprite_layout = traitlets.Dict().tag(sync=True)
    _neighbor_count = traitlets.Int(0).tag(sync=True)
    _neighbors = traitlets.Bytes().tag(sync=True)
    _neighbor_distances = traitlets.Bytes().tag(sync=True)
    _drawn_distances = traitlets.Bytes().tag(sync=True)
    _distance_range = traitlets.List().tag(sync=True)
    _trustworthiness = traitlets.List().tag(sync=True)

    def __init__(
        self,
        frames,
        labels,
        *,
        steps,
        curves: Mapping[str, Sequence[float]] | None = None,
        images=None,
        embeddings=None,
        class_names: Sequence[str] | None = None,
        title: str | None = None,
        **traits,
    ):
        frames = _check_frames(frames)
        snapshots, points, dimensions = frames.shape
        labels = check_labels(labels, points, "point of `frames`")
        present, class_of = np.unique(labels, return_inverse=True)
        sprite, sprite_layout = make_sprite(images, points, "point of `frames`")
        super().__init__(
            _frames=frames.tobytes(),
            _dimensions=dimensions,
            _class_of=class_of.astype("<i4").tobytes(),
            _classes=describe_classes(present.tolist(), class_names),
            _steps=check_steps(steps, snapshots, "frames"),
            _curves=_check_curves(curves or {}, snapshots),
            _sprite=sprite,
            _sprite_layout=sprite_layout,
            **_describe_neighbors(embeddings, frames),
            title=_QUESTION if title is None else title,
            **traits,
        )

    @classmethod
    def from_recording(cls, recording, projection: str = "pca", dimensions: int = 2, **options):
        """A player of a recorded training, with pictures, neighbours and curves.

        Of a recording of more than 1,000 points, pictures and neighbours are left out.

        Args:
            recording: a `tripletviz.recordings.Recording`.
            projection: `"pca"`, one fixed view along the principal components of the last
                snapshot, at once; or `"tsne"`, which takes about 20 seconds for 20 snapshots of
                1,000 points.
            dimensions: of the picture, 2 or 3.
            **options: arguments and traits of `EmbeddingPlayer`, in place of the recording's.

        Returns:
            An `EmbeddingPlayer`.

        Raises:
            ValueError: if the projection is unknown, or the recording has too few points or
                dimensions for it.

        Example:
            >>> EmbeddingPlayer.from_recording(recording, dimensions=3, position=20)
        """
        from ..projection import pca_frames, tsne_frames

        projections = {"pca": pca_frames, "tsne": tsne_frames}
        if projection not in projections:
            raise ValueError(f"`projection` must be 'pca' or 'tsne', got {projection!r}.")
        frames = projections[projection](recording.embeddings, dimensions=dimensions)
        few = frames.shape[1] <= MAX_PICTURES
        settings = {
            "steps": recording.steps,
            "curves": _curves_of(recording),
            "images": recording.images if few else None,
            "embeddings": recording.embeddings if few else None,
        }
        return cls(frames, recording.labels, **(settings | options))

    @property
    def trustworthiness(self) -> list[float]:
        return list(self._trustworthiness)

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

    @traitlets.validate("hovered", "pinned")
    def _check_point(self, proposal):
        points = len(self._class_of) // 4
        if not -1 <= proposal.value < points:
            raise traitlets.TraitError(
                f"`{proposal.trait.name}` must be the index of one of the {points} points, "
                f"or -1 for none, got {proposal.value}."
            )
        return proposal.value

    @traitlets.validate("view")
    def _check_view(self, proposal):
        view = _WHOLE_VIEW | proposal.value
        numbers = all(isinstance(value, Real) and math.isfinite(value) for value in view.values())
        if view.keys() != _WHOLE_VIEW.keys() or not numbers:
            raise traitlets.TraitError(
                "`view` must hold finite numbers under 'x', 'y' and 'zoom' alone, "
                f"got {proposal.value}."
            )
        if not 1 <= view["zoom"] <= _LARGEST_ZOOM:
            raise traitlets.TraitError(
                f"`view` must have a zoom from 1 to {_LARGEST_ZOOM}, got {view['zoom']}."
            )
        return {name: float(value) for name, value in view.items()}

    @traitlets.validate("rotation")
    def _check_rotation(self, proposal):
        turn, tilt = proposal.value
        if not (math.isfinite(turn) and -90 <= tilt <= 90):
            raise traitlets.TraitError(
                "`rotation` must be a finite turn and a tilt from -90 to 90 degrees, "
                f"got {proposal.value}."
            )
        return [turn, tilt]

    def __repr__(self) -> str:
        points = len(self._class_of) // 4
        return (
            f"EmbeddingPlayer({points} points in {len(self._classes)} classes, "
            f"{len(self._steps)} snapshots)"
        )


def _check_frames(frames) -> np.ndarray:
    frames = np.asarray(frames)
    if frames.ndim != 3 or frames.shape[-1] not in (2, 3) or 0 in frames.shape:
        raise ValueError(
            "`frames` must have shape (snapshots, points, 2) or (snapshots, points, 3), "
            f"with at least one of each, got shape {frames.shape}."
        )
    if frames.shape[-1] == 3 and frames.shape[1] > MAX_PICTURES:
        raise ValueError(
            f"`frames` of three dimensions may hold {MAX_PICTURES} points at most, "
            f"got {frames.shape[1]}: give two dimensions, or fewer points."
        )
    return finite_float32(frames, "frames")


def _check_curves(curves: Mapping, snapshots: int) -> list[dict]:
    described = []
    for name, values in curves.items():
        if not isinstance(values, Mapping):
            described.append(_check_curve(name, values, snapshots))
        elif not values:
            raise ValueError(f"`curves` must have at least one line for {name!r}, got none.")
        else:
            lines = [_check_curve(*line, snapshots) for line in values.items()]
            described.append({"name": str(name), "lines": lines})
    return described


def _check_curve(name, values, snapshots: int) -> dict:
    values = np.asarray(values, dtype=float)
    if values.shape != (snapshots,):
        raise ValueError(
            "`curves` must have one value for every snapshot of `frames`, "
            f"got shape {values.shape} for {name!r} and {snapshots} snapshots."
        )
    # JSON knows no NaN.
    gaps = [value if math.isfinite(value) else None for value in values.tolist()]
    return {"name": CURVE_WORDS.get(name, str(name)), "values": gaps}


def _curves_of(recording) -> dict:
    """The recorded curves that tell how training went, the kinds of triplets in one chart."""
    names = ["loss", "fraction of positive triplets", "R@1"]
    kinds = ["easy", "semi-hard", "hard"]
    curves = {name: recording.curves[name] for name in names if name in recording.curves}
    if all(kind in recording.curves for kind in kinds):
        curves["share of the triplets"] = {kind: recording.curves[kind] for kind in kinds}
    return curves


def _describe_neighbors(embeddings, frames: np.ndarray) -> dict:
    """The private traits that tell of neighbours, none of them without embeddings."""
    if embeddings is None:
        return {}
    embeddings = _check_embeddings(embeddings, frames)
    from ..projection import neighborhoods

    count = min(_MOST_NEIGHBORS, (frames.shape[1] - 1) // 2)
    found = [neighborhoods(*pair, count) for pair in zip(embeddings, frames, strict=True)]
    distances = np.array([[near.true_distances, near.drawn_true_distances] for near in found])
    codes, distance_range = _encode_distances(distances)
    return {
        "_neighbor_count": count,
        "_neighbors": np.array([near.true for near in found], dtype="<u2").tobytes(),
        "_neighbor_distances": codes[:, 0].tobytes(),
        "_drawn_distances": codes[:, 1].tobytes(),
        "_distance_range": distance_range,
        "_trustworthiness": [near.trustworthiness for near in found],
    }


def _check_embeddings(embeddings, frames: np.ndarray) -> np.ndarray:
    embeddings = np.asarray(embeddings)
    snapshots, points, _ = frames.shape
    if embeddings.ndim != 3 or embeddings.shape[:2] != (snapshots, points) or not embeddings.size:
        raise ValueError(
            f"`embeddings` must have shape ({snapshots}, {points}, dimensions), as many snapshots "
            f"and points as `frames`, got shape {embeddings.shape}."
        )
    if not np.issubdtype(embeddings.dtype, np.floating):
        raise ValueError(f"`embeddings` must hold floats, got dtype {embeddings.dtype}.")
    if not 3 <= points <= MAX_PICTURES:
        raise ValueError(
            f"`embeddings` are for 3 to {MAX_PICTURES} points, got {points}: "
            "leave them out, or show another number of points."
        )
    if not np.isfinite(embeddings).all():
        snapshot = int(np.argwhere(~np.isfinite(embeddings))[0, 0])
        raise ValueError(
            f"`embeddings` must be finite, got NaN or infinity, first in snapshot {snapshot}."
        )
    return embeddings


def _encode_distances(distances: np.ndarray) -> tuple[np.ndarray, list[float]]:
    """Distances in two bytes each: equal steps of their logarithm, so of equal relative error.

    Code 0 is a distance of 0, the codes from 1 to 65,535 go from the smallest other one to the
    largest.
    """
    positive = distances[distances > 0]
    low, high = (positive.min(), positive.max()) if positive.size else (1.0, 1.0)
    with np.errstate(divide="ignore"):
        parts = np.log(distances / low) / max(np.log(high / low), np.finfo(float).tiny)
    codes = np.where(distances > 0, 1 + np.round(65534 * parts), 0)
    return codes.astype("<u2"), [float(low), float(high)]
