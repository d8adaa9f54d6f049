"""`LiveComparison` in a real browser: read without a kernel, trained in JupyterLab."""

import nbformat
import numpy as np
import pytest
from lab_server import steady_box

from tripletviz.widgets.live_comparison import (
    ComparisonRun,
    ComparisonSettings,
    LiveComparison,
)

pytestmark = pytest.mark.browser

STEPS = np.arange(0, 301, 15)
NAMES = ["Euclidean, margin 0.5", "cosine, margin 0.2", "squared"]


def make_run(settings, r1, loss, count=None):
    steps = STEPS[:count]
    way = 1 - np.exp(-steps / 80)
    return ComparisonRun(
        settings=settings,
        steps=steps,
        curves={
            "loss": loss * (1 - 0.6 * way),
            "fraction of positive triplets": 0.8 - 0.7 * way,
            "R@1": r1[0] + (r1[1] - r1[0]) * way,
            "mean embedding norm": 6 + 2 * way,
            "mean distance": 5 + way,
        },
        untrained={"R@1": r1[0], "MAP@R": 0.25},
        trained={"R@1": r1[1], "MAP@R": 0.7},
        seconds=3.25,
        queries=1000,
        stopped=count is not None,
    )


def make_widget(**traits):
    runs = {
        NAMES[0]: make_run(ComparisonSettings(), (0.75, 0.96), 1.2),
        NAMES[1]: make_run(ComparisonSettings(metric="cosine", margin=0.2), (0.77, 0.9), 0.2),
        NAMES[2]: make_run(ComparisonSettings(metric="squared_euclidean"), (0.75, 0.8), 40, 8),
    }
    return LiveComparison(runs, probe="Each is a query, the others are the gallery.", **traits)


class Comparison:
    """What a reader sees and touches of one comparison on a page."""

    def __init__(self, page):
        self.page = page
        self.root = page.locator(".tripletviz-live-comparison")
        self.find(".widget").wait_for()

    def find(self, selector):
        return self.root.locator(selector)

    def text(self, selector):
        return self.find(selector).inner_text()

    def wait_for(self, condition, arg=None, timeout=None):
        """Waits until a function of the shadow root, and of an argument, gives true."""
        self.page.wait_for_function(
            f"([host, arg]) => ({condition})(host.shadowRoot, arg)",
            arg=[self.root.element_handle(), arg],
            timeout=timeout,
        )

    def wait_for_text(self, selector, part, timeout=None):
        self.wait_for(
            "(root, [s, part]) => root.querySelector(s).textContent.includes(part)",
            [selector, part],
            timeout,
        )

    def wait_for_lines(self, count):
        condition = "(root, count) => root.querySelectorAll('.chart .line').length === count"
        self.wait_for(condition, count)

    def row(self, name):
        return self.find(f"tr[data-name='{name}']")


@pytest.fixture(scope="module")
def saved_page(tmp_path_factory):
    return make_widget().save_html(tmp_path_factory.mktemp("saved") / "comparison.html")


@pytest.fixture
def open_page(new_page, saved_page):
    def open_comparison(path=saved_page, **options):
        page = new_page(offline=True, **options)
        page.goto(path.as_uri())
        comparison = Comparison(page)
        comparison.wait_for_text(".status", ": ")
        return comparison

    return open_comparison


# ---------------------------------------------------------------- without a kernel


def test_runs_are_read_without_a_kernel(open_page):
    comparison = open_page()
    comparison.wait_for_lines(9)  # three runs in three charts
    assert comparison.text(".title").startswith("Highest R@1 in one short run of each: Euclidean")
    first = comparison.row(NAMES[0]).inner_text()
    assert first.startswith("A Euclidean, margin 0.5")
    assert "0.750 → 0.960" in first
    assert "0.250 → 0.700" in first
    assert "Euclidean distance, margin 0.5" in first
    assert "stopped at step 105" in comparison.row(NAMES[2]).inner_text()
    status = comparison.text(".status")
    assert status.startswith("At the end: A Euclidean, margin 0.5: R@1 0.9")
    levels = comparison.find(".chart[data-curve='R@1'] .levels")
    assert levels.locator("path").count() == 2  # 0.75 twice, and 0.77
    assert levels.text_content() == "untrained 0.750 to 0.770"
    # A loss of 40 beside one of 0.2 needs an axis that shows both.
    assert "logarithmic" in comparison.text(".chart[data-curve='loss'] figcaption")
    assert not comparison.find(".activity").is_visible()


def test_the_form_says_what_it_lacks(open_page):
    comparison = open_page()
    comparison.find("summary").click()
    assert comparison.text(".advice").startswith("Training needs a running kernel.")
    assert comparison.find(".train").is_disabled()
    for control in comparison.find(".settings :is(input, select)").all():
        assert control.is_disabled()


def test_a_reader_reads_by_key_slider_and_pointer(open_page):
    comparison = open_page()
    comparison.find(".widget").focus()
    page = comparison.page
    page.keyboard.press("ArrowLeft")
    comparison.wait_for_text(".status", "At step 285: A")
    page.keyboard.press("Home")
    comparison.wait_for_text(".status", "At step 0: A Euclidean, margin 0.5: R@1 0.750, loss 1.20")
    comparison.find(".place").focus()
    page.keyboard.press("ArrowRight")
    comparison.wait_for_text(".status", "At step 15:")
    assert comparison.find(".place").get_attribute("aria-valuetext") == "step 15"
    page.keyboard.press("End")
    comparison.wait_for_text(".status", "At the end:")
    svg = comparison.find(".chart[data-curve='R@1'] svg")
    box = steady_box(svg)
    page.mouse.click(box["x"] + 42 + 0.5 * (box["width"] - 42 - 184), box["y"] + 80)
    comparison.wait_for_text(".status", "At step 150:")
    comparison.wait_for_text(".status", "C squared (ended at step 105): R@1")
    assert comparison.find(".chart .cursor path").count() == 3


def test_runs_are_hidden_and_more_is_shown(open_page):
    comparison = open_page()
    hide = comparison.row(NAMES[2]).locator("button", has_text="Hide")
    hide.focus()
    comparison.page.keyboard.press("Enter")
    comparison.wait_for_lines(6)
    comparison.wait_for("(root) => !root.querySelector('.status').textContent.includes('squared')")
    assert "B cosine" in comparison.text(".status")
    show = comparison.row(NAMES[2]).locator("button", has_text="Show")
    assert show.evaluate("(button) => button.getRootNode().activeElement === button")
    # Colour, dashes and mark stay those of the run.
    assert (
        comparison.find(".chart[data-curve=loss] .run").nth(1).get_attribute("data-name")
        == (NAMES[1])
    )
    comparison.find(".extra").select_option("mean embedding norm")
    comparison.wait_for_lines(8)
    comparison.wait_for_text(".status", "mean embedding norm")
    show.click()
    comparison.wait_for_lines(12)
    for name in NAMES[:2]:
        comparison.row(name).locator("button").click()
    comparison.wait_for_lines(4)
    comparison.row(NAMES[2]).locator("button").click()
    comparison.wait_for_text(".status", "All runs are hidden.")


def test_no_two_runs_look_alike_without_colour(open_page):
    comparison = open_page()
    samples = comparison.find(".sample").evaluate_all(
        """(all) => all.map((svg) => [
          svg.querySelector(".line").getAttribute("stroke-dasharray"),
          svg.querySelector(".mark").getAttribute("d")])"""
    )
    assert len({dash for dash, _ in samples}) == 3
    assert len({mark for _, mark in samples}) == 3
    names = comparison.find(".chart[data-curve='R@1'] .label-text").all_text_contents()
    assert sorted(names) == ["A Euclidean, margin 0.5", "B cosine, margin 0.2", "C squared"]
    letters = comparison.find(".chart[data-curve=loss] .label-text").all_text_contents()
    assert sorted(letters) == ["A", "B", "C"]


def test_a_widget_without_runs_says_so(new_page, tmp_path):
    path = LiveComparison().save_html(tmp_path / "empty.html")
    page = new_page(offline=True)
    page.goto(path.as_uri())
    comparison = Comparison(page)
    assert comparison.text(".empty") == "No run yet."
    assert not comparison.find("table").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 700, 330])
def test_looks(open_page, screenshot, find_violations, scheme, width):
    options = {"color_scheme": scheme, "reduced_motion": "reduce"}
    comparison = open_page(width=width, height=1000, **options)
    if width < 1280:
        comparison.find("summary").click()
    page = comparison.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    for control in comparison.find("button:visible, select:visible, summary").all():
        assert control.bounding_box()["height"] >= 44
    if width == 1280:  # a slide holds it
        assert comparison.find(".widget").bounding_box()["height"] <= 720
    screenshot(page, f"live-comparison-{scheme}-{width}")
    assert find_violations(page, ".tripletviz-live-comparison") == []


# ---------------------------------------------------------------- the script's numbers


def test_the_scripts_numbers(script):
    module = script("live_comparison")
    placed = module.call("spread", [50, 52, 10, 51], 14, 10, 180)
    assert placed == [50, 78, 10, 64]
    assert module.call("spread", [176, 178, 178], 14, 10, 178) == [150, 164, 178]
    assert module.call("lookAt", [0, 10, 20], 19) == 1
    assert module.call("placesOf", [{"steps": [0, 10, 20]}, {"steps": [0, 7]}]) == [0, 7, 10, 20]
    assert module.call("levelsOf", [0.75, 0.7503, 0.77, None]) == [0.75, 0.77]
    assert module.call("decades", 0.1, 100) == [0.1, 1, 10, 100]
    assert len(module.call("decades", 1e-6, 1e6)) <= 5
    plain = module.call("axisOf", [[1.0, 0.4], [0.2, None]], {"loss": True})
    assert plain == {"low": 0, "high": 1, "log": False}
    apart = module.call("axisOf", [[40, 20], [0.2, 0.05]], {"loss": True})
    assert apart == {"low": 0.01, "high": 100, "log": True}
    near = module.call("axisOf", [[0.76, 0.98]], {"near": True})
    assert near == {"low": 0.75, "high": 1, "log": False}


# ---------------------------------------------------------------- JupyterLab

# No TensorFlow: what is trained here is only a clock.
SOURCE = """
import time
import numpy as np
from tripletviz.widgets.live_comparison import ComparisonRun, LiveComparison

def look(settings, count, stopped=False):
    steps = np.arange(count)
    curves = {name: 0.5 + 0.001 * steps for name in (
        "loss", "fraction of positive triplets", "R@1", "mean embedding norm", "mean distance")}
    scores = {"R@1": 0.5, "MAP@R": 0.2}
    return ComparisonRun(settings, steps, curves, scores, scores, queries=100, stopped=stopped)

def trainer(widget):
    settings = widget.settings
    for count in range(1, 3000):
        widget.show_run("yours 1", look(settings, count), complete=False, own=True)
        widget.report("training", f"step {count}", count / 3000)
        time.sleep(0.05)
        if widget.stop_requested:
            break
    widget.show_run("yours 1", look(settings, count, True), own=True)
    widget.report("done", f"Stopped at step {count}.", 1.0)

widget = LiveComparison(total_steps=300)
widget.on_train(trainer)
widget
"""


def test_a_reader_trains_stops_and_removes_in_jupyterlab(lab, screenshot):
    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    notebook.cells = [nbformat.v4.new_code_cell(SOURCE)]
    notebook = lab(notebook, height=1300)
    notebook.run_all()
    comparison = Comparison(notebook.page)
    comparison.find(".train:enabled").wait_for()  # the kernel has answered, the form is open
    comparison.find("[name=strategy]").select_option("all_then_hard")
    comparison.find("[name=switch_step]").fill("120")
    comparison.find("[name=switch_step]").press("Enter")
    comparison.find("[name=metric]").select_option("cosine")
    comparison.find(".train").click()
    comparison.wait_for_text(".message", "step ")
    comparison.wait_for("(root) => root.querySelectorAll('.chart .mark').length > 9")
    assert comparison.find(".train").is_disabled()
    comparison.find(".stop").click()
    comparison.wait_for_text(".message", "Stopped at step")
    notebook.wait_until_idle()
    now = "[widget.state, widget.runs['yours 1'].settings.metric, widget.switch_step]"
    notebook.read_until(now, ["done", "cosine", 120])
    screenshot(notebook.page, "live-comparison-lab")

    active = notebook.active_cell()
    comparison.find(".place").focus()
    for key in ("ArrowLeft", "Home", "b", "x"):
        notebook.page.keyboard.press(key)
    comparison.wait_for_text(".status", "At step 0:")
    assert notebook.active_cell() == active
    notebook.read_until("widget.cursor", 0)
    comparison.row("yours 1").locator(".remove").click()
    comparison.find(".empty").wait_for()
    notebook.read_until("list(widget.runs)", [])
