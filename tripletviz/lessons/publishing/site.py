"""All executed lessons as static pages, with an index."""

import shutil
from pathlib import Path

import nbformat

from ..runner import NOTEBOOKS
from .assets import copy_assets
from .executed import read_executed
from .pages import ASSETS, TEMPLATES, copy_images, export, link_pages

# Texts beside the notebooks: file, page, and the line on the index about it.
TEXTS = (
    ("glossary.md", "glossary.html", "Glossary", "Every term and every letter, on one page."),
    ("README.md", "guide.html", "For instructors", "Schedule, what goes wrong in class, grading."),
)


def make_site(executed, output, notebooks=NOTEBOOKS, say=lambda line: None):
    """Write a page for every executed notebook, and an index.

    Args:
        executed: folder of the executed copies, as `make workbook` leaves it.
        output: folder to write to; pages there are replaced.
        notebooks: folder of the notebooks themselves.
        say: gets a line for each page.

    Returns:
        List of the pages, as paths, the index first.

    Raises:
        ExecutedError: if the executed copies do not fit the notebooks.
        AssetError: if what a page needs beside it cannot be had.
    """
    notebooks, output = Path(notebooks), Path(output)
    lessons = read_executed(executed, notebooks)
    texts = [text for text in TEXTS if (notebooks / text[0]).exists()]
    pages = {"index.html": _index(lessons, texts)}
    for before, lesson, after in zip(
        [None, *lessons[:-1]], lessons, [*lessons[1:], None], strict=True
    ):
        pages[f"{lesson.name}.html"] = export(
            lesson.notebook,
            _heading(lesson),
            file=f"{lesson.name}.ipynb",
            before=_turn(before),
            after=_turn(after),
        )
    for file, page, name, _ in texts:
        cell = nbformat.v4.new_markdown_cell((notebooks / file).read_text(encoding="utf-8"))
        pages[page] = export(nbformat.v4.new_notebook(cells=[cell]), name)
    targets = {f"{lesson.name}.ipynb": f"{lesson.name}.html" for lesson in lessons}
    pages = link_pages(pages, targets | {file: page for file, page, *_ in texts})
    copy_assets(output / ASSETS)
    copy_images(notebooks, output)
    (output / "notebooks").mkdir(exist_ok=True)
    for lesson in lessons:
        shutil.copy(notebooks / f"{lesson.name}.ipynb", output / "notebooks")
    for page, text in pages.items():
        (output / page).write_text(text, encoding="utf-8")
        say(page)
    say(f"The site lies in {output}; open {output / 'index.html'}.")
    return [output / page for page in pages]


def _heading(lesson):
    return f"{lesson.number} · {lesson.title}" if lesson.number else lesson.title


def _turn(lesson):
    """The link to the page before or after another; `None` at either end."""
    return lesson and {"href": f"{lesson.name}.html", "title": _heading(lesson)}


def _index(lessons, texts):
    import jinja2
    from nbconvert.filters import markdown2html

    def inline(text):
        """A line of Markdown as HTML, without the paragraph around it."""
        return markdown2html(text).strip().removeprefix("<p>").removesuffix("</p>")

    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True)
    environment.filters["inline"] = lambda text: jinja2.filters.Markup(inline(text))
    return environment.get_template("index.html.j2").render(
        lessons=[lesson for lesson in lessons if lesson.number],
        others=[lesson for lesson in lessons if not lesson.number],
        texts=texts,
        assets=ASSETS,
    )
