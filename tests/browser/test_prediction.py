"""`Prediction` in a real browser: in JupyterLab, and in an exported page without a kernel."""

import nbformat
import pytest
from lab_server import steady_box

from tripletviz.widgets.prediction import Prediction, shape_of

pytestmark = pytest.mark.browser

CELLS = [
    "from tripletviz.lessons import compare, predict\n"
    "number = predict('With random weights, what will R@1 be?', low=0, high=1)\n"
    "number",
    "shape = predict('Which way?', shapes=('falls', 'rises', 'stays level'))\nshape",
    "compare(number, 0.9381, name='R@1 untrained')",
]
HOST = ".tripletviz-prediction"


def make_notebook():
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells)
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    return notebook


class Asked:
    """What a reader sees and touches of one prediction on a page."""

    def __init__(self, page, number=0):
        self.page = page
        self.number = number
        self.root = page.locator(HOST).nth(number)
        self.root.locator(".status:not(:empty)").wait_for()

    def find(self, selector):
        return self.root.locator(selector)

    def shape(self, text):
        return self.root.get_by_role("radio", name=text)

    def wait_for(self, condition, argument=None):
        """Waits until a condition holds of `find(selector)`, `all(selector)` and an argument."""
        self.page.wait_for_function(
            f"""(argument) => {{
              const root = document.querySelectorAll("{HOST}")[{self.number}].shadowRoot;
              const find = (selector) => root.querySelector(selector);
              const all = (selector) => [...root.querySelectorAll(selector)];
              return {condition};
            }}""",
            arg=argument,
        )

    def wait_for_words(self, words):
        self.wait_for("find('.status').textContent.startsWith(argument)", words)


def run_third_cell(notebook):
    notebook.page.evaluate("window.jupyterapp.shell.currentWidget.content.activeCellIndex = 2")
    notebook.execute("notebook:run-cell")
    notebook.wait_until_idle()


def test_a_reader_predicts_and_compares(lab, find_violations, screenshot):
    notebook = lab(make_notebook(), width=1000, height=1000)
    notebook.run_all()
    page = notebook.page
    number, shape = Asked(page), Asked(page, 1)
    number.wait_for_words("No prediction yet.")
    page.get_by_text("R@1 untrained is 0.9381. Nothing was predicted.").wait_for()

    # Typed; and what lies outside comes back within the limits.
    number.find(".field").fill("7")
    number.find(".field").press("Enter")
    number.wait_for_words("The number lies between 0 and 1. Your prediction: 1.")
    notebook.read_until("number.value == 1 and number.answered", True)
    # Slid, by keys and by the mouse.
    active = notebook.active_cell()
    number.find(".slider").focus()
    for key in ("ArrowLeft", "ArrowLeft", "x"):
        page.keyboard.press(key)
    number.wait_for_words("Your prediction: 0.98.")
    notebook.read_until("number.value == 0.98", True)
    assert notebook.active_cell() == active
    assert page.locator(".jp-Cell").count() == 3
    box = steady_box(number.find(".slider"))
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    number.wait_for_words("Your prediction: 0.5.")
    notebook.read_until("number.value == 0.5", True)
    assert number.find(".field").input_value() == "0.5"
    run_third_cell(notebook)
    page.locator(".js-plotly-plot").wait_for()
    assert "too low by 0.4381" in page.locator(".js-plotly-plot .gtitle").text_content()

    # A shape: by the mouse, then by keys.
    shape.shape("falls").click()
    notebook.read_until("shape.value == 'falls'", True)
    for key in ("ArrowRight", "ArrowRight", "x"):
        page.keyboard.press(key)
    shape.wait_for_words("Your prediction: stays level.")
    notebook.read_until("shape.value == 'stays level'", True)
    assert shape.shape("stays level").get_attribute("aria-checked") == "true"
    assert page.locator(".jp-Cell").count() == 3
    assert not find_violations(page, HOST)
    screenshot(page, "prediction-lab")

    notebook.run_cell("shape.value = 'rises'; number.value = None")
    shape.wait_for_words("Your prediction: rises.")
    number.wait_for_words("No prediction yet.")
    assert number.find(".field").input_value() == ""


def test_an_exported_page_takes_predictions_without_a_kernel(export_html, new_page):
    page = new_page(offline=True, width=700)
    page.goto(export_html(make_notebook()).as_uri())
    number, shape = Asked(page), Asked(page, 1)
    # Let go where it stood, the middle has been chosen all the same.
    box = steady_box(number.find(".slider"))
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    number.wait_for_words("Your prediction: 0.5.")
    number.find(".field").fill("")
    number.find(".field").press("Enter")
    number.wait_for_words("No prediction yet.")
    shape.shape("rises").click()
    shape.wait_for_words("Your prediction: rises.")


@pytest.mark.parametrize(
    ("low", "high", "step"),
    [(0, 1, 0.01), (0, 100_000, 1000), (0, 60_000, 500), (-1, 1, 0.02), (0, 0.3, 0.002)],
)
def test_the_slider_takes_round_steps(script, low, high, step):
    assert script("prediction").call("stepOf", low, high) == pytest.approx(step)


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 330])
def test_themes_and_widths(new_page, tmp_path, find_violations, screenshot, color_scheme, width):
    names = ("falls", "rises", "stays level", "rises, then falls", "falls, then stays level")
    asked = {
        "shape": Prediction("Which way will the loss go?", shapes=names, default="rises"),
        "number": Prediction("How many are there?", low=0, high=100_000, unit="triplets"),
    }
    for kind, prediction in asked.items():
        path = prediction.save_html(tmp_path / f"{kind}.html")
        page = new_page(offline=True, width=width, height=560, color_scheme=color_scheme)
        page.goto(path.as_uri())
        view = Asked(page)
        is_dark = color_scheme == "dark"
        view.wait_for("find('.widget').classList.contains('dark') === argument", is_dark)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert not find_violations(page, HOST)
        screenshot(page, f"prediction-{kind}-{color_scheme}-{width}")
        if kind == "shape":
            assert view.find(".line").count() == len(names)
            view.wait_for_words("Preset: rises.")
            view.shape("rises").first.click()  # the same one, now the reader's own
            view.wait_for_words("Your prediction: rises.")


def test_a_shape_is_drawn_as_high_as_it_goes(script):
    frame = {"width": 108, "height": 60, "side": 8}
    module = script("prediction")
    heights = {
        name: [float(part.split()[1]) for part in path[1:].split("L")]
        for name in ("falls", "rises, then falls", "stays level")
        for path in [module.call("pathOf", shape_of(name), frame)]
    }
    assert (heights["falls"][0], heights["falls"][-1]) == (8, 52)
    assert min(heights["rises, then falls"]) == 8
    assert set(heights["stays level"]) == {30}
