"""What a lesson measures and shows: for the reader as text, for the tests as data."""

import json
import numbers

import numpy as np
from IPython.display import Markdown, display

from ..figures import alt_text

_KEY = "tripletviz_record"


def record(name, value, text=None):
    """Show a measured value to the reader, and keep it as data in the notebook.

    The value lies as JSON in the metadata of the cell's output, where `read_records` finds it.

    Args:
        name: what was measured, a different name for each value of a notebook.
        value: number, string, boolean, or lists and dictionaries of them.
        text: the line to show, by default `name: value`.

    Raises:
        TypeError: if the value cannot be written as JSON.
        ValueError: if it is not a finite number.

    Example:

    >>> record("R@1 after training", 0.9876)
    R@1 after training: 0.9876
    """
    value = value.item() if isinstance(value, np.generic) else value
    # A number that is not finite would be no JSON; and a lesson must not show one as a result.
    json.dumps(value, allow_nan=False)
    if text is None:
        is_fraction = isinstance(value, numbers.Real) and not isinstance(value, numbers.Integral)
        # Zeros at the end would claim digits that were rounded away.
        shown = np.format_float_positional(value, precision=4, trim="0") if is_fraction else value
        text = f"{name}: {shown}"
    display({"text/plain": text}, raw=True, metadata={_KEY: {"name": name, "value": value}})


def read_records(notebook):
    """Everything that `record` kept in an executed notebook.

    Args:
        notebook: `nbformat.NotebookNode`.

    Returns:
        Dictionary from name to value.

    Raises:
        ValueError: if a name occurs twice.
    """
    records = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            kept = output.get("metadata", {}).get(_KEY)
            if kept is None:
                continue
            if kept["name"] in records:
                raise ValueError(f"the notebook records {kept['name']!r} twice")
            records[kept["name"]] = kept["value"]
    return records


def show(figure):
    """Show a Plotly figure of `tripletviz.figures`, and under it, folded away, what it shows."""
    words = f"<details><summary>In words</summary>\n\n{alt_text(figure)}\n\n</details>"
    display(figure, Markdown(words))


def describe_device():
    """The device that trains, in words. Imports TensorFlow, which takes seconds, if need be."""
    from .._tensorflow import describe_device

    return describe_device()
