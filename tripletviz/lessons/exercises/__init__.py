"""Exercises that check themselves: `check`, `hint`, `progress`.

A module a lesson holds the exercises; `_exercise.py` says what an exercise is. The tests hold
them against known wrong answers, in `tests/exercises/`.
"""

import json
from pathlib import Path

from IPython.display import display

from ..._files import whole
from ._exercise import Exercise, Outcome, judge
from ._registry import EXERCISES

_KEY = "tripletviz_check"
PROGRESS_FILE = "my-progress.json"
_ICONS = {"not attempted": "○", "wrong": "✘", "crashed": "⚠", "right": "✔"}
_HEADS = {
    "not attempted": "Not attempted yet.",
    "wrong": "Not right yet.",
    "crashed": "Your code stopped with an error.",
    "right": "Right!",
}
_given_hints = {}
_references = {}


def check(answer, name=None):
    """Examine an answer, tell the learner what was found, and say what to go on with.

    It is examined on fresh random cases each time, and on cases that are known to be difficult.

    Args:
        answer: the learner's function, or value.
        name: name of the exercise; by default that of the function.

    Returns:
        The answer if it is right, otherwise the package's own version, so that the lesson goes on
        either way.

    Raises:
        ValueError: if there is no exercise of that name.

    Example:

    >>> hardness = check(hardness)
    """
    exercise = _find(name or _name_of(answer))
    reference = _reference(exercise)
    # Equal numbers and words can be one object, whoever wrote them; functions and arrays cannot.
    if answer is reference and not isinstance(answer, int | float | str | tuple):
        outcome = Outcome(
            "not attempted",
            "That was the package's version. Run the cell with your own first, then this one.",
        )
    else:
        outcome = judge(exercise, answer)
    is_right = outcome.state == "right"
    if is_right:
        _keep(exercise.name)
    # A message may end with a block of code, so that the rest is a paragraph of its own.
    rest = "" if is_right else "\n\nThe lesson goes on with the package's version until then."
    _tell(exercise, outcome, rest)
    return answer if is_right else reference


def hint(name, number=None):
    """Show the next hint to an exercise.

    Args:
        name: name of the exercise, or the function itself.
        number: which hint, from 1; by default the one after the last that was shown.

    Raises:
        ValueError: if there is no such exercise, or no such number.
    """
    exercise = _find(name if isinstance(name, str) else _name_of(name))
    number = _given_hints.get(exercise.name, 0) + 1 if number is None else number
    if number < 1:
        raise ValueError(f"hints are numbered from 1; got {number}")
    _given_hints[exercise.name] = number
    count = len(exercise.hints)
    if number > count:
        text = "There are no more hints. The solution is folded away under the exercise."
        _given_hints[exercise.name] = 0
    else:
        text = f"**Hint {number} of {count}.** {exercise.hints[number - 1]}"
    display({"text/markdown": f"> {_indented(text)}", "text/plain": text}, raw=True)


def progress():
    """Show which exercises of the workbook are done, as kept in this folder.

    Returns:
        Nothing; a table is displayed.
    """
    done = _read()
    rows = ["| lesson | exercise | |", "| --- | --- | --- |"]
    for exercise in EXERCISES:
        mark = "✔ done" if exercise.name in done else "○ open"
        rows.append(f"| {exercise.lesson} | {exercise.title} (`{exercise.name}`) | {mark} |")
    count = sum(exercise.name in done for exercise in EXERCISES)
    head = f"{count} of {len(EXERCISES)} exercises are done."
    text = "\n".join([head, "", *rows])
    display({"text/markdown": text, "text/plain": head}, raw=True)


def _reference(exercise):
    """The package's version: one object an exercise, so that it is known when it comes back."""
    if exercise.name not in _references:
        _references[exercise.name] = exercise.reference()
    return _references[exercise.name]


def _name_of(answer):
    """The name of the exercise that an answer belongs to, if the answer tells."""
    name = getattr(answer, "__name__", None)
    if name in {exercise.name for exercise in EXERCISES}:
        return name
    # Where the learner's name stands for the package's version, that may have another name.
    given = [each for each, reference in _references.items() if reference is answer]
    return given[0] if given else name


def _find(name):
    by_name = {exercise.name: exercise for exercise in EXERCISES}
    if name is None:
        raise ValueError('say which exercise this answers: check(answer, name="...")')
    if name not in by_name:
        raise ValueError(f"there is no exercise {name!r}; there are {', '.join(by_name)}")
    return by_name[name]


def _tell(exercise, outcome, rest):
    head = f"{_ICONS[outcome.state]} **{_HEADS[outcome.state]}**"
    text = f"{head} {outcome.message}{rest}"
    display(
        {"text/markdown": f"> {_indented(text)}", "text/plain": text},
        raw=True,
        metadata={_KEY: {"name": exercise.name, "state": outcome.state}},
    )


def _indented(text):
    """Text as the inside of a quotation, which Markdown ends at a line without its mark."""
    return text.replace("\n", "\n> ")


def _keep(name):
    """Note that an exercise is done; a folder that cannot be written to is no reason to stop."""
    done = _read()
    if name in done:
        return
    try:
        with whole(Path(PROGRESS_FILE)) as partial:
            partial.write_text(json.dumps(sorted({*done, name}), indent=1), encoding="utf-8")
    except OSError:
        pass


def _read():
    try:
        done = json.loads(Path(PROGRESS_FILE).read_text(encoding="utf-8"))
        return set(done) if isinstance(done, list) else set()
    except (OSError, ValueError, TypeError):
        return set()


__all__ = [
    "EXERCISES",
    "PROGRESS_FILE",
    "Exercise",
    "Outcome",
    "check",
    "hint",
    "judge",
    "progress",
]
