"""`CollapseSimulator` in a real browser: trained in JupyterLab, played without a kernel."""

import base64
import os
import signal

import nbformat
import numpy as np
import pytest
from lab_server import pause, steady_box

from tripletviz.lessons.collapse import RECIPES, collapse_simulator, load_runs

pytestmark = pytest.mark.browser

ACCIDENT, CURE = RECIPES[0].name, "Lower learning rate"


class Simulator:
    """What a reader sees and touches of one simulator on a page."""

    def __init__(self, page):
        self.page = page
        self.root = page.locator(".tripletviz-collapse-simulator")
        self.find(".widget").wait_for()
        self.wait_for("(root) => root.querySelector('canvas').width !== 300")

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

    def wait_for_text(self, selector, beginning, timeout=None):
        self.wait_for(
            """(root, [selector, beginning]) =>
              root.querySelector(selector).textContent.startsWith(beginning)""",
            [selector, beginning],
            timeout,
        )

    def wait_for_rest(self):
        self.find(".play[aria-label=Play]").wait_for()

    def scrub_value(self):
        return float(self.find(".scrub").input_value())

    def chart(self, name):
        return self.find(f".chart[data-name={name}]")

    def chart_value(self, name):
        return self.chart(name).locator(".chart-value").inner_text()

    def setting(self, name):
        return self.find(f".settings [name={name}]")

    def painted(self):
        """Width and height of what is coloured in the plot, in CSS pixels: the points."""
        return self.find("canvas").evaluate(
            """(canvas) => {
              const { width, height } = canvas;
              const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
              let [left, right, top, bottom] = [width, -1, height, -1];
              for (let i = 0; i < data.length; i += 4) {
                const colour = [data[i], data[i + 1], data[i + 2]];
                if (Math.max(...colour) - Math.min(...colour) < 60) continue;
                const [x, y] = [(i / 4) % width, Math.floor(i / 4 / width)];
                left = Math.min(left, x); right = Math.max(right, x);
                top = Math.min(top, y); bottom = Math.max(bottom, y);
              }
              const ratio = width / canvas.clientWidth;
              return [(right - left + 1) / ratio, (bottom - top + 1) / ratio];
            }"""
        )

    def wait_until_painted(self, as_wanted):
        """Waits until width and height of what is painted are as wanted."""
        for _ in range(1000):
            if as_wanted(size := self.painted()):
                return
            pause(self.page, 50)
        raise AssertionError(f"what is painted stays {size[0]:.0f} x {size[1]:.0f}")


# ---------------------------------------------------------------- JupyterLab


def make_notebook(*cells):
    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    setup = "from tripletviz.lessons.collapse import collapse_simulator"
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in (setup, *cells)]
    return notebook


def note_messages(simulator):
    """From now on keeps, in the page, every message with its time in ms and the verdict."""
    simulator.root.evaluate(
        """(host) => {
          const find = (selector) => host.shadowRoot.querySelector(selector);
          window.messages = [];
          const note = () => window.messages.push(
            [find(".message").textContent, performance.now(), find(".verdict").dataset.verdict]);
          new MutationObserver(note).observe(
            find(".message"), { childList: true, characterData: true, subtree: true });
        }"""
    )


def test_a_reader_trains_in_jupyterlab(lab, screenshot):
    # Many steps, so that even a fast kernel trains for a while.
    notebook = lab(make_notebook("widget = collapse_simulator(steps=600); widget"), height=1300)
    notebook.run_all()
    simulator = Simulator(notebook.page)
    train = simulator.find(".train:enabled")
    train.wait_for()  # the kernel has answered
    assert simulator.text(".message").startswith("Not trained yet: steps 150 → 600.")

    slider = simulator.setting("learning_rate")
    slider.focus()
    for _ in range(3):
        slider.press("ArrowLeft")
    assert simulator.find(".setting-learning_rate output").inner_text() == "0.005"
    assert simulator.scrub_value() == 30, "the slider's keys moved the player"
    assert "learning rate 0.03 → 0.005" in simulator.text(".message")

    note_messages(simulator)
    train.click()
    simulator.wait_for_text(".message", "Trained 600 steps", timeout=900_000)
    messages = notebook.page.evaluate("window.messages")
    words = [text for text, _, _ in messages]
    assert any(text.startswith("Importing TensorFlow") for text in words), words
    on_the_way = [
        time for text, time, verdict in messages if text.startswith("Step ") and not verdict
    ]
    # What the kernel says of itself proves nothing: its subshells are idle while it trains.
    _, finished, _ = messages[-1]
    late = f"no progress reached the page while the kernel trained: {messages}"
    assert len(on_the_way) > 1, late
    assert finished - on_the_way[0] > 200, late
    notebook.wait_until_idle()

    notebook.read_until("[widget.state, widget.recipe, widget.position]", ["done", "own", 30])
    assert notebook.read("widget.learning_rate") == 0.005
    assert simulator.text(".verdict-words") == notebook.read("widget._own['words']")
    assert simulator.find(".recipe").input_value() == "own"
    assert simulator.text(".readout") == "step 600 of 600"
    simulator.wait_for_text(".status", "Step 600 of 600: loss ")
    screenshot(notebook.page, "collapse-simulator-own-run")


def test_python_and_the_view_agree(lab):
    notebook = lab(make_notebook("widget = collapse_simulator(); widget"), has_touch=True)
    notebook.run_all()
    simulator = Simulator(notebook.page)
    simulator.find(".train:enabled").wait_for()

    notebook.tell("widget.recipe = 'Lower learning rate'; widget.position = 12")
    simulator.wait_for_text(".verdict-words", "Healthy")
    simulator.wait_for_text(".readout", "step 60 of 150")
    assert simulator.find(".setting-learning_rate output").inner_text() == "0.003"

    simulator.find(".forward").tap()
    simulator.setting("normalize").tap()
    simulator.setting("strategy").select_option("batch_semi_hard")
    simulator.setting("seed").fill("-7")  # comes back within its range
    simulator.setting("seed").press("Enter")
    simulator.wait_for_text(".readout", "step 65 of 150")
    notebook.read_until("widget.position", 13)

    simulator.find(".play").focus()
    active = notebook.active_cell()
    notebook.page.keyboard.press("ArrowLeft")
    notebook.page.keyboard.press("Home")
    notebook.page.keyboard.press("b")
    simulator.wait_for_text(".readout", "step 0 of 150")
    assert notebook.active_cell() == active
    now = "[widget.position, widget.normalize, widget.strategy, widget.seed]"
    notebook.read_until(now, [0, True, "batch_semi_hard", 0])

    simulator.find(".recipe").select_option(ACCIDENT)
    simulator.wait_for_text(".verdict-words", "Collapsed")
    simulator.wait_for_rest()
    now = "[widget.recipe, widget.position, widget.playing]"
    notebook.read_until(now, [ACCIDENT, 30, False])
    notebook.read_until("[widget.normalize, widget.state]", [False, "idle"])


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="Windows cannot stop a process")
def test_a_silent_kernel_and_bad_settings_are_told(lab):
    # A trainer that needs no TensorFlow: what is told is the widget's own.
    source = """
widget = collapse_simulator()
def refuse(widget):
    raise ValueError("there are only 5 classes")
widget.on_train(refuse)
widget
"""
    notebook = lab(make_notebook(source))
    notebook.run_all()
    simulator = Simulator(notebook.page)
    simulator.find(".train:enabled").wait_for()
    # Stopped as a whole: a busy kernel may still hear comm messages, in a subshell of its own.
    kernel = notebook.read("__import__('os').getpid()")
    try:
        os.kill(kernel, signal.SIGSTOP)
        simulator.find(".train").click()
        simulator.wait_for_text(".message", "The kernel has not answered")
        assert simulator.find(".train").is_disabled()
    finally:
        os.kill(kernel, signal.SIGCONT)
    simulator.wait_for_text(".message", "Not trained. there are only 5 classes")
    assert simulator.find(".message.failed").is_visible()
    assert simulator.find(".train").is_enabled(), "a dead button"


def test_an_exported_notebook_plays_and_says_what_it_lacks(export_html, new_page):
    path = export_html(make_notebook("widget = collapse_simulator(); widget"))
    page = new_page(offline=True)
    page.goto(path.as_uri())
    simulator = Simulator(page)
    assert simulator.text(".message").startswith("Training needs a running kernel.")
    assert simulator.find(".train").is_disabled()
    simulator.find(".recipe").select_option(CURE)
    simulator.wait_for_text(".verdict-words", "Healthy")
    simulator.wait_for_rest()
    simulator.wait_for_text(".readout", "step 150 of 150")  # painted a frame after the button


# ---------------------------------------------------------------- a page of its own


@pytest.fixture(scope="module")
def saved_page(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "collapse.html"
    return collapse_simulator().save_html(path)


@pytest.fixture
def open_page(new_page, saved_page):
    def open_simulator(path=saved_page, **options):
        page = new_page(offline=True, **options)
        page.goto(path.as_uri())
        return Simulator(page)

    return open_simulator


def test_every_recipe_has_its_run(open_page):
    simulator = open_page(reduced_motion="reduce")
    runs = load_runs()
    for recipe in RECIPES:
        simulator.find(".recipe").select_option(recipe.name)
        simulator.wait_for_text(".verdict-words", runs[recipe.name].words)
        assert simulator.text(".recipe-words") == recipe.words
        beginning = {"collapsed": "Collapse: ", "healthy": "No collapse: "}
        assert simulator.text(".title").startswith(beginning[runs[recipe.name].verdict])
        assert simulator.find(".verdict").get_attribute("data-verdict") == runs[recipe.name].verdict
        assert simulator.text(".readout") == "step 150 of 150"  # at the end: no motion is wanted
        assert simulator.setting("strategy").input_value() == recipe.settings.strategy
        assert simulator.setting("images_per_class").input_value() == str(
            recipe.settings.images_per_class
        )
        assert simulator.setting("soft_margin").is_checked() == recipe.settings.soft_margin


def test_without_a_kernel_only_the_training_is_off(open_page):
    simulator = open_page()
    assert simulator.text(".message") == (
        "Training needs a running kernel. The recipes play without one."
    )
    assert simulator.find(".train").is_disabled()
    for control in simulator.find(".settings :is(input, select)").all():
        assert control.is_disabled()
    simulator.find(".play").click()
    simulator.find(".play[aria-label=Pause]").wait_for()
    simulator.wait_for("(root) => root.querySelector('.scrub').valueAsNumber > 2")
    simulator.wait_for_rest()
    simulator.wait_for("(root) => root.querySelector('.scrub').valueAsNumber === 30")


def test_the_points_are_seen_to_collapse(open_page):
    simulator = open_page()
    simulator.find("canvas").wait_for()
    simulator.wait_until_painted(lambda size: 0 < max(size) < 20)
    simulator.find(".widget").focus()
    simulator.page.keyboard.press("Home")
    simulator.wait_for_text(".readout", "step 0 of 150")
    simulator.wait_until_painted(lambda size: min(size) > 40)
    simulator.page.keyboard.press("z")
    simulator.find(".fit[aria-pressed=true]").wait_for()
    simulator.wait_until_painted(lambda size: max(size) > 350)


def test_the_title_is_what_the_run_shows_unless_one_is_given(script, new_page, tmp_path):
    module = script("collapse_simulator")
    for verdict, words in [
        ("collapsed", "Collapse: all points draw together, and the loss stops at ln 2"),
        ("healthy", "No collapse: the classes come apart, R@1 rises from 0.360 to 0.870"),
        ("undecided", "Neither collapsed nor healthy: what would more steps bring?"),
        ("diverged", "The loss is no longer a number: the steps were too large"),
        ("", "Do the classes come apart, or do all points draw together?"),
    ]:
        run = {
            "verdict": verdict,
            "settings": {"soft_margin": True},
            "curves": {"R@1": [0.36, 0.5, 0.87]},
        }
        assert module.call("titleOf", run) == words
    page = new_page(offline=True)
    path = collapse_simulator(title="My own").save_html(tmp_path / "own.html")
    page.goto(path.as_uri())
    assert Simulator(page).text(".title") == page.title() == "My own"


def test_values_at_a_step(open_page):
    simulator = open_page()
    run = load_runs()[ACCIDENT]
    assert simulator.chart_value("loss") == "0.500"
    assert simulator.chart_value("spread") == "0"
    assert simulator.chart_value("gradient") == "0 exactly"
    simulator.find(".widget").focus()
    simulator.page.keyboard.press("Home")
    simulator.wait_for_text(".readout", "step 0")
    for name, value in {
        "loss": run.loss[0],
        "gradient": run.gradient[0],
        "spread": run.curves["spread"][0],
        "norm": run.curves["norm"][0],
        "fraction": run.curves["fraction positive"][0],
        "recall": run.curves["R@1"][0],
    }.items():
        assert float(simulator.chart_value(name)) == pytest.approx(value, rel=6e-3), name
    assert simulator.chart("loss").locator(".mark").inner_text() == "margin 0.5"
    assert simulator.chart("recall").locator(".mark").inner_text() == (
        f"untrained {run.curves['R@1'][0]:.3f}"
    )


def test_a_click_on_a_chart_travels_in_time(open_page):
    simulator = open_page()
    field = simulator.chart("norm").locator(".chart-field")
    box = steady_box(field)
    field.click(position={"x": box["width"] * 60 / 150, "y": box["height"] / 2})
    simulator.wait_for_text(".readout", "step 60 of 150")
    assert simulator.scrub_value() == 12
    simulator.wait_for_text(".status", "Step 60 of 150: loss ")


def test_a_widget_without_runs_says_so(new_page, tmp_path):
    from tripletviz.widgets.collapse_simulator import CollapseSimulator

    path = CollapseSimulator(np.arange(6) % 2).save_html(tmp_path / "empty.html")
    page = new_page(offline=True)
    page.goto(path.as_uri())
    simulator = Simulator(page)
    assert simulator.text(".verdict-words") == "Nothing trained yet."
    assert simulator.find(".play").is_disabled()
    assert not simulator.find(".charts").is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 700, 330])
def test_looks(open_page, screenshot, find_violations, scheme, width):
    options = {"color_scheme": scheme, "reduced_motion": "reduce"}
    simulator = open_page(width=width, height=1000, **options)
    simulator.find(".recipe").select_option(CURE)
    simulator.wait_for_rest()
    page = simulator.page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    hidden = simulator.find(".widget").evaluate(
        """(root) => [...root.querySelectorAll("button, select, input, .readout, .message, p")]
          .filter((element) => element.getBoundingClientRect().right > innerWidth - 8)
          .map((element) => element.className)"""
    )
    assert hidden == []
    for control in simulator.find("button, select, input[type=range]").all():
        assert control.bounding_box()["height"] >= 44
    screenshot(page, f"collapse-simulator-{scheme}-{width}")
    assert find_violations(page, ".tripletviz-collapse-simulator") == []


# ---------------------------------------------------------------- the script's numbers


def test_the_script_computes_as_numpy_does(script):
    module = script("collapse_simulator")
    generator = np.random.default_rng(3)
    points = generator.normal(size=(4, 7, 2)).astype(np.float32)
    flat = points.ravel().tolist()

    text = base64.b64encode(points.astype("<f4").tobytes()).decode()
    np.testing.assert_array_equal(module.call("floatsFromBase64", text), points.ravel())

    expected = [*points[1, :, 0].min(keepdims=True), points[1, :, 0].max()]
    bounds = module.call("boundsOfPoints", flat, 14, 28)
    assert bounds[:2] == pytest.approx(expected)
    assert bounds[2:] == pytest.approx([points[1, :, 1].min(), points[1, :, 1].max()])

    for position in (0, 1.25, 2.5, 3):
        before, part = int(position), position % 1
        after = min(before + 1, 3)
        between = points[before] + (points[after] - points[before]) * part
        np.testing.assert_allclose(
            module.call("pointsAt", flat, 7, position, 3), between.ravel(), rtol=1e-5, atol=1e-6
        )
        steps = [0, 5, 15, 40]
        assert module.call("stepAt", steps, position) == pytest.approx(
            np.interp(position, range(4), steps)
        )


def test_the_scale_keeps_every_point_in_the_picture(script):
    module = script("collapse_simulator")
    generator = np.random.default_rng(4)
    for _ in range(20):
        left, bottom = generator.normal(size=2) * 10
        spans = 10 ** generator.uniform(-6, 3, 2)
        bounds = [left, left + spans[0], bottom, bottom + spans[1]]
        view = module.call("scaleFor", bounds, 400, 300)
        x = view["originX"] + view["scale"] * np.array(bounds[:2])
        y = view["originY"] - view["scale"] * np.array(bounds[2:])
        assert x.min() >= 22 - 0.01
        assert x.max() <= 378 + 0.01
        assert y.min() >= 22 - 0.01
        assert y.max() <= 278 + 0.01
        assert np.ptp(x) > 355 or np.ptp(y) > 255
    alone = module.call("scaleFor", [2, 2, -1, -1], 400, 300)
    assert (alone["originX"] + 2 * alone["scale"], alone["originY"] + alone["scale"]) == (200, 150)


def test_axes_end_at_round_numbers(script):
    module = script("collapse_simulator")
    for value in 10 ** np.random.default_rng(6).uniform(-4, 4, 30):
        top = module.call("roundAbove", value)
        assert 1.0 <= top / value < 1.6
        bar = module.call("roundBelow", value)
        assert 0.39 < bar / value <= 1.0 + 1e-9
    assert module.call("roundAbove", 0) == 1
    assert [module.call("roundBelow", value) for value in (0.02, 7, 99)] == [0.02, 5, 50]


def test_lines_and_words_of_the_script(script):
    module = script("collapse_simulator")
    path = module.call("linePath", [0, 5, 10, 15], [1, None, 2, 0], 20, 4)
    assert path == "M0 0.75M0.5 0.5L0.75 1"
    assert [module.call("spoken", value) for value in (0, 1e-9, 0.5, None)] == [
        "0",
        "1e-9",
        "0.500",
        "\N{EN DASH}",
    ]
    before = {"strategy": "batch_hard", "learning_rate": 0.03, "soft_margin": False}
    now = {"strategy": "batch_all", "learning_rate": 0.03, "soft_margin": True}
    assert module.call("describeChanges", now, before) == [
        "strategy batch hard → batch all",
        "soft margin off → on",
    ]
