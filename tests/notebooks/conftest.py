"""Two executions a notebook, no more; each is done once a session, for whoever asks.

The first is papermill's, of the notebook as published, with profile "ci": `executed`, which also
the tests of slides and site use, and so lies in tests/conftest.py. The second is nbval's, of that
executed copy with the published solutions filled in: `solved`.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from nbval_keep import kept

from tripletviz.lessons.solutions import with_solutions


class Solved(NamedTuple):
    """What the second execution of a notebook gave.

    Attributes:
        notebook: the notebook with the outputs that came this time.
        passed: whether nbval found nothing to complain of.
        report: what it printed.
    """

    notebook: nbformat.NotebookNode
    passed: bool
    report: str


@pytest.fixture(scope="session")
def solved(executed, tmp_path_factory):
    """A notebook run again by nbval, with its solutions: `solved("04-train-on-mnist")`."""
    done = {}

    def run_once(name):
        if name not in done:
            # A folder of its own: a check that is passed leaves a note of it.
            done[name] = _run_nbval(executed(name), tmp_path_factory.mktemp("solved"))
        return done[name]

    return run_once


def _run_nbval(executed, folder):
    path = folder / executed.name
    nbformat.write(with_solutions(nbformat.read(executed, as_version=4)), path)
    search = os.pathsep.join(
        filter(None, [str(Path(__file__).parents[1]), os.getenv("PYTHONPATH")])
    )
    process = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env"),
            *("--nbval-cell-timeout=3600", "--nbval-kernel-startup-timeout=300"),
            *("-p", "no:cacheprovider", "-p", "nbval_keep"),
            *("-q", str(path)),
        ],
        cwd=folder,
        env=os.environ | {"PYTEST_ADDOPTS": "", "PYTHONPATH": search},
        capture_output=True,
        text=True,
    )
    report = process.stdout + process.stderr
    if not kept(path).exists():
        raise RuntimeError(f"nbval did not run:\n{report}")
    return Solved(nbformat.read(kept(path), as_version=4), process.returncode == 0, report)
