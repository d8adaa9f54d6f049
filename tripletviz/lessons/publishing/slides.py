"""The slide-tagged cells of each lesson as a reveal.js deck."""

import copy
import re
from pathlib import Path

from ..runner import NOTEBOOKS
from .assets import copy_assets
from .executed import read_executed
from .pages import ASSETS, PLOTLY, WIDGET, copy_images, export, link_pages

# Of no interest to a class: the mark of the tests, and a remark in brackets about it.
MARK = re.compile(r"\A# NBVAL_CHECK_OUTPUT\n(?:# \(That mark .*\)\n)?")
_PICTURES = {PLOTLY, WIDGET, "image/png", "image/jpeg", "image/svg+xml"}


def make_slides(executed, output, notebooks=NOTEBOOKS, say=lambda line: None):
    """Write a deck for every lesson that has slides.

    Args:
        executed: folder of the executed copies, as `make workbook` leaves it.
        output: folder to write to; decks there are replaced.
        notebooks: folder of the notebooks themselves.
        say: gets a line for each deck.

    Returns:
        List of the decks, as paths.

    Raises:
        ExecutedError: if the executed copies do not fit the notebooks.
        AssetError: if what a deck needs beside it cannot be had.
    """
    lessons = [lesson for lesson in read_executed(executed, notebooks) if lesson.number]
    lectures = [lesson for lesson in lessons if count_slides(lesson.notebook)]
    decks = {
        f"{lesson.name}.html": export(
            _as_lecture(lesson.notebook), f"{lesson.number} · {lesson.title}", slides=True
        )
        for lesson in lectures
    }
    names = [lesson.name for lesson in lectures]
    decks = link_pages(decks, {f"{name}.ipynb": f"{name}.html" for name in names})
    output = Path(output)
    copy_assets(output / ASSETS, slides=True)
    copy_images(notebooks, output)
    for name, text in decks.items():
        (output / name).write_text(text, encoding="utf-8")
    for lesson in lessons:
        count = count_slides(lesson.notebook)
        say(f"{lesson.name}: {f'{count} slides' if count else 'no cell is tagged for slides'}")
    say(f"The slides lie in {output}.")
    return [output / name for name in decks]


def slide_type(cell):
    """What a cell is in the lecture: `"slide"`, ..., or `"skip"` if its metadata do not say."""
    return cell.metadata.get("slideshow", {}).get("slide_type", "skip")


def count_slides(notebook):
    """How many slides a notebook's lecture has."""
    return sum(slide_type(cell) in ("slide", "subslide") for cell in notebook.cells)


def _as_lecture(notebook):
    """A copy of a notebook as it is shown to a class.

    What is no slide is left out; so are references, and the code of cells that show a picture or
    a widget, which need the room. A lecture has one way through it: subslides are slides.
    """
    lecture = copy.deepcopy(notebook)
    lecture.cells = [cell for cell in lecture.cells if slide_type(cell) != "skip"]
    for cell in lecture.cells:
        if slide_type(cell) == "subslide":
            cell.metadata.slideshow.slide_type = "slide"
        cell.source = MARK.sub("", cell.source).partition("## Further reading")[0]
        forms = {form for each in cell.get("outputs", []) for form in each.get("data", {})}
        if forms & _PICTURES:
            cell.metadata["transient"] = {"remove_source": True}
    return lecture
