"""The notebooks as students get them in a graded course: no outputs, no published solutions."""

import shutil
from pathlib import Path

import nbformat

from ..runner import NOTEBOOKS
from ..solutions import find_stubs, without_solutions
from .pages import copy_images

NOT_FOR_STUDENTS = "README.md"  # the instructor's guide


def make_student(output, notebooks=NOTEBOOKS, say=lambda line: None):
    """Write every notebook without solutions, and what the notebooks link to.

    Args:
        output: folder to write to; what it holds of an earlier run is replaced.
        notebooks: folder of the notebooks.
        say: gets a line for each notebook.

    Returns:
        List of the notebooks written, as paths.
    """
    output, written = Path(output), []
    output.mkdir(parents=True, exist_ok=True)
    for path in sorted(Path(notebooks).glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        stripped = without_solutions(notebook)
        for cell in stripped.cells:
            if cell.cell_type == "code":
                cell.outputs, cell.execution_count = [], None
        nbformat.write(stripped, output / path.name)
        written.append(output / path.name)
        count = len(find_stubs(notebook))
        say(f"{path.name}: {count} solution{'s' * (count != 1)} taken out")
    for path in sorted(Path(notebooks).glob("*.md")):
        if path.name != NOT_FOR_STUDENTS:
            shutil.copy(path, output)
    copy_images(notebooks, output)
    say(f"The notebooks for students lie in {output}.")
    return written
