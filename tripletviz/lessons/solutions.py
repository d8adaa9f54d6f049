"""Exercises in notebooks: their stubs, their checks, and their solutions, which lie folded away."""

import copy
import itertools
import re
from typing import NamedTuple

_SOLUTION = re.compile(
    r"<details>\s*<summary>Solution</summary>.*?```python\n(?P<code>.*?)\n```.*?</details>",
    flags=re.DOTALL,
)


class Stub(NamedTuple):
    """An exercise of a notebook.

    Attributes:
        cell: index of the cell with the stub, tagged `exercise`.
        solution_cell: index of the Markdown cell in which the solution is folded away.
        code: the published solution.
    """

    cell: int
    solution_cell: int
    code: str


def find_stubs(notebook):
    """The exercises of a notebook, in order.

    Args:
        notebook: `nbformat.NotebookNode`.

    Returns:
        List of `Stub`.

    Raises:
        ValueError: if no Markdown cell after a stub, and before the next one, has a solution.
    """
    indices = [i for i, cell in enumerate(notebook.cells) if is_stub(cell)]
    stubs = []
    for index, end in itertools.pairwise([*indices, len(notebook.cells)]):
        for place in range(index + 1, end):
            cell = notebook.cells[place]
            found = _SOLUTION.search(cell.source) if cell.cell_type == "markdown" else None
            if found:
                stubs.append(Stub(index, place, found["code"]))
                break
        else:
            raise ValueError(f"no solution after the exercise:\n{notebook.cells[index].source}")
    return stubs


def is_stub(cell):
    """Whether a cell is one that the learner fills in."""
    return cell.cell_type == "code" and "exercise" in cell.metadata.get("tags", [])


def with_solutions(notebook):
    """A copy of a notebook in which every stub is replaced by its published solution."""
    solved = copy.deepcopy(notebook)
    for stub in find_stubs(solved):
        solved.cells[stub.cell].source = stub.code
    return solved


def without_solutions(notebook):
    """A copy of a notebook from which the published solutions are gone, for a graded course."""
    stripped = copy.deepcopy(notebook)
    for stub in find_stubs(stripped):
        cell = stripped.cells[stub.solution_cell]
        cell.source = _SOLUTION.sub("", cell.source).strip()
    stripped.cells = [c for c in stripped.cells if c.cell_type == "code" or c.source]
    return stripped
