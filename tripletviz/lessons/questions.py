"""What a lesson asks its reader: `quiz`, and `predict` before a run with `compare` after it.

Importing it does not import TensorFlow.
"""

import numpy as np
from IPython.display import display

from ..figures import curve_with_prediction, number_with_prediction, plain_number
from ..widgets.prediction import Prediction
from ..widgets.quiz import Quiz
from . import records

_CLOSE = 0.02  # of the numbers that could be predicted: so near is said to be right
_LEVEL = 0.02  # a curve that moves by no more than this part of its height is level
_CLEAR = 0.1  # one that moves by more than this part is not
_TURNS = (0.25, 0.5)  # a curve turns where it goes back by so much of its range
_REST = 0.1  # it is level where it moves by no more than this part of its range ...
_LASTING = 0.3  # ... over this part of its values
_NO_PREDICTION = (
    "Nothing was predicted. To compare, answer the question above and run this cell again."
)
_UP_AND_DOWN = "goes up and down"


def quiz(question, choices, right):
    """A multiple-choice question; every choice is explained once it is chosen.

    Args:
        question: what is asked, plain text with code between backticks.
        choices: two to six choices: dictionary from the text of each to why it is right or wrong.
        right: text of the right one.

    Returns:
        `tripletviz.widgets.quiz.Quiz`, to be the last line of its cell. On a page that shows no
        widgets the question and the choices stand there as text.

    Raises:
        TypeError: if the choices are no dictionary, or a text is no string.
        ValueError: if `right` is not one of two to six choices, or a text is empty.

    Example:

    >>> quiz(
    ...     "Which triplets have a loss of 0?",
    ...     {"easy ones": "The negative is far enough.", "hard ones": "They cost most."},
    ...     right="easy ones",
    ... )
    """
    return Quiz(question, choices, right)


def predict(question, *, low=None, high=None, unit="", shapes=None, default=None):
    """Ask the reader for a number, or for the shape of a curve, before it is measured.

    Args:
        question: what is asked, plain text with code between backticks.
        low: smallest number that can be predicted; `None`: no limit, and no slider.
        high: largest one.
        unit: unit of the number.
        shapes: names of two to six shapes, to ask for one of them instead of a number: `"falls"`,
            `"rises"`, `"stays level"`, also one after the other joined with `", then "`; and
            `"goes up and down"`. Or a dictionary from names of one's own to the heights of a
            curve, from left to right.
        default: the prediction as long as the reader makes none; `None`: there is none then.

    Returns:
        `tripletviz.widgets.prediction.Prediction`, to be the last line of its cell, and later the
        first argument of `compare`.

    Raises:
        TypeError: if a text or a number is none.
        ValueError: if limits do not increase, or a shape is unknown.

    Example:

    >>> prediction = predict("With random weights, what will R@1 be?", low=0, high=1)
    >>> prediction
    """
    return Prediction(question, low=low, high=high, unit=unit, shapes=shapes, default=default)


def compare(prediction, measured, name=None, steps=None):
    """Show what was measured beside what the reader predicted.

    A number is drawn on one line with the number predicted, and how far off that is is said in
    words. A curve is drawn with the shape predicted over it: the shape starts where the curve
    starts, and spans as much. Whether they agree is said where `judge_shape` can tell; else it is
    left to the reader. Without a prediction, as when nobody sits in front of the notebook, a line
    of text says what was measured.

    Args:
        prediction: what `predict` gave.
        measured: the number; or the values of the curve, of shape `(S,)`, NaN where there is none.
        name: what was measured, for titles and axes.
        steps: training step of each value, integers of shape `(S,)` that increase; `None`: the
            values are numbered from 1.

    Raises:
        TypeError: if a number was asked for and a curve was measured, or the other way round.
        ValueError: if `steps` do not fit the values.

    Example:

    >>> compare(prediction, 0.938, name="R@1 untrained")
    """
    if not isinstance(prediction, Prediction):
        raise TypeError(f"`prediction` must be what `predict` gave, got {prediction!r}.")
    measured = np.asarray(measured, dtype=float)
    if prediction.asks_for_shape != bool(measured.ndim):
        asked = "the shape of a curve" if prediction.asks_for_shape else "a number"
        raise TypeError(f"{asked} was predicted, so `measured` must be one, got {measured!r}.")
    if prediction.asks_for_shape:
        _compare_shape(prediction, measured, name or "measured value", steps)
    else:
        _compare_number(prediction, float(measured), name or "The measured value")


def judge_shape(predicted, values):
    """Whether a curve has a shape, by a simple rule that leaves open what is not clear.

    The rule looks at the values in their order, not at the distances between their steps. With
    R for the curve's range, highest minus lowest:

    1. If R is at most 2 % of the largest absolute value, the curve stays level. If it is at most
       10 %, it is left open whether it does.
    2. The curve turns where it goes back by a good part of R; between turns it rises or falls,
       and with two turns or more it goes up and down. What a good part is, nobody can say: so it
       is looked at with 0.25 R and with 0.5 R, and where the two disagree, either is left open.
       Three moves or more, such as "rises, then falls, then rises", are to go up and down.
    3. A shape that is level before or after its moves agrees if the moves do and the first, or
       the last, 30 % of the values stay within 0.1 R; else it is left open. A shape that says
       nothing of it agrees either way.
    4. Whether a curve that goes up and down is level on the whole is left open.

    Everything is left open for fewer than three values, where one is missing or infinite, and
    for shapes that `predict` does not know by name.

    Args:
        predicted: name of the shape.
        values: values of the curve, of shape `(S,)`.

    Returns:
        Whether they agree, `None` if that is left open; and the name of the shape measured, `None`
        if it has none.
    """
    values = np.asarray(values, float)
    if len(values) < 3 or not np.isfinite(values).all():
        return None, None
    span, height = np.ptp(values), np.abs(values).max()
    is_level = span <= _LEVEL * height
    readings = [("stays level",)] if is_level else [_moves(values, turn * span) for turn in _TURNS]
    found = ", then ".join(readings[0])
    parts = tuple(predicted.split(", then "))
    if not {*parts} <= {"falls", "rises", "stays level", _UP_AND_DOWN}:
        return None, found
    if is_level:
        return parts == ("stays level",), found
    if parts == ("stays level",):
        is_open = span <= _CLEAR * height or (_UP_AND_DOWN,) in readings
        return (None if is_open else False), found
    moves = tuple(part for part in parts if part != "stays level")
    if len(moves) > 2:
        moves = (_UP_AND_DOWN,)
    if moves not in readings:
        return False, found
    is_clear = len(set(readings)) == 1 and "stays level" not in parts[1:-1]
    is_clear = is_clear and _rests(values, parts)
    return (True if is_clear else None), found


def _moves(values, turn):
    """How a curve moves between its turning points, each move at least `turn` high."""
    moves, direction = [], 0
    low = high = extreme = values[0]
    for value in values[1:]:
        if not direction:
            low, high = min(low, value), max(high, value)
            turned = int(value - low >= turn) - int(high - value >= turn)
        else:
            if (value - extreme) * direction > 0:
                extreme = value
            turned = -direction if (extreme - value) * direction >= turn else 0
        if turned:
            moves.append("rises" if turned > 0 else "falls")
            direction, extreme = turned, value
    return tuple(moves) if len(moves) <= 2 else (_UP_AND_DOWN,)


def _rests(values, parts):
    """Whether a curve is level at its beginning and its end as far as a shape says it is."""
    count = max(2, round(_LASTING * len(values)))
    rest = _REST * np.ptp(values)
    return all(
        np.ptp(part) <= rest
        for name, part in ((parts[0], values[:count]), (parts[-1], values[-count:]))
        if name == "stays level"
    )


def _compare_number(prediction, measured, name):
    unit = f" {prediction.unit}" if prediction.unit else ""
    said = f"{plain_number(measured)}{unit}"
    if prediction.value is None:
        return _tell(f"**{name} is {said}.** {_NO_PREDICTION}")
    guess = f"{_who(prediction)} {plain_number(prediction.value)}{unit}"
    if not np.isfinite(measured):
        return _tell(f"**{name} is {said}.** {guess}.")
    low, high = prediction.limits
    gap = prediction.value - measured
    scale = high - low if None not in (low, high) else abs(measured)
    if abs(gap) <= _CLOSE * scale:
        finding = "as good as exact" if gap else "exactly that"
    else:
        finding = f"too {'high' if gap > 0 else 'low'} by {plain_number(abs(gap))}{unit}"
    title = f"{name} is {said}. {guess}: {finding}"
    figure = number_with_prediction(
        measured, prediction.value, name, low=low, high=high, unit=prediction.unit, title=title
    )
    return records.show(figure)


def _compare_shape(prediction, values, name, steps):
    if values.ndim != 1 or not len(values):
        raise ValueError(f"a curve must have shape (S,), S above 0, got {values.shape}.")
    there = values[np.isfinite(values)]
    if not len(there):
        return _tell(f"**{name}** has no finite value: there is nothing to draw.")
    start, end = plain_number(there[0]), plain_number(there[-1])
    course = f"{name[:1].upper()}{name[1:]} goes from {start} to {end}"
    course += "" if np.isfinite(values[-1]) else ", and ends without a number"
    if prediction.value is None:
        return _tell(f"**{course}.** {_NO_PREDICTION}")
    predicted = prediction.value
    agrees, found = judge_shape(predicted, values)
    title = f"{course}. {_verdict(prediction, agrees, found)}"
    values = np.where(np.isfinite(values), values, np.nan)
    figure = curve_with_prediction(
        values, prediction.shapes[predicted], name, predicted, steps=steps, title=title
    )
    return records.show(figure)


def _verdict(prediction, agrees, found):
    said = f"{_who(prediction)} “{prediction.value}”"
    if agrees is None:
        return f"{said}: does it?"
    return f"{said}: it does" if agrees else f"{said}, but it {found}"


def _who(prediction):
    return "You predicted" if prediction.answered else "The preset prediction was"


def _tell(text):
    display({"text/markdown": text, "text/plain": text.replace("**", "")}, raw=True)
