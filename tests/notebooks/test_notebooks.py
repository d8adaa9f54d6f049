"""Every notebook runs as published; the executed copy is validated by nbval, value by value.

Two executions a notebook: papermill runs it with profile "ci", then nbval runs the executed copy
and compares the outputs of its marked cells.
"""

import math
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tripletviz.lessons import read_records
from tripletviz.lessons.runner import NOTEBOOKS, execute

pytestmark = pytest.mark.notebooks
NAMES = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
MARK = "# NBVAL_CHECK_OUTPUT"


@pytest.fixture(scope="module")
def executed(tmp_path_factory):
    """Path of the executed copy of a notebook; each is executed once."""
    folder, done = tmp_path_factory.mktemp("executed"), set()

    def execute_once(name):
        if name not in done:
            execute(NOTEBOOKS / name, folder / name, {"PROFILE": "ci"})
            done.add(name)
        return folder / name

    return execute_once


def code_cells(path):
    notebook = nbformat.read(path, as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.parametrize("name", NAMES)
def test_runs_as_published_without_noise(name, executed):
    for cell in code_cells(executed(name)):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr", output.text


@pytest.mark.parametrize("name", NAMES)
def test_marked_cells_have_outputs_and_come_out_again(name, executed):
    path = executed(name)
    marked = [cell for cell in code_cells(path) if cell.source.startswith(MARK)]
    assert marked
    for cell in marked:  # nbval passes a marked cell that has no output
        assert cell.outputs, cell.source
    process = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env"),
            *("--nbval-cell-timeout=600", "-p", "no:cacheprovider", "-q", str(path)),
        ],
        cwd=path.parent,
        env=os.environ | {"PYTEST_ADDOPTS": ""},
        capture_output=True,
        text=True,
    )
    assert process.returncode == 0, process.stdout[-4000:]
    assert f"{len(code_cells(path))} passed" in process.stdout


def test_lesson_04_learns(executed):
    records = read_records(nbformat.read(executed("04-train-on-mnist.ipynb"), as_version=4))
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
def test_an_unknown_parameter_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match="has no parameter PROFIL; it has PROFILE"):
        execute(NOTEBOOKS / name, tmp_path / name, {"PROFIL": "ci"})
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_an_unknown_profile_is_refused_by_the_first_cell_that_uses_it(name, tmp_path):
    import papermill

    with pytest.raises(papermill.PapermillExecutionError, match='must be one of "full"') as error:
        execute(NOTEBOOKS / name, tmp_path / name, {"PROFILE": "huge"})
    assert "use_profile(PROFILE)" in "".join(error.value.traceback)
    ran = [cell for cell in code_cells(tmp_path / name) if cell.execution_count]
    assert len(ran) <= 4


def test_make_runs_the_same_runner():
    makefile = (Path(__file__).parents[2] / "Makefile").read_text()
    assert "tripletviz.lessons.runner --profile" in makefile
