"""Badges that open each notebook on Binder or Colab, in Markdown."""

import re
from pathlib import Path
from urllib.parse import quote

import nbformat

from ..runner import NOTEBOOKS
from .executed import describe

_BINDER = "https://mybinder.org"
_COLAB = "https://colab.research.google.com"


def badges(repository, branch="main", notebooks=NOTEBOOKS):
    """A table in Markdown: every notebook, with a badge for Binder and one for Colab.

    Args:
        repository: the project on GitHub, as `"owner/name"`.
        branch: branch, tag or commit that the badges open.
        notebooks: folder of the notebooks.

    Returns:
        Text, to paste into a README.

    Raises:
        ValueError: if `repository` is not of the form `"owner/name"`.

    Example:

    >>> print(badges("someone/tripletviz"))
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
        raise ValueError(f'repository must be "owner/name"; got {repository!r}')
    rows = ["| notebook | Binder | Colab |", "| --- | --- | --- |"]
    for path in sorted(Path(notebooks).glob("*.ipynb")):
        lesson = describe(path.stem, nbformat.read(path, as_version=4))
        title = " · ".join(filter(None, (lesson.number, lesson.title)))
        place = quote(f"lab/tree/notebooks/{path.name}", safe="")
        reference = quote(branch, safe="")
        binder = f"{_BINDER}/v2/gh/{repository}/{reference}?urlpath={place}"
        colab = f"{_COLAB}/github/{repository}/blob/{branch}/notebooks/{path.name}"
        rows.append(
            f"| {title} "
            f"| [![Open {title} on Binder]({_BINDER}/badge_logo.svg)]({binder}) "
            f"| [![Open {title} in Colab]({_COLAB}/assets/colab-badge.svg)]({colab}) |"
        )
    return "\n".join(rows)
