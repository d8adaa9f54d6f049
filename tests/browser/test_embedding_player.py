"""`EmbeddingPlayer` in a real browser: in JupyterLab, in an exported page, in its own page."""

import io
import subprocess
import sys

import nbformat
import numpy as np
import pytest
from lab_server import pause, steady_box
from PIL import Image

from tripletviz.projection import neighborhoods
from tripletviz.widgets import EmbeddingPlayer

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
        pause(self.page, 450)

    def picture(self):
        return self.find("canvas").evaluate("(canvas) => canvas.toDataURL()")

    def scrub_value(self):
        return float(self.find(".scrub").input_value())

    def readout(self):
        return self.find(".readout").inner_text()

    def status(self):
        return self.find(".status").inner_text()

    def wait_for_readout(self, text):
        self.page.wait_for_function(
            "([readout, text]) => readout.textContent === text",
            arg=[self.find(".readout").element_handle(), text],
        )

    def wait_until_beyond(self, position):
        self.page.wait_for_function(
            "([scrub, position]) => scrub.valueAsNumber > position",
            arg=[self.find(".scrub").element_handle(), position],
        )

    def note_positions(self):
        """From now on keeps the position of every frame, in `window.positions`."""
        self.find(".scrub").evaluate(
            """(scrub) => {
              window.positions = [];
              const watch = () => {
                window.positions.push(scrub.valueAsNumber);
                requestAnimationFrame(watch);
              };
              watch();
            }"""
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
    notebook.tell("player.speed = 0.5")  # 14 seconds to the end
    before = player.picture()
    player.note_positions()
    player.find(".play").click()
    # In frames, not in seconds: a busy machine paints fewer of them.
    player.page.wait_for_function("() => new Set(window.positions).size > 15")
    player.find(".play").click()
    player.settle()
    notebook.read_until("player.playing", False)
    position = notebook.read("player.position")
    assert 0 < position < 7
    assert position == pytest.approx(player.scrub_value(), abs=1e-6)
    assert player.picture() != before
    positions = player.page.evaluate("window.positions")
    assert positions == sorted(positions), "the position went back while playing"
    steps = np.diff(positions)
    assert steps.max() < 0.3, "the points did not move smoothly"


def test_playing_ends_at_the_last_snapshot_and_starts_over(open_lab_player):
    notebook, player = open_lab_player()
    notebook.tell("player.speed = 16; player.position = 5; player.playing = True")
    player.wait_for_rest()
    notebook.read_until("[player.position, player.playing]", [7, False])
    notebook.tell("player.speed = 0.5; player.playing = True")
    player.page.wait_for_function(
        "(scrub) => scrub.valueAsNumber > 0 && scrub.valueAsNumber < 7",
        arg=player.find(".scrub").element_handle(),
    )
    wait_for(player, ".status", "Playing from step 0.")


def test_mouse_steps_scrubs_and_travels_on_a_curve(open_lab_player):
    notebook, player = open_lab_player()
    player.find(".forward").click()
    player.find(".forward").click()
    player.find(".back").click()
    player.settle()
    assert player.readout() == "step 1"
    notebook.read_until("player.position", 1)

    scrub = steady_box(player.find(".scrub"))
    player.page.mouse.move(scrub["x"] + scrub["width"] * 0.2, scrub["y"] + scrub["height"] / 2)
    player.page.mouse.down()
    player.page.mouse.move(scrub["x"] + scrub["width"] * 0.5, scrub["y"] + scrub["height"] / 2)
    player.page.mouse.up()
    player.settle()
    assert player.scrub_value() == pytest.approx(3.5, abs=0.15)
    assert player.readout() == "step 10 → 30"
    notebook.read_until("player.position", pytest.approx(player.scrub_value()))

    field = player.find(".curve-field").nth(2)
    field.scroll_into_view_if_needed()
    box = steady_box(field)
    field.click(position={"x": box["width"] * 5 / 7, "y": box["height"] / 2})
    player.settle()
    assert player.readout() == "step 100"
    notebook.read_until("player.position", 5)
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
        player.wait_for_readout(readout)
        assert notebook.active_cell() == active, key
    notebook.tell("player.speed = 0.5")  # else a busy machine sees nothing before the end
    player.find(".scrub").focus()
    player.page.keyboard.press("ArrowRight")
    player.wait_for_readout("step 10")
    player.page.keyboard.press("Space")
    player.find(".play[aria-label=Pause]").wait_for()
    player.wait_until_beyond(3)
    player.page.keyboard.press("Space")
    player.wait_for_rest()
    assert notebook.active_cell() == active
    assert player.page.locator(".jp-Cell").count() == cells
    focused = "document.activeElement.classList.contains('tripletviz-embedding-player')"
    assert player.page.evaluate(focused)
    notebook.read_until("player.position", pytest.approx(player.scrub_value()))


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
    notebook.read_until("player.position", 1)
    for control in player.find("button, select, .scrub").all():
        box = control.bounding_box()
        assert min(box["width"], box["height"]) >= 44
    notebook.tell("player.position = 7")
    player.wait_for_readout("step 1000")
    x, y = place_of_point(notebook, player, 123)
    canvas, field = player.find("canvas"), player.find(".curve-field").first
    canvas.scroll_into_view_if_needed()
    steady_box(canvas)
    canvas.tap(position={"x": x, "y": y})
    notebook.read_until("player.hovered", 123)
    player.find(".tooltip").wait_for()
    field.scroll_into_view_if_needed()
    box = steady_box(field)
    player.page.touchscreen.tap(box["x"] + 2, box["y"] + box["height"] / 2)
    notebook.read_until("player.position", 0)


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
    notebook.tell("player.position = 7")
    player.wait_for_readout("step 1000")
    x, y = place_of_point(notebook, player, 123)
    canvas = player.find("canvas")
    canvas.scroll_into_view_if_needed()
    steady_box(canvas)
    canvas.hover(position={"x": x, "y": y})
    notebook.read_until("player.hovered", 123)
    player.find(".tooltip").wait_for()
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
    player.find(".tooltip").wait_for(state="hidden")
    notebook.read_until("player.hovered", -1)


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
    notebook.tell("pile.hovered = 0")
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
    notebook.read_until("player.hidden_classes", [3])
    assert "Hidden: 3." in player.status()
    assert player.picture() != before
    notebook.tell("player.hidden_classes = []")
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
    notebook.read_until("player.fit_each", True)
    assert player.find(".fit").get_attribute("aria-pressed") == "true"
    assert 1.5 * at_one_scale < painted_height(player) < 470


def test_python_moves_every_view(lab):
    notebook = lab(make_notebook("display(player, player)"), height=1700)
    notebook.run_all()
    views = [Player(notebook.page, index) for index in (0, 1)]
    before = [view.picture() for view in views]
    notebook.tell("player.position = 4.5")
    views[0].settle()
    after = [view.picture() for view in views]
    assert before[0] == before[1]
    assert after[0] == after[1] != before[0]
    assert views[0].readout() == views[1].readout() == "step 30 → 100"
    assert views[0].status() == (
        "Paused at step 30 → 100, snapshot 5 of 8. loss 0.400, positive triplets 0.200, R@1 0.970."
    )
    notebook.tell("player.close()")
    assert notebook.page.locator(".tripletviz-embedding-player").count() == 0


def test_reduced_motion_jumps_and_does_not_start_by_itself(lab):
    source = SETUP.replace("title=", "playing=True, title=")
    notebook = lab(make_notebook(source, "player"), reduced_motion="reduce")
    notebook.run_all()
    player = Player(notebook.page)
    assert player.find(".play").get_attribute("aria-label") == "Play"
    assert player.scrub_value() == 0
    notebook.tell("player.speed = 2")
    player.note_positions()
    player.find(".play").click()
    player.page.wait_for_function(
        "(scrub) => scrub.valueAsNumber === 7", arg=player.find(".scrub").element_handle()
    )
    player.wait_for_rest()
    assert set(player.page.evaluate("window.positions")) == set(range(8))


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
@pytest.mark.parametrize("width", [1280, 700])
def test_themes_and_widths(lab, screenshot, theme, width):
    notebook = lab(make_notebook("player"), width=width)
    notebook.run_all()
    notebook.execute("application:toggle-left-area")
    notebook.set_theme(theme)
    notebook.page.locator(".jp-Cell").nth(1).scroll_into_view_if_needed()
    player = Player(notebook.page)
    notebook.tell("player.position = 6")
    player.root.scroll_into_view_if_needed()
    player.wait_for_readout("step 300")
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
    player.find(".speed").select_option("0.5")  # long enough to be seen playing
    player.find(".play").click()
    player.find(".play[aria-label=Pause]").wait_for()
    player.find(".speed").select_option("4")
    player.wait_for_rest()
    player.wait_for_readout("step 1000")
    assert player.status().startswith("At the end, step 1000, snapshot 8 of 8. loss 0.200,")
    assert player.picture() != before
    player.find(".back").click()
    player.find(".class").first.click()
    player.settle()
    assert player.status() == (
        "Paused at step 300, snapshot 7 of 8. "
        "loss 0.250, positive triplets 0.0500, R@1 0.985. Hidden: 0."
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
    player.find(".player.dark").wait_for()
    page.wait_for_function(
        "([canvas, before]) => canvas.toDataURL() !== before",
        arg=[player.find("canvas").element_handle(), before],
    )


def test_sharp_on_dense_screens_and_narrow_on_phones(saved_page, new_page, screenshot):
    page = new_page(offline=True, width=390, height=1100, device_scale_factor=3, has_touch=True)
    page.goto(saved_page.as_uri())
    player = Player(page)
    css, pixels = player.find("canvas").evaluate("(c) => [c.clientWidth, c.width]")
    assert pixels == 2 * css
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    screenshot(page, "embedding-player-saved-phone")


# ---------------------------------------------------------------- neighbours, view, depth

CLOUD = """
import numpy as np
from tripletviz.projection import pca_frames
from tripletviz.widgets import EmbeddingPlayer

generator = np.random.default_rng(5)
labels = np.arange(120) % 10
goals = generator.normal(0, 2, (10, 8))[labels]
time = np.linspace(0, 1, 4)[:, None, None]
embeddings = time * goals + generator.normal(0, 1, (4, 120, 8))
images = np.zeros((120, 28, 28), np.uint8)
images[:, 4:24, 12:16] = 255
share = {"easy": [0.5, 0.7, 0.8, 0.9], "semi-hard": [0.3, 0.2, 0.15, 0.08]}
share["hard"] = [0.2, 0.1, 0.05, 0.02]
frames = {d: pca_frames(embeddings, dimensions=d) for d in (2, 3)}
flat, solid = (
    EmbeddingPlayer(
        frames[d],
        labels,
        steps=[0, 10, 100, 1000],
        curves={"loss": [0.9, 0.8, 0.6, 0.2], "share of the triplets": share},
        images=images,
        embeddings=embeddings,
        position=3,
        title=f"Neighbours, true and drawn, in {d} dimensions",
    )
    for d in (2, 3)
)
"""


@pytest.fixture(scope="module")
def cloud():
    """The two players of `CLOUD` and their arrays, in this process."""
    scope = {}
    exec(CLOUD, scope)
    return scope


@pytest.fixture
def open_cloud(cloud, new_page, tmp_path):
    """Opens a saved page: `open_cloud("flat", width=..., traits={...})`."""

    def open_page(name, *, traits=(), **options):
        player = cloud[name]
        before = {trait: getattr(player, trait) for trait in dict(traits)}
        for trait, value in dict(traits).items():
            setattr(player, trait, value)
        path = player.save_html(tmp_path / f"{name}.html")
        for trait, value in before.items():
            setattr(player, trait, value)
        page = new_page(offline=True, **options)
        page.goto(path.as_uri())
        return Player(page)

    return open_page


def wait_for(player, selector, text):
    """Waits until the text of an element holds some words."""
    player.page.wait_for_function(
        "([element, text]) => element.textContent.includes(text)",
        arg=[player.find(selector).element_handle(), text],
    )


def seen_at(cloud, player, index, rotation=None):
    """Where a point of the last snapshot is seen in the whole picture: CSS pixels in the canvas."""
    width, height = player.find(".plot").evaluate("(e) => [e.clientWidth, e.clientHeight]")
    all_frames = cloud["frames"][3 if rotation else 2].astype(float)
    low, high = all_frames.min(axis=(0, 1)), all_frames.max(axis=(0, 1))
    place = all_frames[3, index] - (low + high) / 2
    if rotation is None:
        scale = min((width - 40) / (high - low)[0], (height - 40) / (high - low)[1])
    else:
        radius = np.linalg.norm(all_frames - (low + high) / 2, axis=-1).max()
        scale = (min(width, height) - 40) / (2 * radius)
        place = turned(place, *rotation)
    return width / 2 + place[0] * scale, height / 2 - place[1] * scale


def turned(places, turn, tilt):
    a, b = np.radians([turn, tilt])
    about_y = np.array([[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    return places @ (about_x @ about_y).T


def lonely_point(cloud, rotation=None):
    """A point that no other one is drawn near, to be hit without doubt."""
    frame = cloud["frames"][3 if rotation else 2][3].astype(float)
    if rotation:
        frame = turned(frame, *rotation)
    away = np.linalg.norm(frame[:, None, :2] - frame[:, :2], axis=-1)
    np.fill_diagonal(away, np.inf)
    return int(away.min(axis=1).argmax())


# The numbers of the script, against Python's.


@pytest.mark.parametrize("dimensions", [2, 3])
def test_neighborhoods_are_those_of_python(script, cloud, dimensions):
    player = cloud["flat" if dimensions == 2 else "solid"]
    frames, embeddings = cloud["frames"][dimensions], cloud["embeddings"]
    module = script("embedding_player")
    data = {
        "frames": frames.ravel().tolist(),
        "dimensions": dimensions,
        "count": 120,
        "neighbors": {
            "k": player._neighbor_count,
            "indices": np.frombuffer(player._neighbors, "<u2").tolist(),
            "distances": np.frombuffer(player._neighbor_distances, "<u2").tolist(),
            "drawnDistances": np.frombuffer(player._drawn_distances, "<u2").tolist(),
            "range": player._distance_range,
        },
    }
    for snapshot in (0, 3):
        near = neighborhoods(embeddings[snapshot], frames[snapshot])
        for index in (0, 7, 119):
            found = module.call("neighborhood", data, snapshot, index)
            true, drawn = near.true[index].tolist(), near.drawn[index].tolist()
            false = [i for i in drawn if i not in true]
            assert [n["index"] for n in found] == true + false
            kinds = ["near" if i in drawn else "torn" for i in true] + ["false"] * len(false)
            assert [n["kind"] for n in found] == kinds
            for neighbor in found:
                for name, places in (("true", embeddings), ("drawn", frames.astype(float))):
                    way = places[snapshot, neighbor["index"]] - places[snapshot, index]
                    expected = pytest.approx(np.linalg.norm(way), rel=1e-3)
                    assert neighbor[f"{name}Distance"] == expected


def test_of_equally_near_points_the_script_takes_those_that_python_takes(script):
    generator = np.random.default_rng(2)
    embeddings = generator.integers(0, 3, (1, 60, 4)).astype(float)
    frames = generator.integers(0, 4, (1, 60, 2)).astype(np.float32)
    player = EmbeddingPlayer(frames, np.arange(60), steps=[0], embeddings=embeddings)
    near = neighborhoods(embeddings[0], frames[0])
    data = {
        "frames": frames.ravel().tolist(),
        "dimensions": 2,
        "count": 60,
        "neighbors": {
            "k": 10,
            "indices": np.frombuffer(player._neighbors, "<u2").tolist(),
            "distances": np.frombuffer(player._neighbor_distances, "<u2").tolist(),
            "drawnDistances": np.frombuffer(player._drawn_distances, "<u2").tolist(),
            "range": player._distance_range,
        },
    }
    module = script("embedding_player")
    for index in range(0, 60, 7):
        found = module.call("neighborhood", data, 0, index)
        false = [i for i in near.drawn[index] if i not in near.true[index]]
        assert [n["index"] for n in found] == [*near.true[index], *false]
        for neighbor in found:
            way = embeddings[0, neighbor["index"]] - embeddings[0, index]
            assert neighbor["trueDistance"] == pytest.approx(np.linalg.norm(way), rel=1e-3)


def test_what_is_under_the_pointer_stays_when_zoomed(script):
    module = script("embedding_player")
    generator = np.random.default_rng(1)
    for _ in range(10):
        x, y, right, up = generator.normal(size=4)
        zoom, factor = generator.uniform(1.5, 20), generator.uniform(0.7, 2)
        view = module.call("zoomView", {"x": x, "y": y, "zoom": zoom}, factor, right, up)
        assert view["zoom"] == pytest.approx(zoom * factor)
        assert view["x"] + right / view["zoom"] == pytest.approx(x + right / zoom)
        assert view["y"] + up / view["zoom"] == pytest.approx(y + up / zoom)
    view = module.call("zoomView", {"x": 3, "y": 2, "zoom": 2}, 0.1, 1, -1)
    assert view == {"x": 2.5, "y": 2.5, "zoom": 1}
    assert module.call("zoomView", view, 1e9)["zoom"] == 100
    moved = module.call("moveView", {"x": 0, "y": 0, "zoom": 4}, 2, -9, [5, 2])
    assert moved == {"x": -0.5, "y": 2, "zoom": 4}


def test_rotation_and_extent_are_those_of_numpy(script, cloud):
    module = script("embedding_player")
    for turn, tilt in [(0, 0), (25, 20), (-130, -90), (90, 45)]:
        rows = np.array(module.call("rotationRows", turn, tilt))
        np.testing.assert_allclose(rows, turned(np.eye(3), turn, tilt).T, atol=1e-12)
    points = cloud["frames"][3].reshape(-1, 3).astype(float)
    extent = module.call("extentOf", points.ravel().tolist(), 3)
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    assert extent["middle"] == pytest.approx(middle.tolist())
    assert extent["reach"][0] == pytest.approx(np.linalg.norm(points - middle, axis=1).max())


# What a reader does, on a page without a kernel.


def test_a_click_pins_a_point_and_lists_its_neighbors(open_cloud, cloud):
    player = open_cloud("flat", height=1200)
    index = lonely_point(cloud)
    near = neighborhoods(cloud["embeddings"][3], cloud["frames"][2][3])
    kept = len(set(near.true[index]) & set(near.drawn[index]))
    before = player.picture()
    x, y = seen_at(cloud, player, index)
    player.find("canvas").click(position={"x": x, "y": y})
    wait_for(player, ".pinned-words", f"Point {index}, label {index % 10}")
    wait_for(player, ".pinned-words", f"draws {kept} near and tears {10 - kept} away")
    wait_for(player, ".status", f"Pinned: point {index}, label {index % 10}: {kept} of 10")
    assert player.picture() != before
    cards = player.find(".true-part .card:visible")
    assert cards.count() == 10
    assert player.find(".false-part .card:visible").count() == 10 - kept
    for card, neighbor, distance in zip(
        cards.all(), near.true[index], near.true_distances[index], strict=True
    ):
        drawn = np.linalg.norm(np.subtract(*cloud["frames"][2][3][[index, neighbor]]))
        same = neighbor % 10 == index % 10
        assert card.locator(".card-label").inner_text() == f"{neighbor % 10} {'✓' if same else '✗'}"
        shown = [float(text) for text in card.locator("b").all_inner_texts()]
        assert shown == pytest.approx([distance, drawn], rel=6e-3)
        kind = "near" if neighbor in near.drawn[index] else "torn"
        assert card.locator(f".kind.{kind}").count() == 1
        # A ring, not the filled circle of a positive: no mark of a role means something else here.
        mark = card.locator(".kind path").evaluate(
            "(e) => [getComputedStyle(e).fill, getComputedStyle(e).strokeDasharray !== 'none']"
        )
        assert mark == ["none", kind == "torn"]
        # 120 pictures lie in 11 columns.
        row, column = divmod(int(neighbor), 11)
        position = f"-{56 * column}px -{56 * row}px"
        shown = card.locator(".card-picture").evaluate("(e) => e.style.backgroundPosition")
        assert shown.replace("-0px", "0px") == position.replace("-0px", "0px")
    # From neighbour to neighbour, and away.
    cards.nth(2).click()
    wait_for(player, ".pinned-words", f"Point {near.true[index][2]},")
    player.page.keyboard.press("Escape")
    player.find(".neighborhood").wait_for(state="hidden")


def test_a_second_click_releases_and_a_double_click_leaves_the_pin(open_cloud, cloud):
    player = open_cloud("flat", traits={"view": {"zoom": 1}})
    index = lonely_point(cloud)
    x, y = seen_at(cloud, player, index)
    canvas = player.find("canvas")
    canvas.click(position={"x": x, "y": y})
    player.find(".neighborhood").wait_for()
    pause(player.page, 600)  # longer than a double click
    canvas.click(position={"x": x, "y": y})
    player.find(".neighborhood").wait_for(state="hidden")
    pause(player.page, 600)
    player.page.mouse.move(5, 5)  # else N would go on from the point under the pointer
    player.find(".tooltip").wait_for(state="hidden")
    player.find(".player").focus()
    player.page.keyboard.press("n")
    wait_for(player, ".status", "Pinned: point 0,")
    towards_middle = 1 if x < canvas.evaluate("(e) => e.clientWidth") / 2 else -1
    player.page.keyboard.press(f"Shift+Arrow{'Right' if towards_middle > 0 else 'Left'}")
    player.find(".whole:enabled").wait_for()
    canvas.dblclick(position={"x": x + 60 * towards_middle, "y": y})
    player.find(".whole:disabled").wait_for()
    player.settle()
    assert "Pinned: point 0," in player.status()
    assert player.find(".neighborhood").is_visible()


def test_keys_pin_points_and_stay_on_them(open_cloud):
    player = open_cloud("flat")
    player.find(".class").nth(1).click()  # no point of class 1 can be pinned
    player.find(".player").focus()
    for key, index in [("n", 0), ("n", 2), ("N", 3), ("p", 2), ("p", 0), ("p", 119)]:
        player.page.keyboard.press(key)
        wait_for(player, ".pinned-words", f"Point {index},")
    player.find(".release").click()
    player.find(".neighborhood").wait_for(state="hidden")
    assert player.page.evaluate(
        "document.querySelector('.tripletviz-embedding-player').shadowRoot.activeElement.className"
    ).startswith("widget player")


def test_neighbors_follow_the_snapshot(open_cloud, cloud):
    player = open_cloud("flat", traits={"pinned": 5})
    for step, key in [(1000, None), (100, "ArrowLeft"), (0, "Home")]:
        if key:
            player.find(".player").focus()
            player.page.keyboard.press(key)
        snapshot = [0, 10, 100, 1000].index(step)
        near = neighborhoods(cloud["embeddings"][snapshot], cloud["frames"][2][snapshot])
        wait_for(player, ".pinned-words", f"at step {step}.")
        labels = [text[0] for text in player.find(".true-part .card-label").all_inner_texts()]
        assert labels == [str(i % 10) for i in near.true[5]]
        expected = cloud["flat"].trustworthiness[snapshot]
        assert float(player.find(".trustworthiness").inner_text()) == pytest.approx(
            expected, abs=6e-4
        )


def test_trustworthiness_explains_itself(open_cloud):
    player = open_cloud("flat")
    text = player.find(".honesty p")
    assert not text.is_visible()
    assert "About 0.5: chance" in player.find(".honesty summary").get_attribute("title")
    in_short = player.find(".meaning")
    assert in_short.inner_text() == "Drawn neighbours true? 1: all, 0.5: chance"
    assert in_short.is_visible()
    player.find(".honesty summary").focus()
    player.page.keyboard.press("Enter")
    text.wait_for()
    assert "Among each point's 10 nearest in the picture" in text.inner_text()


def test_without_embeddings_a_pin_only_marks(saved_page, new_page):
    page = new_page(offline=True)
    page.goto(saved_page.as_uri())
    player = Player(page)
    before = player.picture()
    player.find(".player").focus()
    page.keyboard.press("n")
    wait_for(player, ".status", "Pinned: point 0, label 0.")
    assert player.picture() != before
    assert player.find(".neighborhood, .honesty").count() == 0


def test_steps_can_count_something_else(new_page, tmp_path):
    frames = np.random.default_rng(0).normal(size=(3, 30, 2))
    player = EmbeddingPlayer(
        frames,
        np.zeros(30, int),
        steps=[5, 30, 80],
        step_name="perplexity",
        embeddings=frames,
    )
    player.save_html(tmp_path / "perplexity.html")
    page = new_page(offline=True)
    page.goto((tmp_path / "perplexity.html").as_uri())
    shown = Player(page)
    assert shown.readout() == "perplexity 5"
    assert shown.find(".scrub").get_attribute("aria-label") == "perplexity"
    shown.find(".player").focus()
    page.keyboard.press("End")
    shown.wait_for_readout("perplexity 80")
    page.keyboard.press("n")
    wait_for(shown, ".neighborhood", "at perplexity 80")


def test_a_wheel_scrolls_the_page_unless_the_plot_is_meant(open_cloud, cloud):
    player = open_cloud("flat", height=400)
    page = player.page
    page.mouse.move(400, 300)
    page.mouse.wheel(0, 100)
    page.wait_for_function("() => scrollY > 0")
    assert player.find(".whole").is_disabled()
    page.mouse.wheel(0, -1000)
    page.wait_for_function("() => scrollY === 0")
    # Ctrl: the picture, whatever has the focus.
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    wait_for(player, ".status", "Zoomed 1.41 times")
    # A click on the plot gives it the focus; then the wheel alone does it, up to the whole picture.
    box = steady_box(player.find("canvas"))
    page.mouse.click(box["x"] + 6, box["y"] + 6)
    page.mouse.move(400, 300)
    page.mouse.wheel(0, -100)
    wait_for(player, ".status", "Zoomed 1.62 times")
    assert page.evaluate("scrollY") == 0
    page.mouse.wheel(0, 1000)
    page.mouse.wheel(0, 1000)
    page.wait_for_function(
        "(button) => button.disabled", arg=player.find(".whole").element_handle()
    )
    page.mouse.wheel(0, 100)
    page.wait_for_function("() => scrollY > 0")


def test_what_lies_beside_the_plot_is_not_painted(open_cloud, cloud):
    corner = np.ptp(cloud["frames"][2].astype(float), axis=(0, 1)) / 2
    view = {"x": corner[0], "y": corner[1], "zoom": 20}  # all points lie left of and below it
    player = open_cloud("flat", traits={"view": view})
    colors = player.find("canvas").evaluate(
        """(canvas) => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return new Set(new Uint32Array(data.buffer)).size;
        }"""
    )
    assert colors == 1


def test_the_picture_follows_a_drag(open_cloud):
    player = open_cloud("flat", traits={"view": {"zoom": 3}})
    page = player.page
    box = steady_box(player.find("canvas"))
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    keep = """(canvas) => {
      const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
      window.kept = new Uint32Array(data.buffer);
    }"""
    compare = """(canvas, [right, down]) => {
      const { width, height } = canvas;
      const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
      const words = new Uint32Array(data.buffer);
      let [different, painted] = [0, 0];
      for (let y = down; y < height; y += 1) {
        for (let x = right; x < width; x += 1) {
          different += words[y * width + x] !== window.kept[(y - down) * width + x - right];
          painted += words[y * width + x] !== words[0];
        }
      }
      return [different, painted > 1000];
    }"""
    canvas = player.find("canvas")
    canvas.evaluate(keep)
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 40, middle[1] + 24, steps=4)
    page.mouse.up()
    page.mouse.move(5, 5)
    player.settle()
    assert canvas.evaluate(compare, [40, 24]) == [0, True]
    assert canvas.evaluate(compare, [0, 0])[0] > 1000


@pytest.mark.parametrize("name", ["flat", "solid"])
def test_keys_and_buttons_zoom_and_move(open_cloud, name):
    player = open_cloud(name)
    press = player.page.keyboard.press
    whole = player.picture()
    player.find(".player").focus()
    press("+")
    wait_for(player, ".status", "Zoomed 1.50 times")
    press("=")
    wait_for(player, ".status", "Zoomed 2.25 times")
    zoomed = player.picture()
    press("Shift+ArrowRight")
    press("Shift+ArrowUp")
    player.settle()
    assert player.picture() != zoomed
    assert player.readout() == "step 1000"
    press("Shift+ArrowLeft")
    press("Shift+ArrowDown")
    player.settle()
    assert player.picture() == zoomed
    press("-")
    wait_for(player, ".status", "Zoomed 1.50 times")
    press("0")
    player.settle()
    assert player.picture() == whole
    player.find(".zoom-in").click()
    wait_for(player, ".status", "Zoomed 1.50 times")
    player.find(".zoom-out").click()
    player.settle()
    player.page.mouse.move(5, 5)
    player.settle()
    assert player.picture() == whole


def test_lines_of_one_chart_have_words_and_dashes(open_cloud):
    player = open_cloud("flat")
    entries = player.find(".curve").nth(1).locator(".curve-entry")
    assert entries.all_inner_texts() == ["easy\n0.900", "semi-hard\n0.0800", "hard\n0.0200"]
    paths = entries.locator("path")
    dashes = paths.evaluate_all("(all) => all.map((e) => getComputedStyle(e).strokeDasharray)")
    colors = paths.evaluate_all("(all) => all.map((e) => getComputedStyle(e).stroke)")
    assert len(set(dashes)) == len(set(colors)) == 3
    assert dashes[0] == "none"
    field = player.find(".curve-field").nth(1)
    box = steady_box(field)
    field.click(position={"x": box["width"] / 3, "y": box["height"] / 2})
    wait_for(player, ".status", "easy 0.700, semi-hard 0.200, hard 0.100.")
    assert player.readout() == "step 10"


def test_three_dimensions_turn(open_cloud, cloud):
    player = open_cloud("solid", height=1200)
    page = player.page
    index = lonely_point(cloud, (25, 20))
    x, y = seen_at(cloud, player, index, (25, 20))
    canvas = player.find("canvas")
    canvas.click(position={"x": x, "y": y})
    wait_for(player, ".pinned-words", f"Point {index},")
    page.keyboard.press("Escape")
    before = player.picture()
    player.find(".player").focus()
    page.keyboard.press("d")
    page.keyboard.press("w")
    player.settle()
    assert player.picture() != before
    index = lonely_point(cloud, (35, 10))
    x, y = seen_at(cloud, player, index, (35, 10))
    canvas.click(position={"x": x, "y": y})
    wait_for(player, ".pinned-words", f"Point {index},")


@pytest.mark.parametrize(("turn", "front"), [(0, "blue"), (180, "red")])
def test_what_is_in_front_covers_what_is_behind(new_page, tmp_path, turn, front):
    # Two points on the line of sight between two others; labels this long are drawn as dots.
    frames = np.array([[[0, 0, 1], [0, 0, -1], [1, 1, 0], [-1, -1, 0]]], float)
    player = EmbeddingPlayer(frames, [100, 101, 102, 103], steps=[0], rotation=[turn, 0])
    page = new_page(offline=True)
    page.goto(player.save_html(tmp_path / "pair.html").as_uri())
    red, _, blue, _ = (
        Player(page)
        .find("canvas")
        .evaluate(
            """(canvas) => [...canvas.getContext("2d")
          .getImageData(canvas.width / 2, canvas.height / 2, 1, 1).data]"""
        )
    )
    assert ("red" if red > blue else "blue") == front
    assert abs(red - blue) > 100


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 700, 360])
@pytest.mark.parametrize("name", ["flat", "solid"])
def test_looks_and_accessibility(open_cloud, screenshot, find_violations, name, width, scheme):
    traits = {"pinned": 5}
    player = open_cloud(name, width=width, height=1300, color_scheme=scheme, traits=traits)
    assert player.page.evaluate("document.documentElement.scrollWidth") <= width
    for control in player.find("button, select, .scrub, summary").all():
        if control.is_visible():
            box = control.bounding_box()
            assert min(box["width"], box["height"]) >= 44
    assert find_violations(player.page, ".tripletviz-embedding-player") == []
    screenshot(player.page, f"embedding-player-{name}-{scheme}-{width}")


# A kernel behind it: every trait comes back from the reader, and the view follows Python.


def test_view_pin_and_rotation_travel_to_python_and_back(lab, cloud):
    source = CLOUD.replace("position=3", "position=3, height=400")
    notebook = lab(make_notebook(source, "display(flat, solid)"), height=1800)
    notebook.run_all()
    flat, solid = Player(notebook.page, 0), Player(notebook.page, 1)
    page, mouse = notebook.page, notebook.page.mouse

    # With the mouse: zoom about the pointer, drag, pin.
    flat.find("canvas").hover()  # in its middle
    page.keyboard.down("Control")
    mouse.wheel(0, -100)
    page.keyboard.up("Control")
    view = notebook.read_until("flat.view", lambda view: view["zoom"] > 1)
    assert view == pytest.approx({"x": 0, "y": 0, "zoom": 2**0.5}, abs=0.02)
    scale = scale_of(cloud, flat) * view["zoom"]
    drag(flat, (100, 100), (50, 120))
    goal = pytest.approx(view["x"] + 50 / scale, abs=0.02)
    moved = notebook.read_until("flat.view", lambda now: now["x"] == goal)
    assert moved["y"] - view["y"] == pytest.approx(20 / scale, abs=0.02)
    assert moved["zoom"] == view["zoom"]
    assert notebook.read("flat.pinned") == -1
    flat.find(".whole").click()
    notebook.read_until("flat.view", lambda view: view == {"x": 0, "y": 0, "zoom": 1})
    index = lonely_point(cloud)
    x, y = seen_at(cloud, flat, index)
    flat.find("canvas").click(position={"x": x, "y": y})
    notebook.read_until("flat.pinned", lambda pinned: pinned == index)

    # With the keyboard, which JupyterLab leaves alone.
    mouse.move(5, 5)  # else N would go on from the point under the pointer
    notebook.read_until("flat.hovered", lambda hovered: hovered == -1)
    flat.find(".player").focus()
    active, cells = notebook.active_cell(), page.locator(".jp-Cell").count()
    for key in ["Escape", "n", "+", "d", "a", "0"]:
        page.keyboard.press(key)
    wait_for(flat, ".pinned-words", "Point 0,")
    assert (notebook.active_cell(), page.locator(".jp-Cell").count()) == (active, cells)
    notebook.read_until("flat.pinned", lambda pinned: pinned == 0)

    # From Python.
    notebook.tell("flat.view = {'zoom': 4}; flat.pinned = 17")
    wait_for(flat, ".status", "Zoomed 4.00 times. Pinned: point 17, label 7")
    notebook.tell("flat.pinned = -1")
    flat.find(".neighborhood").wait_for(state="hidden")

    # In three dimensions a drag turns, with shift it moves.
    drag(solid, (30, 60), (80, 35))
    rotation = notebook.read_until("solid.rotation", pytest.approx([45, 10], abs=0.1))
    page.keyboard.down("Shift")
    drag(solid, (80, 35), (110, 35))
    page.keyboard.up("Shift")
    notebook.read_until("solid.view", lambda view: view["x"] < 0)
    assert notebook.read("solid.rotation") == rotation
    before = solid.picture()
    notebook.tell("solid.rotation = [0, 0]")
    page.wait_for_function(
        "([canvas, before]) => canvas.toDataURL() !== before",
        arg=[solid.find("canvas").element_handle(), before],
    )


def drag(player, start, end):
    """Drags the mouse over the plot, between places given in CSS pixels."""
    canvas = player.find("canvas")
    player.settle()  # the words of a rest may take another line, and move what stands below
    canvas.scroll_into_view_if_needed()
    box = steady_box(canvas)
    player.page.mouse.move(box["x"] + start[0], box["y"] + start[1])
    player.page.mouse.down()
    player.page.mouse.move(box["x"] + end[0], box["y"] + end[1], steps=5)
    player.page.mouse.up()


def scale_of(cloud, player):
    """CSS pixels for each unit of the frames in the whole picture."""
    width, height = player.find(".plot").evaluate("(e) => [e.clientWidth, e.clientHeight]")
    extent = np.ptp(cloud["frames"][2].astype(float), axis=(0, 1))
    return min((width - 40) / extent[0], (height - 40) / extent[1])


class Fingers:
    """Touches on the plot, as the browser's engine makes them from a real screen."""

    def __init__(self, player):
        self.session = player.page.context.new_cdp_session(player.page)
        player.settle()
        box = steady_box(player.find("canvas"))
        self.origin = (box["x"], box["y"])

    def send(self, kind, *places):
        points = [
            {"x": self.origin[0] + x, "y": self.origin[1] + y, "id": number}
            for number, (x, y) in enumerate(places)
        ]
        self.session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def drag(self, *ways, steps=5):
        """Each way is (start, end), one for each finger."""
        for step in range(steps + 1):
            share = step / steps
            places = [(a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1])) for a, b in ways]
            self.send("touchMove" if step else "touchStart", *places)
        self.send("touchEnd")


def test_fingers_pinch_move_and_tap(lab, cloud):
    notebook = lab(make_notebook(CLOUD, "display(flat, solid)"), has_touch=True, height=2400)
    notebook.run_all()
    notebook.execute("application:toggle-left-area")
    flat, solid = Player(notebook.page, 0), Player(notebook.page, 1)
    fingers = Fingers(flat)
    index = lonely_point(cloud)
    x, y = seen_at(cloud, flat, index)
    flat.find("canvas").tap(position={"x": x, "y": y})
    notebook.read_until("flat.pinned", lambda pinned: pinned == index)
    notebook.tell("flat.pinned = -1")
    # Fingers twice as far apart show it twice as large.
    fingers.drag(((150, 200), (100, 200)), ((250, 200), (300, 200)))
    near_two = pytest.approx(2, rel=0.02)
    view = notebook.read_until("flat.view", lambda view: view["zoom"] == near_two)
    # Now one finger moves it, where it would have scrolled the page.
    assert flat.find("canvas").evaluate("(e) => e.style.touchAction") == "none"
    fingers.drag(((200, 200), (260, 200)))
    moved = notebook.read_until("flat.view", lambda now: now["x"] < view["x"])
    assert moved["zoom"] == view["zoom"]
    assert notebook.read("flat.pinned") == -1
    # The cloud is turned by one finger, and moved by two.
    solid.root.scroll_into_view_if_needed()
    fingers = Fingers(solid)
    fingers.drag(((200, 200), (250, 200)))
    rotation = notebook.read_until("solid.rotation", pytest.approx([45, 20], abs=0.5))
    fingers.drag(((150, 200), (190, 200)), ((250, 200), (290, 200)))
    notebook.read_until("solid.view", lambda view: view["x"] < 0)
    assert notebook.read("solid.rotation") == rotation
