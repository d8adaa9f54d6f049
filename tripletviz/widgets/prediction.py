"""The prediction: a number or the shape of a curve, said before it is measured."""

import math
import numbers
from collections.abc import Mapping

import numpy as np
import traitlets

from ._question import Question, as_markdown, check_text
from ._widget import load_script

_DIRECTIONS = {"falls": -1.0, "rises": 1.0, "stays level": 0.0}
_UP_AND_DOWN = "goes up and down"
_POINTS = 61  # of a shape: smooth, and there is one at every turn of two to six parts


class Prediction(Question):
    """Asks for a number, or for the shape of a curve, before it is measured.

    A number is typed, or chosen with a slider between `low` and `high`. A shape is one of a few
    small drawn curves. Nothing is judged here: `tripletviz.lessons.compare` lays the prediction
    beside what was measured. Texts are plain, with code between backticks.

    Keys: the arrows move the slider, or choose another shape.

    Args:
        question: what is asked.
        low: smallest number that can be predicted; `None`: no limit, and no slider.
        high: largest one.
        unit: unit of the number, shown behind it.
        shapes: two to six names of shapes, to ask for a shape instead of a number; what each
            looks like says `shape_of`. Or a mapping from names to the heights of a curve from
            left to right, two or more floats each, for shapes of one's own.
        default: the prediction as long as the reader makes none; `None`: there is none then.
        **traits: starting values of ipywidgets' own traits (`layout`, ...).

    Attributes:
        value: the prediction: a float, or the name of a shape; `None` if there is none.
        answered: whether the reader has made one, rather than left the default.

    Raises:
        TypeError: if a text or a number is none.
        ValueError: if a text is empty, limits do not increase, the default does not fit them, a
            shape is unknown, or limits or a unit are given for shapes.

    Example:
        >>> Prediction("With random weights, what will R@1 be?", low=0, high=1)
        >>> Prediction("Which way will the loss go?", shapes=("falls", "rises", "stays level"))
    """

    _esm = load_script("prediction")

    # An echo would take the slider back to where it was when the message left.
    value = traitlets.Any(None, allow_none=True).tag(sync=True, echo_update=False)
    answered = traitlets.Bool(False).tag(sync=True)

    _low = traitlets.Float(None, allow_none=True).tag(sync=True)
    _high = traitlets.Float(None, allow_none=True).tag(sync=True)
    _unit = traitlets.Unicode("").tag(sync=True)
    _shapes = traitlets.List().tag(sync=True)

    def __init__(
        self,
        question: str,
        *,
        low: float | None = None,
        high: float | None = None,
        unit: str = "",
        shapes=None,
        default=None,
        **traits,
    ):
        curves = {} if shapes is None else _check_shapes(shapes)
        if curves and (low is not None or high is not None or unit):
            raise ValueError("`low`, `high` and `unit` belong to a number, not to `shapes`.")
        low, high = _check_limits(low, high)
        super().__init__(
            question=check_text(question, "`question`"),
            _low=low,
            _high=high,
            _unit=unit,
            _shapes=[{"name": name, "points": curve} for name, curve in curves.items()],
            **traits,
        )
        if default is not None:
            self.value = default
            self.answered = False

    @property
    def asks_for_shape(self) -> bool:
        """Whether a shape is asked for rather than a number."""
        return bool(self._shapes)

    @property
    def limits(self) -> tuple:
        """Smallest and largest number that can be predicted, each `None` without a limit."""
        return self._low, self._high

    @property
    def unit(self) -> str:
        return self._unit

    @property
    def shapes(self) -> dict:
        """The heights of each shape by name, float arrays; empty if a number is asked for."""
        return {each["name"]: np.array(each["points"]) for each in self._shapes}

    def to_markdown(self) -> str:
        head = f"**Predict.** {as_markdown(self.question)}"
        if self._shapes:
            return "\n".join(
                [head, "", *(f"- {as_markdown(each['name'])}" for each in self._shapes)]
            )
        unit = f" {self._unit}" if self._unit else ""
        ends = [None if end is None else f"{end:,g}{unit}" for end in self.limits]
        if None not in ends:
            return f"{head} (A number from {ends[0]} to {ends[1]}.)"
        return head

    @traitlets.validate("value")
    def _check_value(self, proposal):
        value = proposal.value
        if value is None:
            return None
        if self._shapes:
            names = [each["name"] for each in self._shapes]
            if value not in names:
                raise traitlets.TraitError(f"`value` must be one of {names}, got {value!r}.")
            return value
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            raise traitlets.TraitError(f"`value` must be a number or None, got {value!r}.")
        low = -math.inf if self._low is None else self._low
        high = math.inf if self._high is None else self._high
        if not (math.isfinite(value) and low <= value <= high):
            raise traitlets.TraitError(
                f"`value` must be a finite number from {low:g} to {high:g}, got {value!r}."
            )
        return float(value)

    @traitlets.observe("value")
    def _note_answer(self, change):
        self.answered = self.value is not None

    def __repr__(self) -> str:
        return f"Prediction({self.question!r})"


def shape_of(name: str) -> list[float]:
    """What a shape looks like: heights at equal distances from left to right.

    Args:
        name: `"falls"`, `"rises"` and `"stays level"`, alone or one after the other with
            `", then "` between them; or `"goes up and down"`.

    Returns:
        List of floats. It starts at 0, and its highest and its lowest lie 1 apart; a level one
        stays at 0.

    Raises:
        ValueError: if the name is none of these.
    """
    if name == _UP_AND_DOWN:
        levels = [0, 0.5, -0.5, 0.5, -0.5, 0]
        times = np.array([0, 9, 23, 37, 51, 60]) / 60
    else:
        parts = name.split(", then ")
        if not set(parts) <= set(_DIRECTIONS):
            known = ", ".join(repr(each) for each in (*_DIRECTIONS, _UP_AND_DOWN))
            raise ValueError(
                f"there is no shape {name!r}; there are {known}, "
                "and the first three joined with ', then '."
            )
        levels = np.concatenate([[0], np.cumsum([_DIRECTIONS[part] for part in parts])])
        times = np.linspace(0, 1, len(levels))
        span = levels.max() - levels.min()
        levels = levels / (span or 1)
    at = np.linspace(0, 1, _POINTS)
    piece = np.clip(np.searchsorted(times, at, side="right") - 1, 0, len(levels) - 2)
    times, levels = np.asarray(times, float), np.asarray(levels, float)
    part = (at - times[piece]) / (times[piece + 1] - times[piece])
    eased = (1 - np.cos(np.pi * part)) / 2  # without corners, as a curve would go
    heights = levels[piece] + eased * (levels[piece + 1] - levels[piece])
    return [round(float(height), 4) for height in heights]


def _check_shapes(shapes) -> dict:
    if isinstance(shapes, str) or not 2 <= len(shapes) <= 6:
        raise ValueError(f"`shapes` must be two to six, got {shapes!r}.")
    names = [check_text(name, "the name of a shape") for name in shapes]
    if len(set(names)) < len(names):
        raise ValueError(f"`shapes` must differ, got {names}.")
    if not isinstance(shapes, Mapping):
        return {name: shape_of(name) for name in names}
    curves = {}
    for name, heights in zip(names, shapes.values(), strict=True):
        heights = np.asarray(heights, float)
        if heights.ndim != 1 or len(heights) < 2 or not np.isfinite(heights).all():
            raise ValueError(f"the shape {name!r} must be two or more finite heights.")
        span = np.ptp(heights)
        curves[name] = ((heights - heights[0]) / (span or 1)).round(4).tolist()
    return curves


def _check_limits(low, high) -> tuple:
    for name, end in (("low", low), ("high", high)):
        if end is None:
            continue
        if isinstance(end, bool) or not isinstance(end, numbers.Real):
            raise TypeError(f"`{name}` must be a number or None, got {end!r}.")
        if not math.isfinite(end):
            raise ValueError(f"`{name}` must be finite, got {end!r}.")
    if low is not None and high is not None and not low < high:
        raise ValueError(f"`low` must be below `high`, got {low!r} and {high!r}.")
    return tuple(None if end is None else float(end) for end in (low, high))
