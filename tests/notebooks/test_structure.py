"""What every committed notebook looks like."""

import itertools
import json
import re

import nbformat
import pytest

from tripletviz import widgets
from tripletviz.lessons.runner import NOTEBOOKS

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
MARK = "# NBVAL_CHECK_OUTPUT"


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def of_type(notebook, cell_type):
    return [cell for cell in notebook.cells if cell.cell_type == cell_type]


def test_there_are_notebooks():
    assert PATHS


@pytest.mark.parametrize("path", [p for p in PATHS if p.stem[:2].isdigit()], ids=lambda p: p.stem)
def test_the_frame_of_a_lesson(path):
    number, notebook = path.stem[:2], nbformat.read(path, as_version=4)
    first, text = notebook.cells[0], "\n".join(c.source for c in of_type(notebook, "markdown"))
    assert first.source.startswith(f"# {number} · ")
    for part in ("**Time:**", "**After this lesson you can**", "**You need**"):
        assert part in first.source
    assert "> **Predict.**" in text
    assert "## Further reading" in text
    summary = re.search(r"## Summary\n(.*?)\n## ", text, flags=re.DOTALL).group(1)
    assert 1 <= sum(line.startswith("- ") for line in summary.splitlines()) <= 5


def test_the_frame_of_the_gallery():
    notebook = nbformat.read(NOTEBOOKS / "widget-gallery.ipynb", as_version=4)
    assert notebook.cells[0].source.startswith("# Widget gallery")
    code = "".join(cell.source for cell in of_type(notebook, "code"))
    for name in widgets.__all__:
        assert f"widgets.{name}" in code or name in ("CollapseSimulator", "LiveTraining")
    assert "lessons.collapse_simulator(" in code
    assert "lessons.live_training(" in code


def test_one_parameters_cell_with_comments(notebook):
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    assert 'PROFILE = "laptop"' in tagged[0].source
    lines = tagged[0].source.splitlines()
    for above, line in itertools.pairwise(lines):
        assert line.startswith("#") or above.startswith("#"), line


def test_code_cells_are_short(notebook):
    for cell in of_type(notebook, "code"):
        assert len(cell.source.splitlines()) <= 20, cell.source


def test_marked_cells_carry_output(notebook):
    marked = [cell for cell in of_type(notebook, "code") if MARK in cell.source]
    assert marked
    for cell in marked:
        assert cell.source.startswith(MARK)
        assert cell.outputs, f"run it and publish: {cell.source}"


def test_outputs_are_small_and_of_one_run_without_errors(path, notebook):
    assert path.stat().st_size < 300_000
    assert "widgets" not in notebook.metadata
    assert "widget-view" not in path.read_text(encoding="utf-8")
    counts = [cell.execution_count for cell in of_type(notebook, "code")]
    assert counts == list(range(1, len(counts) + 1))
    for cell in of_type(notebook, "code"):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr"


def test_every_figure_is_followed_by_its_text_alternative(notebook):
    figures = 0
    for cell in of_type(notebook, "code"):
        kinds = [set(output.get("data", {})) for output in cell.outputs]
        for kind, following in itertools.pairwise([*kinds, set()]):
            if "application/vnd.plotly.v1+json" in kind:
                figures += 1
                assert "text/markdown" in following, "show(figure) adds its words"
    assert figures or "show(" not in "".join(c.source for c in of_type(notebook, "code"))


def test_nothing_of_one_machine_is_in_it(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(home|root|Users|tmp|work)/", text)
    metadata = json.loads(text)["metadata"]
    assert metadata["kernelspec"]["name"] == "python3"
    assert "papermill" not in metadata
