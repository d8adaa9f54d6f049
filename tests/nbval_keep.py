"""A plugin for pytest in which nbval runs: keeps what each notebook's cells put out this time.

nbval compares outputs and then forgets them. With ``-p nbval_keep`` each notebook that was run is
written anew, with the new outputs, beside itself: `lesson.ipynb` as `lesson.kept.ipynb`.
"""

from pathlib import Path

import nbformat


def kept(path):
    """Where the copy of a notebook with its new outputs lies."""
    return Path(path).with_suffix(".kept.ipynb")


def pytest_sessionfinish(session):
    notebooks = {}
    for item in session.items:
        item.cell.outputs = item.test_outputs or []
        notebooks[item.path] = item.parent.nb
    for path, notebook in notebooks.items():
        nbformat.write(notebook, kept(path))
