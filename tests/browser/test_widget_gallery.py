"""The gallery of widgets: in JupyterLab, executed by papermill, and as a page without a kernel."""

import nbformat
import pytest
from lab_server import WIDGETS, steady_box

from tripletviz.lessons.runner import NOTEBOOKS

pytestmark = pytest.mark.browser

GALLERY = NOTEBOOKS / "widget-gallery.ipynb"


@pytest.fixture(scope="module")
def executed_gallery(executed):
    """Path of the gallery as papermill leaves it, widget state and all."""
    return executed(GALLERY.name)


def wait_for_text(page, locator, old):
    """Waits until an element says something else than `old`, and gives that."""
    page.wait_for_function(
        "([element, old]) => element.textContent !== old", arg=[locator.element_handle(), old]
    )
    return locator.text_content()


def wait_for_words(page, locator, *alternatives):
    """Waits until an element says some words, or others, whatever it says before; and gives all."""
    page.wait_for_function(
        "([element, words]) => words.some((each) => element.textContent.includes(each))",
        arg=[locator.element_handle(), alternatives],
    )
    return locator.text_content()


def wait_for_another_picture(page, canvas, old):
    page.wait_for_function(
        "([canvas, old]) => canvas.toDataURL() !== old", arg=[canvas.element_handle(), old]
    )


# What a reader does to each piece, and what must follow from it. What a piece says before is read
# once it says something: many write their words a moment after they are shown.


def drag_the_negative(page, widget):
    loss = widget.locator(".loss-value")
    widget.locator('.preset[data-preset="hard"]').click()
    wait_for_words(page, widget.locator(".badge"), "hard")
    hard = wait_for_text(page, loss, "")
    point = steady_box(widget.locator(".point.negative"))
    x, y = point["x"] + point["width"] / 2, point["y"] + point["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 90, y - 40, steps=5)
    page.mouse.up()
    wait_for_text(page, loss, hard)


def travel_in_time(page, widget):
    readout = widget.locator(".readout")
    wait_for_words(page, readout, "step 0")
    canvas = widget.locator("canvas").first
    before = canvas.evaluate("(canvas) => canvas.toDataURL()")
    widget.locator(".forward").click()
    assert wait_for_text(page, readout, "step 0") == "step 1"
    wait_for_another_picture(page, canvas, before)


def widen_the_margin(page, widget):
    figures = widget.locator(".figures")
    before = wait_for_text(page, figures, "")
    slider = widget.locator("input.margin")
    slider.focus()
    page.keyboard.press("ArrowRight")
    wait_for_text(page, figures, before)


def pick_a_candidate(page, widget):
    widget.locator(".candidate").nth(2).click()
    widget.locator(".next").wait_for()
    assert widget.locator(".verdict").text_content()


def play_a_recorded_run(page, widget):
    words = widget.locator(".verdict-words")
    before = wait_for_text(page, words, "")
    options = widget.locator(".recipe option").evaluate_all("(all) => all.map((o) => o.value)")
    shown = widget.locator(".recipe").input_value()
    widget.locator(".recipe").select_option(next(each for each in options if each != shown))
    wait_for_text(page, words, before)
    # The chosen run plays at once; going to its beginning stops it.
    readout = widget.locator(".readout")
    widget.locator(".scrub").focus()
    page.keyboard.press("Home")
    page.wait_for_function(
        "(element) => element.textContent.startsWith('step 0 of')", arg=readout.element_handle()
    )
    beginning = readout.text_content()
    widget.locator(".forward").click()
    wait_for_text(page, readout, beginning)


def ask_another_query(page, widget):
    words = widget.locator(".status")
    assert "class 8" not in wait_for_text(page, words, "")
    widget.locator(".classes button").nth(8).click()
    wait_for_words(page, words, "class 8")


def read_the_last_picture(page, widget):
    wait_for_words(page, widget.locator(".plots"), "R@1")
    wait_for_words(page, widget.locator(".status"), "kernel")


def accept_fewer_impostors(page, widget):
    rate = widget.locator(".false-accept-rate")
    goal = ("0.0998 %", "0.100 %")
    assert wait_for_text(page, rate, "") not in goal
    widget.locator(".goals button").last.click()
    assert wait_for_words(page, rate, *goal) in goal


def press_a_ready_made_picture(page, widget):
    vote = widget.locator(".vote")
    before = wait_for_text(page, vote, "")
    widget.locator(".preset").nth(3).click()
    wait_for_text(page, vote, before)


def look_at_another_confusion(page, widget):
    words = widget.locator(".cell-words")
    before = wait_for_text(page, words, "")
    widget.locator(".confusion").nth(1).click()
    wait_for_text(page, words, before)


def read_another_step(page, widget):
    step = widget.locator(".at output")
    before = wait_for_text(page, step, "")
    widget.locator(".place").focus()
    page.keyboard.press("Home")
    assert wait_for_text(page, step, before) != ""


def choose_an_answer(page, widget):
    widget.locator(".choice").first.click()
    wait_for_words(page, widget.locator(".status"), "A is right.", "A is wrong.")


def predict_a_number(page, widget):
    words = widget.locator(".status")
    assert "87" not in wait_for_text(page, words, "")
    widget.locator(".field").fill("87")
    page.keyboard.press("Enter")
    wait_for_words(page, words, "87")


DEEDS = dict(
    zip(
        WIDGETS,
        (
            drag_the_negative,
            travel_in_time,
            widen_the_margin,
            pick_a_candidate,
            play_a_recorded_run,
            ask_another_query,
            read_the_last_picture,
            accept_fewer_impostors,
            press_a_ready_made_picture,
            look_at_another_confusion,
            read_another_step,
            choose_an_answer,
            predict_a_number,
        ),
        strict=True,
    )
)


@pytest.fixture(scope="module")
def gallery():
    """The gallery as published, set to the smallest profile."""
    notebook = nbformat.read(GALLERY, as_version=4)
    for cell in notebook.cells:
        if "parameters" in cell.metadata.get("tags", []):
            cell.source = cell.source.replace('PROFILE = "laptop"', 'PROFILE = "ci"')
    return notebook


def test_the_gallery_in_jupyterlab(gallery, lab, find_violations, screenshot):
    notebook = lab(gallery, width=1280, height=900)
    notebook.run_all()
    page = notebook.page
    for name, deed in DEEDS.items():
        widget = notebook.bring(f".tripletviz-{name}")
        deed(page, widget)
        assert not find_violations(page, f".tripletviz-{name}")
    assert notebook.read("playground.negative") != notebook.read("playground.positive")
    notebook.read_until("solid.position", 1)
    notebook.read_until("game.picks[0]", 3)


def test_papermill_leaves_at_most_twelve_megabytes(executed_gallery):
    assert executed_gallery.stat().st_size <= 12e6
    notebook = nbformat.read(executed_gallery, as_version=4)
    state = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    models = [each["state"].get("_anywidget_id", "") for each in state.values()]
    for name in WIDGETS:
        kind = name.replace("-", "_")
        assert any(f".{kind}." in model for model in models), (kind, models)


@pytest.mark.parametrize(
    ("width", "scale", "theme"),
    [(1280, 1, "Light"), (1280, 1, "Dark"), (700, 1, "Dark"), (1280, 2, "Light")],
)
def test_the_executed_gallery_opens(
    executed_gallery, lab, find_violations, screenshot, width, scale, theme
):
    """No kernel of this page ran its cells: what shows is the state that papermill saved."""
    notebook = lab(
        nbformat.read(executed_gallery, as_version=4),
        trusted=True,
        width=width // scale,
        height=2000 // scale,
        device_scale_factor=scale,
    )
    notebook.execute("application:toggle-left-area")
    notebook.set_theme(f"JupyterLab {theme}")
    page = notebook.page
    for name in WIDGETS:
        widget = notebook.bring(f".tripletviz-{name}")
        page.wait_for_function(
            """([host, dark]) => host.shadowRoot.querySelector(".status").textContent !== ""
              && host.shadowRoot.querySelector(".widget").classList.contains("dark") === dark""",
            arg=[widget.element_handle(), theme == "Dark"],
        )
        steady_box(widget)
        assert not find_violations(page, f".tripletviz-{name}")
        overflow = widget.evaluate(
            "(e) => { const w = e.shadowRoot.querySelector('.widget');"
            " return w.scrollWidth - w.clientWidth; }"
        )
        assert overflow <= 0, name
        screenshot(widget, f"gallery-{name}-{theme.lower()}-{width}-at-{100 * scale}")


def test_the_exported_gallery_is_alive_without_kernel_and_network(
    executed_gallery, export_html, new_page
):
    path = export_html(nbformat.read(executed_gallery, as_version=4), execute=False)
    page = new_page(offline=True, width=1280, height=900)
    page.goto(path.as_uri())
    for name, deed in DEEDS.items():
        widget = page.locator(f".tripletviz-{name}").last
        widget.wait_for(state="attached", timeout=60_000)
        widget.scroll_into_view_if_needed()
        deed(page, widget)
    simulator = page.locator(".tripletviz-collapse-simulator")
    page.wait_for_function(
        "(host) => host.shadowRoot.querySelector('.message').textContent.includes('kernel')",
        arg=simulator.element_handle(),
    )
