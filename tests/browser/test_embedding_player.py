"""`EmbeddingPlayer` in a real browser: in JupyterLab, in an exported page, in its own page."""

import io
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.browser

SETUP = """
import numpy as np
from tripletviz.widgets import EmbeddingPlayer

generator = np.random.default_rng(0)
labels = np.arange(200) % 10
angles = labels * np.pi / 5
goals = 3 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
time = np.linspace(0, 1, 8)[:, None, None]
frames = time * goals + generator.normal(0, 0.4, (200, 2))
frames = frames + generator.normal(0, 0.1, (8, 200, 2))
images = np.zeros((200, 28, 28), np.uint8)
images[:, 4:24, 12:16] = 255
player = EmbeddingPlayer(
    frames,
    labels,
    steps=[0, 1, 3, 10, 30, 100, 300, 1000],
    curves={
        "loss": [0.9, 0.8, 0.6, float("nan"), 0.4, 0.3, 0.25, 0.2],
        "fraction of positive triplets": [0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.02],
        "R@1": [0.93, 0.94, 0.95, 0.96, 0.97, 0.98, 0.985, 0.99],
    },
    images=images,
    title="Ten clusters grow apart in 1,000 steps",
)
"""


def make_notebook(*cells):
    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in (SETUP, *cells)]
    return notebook


class Player:
    """What a reader sees and touches of one player on a page."""

    def __init__(self, page, index=0):
        self.page = page
        self.root = page.locator(".tripletviz-embedding-player").nth(index)
        self.root.locator("canvas").wait_for()
        page.wait_for_function("() => document.readyState === 'complete'")
        self.settle()

    def find(self, selector):
        return self.root.locator(selector)

    def settle(self):
        """Waits until what was set is painted, and the words that follow a rest are written."""
        self.page.wait_for_timeout(450)

    def picture(self):
        return self.find("canvas").evaluate("(canvas) => canvas.toDataURL()")

    def scrub_value(self):
        return float(self.find(".scrub").input_value())

    def readout(self):
        return self.find(".readout").inner_text()

    def status(self):
        return self.find(".status").inner_text()

    def wait_until_beyond(self, position):
        self.page.wait_for_function(
            "([scrub, position]) => scrub.valueAsNumber > position",
            arg=[self.find(".scrub").element_handle(), position],
        )

    def wait_for_rest(self):
        self.find(".play[aria-label=Play]").wait_for()
        self.settle()


@pytest.fixture
def open_lab_player(lab):
    def open_player(**options):
        notebook = lab(make_notebook("player"), **options)
        notebook.run_all()
        return notebook, Player(notebook.page)

    return open_player


def test_play_advances_the_position_in_python(open_lab_player):
    notebook, player = open_lab_player()
    before = player.picture()
    player.page.evaluate(
        """() => {
          const find = (selector) => document.querySelector(".tripletviz-embedding-player")
            .shadowRoot.querySelector(selector);
          window.positions = [];
          const watch = () => {
            window.positions.push(find(".scrub").valueAsNumber);
            requestAnimationFrame(watch);
          };
          watch();
        }"""
    )
    player.find(".play").click()
    player.page.wait_for_timeout(700)
    player.find(".play").click()
    player.settle()
    position = notebook.read("player.position")
    assert 0.5 < position < 7
    assert position == pytest.approx(player.scrub_value(), abs=1e-6)
    assert notebook.read("player.playing") is False
    assert player.picture() != before
    positions = player.page.evaluate("window.positions")
    assert positions == sorted(positions), "the position went back while playing"
    assert len(set(positions)) > 15, "the points did not move smoothly"


def test_playing_ends_at_the_last_snapshot_and_starts_over(open_lab_player):
    notebook, player = open_lab_player()
    notebook.run_cell("player.speed = 16; player.position = 5; player.playing = True")
    player.wait_for_rest()
    assert notebook.read("[player.position, player.playing]") == [7, False]
    notebook.run_cell("player.speed = 1; player.playing = True")
    player.page.wait_for_timeout(300)
    assert 0 < player.scrub_value() < 3
    assert player.status() == "Playing from step 0."


def test_mouse_steps_scrubs_and_travels_on_a_curve(open_lab_player):
    notebook, player = open_lab_player()
    player.find(".forward").click()
    player.find(".forward").click()
    player.find(".back").click()
    player.settle()
    assert player.readout() == "step 1"
    assert notebook.read("player.position") == 1

    scrub = player.find(".scrub").bounding_box()
    player.page.mouse.move(scrub["x"] + scrub["width"] * 0.2, scrub["y"] + scrub["height"] / 2)
    player.page.mouse.down()
    player.page.mouse.move(scrub["x"] + scrub["width"] * 0.5, scrub["y"] + scrub["height"] / 2)
    player.page.mouse.up()
    player.settle()
    assert player.scrub_value() == pytest.approx(3.5, abs=0.15)
    assert player.readout() == "step 10 → 30"
    assert notebook.read("player.position") == pytest.approx(player.scrub_value())

    field = player.find(".curve-field").nth(2)
    box = field.bounding_box()
    field.click(position={"x": box["width"] * 5 / 7, "y": box["height"] / 2})
    player.settle()
    assert player.readout() == "step 100"
    assert notebook.read("player.position") == 5
    assert player.find(".curve-value").all_inner_texts() == ["0.300", "0.100", "0.980"]


def test_keys_stay_in_the_widget(open_lab_player):
    notebook, player = open_lab_player()
    player.find(".player").focus()
    active, cells = notebook.active_cell(), player.page.locator(".jp-Cell").count()
    for key, readout in [
        ("End", "step 1000"),
        ("ArrowLeft", "step 300"),
        ("ArrowDown", "step 100"),
        ("Home", "step 0"),
        ("ArrowRight", "step 1"),
        ("ArrowUp", "step 3"),
        ("x", "step 3"),
        ("b", "step 3"),
    ]:
        player.page.keyboard.press(key)
        player.page.wait_for_timeout(60)
        assert player.readout() == readout, key
        assert notebook.active_cell() == active, key
    player.find(".scrub").focus()
    player.page.keyboard.press("ArrowRight")
    player.page.keyboard.press("Space")
    player.find(".play[aria-label=Pause]").wait_for()
    player.wait_until_beyond(3)
    player.page.keyboard.press("Space")
    player.wait_for_rest()
    assert notebook.active_cell() == active
    assert player.page.locator(".jp-Cell").count() == cells
    focused = "document.activeElement.classList.contains('tripletviz-embedding-player')"
    assert player.page.evaluate(focused)
    assert notebook.read("player.position") == pytest.approx(player.scrub_value())


def test_focus_is_visible(open_lab_player):
    _, player = open_lab_player()
    player.find(".player").focus()
    player.page.keyboard.press("Tab")
    for selector in (".back:focus-visible", ".play:focus-visible"):
        assert player.find(selector).evaluate("(e) => getComputedStyle(e).outlineStyle") == "solid"
        player.page.keyboard.press("Tab")


def test_touch(open_lab_player):
    notebook, player = open_lab_player(has_touch=True, width=1000)
    player.find(".forward").tap()
    player.settle()
    assert notebook.read("player.position") == 1
    for control in player.find("button, select, .scrub").all():
        box = control.bounding_box()
        assert min(box["width"], box["height"]) >= 44
    notebook.run_cell("player.position = 7")
    x, y = place_of_point(notebook, player, 123)
    player.find("canvas").tap(position={"x": x, "y": y})
    player.settle()
    assert notebook.read("player.hovered") == 123
    assert player.find(".tooltip").is_visible()
    box = player.find(".curve-field").first.bounding_box()
    player.page.touchscreen.tap(box["x"] + 2, box["y"] + box["height"] / 2)
    player.settle()
    assert notebook.read("player.position") == 0


def place_of_point(notebook, player, index):
    """Where a point is painted, worked out from the documented scale: CSS pixels in the canvas."""
    positions = f"np.frombuffer(player._frames, '<f4').reshape(8, 200, 2)[7, {index}]"
    x, y = notebook.read(f"{positions}.tolist()")
    low = notebook.read("np.frombuffer(player._frames, '<f4').reshape(-1, 2).min(0).tolist()")
    high = notebook.read("np.frombuffer(player._frames, '<f4').reshape(-1, 2).max(0).tolist()")
    plot = player.find(".plot")
    width, height = plot.evaluate("(e) => [e.clientWidth, e.clientHeight]")
    scale = min((width - 40) / (high[0] - low[0]), (height - 40) / (high[1] - low[1]))
    return (
        width / 2 + (x - (low[0] + high[0]) / 2) * scale,
        height / 2 - (y - (low[1] + high[1]) / 2) * scale,
    )


def test_hover_shows_the_picture_and_the_label(open_lab_player):
    notebook, player = open_lab_player()
    notebook.run_cell("player.position = 7")
    x, y = place_of_point(notebook, player, 123)
    canvas = player.find("canvas")
    canvas.hover(position={"x": x, "y": y})
    player.settle()
    assert notebook.read("player.hovered") == 123
    canvas.hover(position={"x": x, "y": y})
    assert player.find(".caption").inner_text() == "label 3"
    picture = player.find(".picture")
    assert picture.bounding_box()["width"] == 84
    # 200 pictures lie in 15 columns: number 123 is in row 8, column 3.
    assert picture.evaluate("(e) => e.style.backgroundPosition") == "-252px -672px"
    assert picture.evaluate("(e) => e.style.backgroundImage").startswith('url("blob:')
    assert player.find(".trail").inner_text() == "line: the way it came"
    shown = np.asarray(Image.open(io.BytesIO(picture.screenshot())).convert("L"))
    assert shown[2, 2] == 255, "the paper is not white"
    assert shown[42, 42] == 0, "the ink is not black"
    player.find(".title").hover()
    player.settle()
    assert not player.find(".tooltip").is_visible()
    assert notebook.read("player.hovered") == -1


def test_the_hovered_mark_lies_on_top(open_lab_player):
    notebook, _ = open_lab_player()
    # The one blue point is drawn first, beneath 49 orange ones in the same place.
    notebook.run_cell(
        "pile = EmbeddingPlayer(np.zeros((1, 50, 2)), [0] + [1] * 49, steps=[0]); display(pile)"
    )
    pile = Player(notebook.page, 1)

    def colored():
        """Pixels of the middle that are rather blue, and rather orange."""
        return pile.find("canvas").evaluate(
            """(canvas) => {
              const middle = [canvas.width / 2 - 8, canvas.height / 2 - 8, 16, 16];
              const { data } = canvas.getContext("2d").getImageData(...middle);
              const warmth = [...Array(256).keys()].map((i) => data[4 * i] - data[4 * i + 2]);
              return [warmth.filter((w) => w < -60).length, warmth.filter((w) => w > 60).length];
            }"""
        )

    blue, orange = colored()
    assert orange > 5
    notebook.run_cell("pile.hovered = 0")
    pile.settle()
    blue, orange = colored()
    assert orange == 0 < 5 < blue


def test_legend_hides_and_shows_a_class(open_lab_player):
    notebook, player = open_lab_player()
    player.page.mouse.move(5, 5)
    before = player.picture()
    three = player.find(".class").nth(3)
    three.click()
    player.settle()
    hidden = player.picture()
    player.page.mouse.move(5, 5)
    player.settle()
    assert player.picture() == hidden, "the others stay dim"
    assert three.get_attribute("aria-pressed") == "false"
    assert notebook.read("player.hidden_classes") == [3]
    assert "Hidden: 3." in player.status()
    assert player.picture() != before
    notebook.run_cell("player.hidden_classes = []")
    player.settle()
    assert three.get_attribute("aria-pressed") == "true"
    assert player.picture() == before


def painted_height(player):
    """Rows of pixels between the highest and the lowest one with a point in it."""
    return player.find("canvas").evaluate(
        """(canvas) => {
          const { width, height } = canvas;
          const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
          const words = new Uint32Array(data.buffer);
          const painted = [...words.keys()].filter((i) => words[i] !== words[0]);
          return (painted.at(-1) - painted[0]) / width;
        }"""
    )


def test_fit_each_snapshot(open_lab_player):
    notebook, player = open_lab_player()
    at_one_scale = painted_height(player)
    player.find(".fit").click()
    player.settle()
    assert notebook.read("player.fit_each") is True
    assert player.find(".fit").get_attribute("aria-pressed") == "true"
    assert 1.5 * at_one_scale < painted_height(player) < 470


def test_python_moves_every_view(lab):
    notebook = lab(make_notebook("display(player, player)"), height=1700)
    notebook.run_all()
    views = [Player(notebook.page, index) for index in (0, 1)]
    before = [view.picture() for view in views]
    notebook.run_cell("player.position = 4.5")
    views[0].settle()
    after = [view.picture() for view in views]
    assert before[0] == before[1]
    assert after[0] == after[1] != before[0]
    assert views[0].readout() == views[1].readout() == "step 30 → 100"
    assert views[0].status() == (
        "Paused at step 30 → 100, snapshot 5 of 8. "
        "loss 0.400, fraction of positive triplets 0.200, R@1 0.970."
    )
    notebook.run_cell("player.close()")
    assert notebook.page.locator(".tripletviz-embedding-player").count() == 0


def test_reduced_motion_jumps_and_does_not_start_by_itself(lab):
    source = SETUP.replace("title=", "playing=True, title=")
    notebook = lab(make_notebook(source, "player"), reduced_motion="reduce")
    notebook.run_all()
    player = Player(notebook.page)
    assert player.find(".play").get_attribute("aria-label") == "Play"
    assert player.scrub_value() == 0
    notebook.run_cell("player.speed = 8")
    player.find(".play").click()
    seen = set()
    while player.find(".play").get_attribute("aria-label") == "Pause":
        seen.add(player.scrub_value())
        player.page.wait_for_timeout(20)
    assert len(seen) > 3
    assert all(value == int(value) for value in seen)


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
@pytest.mark.parametrize("width", [1280, 700])
def test_themes_and_widths(lab, screenshot, theme, width):
    notebook = lab(make_notebook("player"), width=width)
    notebook.run_all()
    notebook.execute("application:toggle-left-area")
    notebook.set_theme(theme)
    notebook.page.locator(".jp-Cell").nth(1).scroll_into_view_if_needed()
    player = Player(notebook.page)
    notebook.run_cell("player.position = 6")
    player.root.scroll_into_view_if_needed()
    player.settle()
    corner = player.find("canvas").evaluate(
        "(canvas) => [...canvas.getContext('2d').getImageData(2, 2, 1, 1).data].slice(0, 3)"
    )
    assert (max(corner) < 80) == (theme == "JupyterLab Dark")
    overflow = player.find(".player").evaluate(
        "(e) => [e.scrollWidth - e.clientWidth, e.getBoundingClientRect().right - innerWidth]"
    )
    assert max(overflow) <= 0
    wide, high = player.find(".plot").evaluate("(e) => [e.offsetWidth, e.offsetHeight]")
    assert high == pytest.approx(min(wide, 480), abs=1)
    screenshot(notebook.page, f"embedding-player-{theme.split()[1].lower()}-{width}")


# ---------------------------------------------------------------- without a kernel


def check_alive(player):
    """Plays to the end, steps back, hides a class and hovers, all without a kernel."""
    before = player.picture()
    player.find(".speed").select_option("16")
    player.find(".play").click()
    player.find(".play[aria-label=Pause]").wait_for()
    player.wait_for_rest()
    assert player.readout() == "step 1000"
    assert player.status().startswith("At the end, step 1000, snapshot 8 of 8. loss 0.200,")
    assert player.picture() != before
    player.find(".back").click()
    player.find(".class").first.click()
    player.settle()
    assert player.status() == (
        "Paused at step 300, snapshot 7 of 8. "
        "loss 0.250, fraction of positive triplets 0.0500, R@1 0.985. Hidden: 0."
    )


def test_exported_notebook_lives_without_a_kernel(export_html, new_page, screenshot):
    # A position set by Python after the display must not spoil the saved state.
    path = export_html(make_notebook("player", "player.position = 2"))
    page = new_page(offline=True)
    page.goto(path.as_uri())
    player = Player(page)
    assert player.readout() == "step 3"
    screenshot(page, "embedding-player-exported-notebook")
    check_alive(player)


@pytest.fixture(scope="module")
def saved_page(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "player.html"
    program = f"{SETUP}\nplayer.save_html({str(path)!r}, title='Saved </script>')\n"
    subprocess.run([sys.executable, "-c", program], check=True)
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_saved_page_lives_alone(saved_page, new_page, screenshot, scheme):
    page = new_page(offline=True, color_scheme=scheme)
    requests = []
    page.on("request", lambda request: requests.append(request.url))
    page.goto(saved_page.as_uri())
    player = Player(page)
    assert page.title() == "Saved </script>"
    check_alive(player)
    screenshot(page, f"embedding-player-saved-{scheme}")
    assert [url for url in requests if not url.startswith("blob:")] == [saved_page.as_uri()]


def test_saved_page_follows_a_change_of_theme(saved_page, new_page):
    page = new_page(offline=True, color_scheme="light")
    page.goto(saved_page.as_uri())
    player = Player(page)
    before = player.picture()
    page.emulate_media(color_scheme="dark")
    page.wait_for_timeout(700)
    assert player.picture() != before


def test_sharp_on_dense_screens_and_narrow_on_phones(saved_page, new_page, screenshot):
    page = new_page(offline=True, width=390, height=1100, device_scale_factor=3, has_touch=True)
    page.goto(saved_page.as_uri())
    player = Player(page)
    css, pixels = player.find("canvas").evaluate("(c) => [c.clientWidth, c.width]")
    assert pixels == 2 * css
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    screenshot(page, "embedding-player-saved-phone")
