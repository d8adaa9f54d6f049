"""`LiveTraining` in a real browser: during a real training in JupyterLab, and without a kernel."""

import math
import re
import time

import nbformat
import numpy as np
import pytest
from lab_server import steady_box

from tripletviz.recordings import Recording
from tripletviz.widgets.live_training import LiveTraining, duration_text

pytestmark = pytest.mark.browser

LAST_PICTURE = "This is the last picture of a training; a new one needs a running kernel."
HOW_TO_STOP = (
    "To stop: the ■ button of the toolbar (Kernel → Interrupt); "
    "the model keeps what it has learned."
)


class View:
    """What a reader sees and touches of one widget on a page."""

    def __init__(self, page, index=0):
        self.page = page
        self.root = page.locator(".tripletviz-live-training").nth(index)
        self.root.locator(".readout").wait_for()

    def find(self, selector):
        return self.root.locator(selector)

    def text(self, selector):
        return self.find(selector).inner_text()

    def wait_for(self, selector, pattern, timeout=60_000):
        """Waits until an element's text matches a regular expression."""
        self.page.wait_for_function(
            "([element, pattern]) => new RegExp(pattern).test(element.textContent)",
            arg=[self.find(selector).element_handle(), pattern],
            timeout=timeout,
        )

    def step(self):
        return int(re.search(r"step ([\d,]+)", self.text(".steps"))[1].replace(",", ""))

    def bar(self):
        """How much of the bar is full, from 0 to 1."""
        return self.find(".bar div").evaluate("(e) => parseFloat(e.style.width) / 100")

    def points(self, plot=0):
        """Number of points of a curve that are drawn."""
        return len(re.findall("[ML]", self.find(".line").nth(plot).get_attribute("d") or ""))

    def values(self):
        return self.find(".plot-value").all_inner_texts()


# ---------------------------------------------------------------- during a training

SETUP = """
import keras
import numpy as np
from tripletviz.datasets import load_mnist_sample
from tripletviz.lessons.live import live_callback, live_training
from tripletviz.params import parse_params
from tripletviz.training import build_network, embed, fit

images, labels = load_mnist_sample()
probe = images[::10], labels[::10]
live = live_training()

def train(epochs):
    params = parse_params(
        {"strategy": "batch_all", "margin": 0.5, "channels": 4, "embedding_size": 8,
         "batch_size": 50, "epochs": epochs, "snapshots": 6}
    )
    network = build_network(params)
    recording, finished = fit(network, params, images, labels, probe=probe, progress=live)
    return network, recording, finished
"""
# A training that stands still at some steps until the test has seen what is shown then.
GATES = (150, 300, 450)
GATED = f"""
import time
from pathlib import Path
from tripletviz.lessons.live import SECONDS_BETWEEN_UPDATES
from tripletviz.training import Training

class Gates(keras.callbacks.Callback):
    def on_train_begin(self, logs=None):
        self.step = 0

    def on_train_batch_end(self, batch, logs=None):
        self.step += 1
        if self.step + 1 in {GATES}:
            time.sleep(2 * SECONDS_BETWEEN_UPDATES)  # then the next step is told
        end = time.monotonic() + 300
        while self.step in {GATES} and time.monotonic() < end:
            if Path(f"seen-{{self.step}}").exists():
                break
            time.sleep(0.05)

make = Training._callbacks
Training._callbacks = lambda *given: [*make(*given), Gates()]
network, recording, finished = train(15)
"""
PLAIN = """
model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(2)])
model.compile("adam", "mse")
plain = live_callback()
history = model.fit(
    images / 255, np.zeros((len(images), 2)), batch_size=8, epochs=400, callbacks=[plain],
    verbose=0,
)
"""


def make_notebook(*cells):
    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
    return notebook


def start_all(notebook):
    """Starts all cells, and does not wait for them."""
    notebook.page.evaluate(
        "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
    )


def start_cell(notebook, source):
    notebook.page.evaluate(
        """(source) => {
          const { content } = window.jupyterapp.shell.currentWidget;
          content.model.sharedModel.addCell({ cell_type: "code", source });
          content.activeCellIndex = content.widgets.length - 1;
          window.jupyterapp.commands.execute("notebook:run-cell");
        }""",
        source,
    )


def outputs(notebook):
    """All outputs, as JupyterLab holds them."""
    return notebook.page.evaluate(
        """() => window.jupyterapp.shell.currentWidget.content.widgets
          .filter((cell) => cell.model.type === "code")
          .flatMap((cell) => cell.model.outputs.toJSON())"""
    )


def note_steps(view):
    """From now on keeps, in `window.steps`, what the view says of the steps, each time it does."""
    view.find(".steps").evaluate(
        """(steps) => {
          window.steps = [];
          const note = () => window.steps.push(parseInt(steps.textContent.match(/\\d+/)));
          new MutationObserver(note).observe(
            steps, { childList: true, characterData: true, subtree: true });
        }"""
    )


def test_a_training_is_followed_and_then_read(lab, lab_server, screenshot):
    notebook = lab(make_notebook(SETUP, GATED), has_touch=True)
    notebook.execute("application:toggle-left-area")
    start_all(notebook)
    view = View(notebook.page)
    view.root.scroll_into_view_if_needed()
    assert view.text(".readout") == "training"
    assert view.text(".status") == HOW_TO_STOP
    note_steps(view)
    points = []
    for step in GATES:
        view.wait_for(".steps", f"^step {step} of 600")
        assert view.bar() == pytest.approx(step / 600, abs=0.001)
        points.append(view.points())
        if step == GATES[1]:
            view.wait_for(".time", "^(about|a moment)")
            screenshot(notebook.page, "live-training-lab-running")
        (lab_server.root / f"seen-{step}").touch()
    assert points == [150, 300, 225], "a point an update, and from 301 on one for each two"
    notebook.wait_until_idle()
    steps = notebook.page.evaluate("window.steps")
    assert steps == sorted(steps), "the training went back"
    view.wait_for(".status", r"^Finished: 600 steps in .* s, R@1 0\.\d{3} → 0\.\d{3}\.$")
    assert view.bar() == 1
    assert LAST_PICTURE not in view.text(".status"), "it was seen as it happened"
    assert notebook.read("[finished, live.widget.state, live.widget.step]") == [
        True,
        "finished",
        600,
    ]
    assert notebook.read("live.widget.summary") == view.text(".status")
    shown = outputs(notebook)
    assert not [each for each in shown if each["output_type"] == "error"]
    assert not [each for each in shown if each.get("name") == "stderr"]
    check_reading_with_a_kernel(notebook, view)
    # Shown again, it is the last picture, and says so.
    notebook.run_cell("display(live.widget)")
    again = View(notebook.page, 1)
    again.wait_for(".status", re.escape(LAST_PICTURE) + "$")
    assert again.values() == view.values()


def check_reading_with_a_kernel(notebook, view):
    """What the reader points at comes to Python, by mouse, keys and touch, and the way back."""
    plot = view.find(".plot svg").first
    plot.scroll_into_view_if_needed()
    box = steady_box(plot)
    plot.hover(position={"x": box["width"] / 2, "y": 60})
    view.wait_for(".reading", r"^Step \d+: loss")
    step = int(re.match(r"Step (\d+)", view.text(".reading"))[1])
    assert 200 < step < 400
    notebook.read_until("live.widget.cursor", step)
    notebook.page.mouse.move(5, 5)  # where nothing scrolls under the pointer
    notebook.read_until("live.widget.cursor", -1)
    # A finger's place stays when it lifts.
    plot.scroll_into_view_if_needed()
    box = steady_box(plot)
    notebook.page.touchscreen.tap(box["x"] + box["width"] - 12, box["y"] + 60)
    view.wait_for(".reading", r"^Step (59\d|600): loss")
    cells, active = notebook.page.locator(".jp-Cell").count(), notebook.active_cell()
    view.find(".live").focus()
    notebook.page.keyboard.press("Home")
    view.wait_for(".reading", r"^Step 2: loss")
    notebook.page.keyboard.press("ArrowRight")
    view.wait_for(".reading", r"^Step 4: loss")
    assert notebook.active_cell() == active
    assert notebook.page.locator(".jp-Cell").count() == cells
    notebook.read_until("live.widget.cursor", 4)
    notebook.tell("live.widget.cursor = 300; live.widget.title = 'What was it like?'")
    view.wait_for(".reading", r"^Step 300: loss")
    view.wait_for(".title", r"^What was it like\?$")
    shown = float(view.values()[0])
    expected = notebook.read("live.widget._curves[0]['values'][149]")
    assert shown == pytest.approx(expected, rel=6e-3)
    notebook.tell("live.widget.cursor = -1")


def test_an_interrupt_ends_training_and_the_widget_says_so(lab, screenshot):
    notebook = lab(make_notebook(SETUP, "network, recording, finished = train(2000)"))
    start_all(notebook)
    view = View(notebook.page)
    view.wait_for(".steps", r"step ([1-9]\d|\d{3}|\d,\d{3}) ")
    notebook.execute("notebook:interrupt-kernel")
    notebook.wait_until_idle()
    said = r"^Interrupted at step [\d,]+ of 80,000; the model keeps what it learned until then, "
    view.wait_for(".status", said + r"R@1 0\.\d{3} → 0\.\d{3}\.$")
    assert view.text(".readout") == "interrupted"
    assert 0 < view.bar() < 1
    view.root.scroll_into_view_if_needed()
    screenshot(notebook.page, "live-training-lab-interrupted")
    # The kernel answers, and the network is the one of that step.
    step = view.step()
    assert notebook.read("[finished, live.widget.state, live.widget.step]") == [
        False,
        "interrupted",
        step,
    ]
    assert notebook.read("int(recording.steps[-1])") == step
    difference = "float(np.abs(embed(network, probe[0]) - recording.embeddings[-1]).max())"
    assert notebook.read(difference) < 1e-3
    # The same for plain Keras, without anything around `fit`, and without an error.
    start_cell(notebook, PLAIN)
    plain = View(notebook.page, 1)
    plain.wait_for(".steps", r"step ([1-9]\d|\d{3}|[\d,]{5,}) of")
    notebook.execute("kernelmenu:interrupt")
    notebook.wait_until_idle()
    plain.wait_for(".status", r"^Interrupted at step [\d,]+ of 100,000; the model keeps")
    assert plain.find(".plot-name").all_inner_texts() == ["loss, mean of the epoch so far"]
    assert notebook.read("model.predict(images[:3], verbose=0).shape") == [3, 2]
    assert not [each for each in outputs(notebook) if each["output_type"] == "error"]


# ---------------------------------------------------------------- without a kernel

RECORDING = "data/mnist-recording.npz"


def picture(state="running", steps=320, **changes):
    """A widget as the committed recording's training would have left it after some steps."""
    recording = Recording.load(RECORDING)
    widget = LiveTraining(937)
    known = recording.steps <= steps
    widget.update(
        state=state,
        step=steps,
        curves={
            name: (np.arange(1, steps + 1), values[:steps])
            for name, values in recording.step_curves.items()
        },
        snapshots=(recording.steps[known], recording.curves["R@1"][known]),
        seconds=16.4,
        seconds_left=31.6,
        **changes,
    )
    return widget


@pytest.fixture
def open_saved(new_page, tmp_path):
    """Opens a widget's own page: `open_saved(widget, **page_options)` gives a `View`."""

    def open_page(widget, *, frozen=False, **options):
        path = widget.save_html(tmp_path / "widget.html")
        page = new_page(offline=True, **options)
        if frozen:
            # Else the time that the page takes to load would count, too.
            page.clock.install(time=widget.updated - 3600)
            page.clock.pause_at(widget.updated)
        page.goto(path.as_uri())
        view = View(page)
        painted = "(root) => root.shadowRoot.querySelector('.readout').textContent"
        if frozen:
            # The page loads at its own pace; what it asks the clock for comes by small steps, so
            # that a slow machine does not use up the time that a test is about.
            root = view.root.element_handle()
            end = time.monotonic() + 180
            while not root.evaluate(painted):
                assert time.monotonic() < end, "nothing is painted"
                page.clock.run_for(2)
                time.sleep(0.02)
        else:
            page.wait_for_function(painted, arg=view.root.element_handle())
        return view

    return open_page


@pytest.mark.parametrize(
    ("widget", "readout", "status", "bar"),
    [
        (
            lambda: picture("finished", 937),
            "finished",
            "Finished: 937 steps in 16 s, R@1 0.619 → 0.983.",
            1,
        ),
        (
            lambda: picture("interrupted", error=""),
            "interrupted",
            "Interrupted at step 320 of 937; the model keeps what it learned until then, "
            "R@1 0.619 → 0.976.",
            320 / 937,
        ),
        (
            lambda: picture("failed", error="ValueError: no batch"),
            "failed",
            "Failed at step 320 of 937: ValueError: no batch.",
            320 / 937,
        ),
    ],
)
def test_an_ended_training_is_a_last_picture(open_saved, widget, readout, status, bar):
    view = open_saved(widget())
    assert view.text(".readout") == readout
    assert view.text(".status") == f"{status} {LAST_PICTURE}"
    assert view.bar() == pytest.approx(bar, abs=1e-4)
    assert view.find(".bar").get_attribute("aria-valuenow") == str(round(bar * 937))
    assert view.points(0) > 100
    assert view.find(".marks circle").count() >= 17
    assert view.find(".baseline-words").last.text_content() == "before training 0.619"


def test_before_a_training(open_saved):
    view = open_saved(LiveTraining(937))
    assert (view.text(".readout"), view.text(".status")) == ("not begun", "Training has not begun.")
    assert view.find(".plot").count() == 0


def test_a_state_that_says_running_does_not_pretend(open_saved):
    view = open_saved(picture(), frozen=True)
    assert view.text(".readout") == "training"
    assert view.text(".time") == "about 32 s left"
    view.page.clock.run_for(7_000)
    assert view.text(".readout") == "training"
    view.page.clock.run_for(11_000)
    assert view.text(".readout") == "no news"
    assert re.fullmatch(r"no news for (1[89]|2\d) s", view.text(".time"))
    assert re.fullmatch(
        r"No news from the kernel since \d\d:\d\d:\d\d\. " + LAST_PICTURE, view.text(".status")
    )
    assert view.find(".live").get_attribute("data-state") == "silent"


def test_a_page_that_is_opened_days_later_says_at_once_when_it_last_heard(open_saved):
    widget = picture()
    widget.updated -= 3 * 86_400 + 5 * 3_600
    view = open_saved(widget)
    assert view.text(".readout") == "no news"
    assert re.fullmatch(r"no news for 77 h 0\d min", view.text(".time"))
    when = time.strftime("%-d %B %Y", time.localtime(widget.updated))
    assert f" on {when}. {LAST_PICTURE}" in view.text(".status")


def test_the_first_step_may_take_longer(open_saved):
    widget = LiveTraining(937)
    widget.update(state="running", snapshots=([0], [0.933]))
    view = open_saved(widget, frozen=True)
    assert view.text(".time") == "getting ready: the first step takes longest"
    view.page.clock.run_for(60_000)
    assert view.text(".readout") == "training"
    view.page.clock.run_for(60_000)
    assert view.text(".readout") == "no news"


def test_news_end_a_silence_whatever_the_kernels_clock_says(script):
    """A view with a model of its own, which hears what a kernel would send."""
    page = script("live_training").page
    page.clock.install(time=1e9 - 3600)
    page.clock.pause_at(1e9)
    page.evaluate(
        """(state) => {
          const listeners = {};
          window.tell = (changes) => {
            Object.assign(state, changes);
            for (const name of Object.keys(changes)) {
              for (const listener of listeners[`change:${name}`] ?? []) listener();
            }
          };
          const model = {
            get: (name) => state[name], set: (name, value) => window.tell({ [name]: value }),
            on: (event, listener) => (listeners[event] ??= []).push(listener),
            off() {}, save_changes() {},
          };
          window.script.default.render({ model, el: document.body });
        }""",
        {
            "state": "running",
            "step": 5,
            "total_steps": 100,
            "seconds": 1,
            "seconds_left": 20,
            "updated": 0,  # a clock of 1970
            "cursor": -1,
            "title": "Mine",
            "summary": "Training: step 5 of 100.",
            "_curves": [],
            "_snapshots": {"steps": [], "values": []},
            "_steps_per_point": 1,
        },
    )
    page.clock.run_for(1000)
    view = View(page)
    assert view.text(".readout") == "no news"
    page.evaluate("window.tell({ step: 6, updated: 1 })")
    page.clock.run_for(1000)
    assert (view.text(".readout"), view.text(".steps")) == ("training", "step 6 of 100, 6 %")
    page.clock.run_for(20_000)
    assert view.text(".readout") == "no news"
    # A training whose steps take 20 s each is not given up after 15.
    page.evaluate("window.tell({ step: 7, updated: 2 })")
    page.clock.run_for(40_000)
    assert view.text(".readout") == "training"
    page.evaluate("window.tell({ state: 'finished', summary: 'Finished: 7 steps.', updated: 3 })")
    page.clock.run_for(1000)
    assert view.text(".status") == "Finished: 7 steps."


def test_keys_and_mouse_read_the_curves(open_saved):
    widget = LiveTraining.from_recording(Recording.load(RECORDING))
    view = open_saved(widget)
    assert view.text(".reading").endswith("Each point of a curve is the mean of 4 steps.")
    latest = view.values()
    assert latest[2] == "0.983"
    view.find(".live").focus()
    for key, step, index in [("Home", 4, 0), ("ArrowRight", 8, 1), ("ArrowLeft", 4, 0)]:
        view.page.keyboard.press(key)
        view.wait_for(".reading", f"^Step {step}: loss ")
        loss = widget._curves[0]["values"][index]
        assert float(view.values()[0]) == pytest.approx(loss, rel=6e-3)
    # At step 4 there is a snapshot; the one nearest to step 220 is told with its own step.
    assert view.text(".reading").endswith(f", R@1 {widget._snapshots['values'][4]:.3f}.")
    plot = view.find(".plot svg").nth(1)
    box = steady_box(plot)
    plot.hover(position={"x": 44 + 220 / 937 * (box["width"] - 54), "y": 50})
    view.wait_for(".reading", r"^Step 220: .* R@1 0\.976 at step 238\.$")
    line = view.find(".cursor").first.evaluate("(e) => e.getBBox().x")
    assert line == pytest.approx(44 + 220 / 937 * (box["width"] - 54), abs=1)
    view.page.keyboard.press("End")
    view.wait_for(".reading", "^Point at a curve")
    assert view.values() == latest


def test_an_axis_that_does_not_begin_at_0_says_so(open_saved):
    view = open_saved(LiveTraining.from_recording(Recording.load(RECORDING)))
    names = view.find(".plot-name").all_inner_texts()
    assert names[1:] == ["positive triplets (loss above 0)", "R@1 axis from 0.6, not 0"]
    torn = [part.get_attribute("d") for part in view.find(".torn").all()]
    assert torn[-1]
    assert not any(torn[:-1])


def test_what_is_drawn_is_what_was_measured(open_saved):
    widget = picture("finished", 300)
    view = open_saved(widget)
    numbers = re.findall(r"[ML]([\d.]+) ([\d.]+)", view.find(".line").first.get_attribute("d"))
    drawn = np.array(numbers, float)
    values = np.array(widget._curves[0]["values"])
    assert len(drawn) == 300
    width, height = view.find(".plot svg").first.evaluate("(e) => [e.clientWidth, e.clientHeight]")
    ceiling = min(limit for limit in (1, 2, 2.5, 5) if limit >= max(values))
    np.testing.assert_allclose(drawn[:, 0], 44 + np.arange(1, 301) / 937 * (width - 54), atol=0.06)
    heights = height - 18 - values / ceiling * (height - 26)
    np.testing.assert_allclose(drawn[:, 1], heights, atol=0.06)


def test_without_an_end_in_sight_the_bar_wanders(open_saved):
    widget = LiveTraining()
    widget.update(state="running", step=7, curves={"loss": ([1, 7], [0.5, 0.25])})
    view = open_saved(widget)
    assert view.text(".steps") == "step 7"
    assert "unknown" in view.find(".bar").get_attribute("class")
    assert view.find(".plot-name").all_inner_texts() == ["loss"]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 700, 360])
def test_themes_and_widths(open_saved, screenshot, find_violations, scheme, width):
    view = open_saved(picture(), width=width, color_scheme=scheme)
    assert view.page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = view.find(".plot").evaluate_all("(plots) => plots.map((p) => p.offsetTop)")
    assert (len(set(boxes)) == 1) == (width > 560)
    dark = "dark" in view.find(".live").get_attribute("class").split()
    assert dark == (scheme == "dark")
    assert find_violations(view.page, ".tripletviz-live-training") == []
    screenshot(view.page, f"live-training-{scheme}-{width}")


def test_motion_that_is_not_wanted(open_saved):
    view = open_saved(picture(), reduced_motion="reduce")
    still = view.find(".readout").evaluate("(e) => getComputedStyle(e, '::before').animationName")
    assert still == "none"


def test_in_an_exported_notebook(export_html, new_page, screenshot):
    # What Python changes after the display must not spoil the saved state of the page.
    notebook = make_notebook(
        "import time, numpy as np\n"
        "from tripletviz.recordings import Recording\n"
        "from tripletviz.widgets.live_training import LiveTraining\n"
        "recording = Recording.load('data/mnist-recording.npz')\n"
        "LiveTraining.from_recording(recording)",
        "running = LiveTraining(100)\ndisplay(running)",
        "for step in range(1, 40):\n"
        "    running.update(state='running', step=step, snapshots=([0], [0.5]),\n"
        "                   curves={'loss': (np.arange(1, step + 1), np.full(step, 0.25))})\n"
        "running.updated -= 3600",
    )
    page = new_page(offline=True)
    page.goto(export_html(notebook).as_uri())
    finished, running = View(page), View(page, 1)
    finished.wait_for(".status", "^Finished: 937 steps, R@1 0.619 → 0.983. " + LAST_PICTURE)
    assert finished.points(0) > 200
    running.wait_for(".status", "^No news from the kernel since .*" + LAST_PICTURE)
    assert re.fullmatch(r"no news for 1 h 0\d min", running.text(".time"))
    assert running.text(".steps") == "step 39 of 100, 39 %"
    assert running.points(0) == 39
    screenshot(page, "live-training-exported-notebook")


# ---------------------------------------------------------------- numbers of the script


def test_the_script_counts_as_python_does(script, rng):
    module = script("live_training")
    for seconds in [0, 0.04, 9.94, 9.95, 59.5, 3599.6, *rng.exponential(300, 20).tolist()]:
        assert module.call("durationText", seconds) == duration_text(seconds)
    for value in rng.lognormal(0, 4, 40).tolist():
        ceiling = module.call("roundUp", value)
        assert value <= ceiling * (1 + 1e-9) <= 2.6 * value
        mantissa = ceiling / 10 ** math.floor(math.log10(ceiling) + 1e-9)
        assert round(mantissa, 6) in (1, 2, 2.5, 5)
    assert module.call("rangeOf", [0.31, None, 0.97], False) == [0, 1]
    assert module.call("rangeOf", [0.933, 0.984], True) == [0.9, 1]
    assert module.call("rangeOf", [0.95], True) == [0.95, 1]
    assert module.call("rangeOf", [], True) == [0.95, 1]
    assert module.call("rangeOf", [-0.3, 0.3], False) == [-0.5, 0.5]
    assert module.call("rangeOf", [], False) == [0, 1]
    for _ in range(20):
        steps = np.sort(rng.choice(1000, 30, replace=False))
        wanted = float(rng.uniform(-10, 1010))
        nearest = int(np.abs(steps - wanted).argmin())
        assert module.call("nearestIndex", steps.tolist(), wanted) == nearest
    assert module.call("nearestIndex", [], 3) == -1


def test_a_gap_lifts_the_pen(script):
    module = script("live_training")
    path = module.call("linePath", [0, 1, 2, 3, 4, 5], [1, 2, None, 3, None, 4])
    assert path == "M0.0 1.0L1.0 2.0M3.0 3.0h0M5.0 4.0h0"


def test_silence(script):
    module = script("live_training")
    heard = {"now": 100, "beats": 2, "heard": 97, "shown": 10, "updated": 0}
    assert module.call("silence", heard) == 3
    # Before any news of its own: since it is shown, or longer if the state is older; a kernel's
    # clock that is ahead of ours counts for nothing.
    for updated, expected in ((95, 90), (5, 95), (500, 90)):
        assert module.call("silence", heard | {"beats": 0, "updated": updated}) == expected
    texts = [module.call("timeLeftText", seconds) for seconds in (None, 0.4, 31.6, 200, 9000)]
    assert texts == ["", "a moment left", "about 32 s left", "about 3 min left", "about 2.5 h left"]
