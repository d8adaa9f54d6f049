"""The cost table in a real JupyterLab: chosen, measured, read in a narrow place."""

import nbformat
import pytest
from lab_server import pause

pytestmark = pytest.mark.browser

HEIGHT = 1400  # all of it is seen at once, also where its buttons stand in many rows

# No TensorFlow: what a step costs is made up, and takes a moment as a real one does.
SOURCE = """
import time
from tripletviz.lessons import costs

def measure(network="conv_net_32", batch_size=64, strategy="batch_all", precision="float32", **_):
    time.sleep(0.3)
    if strategy == "cube":
        raise ValueError("a cube is too large")
    return costs.Cost(
        network, batch_size, strategy, precision, weights=2_471_488, first_seconds=2.34,
        step_seconds=0.125, loss_seconds=0.025, memory=1_234_000_000, memory_is_measured=False,
        device="CPU (2 cores)",
    )

costs.measure_step = measure
rows = [measure(), measure("alexnet_no_dropout", 1024, "softmax", "mixed_bfloat16")]
table = costs.CostTable(rows)
table
"""


class Table:
    """What a reader sees and touches of the cost table."""

    def __init__(self, page):
        self.page = page
        self.root = page.locator(".tripletviz-cost-table")
        self.frame = self.root.locator(".tripletviz-costs")
        self.frame.wait_for()

    def choose(self, name):
        self.root.get_by_role("button", name=name, exact=True).click()

    def wait_for_status(self, words):
        self.root.locator("[role=status]", has_text=words).wait_for()

    def rows(self):
        return [
            row.locator("th, td").all_inner_texts() for row in self.frame.locator("tbody tr").all()
        ]

    def place(self):
        """Of the table's frame: its right end and that of the cell's output, and its widths."""
        return self.frame.evaluate(
            """(frame) => {
              const output = frame.closest(".jp-OutputArea-output");
              const right = (element) => element.getBoundingClientRect().right;
              const { scrollWidth, clientWidth, scrollLeft } = frame;
              return { frame: right(frame), output: right(output), scrollWidth, clientWidth,
                scrollLeft };
            }"""
        )


@pytest.fixture
def open_table(lab):
    def open_lab(*, sidebar=True, **options):
        notebook = nbformat.v4.new_notebook()
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
        notebook.cells = [nbformat.v4.new_code_cell(SOURCE)]
        notebook = lab(notebook, height=HEIGHT, **options)
        if not sidebar:
            notebook.execute("application:toggle-left-area")
        notebook.run_all()
        return notebook, Table(notebook.page)

    return open_lab


def test_a_reader_chooses_and_measures(open_table, find_violations, screenshot):
    notebook, table = open_table()
    assert len(table.rows()) == 2
    for name in ("conv net, 8 filters", "256", "batch hard", "mixed_float16"):
        table.choose(name)
    table.wait_for_status("Chosen: conv net, 8 filters, 256 images, batch hard, mixed_float16.")
    table.choose("Measure")
    table.wait_for_status(
        "conv net, 8 filters, 256 images, batch hard, mixed_float16: 120 ms a step."
    )
    chosen = ["conv net, 8 filters", "256", "batch hard", "mixed float16"]
    numbers = ["2,471,488", "2.3", "120", "2,000", "20%", "1,234"]
    table.frame.locator("tbody tr").nth(2).wait_for()
    assert table.rows()[2] == chosen + numbers
    screenshot(notebook.page, "cost-table-lab")
    assert find_violations(notebook.page, ".tripletviz-cost-table") == []
    # What cannot be measured is said, and the button can be pressed again.
    table.choose("batch all by the cube")
    table.choose("Measure")
    table.wait_for_status("Not measured: a cube is too large")
    assert table.root.get_by_role("button", name="Measure").is_enabled()
    assert len(table.rows()) == 3


def test_it_is_worked_by_keyboard(open_table):
    notebook, table = open_table()
    table.root.get_by_role("button", name="128", exact=True).focus()
    notebook.page.keyboard.press("Enter")
    table.wait_for_status("Chosen: conv net, 32 filters, 128 images")
    table.root.get_by_role("button", name="Measure").focus()
    notebook.page.keyboard.press("Enter")
    table.frame.locator("tbody tr").nth(2).wait_for()
    assert table.rows()[2][:2] == ["conv net, 32 filters", "128"]


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
@pytest.mark.parametrize(("width", "sidebar"), [(1280, True), (700, False)])
def test_all_columns_are_seen(open_table, find_violations, screenshot, theme, width, sidebar):
    notebook, table = open_table(width=width, sidebar=sidebar)
    notebook.set_theme(theme)
    place = table.place()
    assert place["frame"] <= place["output"]
    assert place["scrollWidth"] <= place["clientWidth"]
    assert not table.root.locator(".tripletviz-costs-hint").is_visible()
    for button in table.root.get_by_role("button").all():
        box = button.bounding_box()
        assert min(box["height"], box["width"]) >= 44, button.inner_text()
    screenshot(notebook.page, f"cost-table-{theme.split()[1].lower()}-{width}")
    assert find_violations(notebook.page, ".tripletviz-cost-table") == []


def test_a_narrow_place_scrolls_by_keyboard_and_says_so(open_table, find_violations, screenshot):
    notebook, table = open_table(width=700)  # with JupyterLab's own list of files beside it
    place = table.place()
    assert place["frame"] <= place["output"]
    assert place["scrollWidth"] > place["clientWidth"]
    assert table.root.locator(".tripletviz-costs-hint").is_visible()
    first = table.frame.locator("tbody th").first
    left, active = first.bounding_box()["x"], notebook.active_cell()
    table.frame.focus()
    for _ in range(30):
        notebook.page.keyboard.press("ArrowRight")
    pause(notebook.page, 500)  # a browser may scroll smoothly
    place = table.place()
    assert place["scrollLeft"] >= place["scrollWidth"] - place["clientWidth"] - 1
    assert notebook.active_cell() == active
    assert first.bounding_box()["x"] == pytest.approx(left, abs=1)  # the networks stay
    last = table.frame.locator("tbody tr").first.locator("td").last
    assert last.inner_text() == "1,234"
    assert last.bounding_box()["x"] + last.bounding_box()["width"] <= place["output"]
    screenshot(notebook.page, "cost-table-narrow")
    assert find_violations(notebook.page, ".tripletviz-cost-table") == []
