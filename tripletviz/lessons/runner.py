"""Executes notebooks without a display: ``python -m tripletviz.lessons.runner``."""

import argparse
import copy
import sys
import time
from pathlib import Path

import nbformat
import papermill
from nbformat.sign import NotebookNotary

from .profiles import use_profile

_WIDGET = "application/vnd.jupyter.widget-view+json"
NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def check_parameters(notebook, parameters):
    """Refuse parameters that the notebook does not have; papermill itself only warns.

    Args:
        notebook: path of a notebook.
        parameters: dictionary of what will be injected.

    Raises:
        ValueError: if a name is unknown; the message names the allowed ones.
    """
    known = papermill.inspect_notebook(str(notebook))
    unknown = [name for name in parameters if name not in known]
    if unknown:
        raise ValueError(
            f"{Path(notebook).name} has no parameter {', '.join(unknown)}; "
            f"it has {', '.join(known)}"
        )


def execute(notebook, output, parameters):
    """Execute a notebook in a fresh kernel, in the folder of its output.

    Args:
        notebook: path of the notebook.
        output: path of the executed copy. It is written even if a cell fails.
        parameters: dictionary for the cell tagged `parameters`.

    Returns:
        The executed notebook as `nbformat.NotebookNode`.

    Raises:
        ValueError: if a parameter is unknown.
        papermill.PapermillExecutionError: if a cell fails.
    """
    check_parameters(notebook, parameters)
    output = Path(output)
    output.parent.mkdir(parents=True, exist_ok=True)
    return papermill.execute_notebook(
        str(notebook),
        str(output),
        parameters=parameters,
        kernel_name="python3",
        cwd=str(output.parent),
        progress_bar=False,
        start_timeout=300,  # on a busy machine a kernel needs longer than the usual minute
        # Only errors: the kernel warns of its unencrypted connection, which is to this machine.
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
    )


def trust(notebook):
    """Sign an executed notebook, so that JupyterLab on this machine shows its widgets at once.

    Args:
        notebook: path of a notebook that was executed here.
    """
    NotebookNotary().sign(nbformat.read(notebook, as_version=4))


def publish(executed, notebook):
    """Put outputs of an executed copy into the notebook itself, fit for version control.

    Kept is what a reader of a code host's page needs: texts, records and figures. Left out are
    widgets (their state is large, and dead without a kernel), what goes to standard error, and
    everything that papermill added. A widget that says in Markdown what it asks leaves that.

    Args:
        executed: `nbformat.NotebookNode` of the executed copy.
        notebook: path of the notebook to write.
    """
    published = nbformat.read(notebook, as_version=4)
    ran = {cell.id: cell for cell in executed.cells}
    count = 0
    for cell in published.cells:
        if cell.cell_type != "code":
            continue
        count += 1
        cell.execution_count = count
        outputs = [_without_widget(each) for each in ran[cell.id].outputs]
        cell.outputs = [each for each in outputs if _is_for_readers(each)]
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = count
    nbformat.write(published, notebook)


def _without_widget(output):
    """The output; of a widget that has a text for readers, that text alone."""
    if "text/markdown" not in output.get("data", {}) or _WIDGET not in output.data:
        return output
    output = copy.deepcopy(output)
    del output.data[_WIDGET]
    return output


def _is_for_readers(output):
    if output.output_type == "stream":
        return output.name == "stdout"
    return _WIDGET not in output.get("data", {})


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="default: all of notebooks/")
    parser.add_argument("--profile", default="laptop", help="ci, laptop or full")
    parser.add_argument("--output", type=Path, default=Path("build/workbook"))
    parser.add_argument("--publish", action="store_true", help="put the outputs into the notebooks")
    options = parser.parse_args()
    try:
        profile = use_profile(options.profile)
    except ValueError as error:
        parser.error(str(error))
    for notebook in options.notebooks or sorted(NOTEBOOKS.glob("*.ipynb")):
        print(f"{notebook.name} ... ", end="", flush=True)
        start = time.perf_counter()
        output = options.output / notebook.name
        executed = execute(notebook, output, {"PROFILE": profile.name})
        trust(output)
        if options.publish:
            publish(executed, notebook)
        print(f"done in {time.perf_counter() - start:.0f} s")
    print(f"The executed notebooks lie in {options.output}.")


if __name__ == "__main__":
    sys.exit(main())
