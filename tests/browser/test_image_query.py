"""`ImageQuery` in a real browser: its own page without a network, a kernel played, JupyterLab."""

import base64
import io

import nbformat
import numpy as np
import pytest
from lab_server import pause, steady_box
from PIL import Image

from tripletviz.datasets import load_mnist_sample
from tripletviz.widgets import ImageQuery
from tripletviz.widgets._widget import load_script

pytestmark = pytest.mark.browser

SIZE, K = 28, 8
OFFLINE = (
    "An answer to a new picture needs a running notebook. The ready-made pictures have theirs here."
)


def make_data():
    """MNIST's digits, and of the first four the nearest others by their pixels."""
    images, labels = load_mnist_sample()
    images, labels = images.reshape(-1, SIZE, SIZE)[:200], labels[:200]
    gallery = images[4:] / 255.0
    distances = np.linalg.norm(gallery - images[:4, None] / 255.0, axis=(2, 3))
    indices = distances.argsort(axis=1)[:, :K]
    return {
        "gallery_images": images[4:],
        "gallery_labels": labels[4:],
        "presets": images[:4],
        "preset_answers": (indices, np.take_along_axis(distances, indices, 1)),
        "k": K,
    }


@pytest.fixture(scope="module")
def data():
    return make_data()


class Query:
    """What a reader sees and touches of one widget on a page."""

    def __init__(self, page):
        self.page = page
        self.root = page.locator(".tripletviz-image-query")
        self.find(".pad").wait_for()

    def find(self, selector):
        return self.root.locator(selector)

    def text(self, selector):
        return self.find(selector).text_content()

    def wait_for(self, condition, argument=None):
        """Waits until a condition holds of `find(selector)`, `all(selector)` and an argument."""
        self.page.wait_for_function(
            f"""(argument) => {{
              const root = document.querySelector(".tripletviz-image-query").shadowRoot;
              const find = (selector) => root.querySelector(selector);
              const all = (selector) => [...root.querySelectorAll(selector)];
              return {condition};
            }}""",
            arg=argument,
        )

    def wait_for_text(self, selector, text):
        self.wait_for("find(argument[0]).textContent.includes(argument[1])", [selector, text])

    def painted(self):
        """Waits until what was changed is painted."""
        self.page.evaluate(
            "() => new Promise((done) =>"
            " requestAnimationFrame(() => requestAnimationFrame(() => done(null))))"
        )

    def pixels(self, canvas):
        """The grey values of a canvas, bright where there is ink."""
        values = canvas.evaluate(
            """(canvas) => {
              const { width, height } = canvas;
              const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
              return [height, width, ...data.filter((_, i) => i % 4 === 0)];
            }"""
        )
        return 255 - np.array(values[2:]).reshape(values[:2])

    def seen(self):
        """What the network sees."""
        self.painted()
        return self.pixels(self.find(".preview-frame canvas"))

    def wait_for_seen(self, image):
        for _ in range(200):
            if np.array_equal(self.seen(), image):
                return
            pause(self.page, 50)
        np.testing.assert_array_equal(self.seen(), image)

    def shown(self):
        """Of each neighbour: its index in the gallery and its distance."""
        words = self.find(".tile:not([hidden]) .picture").evaluate_all(
            "(all) => all.map((canvas) => canvas.getAttribute('aria-label'))"
        )
        return [(int(each.split()[3]), float(each.split("distance ")[1])) for each in words]

    def draw(self, *places, steps=8):
        """A stroke with the mouse, through places given from 0 to 1."""
        box = steady_box(self.find(".pad"))
        points = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places]
        self.page.mouse.move(*points[0])
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*point, steps=steps)
        self.page.mouse.up()

    def touch(self, *places):
        """A stroke with a finger."""
        box = steady_box(self.find(".pad"))
        session = self.page.context.new_cdp_session(self.page)
        for i, (x, y) in enumerate(places):
            point = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
            kind = "touchMove" if i else "touchStart"
            session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        session.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    def open(self, image, name="picture.png", kind="PNG"):
        file = io.BytesIO()
        Image.fromarray(image).save(file, kind)
        buffer = {"name": name, "mimeType": f"image/{kind.lower()}", "buffer": file.getvalue()}
        self.find(".file").set_input_files(buffer)


@pytest.fixture
def open_page(new_page, tmp_path, data):
    """Opens the page that `save_html` writes, from disk and with no network."""

    def open_query(arguments=(), **options):
        path = ImageQuery(**{**data, **dict(arguments)}).save_html(tmp_path / "query.html")
        page = new_page(offline=True, **options)
        page.goto(path.as_uri())
        return Query(page)

    return open_query


# A model whose kernel is played by the test: what the view sends is kept, and told by hand.
PLAYED = """async ([script, values, buffers]) => {
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const { default: widget } = await import(url);
  const state = new Map(Object.entries(values));
  for (const [name, text] of Object.entries(buffers)) {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    state.set(name, new DataView(bytes.buffer));
  }
  const listeners = {};
  const call = (event, ...given) => (listeners[event] ?? []).forEach((each) => each(...given));
  window.sent = [];
  window.tell = (content) => call("msg:custom", content);
  window.answer = (answer) => { state.set("_answer", answer); call("change:_answer"); };
  const model = {
    get: (name) => state.get(name),
    set: (name, value) => state.set(name, value),
    on: (event, listener) => (listeners[event] ??= []).push(listener),
    off() {},
    save_changes() {},
    send: (content) => window.sent.push(content),
  };
  window.gone = widget.render({ model, el: document.body });
}"""


# On a busy machine the pen might rest between two strokes of the test: timers wait to be told.
PATIENT = """() => {
  const waiting = new Map();
  window.setTimeout = (listener) => {
    const id = waiting.size + 1;
    waiting.set(id, listener);
    return id;
  };
  window.clearTimeout = (id) => { if (waiting.has(id)) waiting.set(id, () => {}); };
  window.rest = () => {
    const listeners = [...waiting];
    for (const [id, listener] of listeners) {
      waiting.set(id, () => {});
      listener();
    }
  };
}"""


class PlayedQuery(Query):
    """One whose kernel is the test."""

    def tell(self, **content):
        self.page.evaluate("(content) => window.tell(content)", content)

    def sent(self):
        sent = self.page.evaluate("window.sent")
        return [content for content in sent if content["type"] == "query"]

    def wait_for_sent(self, count):
        """Waits for a query, and gives it."""
        self.page.wait_for_function(
            "(n) => window.sent.filter(({ type }) => type === 'query').length === n", arg=count
        )
        return self.sent()[-1]

    def rest(self):
        """What the view waits for is over, of a `patient` one: the pen has rested long enough."""
        self.page.evaluate("window.rest()")

    def answer(self, asked, vote, **more):
        item = {"index": 3, "name": "4", "distance": "0.50", "wins": True, "far": False}
        pictures = base64.b64encode(bytes(SIZE * SIZE)).decode()
        answer = {"number": asked["number"], "image": asked["image"], "pictures": pictures}
        answer |= {"items": [item], "vote": vote} | more
        self.page.evaluate("(answer) => window.answer(answer)", answer)


@pytest.fixture
def play(new_page, data):
    """Shows a widget whose kernel the test plays."""

    def open_played(patient=False, **arguments):
        widget = ImageQuery(**{**data, **arguments})
        values, buffers = {}, {}
        for name, value in widget.get_state().items():
            if not name.startswith("_") or name.startswith(("_esm", "_css", "_model", "_view")):
                continue
            if isinstance(value, bytes | memoryview):
                buffers[name] = base64.b64encode(value).decode()
            else:
                values[name] = value
        values["title"] = widget.title
        page = new_page(offline=True)
        page.goto("about:blank")
        if patient:
            page.evaluate(PATIENT)
        page.evaluate(PLAYED, [load_script("image_query"), values, buffers])
        return PlayedQuery(page)

    return open_played


# ---------------------------------------------------------------- the numbers


def test_the_script_scales_and_centres_as_mnist_was(script, data):
    module = script("image_query")
    for digit in data["presets"]:
        large = np.kron(digit / 255, np.ones((3, 3)))
        small = np.array(module.call("shrunk", large.ravel().tolist(), 84, SIZE, SIZE))
        np.testing.assert_allclose(255 * small.reshape(SIZE, SIZE), digit, atol=0.01)
        # Enlarged, and somewhere else on the pad: it comes back as it was.
        moved = np.pad(large, ((5, 20), (31, 0)))
        fitted = np.array(module.call("fitted", moved.ravel().tolist(), 109, SIZE, SIZE, 0.0))
        np.testing.assert_allclose(255 * fitted.reshape(SIZE, SIZE), digit, atol=0.01)


@pytest.mark.parametrize(
    ("rows", "columns", "high", "wide"), [(28, 28, 40, 30), (28, 28, 15, 60), (21, 42, 40, 30)]
)
def test_the_ink_box_fills_five_sevenths_and_its_mass_lies_in_the_middle(
    script, rows, columns, high, wide
):
    module = script("image_query")
    ink = np.zeros((60, 90))
    ink[5 : 5 + high, 25 : 25 + wide] = np.random.default_rng(rows).random((high, wide)) + 0.2
    fitted = module.call("fitted", ink.ravel().tolist(), 60, rows, columns, 0.1)
    fitted = np.array(fitted).reshape(rows, columns)
    scale = min(rows / high, columns / wide) * 20 / 28
    extents = [np.ptp(np.flatnonzero(fitted.max(axis=axis))) + 1 for axis in (1, 0)]
    assert extents == [np.ceil(high * scale - 1e-6), np.ceil(wide * scale - 1e-6)]
    assert fitted.sum() == pytest.approx(ink.sum() * scale**2, rel=1e-4), "ink was lost"
    middle_row = (fitted.sum(axis=1) @ np.arange(rows)) / fitted.sum()
    middle_column = (fitted.sum(axis=0) @ np.arange(columns)) / fitted.sum()
    assert abs(middle_row - rows / 2) <= 0.51
    assert abs(middle_column - columns / 2) <= 0.51


def test_pictures_of_paper_become_ink(script):
    module = script("image_query")
    paper = np.full((6, 5), 0.2)
    paper[2:4, 2] = 0.6
    assert module.call("edgeOf", paper.ravel().tolist(), 6) == pytest.approx(0.2)
    clean = np.array(module.call("withoutPaper", paper.ravel().tolist(), 0.2)).reshape(6, 5)
    np.testing.assert_allclose(clean, paper > 0.5, atol=1e-6)
    assert not np.any(module.call("withoutPaper", [0.5, 0.55, 0.5, 0.5], 0.5)), "noise is no ink"
    assert module.call("fitted", [0.0] * 100, 10, 8, 8, 0.1) is None


# ---------------------------------------------------------------- the pad


def test_a_stroke_of_the_mouse_shows_what_the_network_sees(open_page):
    query = open_page()
    query.find(".clear").click()
    assert query.seen().max() == 0
    assert query.text(".message") == "Draw, press a ready-made picture, or open one."
    query.draw((0.15, 0.1), (0.15, 0.4))
    seen = query.seen()
    rows, columns = np.flatnonzero(seen.max(axis=1)), np.flatnonzero(seen.max(axis=0))
    assert np.ptp(rows) + 1 == 20, "as high as MNIST's digits"
    assert abs(seen.sum(axis=0) @ np.arange(SIZE) / seen.sum() - 14) <= 0.51
    assert seen.max() > 230
    assert len(np.unique(seen)) > 5, "a soft pen has greys"
    assert len(columns) <= 9
    query.wait_for_text(".message", OFFLINE)
    assert query.shown() == []
    query.wait_for_text(".status", OFFLINE)

    query.find(".centre").uncheck()
    seen = query.seen()
    rows, columns = np.flatnonzero(seen.max(axis=1)), np.flatnonzero(seen.max(axis=0))
    assert rows[0] < 4, "where it was drawn"
    assert rows[-1] < 15
    assert columns[-1] < 8


def test_a_finger_draws_and_does_not_scroll(open_page):
    query = open_page(has_touch=True, height=400)
    query.find(".clear").tap()
    query.find(".centre").uncheck()
    before = query.page.evaluate("scrollY")
    query.touch(*((0.5, y) for y in (0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)))
    column = np.flatnonzero(query.seen()[:, 14] > 230)
    assert column[0] <= 6
    assert column[-1] >= 21
    assert query.page.evaluate("scrollY") == before


def test_rubber_undo_width_and_clear(open_page):
    query = open_page()
    query.find(".clear").click()
    query.find(".centre").uncheck()
    query.draw((0.2, 0.5), (0.8, 0.5))
    line = query.seen()
    query.find(".rubber").click()
    assert query.find(".rubber").get_attribute("aria-pressed") == "true"
    query.draw((0.5, 0.2), (0.5, 0.8))
    gap = query.seen()
    assert line[14, 14] == 255
    assert gap[14, 14] == 0
    assert gap[14, 8] == line[14, 8]
    query.find(".undo").click()
    np.testing.assert_array_equal(query.seen(), line)
    query.find(".undo").click()
    assert query.seen().max() == 0
    query.find(".pen").click()
    query.find(".width").fill("6")
    query.draw((0.2, 0.5), (0.8, 0.5))
    assert query.seen().sum() > 1.6 * line.sum()
    query.find(".pad").focus()
    query.page.keyboard.press("Control+z")
    assert query.seen().max() == 0


def test_strokes_go_over_a_ready_made_picture(open_page, data):
    query = open_page()
    np.testing.assert_array_equal(query.seen(), data["presets"][0])
    query.find(".centre").uncheck()
    np.testing.assert_array_equal(query.seen(), data["presets"][0])
    query.draw((0.1, 0.05), (0.9, 0.05))
    seen = query.seen()
    np.testing.assert_array_equal(seen[5:], data["presets"][0][5:])
    assert seen[1, 14] > 200
    query.wait_for_text(".message", OFFLINE)
    query.find(".undo").click()
    np.testing.assert_array_equal(query.seen(), data["presets"][0])
    query.wait_for("find('.message').textContent === ''")
    assert len(query.shown()) == K


def test_the_keyboard_draws(open_page):
    query = open_page()
    keyboard = query.page.keyboard
    query.find(".clear").click()
    query.find(".centre").uncheck()
    query.find(".pad").focus()
    keyboard.press("ArrowUp")
    query.wait_for_text(".status", "Pen up, column 14, row 13.")
    assert query.find(".pen-mark").is_visible()
    keyboard.press("Space")
    for _ in range(2):
        keyboard.press("Shift+ArrowDown")
    for _ in range(3):
        keyboard.press("ArrowRight")
    query.wait_for_text(".status", "Pen down, column 17, row 21.")
    keyboard.press("Space")
    seen = query.seen()
    assert seen[15, 13] == 255
    assert seen[20, 16] > 200
    assert seen[16, 20] == 0
    query.wait_for_text(".message", OFFLINE)
    keyboard.press("Backspace")
    assert query.seen().max() == 0


# ---------------------------------------------------------------- ready-made pictures


def test_ready_made_pictures_by_keyboard(open_page, data):
    query = open_page()
    indices, distances = data["preset_answers"]
    keyboard = query.page.keyboard
    assert query.find(".preset[tabindex='0']").count() == 1
    query.find(".preset").first.focus()
    keyboard.press("ArrowRight")
    keyboard.press("ArrowRight")
    keyboard.press("Enter")
    query.wait_for("all('.preset')[2].getAttribute('aria-pressed') === 'true'")
    np.testing.assert_array_equal(query.seen(), data["presets"][2])
    shown = query.shown()
    assert [index for index, _ in shown] == indices[2].tolist()
    np.testing.assert_allclose([d for _, d in shown], distances[2], rtol=5e-3)
    for rank, tile in enumerate(query.find(".tile .picture").all()):
        wanted = data["gallery_images"][indices[2][rank]]
        np.testing.assert_array_equal(query.pixels(tile), wanted)
    answer = ImageQuery(**data)._preset_answers[2]
    assert query.text(".vote") == answer["vote"]
    query.wait_for_text(".status", f"{answer['vote']} In order: {answer['items'][0]['name']} at ")
    wins = query.find(".tile").evaluate_all("(all) => all.map((t) => t.matches('.wins'))")
    assert wins == [item["wins"] for item in answer["items"]]


def test_a_threshold_tells_the_unknown(open_page, data):
    _, distances = data["preset_answers"]
    threshold = float(np.sort(distances[:, 0])[2])  # of the four, one is farther
    query = open_page({"threshold": threshold})
    for preset, nearest in enumerate(distances[:, 0]):
        query.find(".preset").nth(preset).click()
        words = "Farther" if nearest > threshold else "Not farther"
        query.wait_for("find('.verdict').textContent.startsWith(argument)", words)
        assert query.find(".tile.far").count() == (distances[preset] > threshold).sum()


# ---------------------------------------------------------------- pictures of one's own


def make_photo(dark_ink, size=(300, 200)):
    """An upright bar on uneven paper, as a camera sees it, and colour."""
    generator = np.random.default_rng(0)
    width, height = size
    photo = np.full((height, width, 3), 225.0) + generator.normal(0, 3, (height, width, 1))
    photo[40:160, 80:104] = (20, 40, 60)
    photo = photo if dark_ink else 255 - photo
    return photo.clip(0, 255).astype(np.uint8)


@pytest.mark.parametrize(("kind", "dark_ink"), [("PNG", True), ("JPEG", False)])
def test_a_picture_of_ones_own(open_page, kind, dark_ink):
    query = open_page()
    assert query.find(".invert").is_disabled()
    query.open(make_photo(dark_ink), f"photo.{kind.lower()}", kind)
    query.wait_for("!find('.invert').disabled")
    assert query.find(".invert").is_checked() == dark_ink
    seen = query.seen()
    rows, columns = (np.flatnonzero(seen.max(axis=axis) > 60) for axis in (1, 0))
    assert np.ptp(rows) + 1 == 20
    assert np.ptp(columns) + 1 in (4, 5, 6)
    assert seen[:, :4].max() <= 8, "paper is 0"
    query.wait_for_text(".message", OFFLINE)

    query.find(".centre").uncheck()
    seen = query.seen()
    assert seen.shape == (SIZE, SIZE)
    assert abs(int(seen[0, 0]) - int(seen[14, 2])) < 12, "padded with the colour of its paper"
    bar = np.flatnonzero(np.abs(seen[:, 8].astype(int) - seen[0, 8]) > 128)
    assert bar.tolist() == list(range(9, 19)), "in the middle"
    row = seen[14].astype(int)
    assert 7 <= row.argmax() <= 9, "its aspect is kept: 300 pixels on 28"
    query.find(".invert").click()
    inverted = query.seen()
    np.testing.assert_allclose(inverted, 255 - seen, atol=1)


def test_odd_files(open_page, data):
    query = open_page()
    buffer = {"name": "notes.png", "mimeType": "image/png", "buffer": b"no picture"}
    query.find(".file").set_input_files(buffer)
    query.wait_for_text(".message", "“notes.png” is no picture that the browser can read.")
    np.testing.assert_array_equal(query.seen(), data["presets"][0])
    query.find(".preset").nth(1).click()
    query.wait_for("find('.message').textContent === ''")

    query.open(np.full((50, 50), 230, np.uint8))
    query.wait_for_text(".message", "Nothing stands out from the paper.")
    assert query.shown() == []
    query.find(".centre").uncheck()
    assert query.seen().max() == 25, "as it is"
    query.wait_for_text(".message", OFFLINE)
    query.find(".centre").check()

    picture = np.zeros((60, 60, 4), np.uint8)
    picture[10:50, 25:35] = (0, 0, 0, 255)  # black ink on nothing
    query.open(picture)
    query.wait_for_text(".message", OFFLINE)
    assert query.find(".invert").is_checked()
    assert query.seen()[14, 14] == 255
    picture[10:50, 25:35, :3] = 255  # white ink on nothing
    query.open(picture)
    query.wait_for("!find('.invert').checked")
    assert query.seen()[14, 14] == 255


def test_files_are_chosen_by_keyboard_and_dropped(open_page):
    query = open_page()
    query.find(".file").evaluate(
        """(input) => input.addEventListener("click", (event) => {
          event.preventDefault();  // a chooser would wait for somebody
          window.isChooserOpen = true;
        })"""
    )
    query.find(".open").focus()
    query.page.keyboard.press("Enter")
    query.page.wait_for_function("window.isChooserOpen")
    file = io.BytesIO()
    Image.fromarray(make_photo(True)).save(file, "PNG")
    query.find(".pad").evaluate(
        """(pad, text) => {
          const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([bytes], "a.png", { type: "image/png" }));
          const options = { dataTransfer, bubbles: true, composed: true, cancelable: true };
          if (pad.dispatchEvent(new DragEvent("dragover", options))) throw Error("not taken");
          pad.dispatchEvent(new DragEvent("drop", options));
        }""",
        base64.b64encode(file.getvalue()).decode(),
    )
    query.wait_for("!find('.invert').disabled")
    assert query.seen().max() > 230


def test_ink_that_is_dark_in_the_images(open_page, data):
    given = {name: 255 - data[name] for name in ("gallery_images", "presets")}
    query = open_page(given)
    np.testing.assert_array_equal(query.seen(), data["presets"][0])  # dark ink all the same
    query.find(".clear").click()
    assert query.seen().max() == 0
    query.open(make_photo(True))
    query.wait_for("!find('.invert').disabled")
    assert not query.find(".invert").is_checked(), "dark ink already"
    assert query.seen()[14, 14] > 230


# ---------------------------------------------------------------- the kernel, played


def test_a_query_waits_for_the_pen_to_rest(play, data):
    query = play(patient=True)
    query.tell(type="alive", answers=True)
    query.find(".clear").click()
    query.draw((0.3, 0.2), (0.3, 0.8))
    query.draw((0.6, 0.2), (0.6, 0.8))
    assert not query.sent()
    query.rest()
    asked = query.wait_for_sent(1)
    image = np.frombuffer(base64.b64decode(asked["image"]), np.uint8).reshape(SIZE, SIZE)
    np.testing.assert_array_equal(image, query.seen())
    assert query.text(".message") == "Looking …"
    query.answer(asked, "the vote", report="in 3 ms")
    query.wait_for_text(".vote", "the vote")
    assert query.text(".report") == "in 3 ms"
    assert query.text(".message") == ""
    query.tell(type="answered", number=asked["number"])
    query.find(".preset").nth(1).click()  # its answer is known
    query.wait_for("all('.tile:not([hidden])').length === 8")
    assert len(query.sent()) == 1


def test_an_old_answer_never_takes_the_place_of_a_newer(play):
    query = play()
    query.tell(type="alive", answers=True)
    query.find(".clear").click()
    query.draw((0.3, 0.2), (0.3, 0.8))
    first = query.wait_for_sent(1)
    query.find(".preset").nth(1).click()
    query.wait_for("all('.tile:not([hidden])').length === 8")
    vote = query.text(".vote")
    query.answer(first, "too late")
    assert query.text(".vote") == vote
    query.tell(type="answered", number=first["number"])

    query.draw((0.6, 0.2), (0.6, 0.8))
    second = query.wait_for_sent(2)
    query.draw((0.2, 0.2), (0.7, 0.2))  # while the kernel is at work: it waits its turn
    query.draw((0.2, 0.7), (0.7, 0.7))
    query.wait_for("find('.answering').matches('.old')")
    pause(query.page, 350)  # nothing is to be seen of what does not happen
    assert len(query.sent()) == 2
    query.tell(type="answered", number=second["number"])
    third = query.wait_for_sent(3)
    assert third["number"] not in (first["number"], second["number"])
    query.answer(third, "the newest")
    query.answer(second, "too late")
    query.answer(third | {"number": "another-1"}, "of another view")
    assert query.text(".vote") == "the newest"
    query.find(".clear").click()
    query.answer(third, "gone")
    assert query.find(".vote").is_hidden()
    query.page.evaluate("window.gone()")
    assert query.page.locator(".tripletviz-image-query").count() == 0


def test_what_the_kernel_says_of_itself(play):
    query = play(preset_answers=None)
    query.find(".preset").nth(1).click()
    query.wait_for_text(".message", "An answer to a new picture needs a running notebook.")
    query.tell(type="alive", answers=False)
    query.wait_for_text(".message", "Nobody answers yet: the notebook has not called on_query.")
    query.tell(type="alive", answers=True)
    asked = query.wait_for_sent(1)  # what lay on the pad already
    query.wait_for_text(".message", "The kernel has not answered yet")
    query.tell(type="started", number=asked["number"])
    query.wait_for_text(".message", "Looking …")
    query.answer(asked, "", items=[], failed="No answer. ValueError: so it is")
    query.wait_for_text(".message", "No answer. ValueError: so it is")
    assert query.find(".message.failed").is_visible()
    query.tell(type="answered", number=asked["number"])
    query.draw((0.2, 0.2), (0.7, 0.2))
    query.answer(query.wait_for_sent(2), "right again")
    query.wait_for_text(".vote", "right again")
    assert query.find(".message.failed").count() == 0


def test_what_python_asks_is_shown(play, data):
    query = play()
    image = base64.b64encode(data["gallery_images"][5].tobytes()).decode()
    query.answer({"number": "python-1", "image": image}, "asked by Python")
    query.wait_for_text(".vote", "asked by Python")
    np.testing.assert_array_equal(query.seen(), data["gallery_images"][5])
    query.find(".undo").click()
    np.testing.assert_array_equal(query.seen(), data["presets"][0])


# ---------------------------------------------------------------- in JupyterLab


SETUP = """
import sys
sys.path.insert(0, {folder!r})
import numpy as np
from test_image_query import make_data
from tripletviz.widgets import ImageQuery
data = make_data()
query = ImageQuery(**data | {{"preset_answers": None}})
asked = []
def answer(query, image):
    asked.append(image)
    distances = np.linalg.norm(data["gallery_images"] / 255.0 - image / 255.0, axis=(1, 2))
    nearest = distances.argsort()[:8]
    query.show_answer(nearest, distances[nearest])
query.on_query(answer)
"""


def test_the_round_trip_to_python_and_back(lab, request, screenshot):
    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    cells = SETUP.format(folder=str(request.path.parent)), "query"
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
    notebook = lab(notebook, height=1000)
    notebook.run_all()
    query = Query(notebook.page)
    query.draw((0.5, 0.1), (0.48, 0.9))
    seen = query.seen().tolist()
    notebook.read_until("asked[-1].tolist() if asked else []", seen)
    query.wait_for_text(".vote", "neighbours are a 1; nearest: 1 at ")
    indices = notebook.read("[item['index'] for item in query._answer['items']]")
    assert [index for index, _ in query.shown()] == indices

    query.find(".pad").focus()
    active, cells = notebook.active_cell(), notebook.page.locator(".jp-Cell").count()
    for key in ("Space", "ArrowDown", "x", "b", "Shift+ArrowRight", "Space"):
        notebook.page.keyboard.press(key)
    seen = query.seen().tolist()
    notebook.read_until("asked[-1].tolist()", seen)  # on a busy machine half of it was asked before
    assert notebook.active_cell() == active
    assert notebook.page.locator(".jp-Cell").count() == cells

    before = notebook.read("query.image.tolist()")
    notebook.tell("query.ask(data['presets'][3])")
    wanted = notebook.read("query.image.tolist()")
    assert wanted != before
    query.wait_for_seen(wanted)
    small = query.find("button, [type=range], .switch, .pad").evaluate_all(
        """(controls) => controls.filter((control) => {
          const { width, height } = control.getBoundingClientRect();
          return Math.min(width, height) < 44;
        }).map((control) => control.className)"""
    )
    assert not small
    screenshot(notebook.page, "image-query-lab")


# ---------------------------------------------------------------- the look


def test_themes_and_widths(open_page, find_violations, screenshot):
    query = open_page({"threshold": 7})
    query.find(".preset").nth(2).click()
    for width, scheme in (
        (1280, "light"),
        (1280, "dark"),
        (700, "dark"),
        (700, "light"),
        (330, "light"),
    ):
        query.page.set_viewport_size({"width": width, "height": 720 if width == 1280 else 1100})
        query.page.emulate_media(color_scheme=scheme)
        is_dark = scheme == "dark"
        query.wait_for("find('.widget').classList.contains('dark') === argument", is_dark)
        assert query.page.evaluate("document.documentElement.scrollWidth") <= width
        cut_off = query.find("*").evaluate_all(
            """(all) => all.filter((e) => e.clientWidth && e.scrollWidth > e.clientWidth + 1
              && !e.matches("select, input, .status")).map((e) => e.className)"""
        )
        assert not cut_off, width
        if width == 1280:
            assert query.root.bounding_box()["height"] <= 560, "a slide has no more"
        if width == 700:
            assert not find_violations(query.page, ".tripletviz-image-query")
            query.find(".pad").focus()
            query.page.keyboard.press("Space")
            query.painted()
        screenshot(query.page, f"image-query-{scheme}-{width}")
    query.find(".centre").uncheck()
    query.draw((0.1, 0.1), (0.1, 0.9))  # the pad is smaller now
    assert query.seen()[:, :8].max() > 230
