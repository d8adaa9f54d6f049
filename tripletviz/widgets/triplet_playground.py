"""The triplet playground: one triplet to drag, its loss, and where the gradient sends it."""

import math

import numpy as np
import traitlets

from ._triplets import METRICS
from ._widget import Widget, load_script, make_sprite

_QUESTION = "What does one triplet ask of an embedding?"
_LIMIT = 2.0  # the plane reaches from -2 to 2, as in the script


class _Place(traitlets.TraitType):
    """A point in the plane: anything that holds two finite numbers, kept as a pair of floats."""

    info_text = "a pair of finite numbers"

    def validate(self, widget, value):
        try:
            place = np.asarray(value, dtype=float)
        except (TypeError, ValueError):
            place = np.empty(0)
        if place.shape != (2,) or not np.isfinite(place).all():
            raise traitlets.TraitError(
                f"`{self.name}` must be a pair of finite numbers, got {value!r}."
            )
        return tuple(place.tolist())


class TripletPlayground(Widget):
    """One triplet in the plane: drag its points, see distances, zones, loss and gradient.

    An anchor (diamond), a positive (circle) and a negative (square) lie in a plane that stands for
    a two-dimensional embedding. Around the anchor the plane falls into zones: a negative in the
    inner one makes the triplet hard, in the ring semi-hard, outside easy. Arrows show the way
    downhill, the negative gradient of the loss with respect to each point. One gradient step, or
    a run of them, moves the points along the arrows until the loss is 0.

    The loss is `max(d(a, p) - d(a, n) + margin, 0)`, or `log(1 + exp(d(a, p) - d(a, n)))` with the
    soft margin. Where two points coincide the gradient of their distance is zero, as everywhere in
    this package. With `metric="cosine"` the points slide on the unit circle: a gradient step goes
    along the tangent, then back to the circle.

    Everything is computed in the browser and needs no kernel, so that the widget also lives in an
    exported page.

    Keys: Tab reaches a point, the arrow keys move it by 0.05 (with Shift by 0.25; on the circle
    they turn it by 3 or 15 degrees). S takes a step, space runs and stops, R resets.

    Args:
        images: pictures of anchor, positive and negative, `uint8` array of shape `(3, H, W)`.
            Only the marks are shown if None.
        title: heading above the plane; a question if None.
        **traits: starting values of the traits below, or of ipywidgets' own (`layout`, ...). The
            reset button comes back to them.

    Attributes:
        anchor: place of the anchor, a pair of floats from -2 to 2; what lies beyond is clipped.
            On the unit circle (`metric="cosine"`) a place is moved to the circle, and the origin,
            which has no direction, to (1, 0).
        positive: place of the positive, likewise.
        negative: place of the negative, likewise.
        margin: at least 0, in units of the distance. Without effect while `soft_margin` is on.
        metric: `"euclidean"`, `"squared_euclidean"` or `"cosine"` (`1 - cos`).
        soft_margin: whether softplus takes the place of the hinge. Then every triplet is active,
            and there is no ring.
        learning_rate: above 0; a step moves each point by this times the negative gradient.
        running: whether gradient steps are taken, some sixteen a second. Ends by itself when the
            loss is 0, when the gradient is zero, or after 500 steps. Needs a browser.
        loss: the triplet's loss. Read-only.
        category: `"hard"` if d(a, n) <= d(a, p); `"semi-hard"` if
            d(a, p) < d(a, n) < d(a, p) + margin; else `"easy"`. With the soft margin `"hard"` or
            `"not hard"`. Read-only.
        title: heading above the plane.

    Raises:
        ValueError: if `images` has the wrong shape or type.
        traitlets.TraitError: if a trait is given what makes no sense.

    Example:
        >>> playground = TripletPlayground()
        >>> playground.category
        'semi-hard'
        >>> playground.negative = (0.6, 0.2)
        >>> playground.category
        'hard'
    """

    _esm = load_script("triplet_playground")

    # An echo would take a point back to where it was when the message left.
    anchor = _Place((0.5, 0.3)).tag(sync=True, echo_update=False)
    positive = _Place((0.0, 0.85)).tag(sync=True, echo_update=False)
    negative = _Place((0.5, -0.7)).tag(sync=True, echo_update=False)
    margin = traitlets.Float(0.5).tag(sync=True, echo_update=False)
    metric = traitlets.Unicode("euclidean").tag(sync=True)
    soft_margin = traitlets.Bool(False).tag(sync=True)
    learning_rate = traitlets.Float(0.02).tag(sync=True, echo_update=False)
    running = traitlets.Bool(False).tag(sync=True)
    loss = traitlets.Float(read_only=True).tag(sync=True, echo_update=False)
    category = traitlets.Unicode(read_only=True).tag(sync=True, echo_update=False)
    title = traitlets.Unicode(_QUESTION).tag(sync=True)

    _trail = traitlets.Dict().tag(sync=True, echo_update=False)
    _start = traitlets.Dict().tag(sync=True)
    _sprite = traitlets.Bytes().tag(sync=True)
    _sprite_layout = traitlets.Dict().tag(sync=True)

    def __init__(self, images=None, *, title: str | None = None, **traits):
        sprite, sprite_layout = make_sprite(images, 3, "point of the triplet")
        super().__init__(
            _sprite=sprite,
            _sprite_layout=sprite_layout,
            title=_QUESTION if title is None else title,
            **traits,
        )

    @classmethod
    def from_recording(cls, recording, *, label: int = 4, other: int = 9, **options):
        """A playground with real digits that an untrained network mixes up.

        Of all pairs of a `label` and an `other`, anchor and negative are the two that lie nearest
        in the recording's first snapshot. The positive is the `label` whose distance to the anchor
        is the median one. (The places in the plane are not taken from the recording.)

        Args:
            recording: `tripletviz.recordings.Recording`.
            label: class of anchor and positive.
            other: class of the negative.
            **options: as for the class itself.

        Raises:
            ValueError: if the classes are the same, or the recording holds fewer than two pictures
                of `label` or none of `other`.
        """
        ours, theirs = (np.flatnonzero(recording.labels == which) for which in (label, other))
        if label == other or len(ours) < 2 or len(theirs) < 1:
            raise ValueError(
                "`recording` must hold two pictures of `label` and one of `other`, another class; "
                f"got {len(ours)} of {label} and {len(theirs)} of {other}."
            )
        points = recording.embeddings[0].astype(float)
        across = np.linalg.norm(points[ours][:, None] - points[theirs][None], axis=2)
        nearest, negative = np.unravel_index(across.argmin(), across.shape)
        within = np.linalg.norm(points[ours] - points[ours[nearest]], axis=1)
        by_distance = np.delete(ours[within.argsort(kind="stable")], 0)
        chosen = [ours[nearest], by_distance[len(by_distance) // 2], theirs[negative]]
        return cls(recording.images[chosen], **options)

    @property
    def steps_taken(self) -> int:
        """Gradient steps since a point was last put somewhere by hand or from Python."""
        here = [*self.anchor, *self.positive, *self.negative]
        places = self._trail.get("places")
        return self._trail["steps"] if places and places[-1] == here else 0

    @traitlets.default("_start")
    def _remember_start(self):
        names = ("anchor", "positive", "negative")
        names += ("margin", "metric", "soft_margin", "learning_rate")
        return {name: getattr(self, name) for name in names}

    @traitlets.default("loss")
    def _first_loss(self):
        return self._outcome()[0]

    @traitlets.default("category")
    def _first_category(self):
        return self._outcome()[1]

    @traitlets.validate("anchor", "positive", "negative")
    def _keep_in_bounds(self, proposal):
        if self.metric == "cosine":
            return _to_circle(proposal.value)
        return tuple(min(max(value, -_LIMIT), _LIMIT) for value in proposal.value)

    @traitlets.validate("margin")
    def _check_margin(self, proposal):
        if not 0 <= proposal.value < math.inf:
            raise traitlets.TraitError(
                f"`margin` must be a finite number, at least 0, got {proposal.value}."
            )
        return proposal.value

    @traitlets.validate("learning_rate")
    def _check_learning_rate(self, proposal):
        if not 0 < proposal.value < math.inf:
            raise traitlets.TraitError(
                f"`learning_rate` must be a finite number above 0, got {proposal.value}."
            )
        return proposal.value

    @traitlets.validate("metric")
    def _check_metric(self, proposal):
        if proposal.value not in METRICS:
            allowed = ", ".join(f'"{name}"' for name in METRICS)
            raise traitlets.TraitError(
                f"`metric` must be one of {allowed}, got {proposal.value!r}."
            )
        return proposal.value

    @traitlets.observe("anchor", "positive", "negative", "margin", "metric", "soft_margin")
    def _follow(self, change):
        if change.name == "metric":
            for name in ("anchor", "positive", "negative"):
                setattr(self, name, getattr(self, name))  # validated anew, for the new metric
        loss, category = self._outcome()
        # The browser's exp may differ from ours in the last digit: not worth a message.
        if not math.isclose(loss, self.loss, rel_tol=1e-12):
            self.set_trait("loss", loss)
        self.set_trait("category", category)

    def _outcome(self) -> tuple[float, str]:
        positive = _distance(self.metric, self.anchor, self.positive)
        negative = _distance(self.metric, self.anchor, self.negative)
        difference = positive - negative
        if self.soft_margin:
            loss = max(difference, 0.0) + math.log1p(math.exp(-abs(difference)))
            return loss, "hard" if negative <= positive else "not hard"
        active = negative < positive + self.margin
        loss = max(difference + self.margin, 0.0) if active else 0.0
        if negative <= positive:
            return loss, "hard"
        return loss, "semi-hard" if active else "easy"

    def __repr__(self) -> str:
        return f"TripletPlayground({self.category}, loss {self.loss:.3f})"


def _distance(metric: str, one, other) -> float:
    """Distance of two points, the same to the last digit as in the script."""
    if metric == "cosine":
        one, other = _to_circle(one), _to_circle(other)
    (x, y), (u, v) = one, other
    squared = (x - u) * (x - u) + (y - v) * (y - v)
    if metric == "cosine":
        return 0.5 * squared
    return math.sqrt(squared) if metric == "euclidean" else squared


def _to_circle(place) -> tuple[float, float]:
    """The point of the unit circle in the direction of a place; the origin goes to (1, 0)."""
    x, y = place
    if abs(x * x + y * y - 1.0) < 1e-12:
        return x, y  # a second scaling might move the last digit
    largest = max(abs(x), abs(y))
    if largest == 0.0:
        return 1.0, 0.0
    x, y = x / largest, y / largest
    length = math.sqrt(x * x + y * y)
    return x / length, y / length
