"""An executed notebook as a page that needs no network, by nbconvert."""

import copy
import re
import shutil
from html import unescape
from pathlib import Path
from urllib.parse import unquote

from traitlets.config import Config

TEMPLATES = Path(__file__).parent / "templates"
ASSETS = "assets"
PLOTLY = "application/vnd.plotly.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
_STATE = "application/vnd.jupyter.widget-state+json"
_ELSEWHERE = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:|//")
_LINK = re.compile(r'(<a\b[^>]*?)\shref="([^"]*)"')
# What stands still without a kernel: all of ipywidgets' own controls that a reader can work.
_NEEDS_KERNEL = re.compile(
    "Button|Slider|Text|Dropdown|Select|Checkbox|Radio|Toggle|Picker|Upload|Combobox|Controller"
)


def export(notebook, name, *, slides=False, **about):
    """A notebook as HTML, whose scripts and styles lie in `ASSETS` beside it.

    Args:
        notebook: `nbformat.NotebookNode`, executed.
        name: title of the page, until its template says another.
        slides: a reveal.js deck in place of a page.
        **about: what the template knows as `resources.about`.

    Returns:
        The text of the page.
    """
    from nbconvert import HTMLExporter, SlidesExporter

    exporter = (SlidesExporter if slides else HTMLExporter)(
        config=_with_plotly(HTMLExporter),
        extra_template_basedirs=[str(TEMPLATES)],
        extra_template_paths=[str(TEMPLATES)],
        template_name="deck" if slides else "page",
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        require_js_url=f"{ASSETS}/require.js",
        widget_renderer_url=f"{ASSETS}/widgets/embed-amd.js",
        mathjax_url=f"{ASSETS}/mathjax/MathJax.js?config=TeX-AMS_CHTML-full",
    )
    if slides:
        exporter.reveal_url_prefix, exporter.reveal_theme = f"{ASSETS}/reveal", "white"
    notebook = _without_folded_code(notebook)
    resources = {"about": about, "needs_kernel": _needing(notebook)}
    resources["metadata"] = {"name": name}
    body, _ = exporter.from_notebook_node(notebook, resources=resources)
    return body


def _without_folded_code(notebook):
    """A copy without the code that JupyterLab folds: that of a quiz holds the answer."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        if cell.metadata.get("jupyter", {}).get("source_hidden"):
            cell.metadata["transient"] = {"remove_source": True}
    return notebook


def _with_plotly(exporter):
    """nbconvert's order of preference among the forms of an output, Plotly's form first."""
    order = exporter().default_config.NbConvertBase.display_data_priority
    return Config({"NbConvertBase": {"display_data_priority": [PLOTLY, *order]}})


def _needing(notebook):
    """Ids of the widgets that a reader could work, if only a kernel ran."""
    state = notebook.metadata.get("widgets", {}).get(_STATE, {}).get("state", {})

    def needs(model):
        entry = state.get(model, {})
        if _NEEDS_KERNEL.match(entry.get("model_name", "")):
            return True
        children = entry.get("state", {}).get("children", [])
        return any(needs(child.removeprefix("IPY_MODEL_")) for child in children)

    return [model for model in state if needs(model)]


def copy_images(notebooks, output):
    """Put the pictures of the notebooks' texts beside their pages."""
    if (Path(notebooks) / "images").exists():
        shutil.copytree(Path(notebooks) / "images", Path(output) / "images", dirs_exist_ok=True)


def link_pages(pages, targets):
    """Make links between notebooks links between pages.

    Args:
        pages: dictionary from a page's file name to its text.
        targets: dictionary from what a notebook's links say, such as `"02-triplets.ipynb"`, to a
            page's file name. A link to a file that is not in it becomes plain text.

    Returns:
        Dictionary like `pages`.
    """
    ids = {page: _ids(text) for page, text in pages.items()}

    def rewrite(page, match):
        start, link = match[1], unescape(match[2])
        if _ELSEWHERE.match(link):
            return match[0]
        path, _, anchor = link.partition("#")
        target = targets.get(path.removeprefix("./"), path) if path else page
        if target not in pages:
            return match[0] if (path.startswith("notebooks/") or not path) else start
        # Code hosts and nbconvert spell the anchor of a heading in different ways.
        anchor = ids[target].get(slug(anchor), anchor) if anchor else ""
        there = "" if target == page and anchor else target
        return f'{start} href="{there}{anchor and "#"}{anchor}"'

    return {
        page: _LINK.sub(lambda match, page=page: rewrite(page, match), text)
        for page, text in pages.items()
    }


def slug(anchor):
    """What the spellings of one heading's anchor have in common."""
    return re.sub(r"[\W_]", "", unquote(anchor)).casefold()


def _ids(text):
    return {slug(unescape(found)): found for found in re.findall(r'\bid="([^"]+)"', text)}
