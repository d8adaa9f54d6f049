"""What an exercise is, and how an answer to it is judged."""

import linecache
import re
import sysconfig
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

# Where no learner's code lies: this package, Python itself, and what is installed.
_NOT_OF_LEARNERS = (
    Path(__file__).resolve().parents[2],
    *(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib")),
)
_LONGEST_ERROR = 500


class Wrong(Exception):  # noqa: N818 - it is an outcome, no error of the program
    """An answer is wrong. The message tells the learner what is wrong with it, in Markdown."""


class NotAttempted(Exception):  # noqa: N818
    """The three dots of the stub are still in place."""


class Crashed(Exception):  # noqa: N818
    """The learner's code raised an exception, which is the `__cause__`."""


@dataclass(frozen=True)
class Exercise:
    """One exercise of the workbook.

    Attributes:
        name: name of the function (or variable) that the learner writes; unique in the workbook.
        lesson: number of its lesson, such as `"03"`.
        title: what is to be built, in a few words.
        examine: gets the learner's answer and a `numpy.random.Generator`, and raises `Wrong` at
            the first thing that is wrong. A function arrives wrapped in `Asked`. What it gives
            back, if anything, is a remark on a right answer, in Markdown.
        hints: from a nudge to nearly the solution.
        reference: makes the version that later cells use until the learner's is right.
    """

    name: str
    lesson: str
    title: str
    examine: Callable[[object, np.random.Generator], str | None]
    hints: Sequence[str]
    reference: Callable[[], object]


@dataclass(frozen=True)
class Outcome:
    """What a check found.

    Attributes:
        state: `"not attempted"`, `"wrong"`, `"crashed"` or `"right"`.
        message: what to tell the learner, in Markdown.
    """

    state: str
    message: str


class Asked:
    """A learner's function that can be asked without harm.

    It gets copies of arrays, so that what it changes is its own; its exceptions arrive as
    `Crashed`, and the dots of an unfinished stub as `NotAttempted`. NumPy's warnings are held
    back: what comes of a division by zero is for the check to say.
    """

    def __init__(self, function):
        self.function = function

    def __call__(self, *arguments, **options):
        arguments = [_own(each) for each in arguments]
        options = {name: _own(each) for name, each in options.items()}
        try:
            with np.errstate(all="ignore"):
                result = self.function(*arguments, **options)
        except Exception as error:
            raise (NotAttempted if _is_of_stub(error) else Crashed) from error
        if _holds_dots(result):
            raise NotAttempted
        if result is None:
            raise Wrong("Your function gives nothing back. Does it end with `return`?")
        return result


def judge(exercise, answer, seed=None):
    """Examine an answer.

    Args:
        exercise: `Exercise`.
        answer: the learner's function or value.
        seed: seed of the random cases; `None` draws fresh ones each time.

    Returns:
        `Outcome`.
    """
    # Of a dictionary that is half filled in, its exercise can say whether that half is right.
    begun = isinstance(answer, dict) and any(each is not ... for each in answer.values())
    if _holds_dots(answer) and not begun:
        return _not_attempted()
    try:
        asked = Asked(answer) if callable(answer) else answer
        remark = exercise.examine(asked, np.random.default_rng(seed))
    except NotAttempted:
        return _not_attempted()
    except Crashed as crash:
        return Outcome("crashed", _in_words(crash.__cause__))
    except Wrong as wrong:
        return Outcome("wrong", str(wrong))
    title = exercise.title
    return Outcome("right", f"{title.removesuffix('.')}. {remark}" if remark else title)


def as_array(result, shape, what="Your function"):
    """What a learner's function gave, as an array of the shape it must have.

    Args:
        result: anything; tensors, arrays and lists can be right.
        shape: the shape that is wanted, a tuple.
        what: beginning of the message.

    Returns:
        NumPy array.

    Raises:
        Wrong: if it is no array, or has another shape.
    """
    try:
        array = np.asarray(result)
    except (TypeError, ValueError):
        array = np.asarray(None)
    if _holds_dots(result):
        raise NotAttempted
    if array.dtype.kind in "OSUMm":
        raise Wrong(f"{what} gives a `{type(result).__name__}`; wanted is an array or a tensor.")
    if array.shape != tuple(shape):
        raise Wrong(f"{what} gives shape `{array.shape}`; wanted is `{tuple(shape)}`.")
    return array


def is_close(found, wanted, relative=1e-4, absolute=1e-5):
    """Whether two arrays agree, element by element, up to rounding; NaN agrees with nothing."""
    found, wanted = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    return found.shape == wanted.shape and np.allclose(found, wanted, rtol=relative, atol=absolute)


def _own(value):
    """A copy of an array, also of those within lists and the like; anything else as it is."""
    if isinstance(value, np.ndarray):
        return value.copy()
    if type(value) in (list, tuple):
        return type(value)(_own(each) for each in value)
    if type(value) is dict:
        return {name: _own(each) for name, each in value.items()}
    return value


def _holds_dots(result):
    if isinstance(result, dict):
        result = list(result.values())
    return result is ... or (isinstance(result, tuple | list) and any(x is ... for x in result))


def _is_of_stub(error):
    """Whether an exception comes from dots that are still in place, or says so itself."""
    if isinstance(error, NotImplementedError):  # libraries raise it too
        return _is_of_learner(traceback.extract_tb(error.__traceback__)[-1].filename)
    # An operation on the dots. "An index can only have a single ellipsis" is something else.
    return not isinstance(error, IndexError) and bool(re.search(r"\bellipsis\b", str(error), re.I))


def _not_attempted():
    return Outcome("not attempted", "Put your own code in place of the three dots `...`.")


def _in_words(error):
    """A learner's exception, with the line of theirs in which it came up."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if _is_of_learner(frame.filename)]
    text = str(error).strip()
    if len(text) > _LONGEST_ERROR:
        text = f"{text[:_LONGEST_ERROR]} …"
    parts = [f"`{type(error).__name__}` came up in your code"]
    if own:
        line = (own[-1].line or linecache.getline(own[-1].filename, own[-1].lineno)).strip()
        parts.append(f", in line {own[-1].lineno} of its cell:\n\n```python\n{line}\n```\n\n")
    else:
        parts.append(". ")
    return "".join(parts) + (f"It says:\n\n```text\n{text}\n```" if text else "")


def _is_of_learner(filename):
    path = Path(filename)
    return not (
        filename.startswith(("<frozen ", "<__array_function__"))
        or "__autograph_generated_file" in filename  # TensorFlow's own version of a function
        or {"site-packages", "dist-packages"} & set(path.parts)
        or any(path.is_relative_to(folder) for folder in _NOT_OF_LEARNERS)
    )
