"""Lesson 00: what it counts and shows, and that its map leads somewhere."""

import re

import nbformat
import pytest

from tripletviz.lessons import read_records
from tripletviz.lessons.runner import NOTEBOOKS

pytestmark = pytest.mark.notebooks
NAME = "00-start-here.ipynb"


def test_what_is_measured(executed):
    records = read_records(nbformat.read(executed(NAME), as_version=4))
    assert records["sevens among 1,000 digits"] == 102  # "a tenth, or nearly"
    # "far more often than one time in ten", and better after training.
    assert 0.3 < records["R@1 before training"] < 0.9 < records["R@1 after training"]


def test_the_report_is_shown(executed):
    notebook = nbformat.read(executed(NAME), as_version=4)
    (cell,) = (c for c in notebook.cells if c.source.startswith("report_environment()"))
    (output,) = cell.outputs
    assert "device that trains" in output["data"]["text/markdown"]


def test_the_map_names_every_lesson_and_links_those_that_exist():
    notebook = nbformat.read(NOTEBOOKS / NAME, as_version=4)
    (chart,) = (c.source for c in notebook.cells if "## 5. The map" in c.source)
    row = r"^\| \[?(\d\d) · ([^|\]]*?)(?:\]\((.*?)\))? \|"
    rows = re.findall(row, chart, flags=re.MULTILINE)
    assert [number for number, *_ in rows] == [f"{number:02d}" for number in range(13)]
    lessons = {path.name[:2]: path.name for path in NOTEBOOKS.glob("[0-9][0-9]-*.ipynb")}
    for number, title, target in rows[1:]:
        assert target == lessons.get(number, "")
        assert title.endswith("(to come)") == (number not in lessons)
