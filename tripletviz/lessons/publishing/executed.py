"""The executed copies: found, held against the notebooks they were made from, and described."""

import re
from pathlib import Path
from typing import NamedTuple

import nbformat

from ..runner import NOTEBOOKS


class ExecutedError(RuntimeError):
    """The executed copies are not what is wanted; the message says what to do."""


class Lesson(NamedTuple):
    """An executed notebook, and what its first cell says of it.

    Attributes:
        name: file name without its suffix, such as `"02-triplets"`.
        number: such as `"02"`; empty for a notebook that is no lesson.
        title: its title, in Markdown, without the number.
        time: how long it takes, in words, in Markdown; may be empty.
        abilities: what one can do afterwards, in Markdown.
        notebook: `nbformat.NotebookNode` of the executed copy.
    """

    name: str
    number: str
    title: str
    time: str
    abilities: list[str]
    notebook: nbformat.NotebookNode


def read_executed(folder, notebooks=NOTEBOOKS):
    """Every notebook's executed copy, the lessons first.

    Args:
        folder: where `make workbook` put the copies.
        notebooks: folder of the notebooks themselves.

    Returns:
        List of `Lesson`, in reading order.

    Raises:
        ExecutedError: if a copy is missing, or its notebook has been changed since.
    """
    folder, lessons, missing, stale = Path(folder), [], [], []
    for path in sorted(Path(notebooks).glob("*.ipynb")):
        if not (folder / path.name).exists():
            missing.append(path.name)
            continue
        executed = nbformat.read(folder / path.name, as_version=4)
        if _sources(executed) != _sources(nbformat.read(path, as_version=4)):
            stale.append(path.name)
        lessons.append(describe(path.stem, _without_idle_injection(executed)))
    if missing or stale:
        said = [f"{', '.join(missing)} was not executed"] if missing else []
        said += [f"{', '.join(stale)} was changed since it was executed"] if stale else []
        raise ExecutedError(f"{'; '.join(said)}. First run: make workbook")
    return sorted(lessons, key=lambda lesson: not lesson.number)


def describe(name, notebook):
    """What the first cell of a notebook says of it, as a `Lesson`."""
    text = notebook.cells[0].source
    number, title = re.match(r"# (?:(\d\d) · )?(.+)", text).groups()
    time = re.search(r"^\*\*Time:\*\* (.+?)$(?=\n\n|\Z)", text, flags=re.DOTALL | re.MULTILINE)
    promised = text.partition("**After this lesson you can**")[2].partition("\n**")[0]
    abilities = re.findall(r"^- (.+(?:\n +.+)*)", promised, flags=re.MULTILINE)
    return Lesson(
        name,
        number or "",
        title.strip(),
        _one_line(time[1]) if time else "",
        [_one_line(each).rstrip(",.;") for each in abilities],
        notebook,
    )


def _one_line(text):
    return re.sub(r"\s*\n\s*", " ", text).strip()


def _is_injected(cell):
    return "injected-parameters" in cell.metadata.get("tags", [])


def _sources(notebook):
    return [cell.source for cell in notebook.cells if not _is_injected(cell)]


def _without_idle_injection(notebook):
    """Leaves out what papermill injected if it says only what the notebook says already."""
    said = {line for cell in notebook.cells if not _is_injected(cell) for line in _lines(cell)}
    notebook.cells = [c for c in notebook.cells if not (_is_injected(c) and _lines(c) <= said)]
    return notebook


def _lines(cell):
    return {line for line in cell.source.splitlines() if line and not line.startswith("#")}
