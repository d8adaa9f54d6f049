"""Every notebook runs as published; the executed copy is validated by nbval, value by value."""

import math
import re
from pathlib import Path

import nbformat
import pytest

from tripletviz.lessons import read_records
from tripletviz.lessons.runner import NOTEBOOKS, check_parameters, execute
from tripletviz.lessons.solutions import find_stubs

pytestmark = pytest.mark.notebooks
NAMES = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
MARK = "# NBVAL_CHECK_OUTPUT"
# What a clock says never comes out again.
CLOCK = re.compile(r"\b(seconds|milliseconds|minutes)\b")


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def read(path):
    return nbformat.read(path, as_version=4)


def states_of_checks(notebook):
    """What each `check` told the learner, in order."""
    return [
        output.metadata["tripletviz_check"]["state"]
        for cell in code_cells(notebook)
        for output in cell.outputs
        if "tripletviz_check" in output.get("metadata", {})
    ]


@pytest.mark.parametrize("name", NAMES)
def test_runs_as_published_without_noise(name, executed):
    for cell in code_cells(read(executed(name))):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.text


@pytest.mark.parametrize("name", NAMES)
def test_as_published_no_exercise_is_attempted(name, executed):
    notebook = read(executed(name))
    assert states_of_checks(notebook) == ["not attempted"] * len(find_stubs(notebook))


@pytest.mark.parametrize("name", NAMES)
def test_marked_cells_come_out_again_with_the_solutions(name, executed, solved):
    cells = code_cells(read(executed(name)))
    marked = [cell for cell in cells if cell.source.startswith(MARK)]
    assert marked
    for cell in marked:  # nbval passes a marked cell that has no output
        assert cell.outputs, cell.source
    second = solved(name)
    assert second.passed, second.report[-4000:]
    assert f"{len(cells)} passed" in second.report


@pytest.mark.parametrize("name", NAMES)
def test_the_solutions_are_right_in_their_notebook(name, solved):
    notebook = solved(name).notebook
    assert states_of_checks(notebook) == ["right"] * len(find_stubs(notebook))


@pytest.mark.parametrize("name", NAMES)
def test_recorded_values_come_out_again(name, executed, solved):
    first, second = read_records(read(executed(name))), read_records(solved(name).notebook)
    assert list(first) == list(second)
    timed = {each for each in first if CLOCK.search(each)}
    assert {k: v for k, v in first.items() if k not in timed} == {
        k: v for k, v in second.items() if k not in timed
    }


def test_lesson_04_learns(executed):
    records = read_records(read(executed("04-train-on-mnist")))
    assert records["test images"] == 10_000
    assert 0.9 < records["R@1 untrained"] < records["R@1 raw pixels"] < records["R@1 trained"]
    assert records["R@1 trained"] > 0.97
    assert records["1-NN accuracy trained"] > 0.96 > records["1-NN accuracy untrained"]
    assert math.isfinite(records["loss after"])
    # What the lesson's prose says of the curves.
    assert 0.5 < records["loss after"] / records["loss before"] < 2
    before = records["fraction of positive triplets before"]
    assert records["fraction of positive triplets after"] < 0.1 * before
    assert 0.25 < before < 0.4
    assert records["share of hard triplets after"] < 0.2 * records["share of hard triplets before"]
    assert records["mean over all valid triplets after"] == pytest.approx(
        records["loss after"] * records["fraction of positive triplets after"], rel=0.01
    )
    kinds = records["triplets"]
    assert kinds["valid"] == kinds["easy"] + kinds["semi_hard"] + kinds["hard"] > 10_000


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_parameter_is_refused(name):
    with pytest.raises(ValueError, match="has no parameter PROFIL; it has PROFILE"):
        check_parameters(NOTEBOOKS / name, {"PROFIL": "ci"})


def test_nothing_is_executed_with_an_unknown_parameter(tmp_path):
    with pytest.raises(ValueError, match="has no parameter PROFIL"):
        execute(NOTEBOOKS / NAMES[0], tmp_path / NAMES[0], {"PROFIL": "ci"})
    assert not list(tmp_path.iterdir())


def test_an_unknown_profile_is_refused_by_the_first_cell_that_uses_it(tmp_path):
    """Seen in one notebook; that all have this cell in this place, test_structure.py sees."""
    import papermill

    name = "04-train-on-mnist.ipynb"
    with pytest.raises(papermill.PapermillExecutionError, match='must be one of "full"') as error:
        execute(NOTEBOOKS / name, tmp_path / name, {"PROFILE": "huge"})
    assert "use_profile(PROFILE)" in "".join(error.value.traceback)
    ran = [cell for cell in code_cells(read(tmp_path / name)) if cell.execution_count]
    assert len(ran) <= 4


def test_make_runs_the_same_runner():
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()
    assert "tripletviz.lessons.runner --profile" in makefile
