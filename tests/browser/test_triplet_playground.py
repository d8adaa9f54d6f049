"""`TripletPlayground` in a real browser: its numbers, its own page, and JupyterLab."""

import math
import re

import nbformat
import numpy as np
import pytest
from lab_server import steady_box

from tripletviz.widgets.triplet_playground import METRICS, TripletPlayground

pytestmark = pytest.mark.browser

ROLES = ("anchor", "positive", "negative")
OPTIONS = [{"soft": False, "margin": 0.4}, {"soft": False, "margin": 0.0}, {"soft": True}]


# ---------------------------------------------------------------- numbers


@pytest.fixture
def playground_script(script):
    return script("triplet_playground")


def random_triplets(count):
    generator = np.random.default_rng(11)
    return [generator.uniform(-1.5, 1.5, (3, 2)) for _ in range(count)]


def degenerate_triplets():
    a, b, c = (0.3, -0.4), (-0.5, 0.25), (1.0, 0.75)
    return [
        np.array(places, float)
        for places in [
            (a, a, a),
            (a, a, b),
            (a, b, a),
            (a, b, b),
            ((0, 0), a, b),
            (a, (0, 0), b),
            ((0, 0), (0, 0), b),
            (a, np.negative(a), b),
            (a, b, np.negative(a)),
            (a, np.add(a, 1e-7), np.add(a, (2e-7, -1e-7))),
            (np.multiply(c, 1e-3), c, np.multiply(c, 2)),
        ]
    ]


def as_triplet(points):
    return dict(zip(ROLES, np.asarray(points).tolist(), strict=True))


def by_the_package(points, metric, options):
    """Loss, gradients `(3, 2)` and category that the package and TensorFlow give."""
    import tensorflow as tf

    from tripletviz.distances import pairwise_distances
    from tripletviz.losses import _hinge

    variable = tf.Variable(points, dtype=tf.float64)
    with tf.GradientTape() as tape:
        _, positive, negative = tf.unstack(pairwise_distances(variable, metric)[0])
        loss = _hinge(positive - negative, "soft" if options["soft"] else options["margin"])
    slopes = tape.gradient(loss, variable).numpy()
    active = options["soft"] or bool(negative < positive + options["margin"])
    if not active:
        slopes *= 0  # at a tie TensorFlow's maximum has a slope; active is strictly positive
    rest = "not hard" if options["soft"] else "semi-hard" if active else "easy"
    return float(loss), slopes, "hard" if negative <= positive else rest


@pytest.mark.parametrize("metric", METRICS)
def test_numbers_are_the_packages(playground_script, metric):
    for points in [*random_triplets(8), *degenerate_triplets()]:
        for options in OPTIONS:
            options = options | {"metric": metric}
            loss, slopes, category = by_the_package(points, metric, options)
            case = f"{points.tolist()}, {options}"
            triplet = as_triplet(points)
            assert playground_script.call("tripletLoss", triplet, options) == pytest.approx(
                loss, abs=1e-12
            ), case
            given = playground_script.call("gradients", triplet, options)
            given = np.array([given[role] for role in ROLES])
            scale = max(1.0, np.abs(slopes).max())
            np.testing.assert_allclose(given, slopes, atol=1e-9 * scale, err_msg=case)
            assert playground_script.call("category", triplet, options) == category, case
            # Python's own, for a widget without a browser.
            if metric != "cosine" or np.abs(points).max(axis=1).all():
                python = TripletPlayground(
                    metric=metric,
                    margin=options.get("margin", 1),
                    soft_margin=options["soft"],
                    **triplet,
                )
                assert python.loss == pytest.approx(loss, abs=1e-12), case
                assert python.category == category or abs(loss) < 1e-12, case


def test_at_a_tie_the_triplet_is_easy_and_has_no_gradient(playground_script):
    import tensorflow as tf

    from tripletviz.losses import batch_all_triplet_loss

    # As the anchor of the second triplet of this batch, the positive is easy as well.
    points = np.array([[0, 0], [0.5, 0], [-1, 0]])
    variable = tf.Variable(points)
    with tf.GradientTape() as tape:
        loss, fraction = batch_all_triplet_loss([0, 0, 1], variable, margin=0.5)
    assert float(fraction) == 0
    np.testing.assert_array_equal(tape.gradient(loss, variable), np.zeros((3, 2)))
    options = {"metric": "euclidean", "margin": 0.5, "soft": False}
    triplet = as_triplet(points)
    assert playground_script.call("category", triplet, options) == "easy"
    assert playground_script.call("tripletLoss", triplet, options) == 0
    slopes = playground_script.call("gradients", triplet, options)
    assert np.abs(list(slopes.values())).max() == 0


@pytest.mark.parametrize("metric", METRICS)
def test_a_step_goes_downhill_and_stays_where_points_may_lie(playground_script, metric):
    options = {"metric": metric, "margin": 0.5, "soft": True}
    for points in random_triplets(6):
        if metric == "cosine":
            points = points / np.linalg.norm(points, axis=1, keepdims=True)
        triplet = as_triplet(points)
        slopes = playground_script.call("gradients", triplet, options)
        after = playground_script.call("stepped", triplet, options, 0.01)
        for role in ROLES:
            place = np.subtract(triplet[role], np.multiply(0.01, slopes[role]))
            if metric == "cosine":
                assert np.dot(slopes[role], triplet[role]) == pytest.approx(0, abs=1e-12)
                place /= np.linalg.norm(place)
            np.testing.assert_allclose(after[role], place, atol=1e-12)
        before = playground_script.call("tripletLoss", triplet, options)
        assert playground_script.call("tripletLoss", after, options) < before
    far = {"anchor": [0, 0], "positive": [1, 0], "negative": [2, 0]}
    options = {"metric": "squared_euclidean", "margin": 9, "soft": False}
    after = playground_script.call("stepped", far, options, 0.25)
    assert after["negative"] == [2, 0], "left the plane"


@pytest.mark.parametrize("metric", METRICS)
def test_zones_end_where_the_category_changes(playground_script, metric):
    generator = np.random.default_rng(5)

    def category_at(bound, turn):
        """The category with the negative at this radius or angle from the anchor."""
        if metric == "cosine":
            at = math.atan2(*anchor[::-1]) + (bound if turn > 3 else -bound)
            place = [math.cos(at), math.sin(at)]
        else:
            place = (anchor + bound * np.array([math.cos(turn), math.sin(turn)])).tolist()
        return playground_script.call("category", triplet | {"negative": place}, options)

    for _ in range(8):
        anchor, positive = generator.uniform(-1, 1, (2, 2))
        options = {"metric": metric, "margin": 0.3, "soft": False}
        triplet = as_triplet([anchor, positive, anchor])
        bounds = playground_script.call("zoneBounds", triplet, options)
        for turn in generator.uniform(0, 6, 2):
            assert category_at(bounds["inner"] - 1e-6, turn) == "hard"
            assert category_at(bounds["inner"] + 1e-6, turn) == "semi-hard"
            if bounds["outer"] < math.pi or metric != "cosine":
                assert category_at(bounds["outer"] - 1e-6, turn) == "semi-hard"
                assert category_at(bounds["outer"] + 1e-6, turn) == "easy"
    opposite = {"anchor": [1, 0], "positive": [-1, 0], "negative": [1, 0]}
    if metric == "cosine":
        bounds = playground_script.call("zoneBounds", opposite, options)
        assert bounds["outer"] == pytest.approx(math.pi), "nothing on the circle is easy"
    soft = playground_script.call("zoneBounds", opposite, options | {"soft": True})
    assert soft["outer"] is None


# ---------------------------------------------------------------- what a reader sees and touches


class View:
    """What a reader sees and touches of one playground on a page."""

    def __init__(self, page, index=0):
        self.page = page
        self.root = page.locator(".tripletviz-triplet-playground").nth(index)
        self.root.locator(".point.negative .mark").wait_for()
        self.wait_for("(root) => root.querySelector('.status').textContent !== ''")

    def find(self, selector):
        return self.root.locator(selector)

    def text(self, selector):
        return self.find(selector).inner_text()

    def wait_for(self, function, *arguments):
        """Waits until `function(shadow root, ...arguments)` holds."""
        self.page.wait_for_function(
            f"([host, rest]) => ({function})(host.shadowRoot, ...rest)",
            arg=[self.root.element_handle(), list(arguments)],
        )

    def wait_for_status(self, words):
        self.wait_for(
            "(root, words) => root.querySelector('.status').textContent.includes(words)", words
        )

    def wait_for_badge(self, category):
        self.wait_for("(root, c) => root.querySelector('.badge').textContent === c", category)

    def center(self, role):
        box = steady_box(self.find(f".point.{role} .hit"))
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def to_screen(self, place, limit=2):
        """Where a place of the plane lies on the page, from the frame that is drawn."""
        left, top, side = self.frame()
        return (
            left + (place[0] + limit) * side / (2 * limit),
            top + (limit - place[1]) * side / (2 * limit),
        )

    def frame(self):
        """Left, top and side of the plane, without the stroke around it."""
        return self.find(".frame").evaluate(
            """(frame) => {
              const { x, y, width } = frame.getBBox();
              const { left, top } = frame.ownerSVGElement.getBoundingClientRect();
              return [left + x, top + y, width];
            }"""
        )

    def drag(self, role, place, limit=2):
        mouse = self.page.mouse
        mouse.move(*self.center(role))
        mouse.down()
        mouse.move(*self.to_screen(place, limit), steps=4)
        mouse.up()

    def loss(self):
        return float(self.text(".loss-value").replace("< ", ""))

    def arrows(self):
        """For each role, whether it has an arrow."""
        return {role: self.find(f".arrow.{role}").get_attribute("d") != "" for role in ROLES}

    def zones(self):
        return [e.get_attribute("class").split()[1] for e in self.find(".zone").all()]

    def radii(self):
        """Radii of the circles drawn around the anchor, in units of the plane."""
        unit = self.frame()[2] / 4
        paths = [e.get_attribute("d") for e in self.find(".zone.edge").all()]
        return [float(re.search(r"a([\d.e-]+) ", d)[1]) / unit for d in paths]

    def focused(self):
        return self.root.evaluate("(e) => e.shadowRoot.activeElement?.getAttribute('aria-label')")


@pytest.fixture
def open_view(new_page, tmp_path):
    def open_page(images=None, *, page_options=None, **traits):
        path = TripletPlayground(images, **traits).save_html(tmp_path / "playground.html")
        page = new_page(offline=True, **(page_options or {}))
        page.goto(path.as_uri())
        return View(page)

    return open_page


@pytest.fixture
def digits():
    images = np.zeros((3, 28, 28), np.uint8)
    images[0, 4:24, 12:16] = images[1, 4:8, 4:24] = images[2, 20:24, 4:24] = 255
    return images


def test_dragging_shows_its_effect_in_the_same_frame(open_view, digits):
    view = open_view(digits)
    x, y = view.center("negative")
    view.page.mouse.move(x, y)
    view.page.mouse.down()
    view.root.evaluate(
        """(host) => {
          const find = (selector) => host.shadowRoot.querySelector(selector);
          window.moves = [];
          // After the widget's own listener, before the frame of this event is painted.
          window.addEventListener("pointermove", (event) => {
            requestAnimationFrame(() => {
              const { left, right, top, bottom } =
                find(".point.negative .hit").getBoundingClientRect();
              const [x, y] = [(left + right) / 2, (top + bottom) / 2];
              window.moves.push([
                Math.hypot(x - event.clientX, y - event.clientY),
                find(".line.negative").getAttribute("d"),
                find(".loss-value").textContent,
              ]);
            });
          });
        }"""
    )
    for move in range(1, 31):
        view.page.mouse.move(x + 3 * move, y - 5 * move)
        view.page.wait_for_function("(count) => window.moves.length >= count", arg=move)
    view.page.mouse.up()
    moves = view.page.evaluate("window.moves")
    assert len(moves) == 30
    assert sum(away < 0.6 for away, _, _ in moves) == 30
    assert len({line for _, line, _ in moves}) == 30, "the line did not follow"
    assert len({loss for *_, loss in moves}) > 20, "the loss did not follow"


def test_dragging_the_negative_through_the_zones(open_view):
    view = open_view(anchor=(0, 0), positive=(0.5, 0))
    for place, category, loss, arrows in [
        ((0, 0.25), "hard", 0.75, True),
        ((0, 0.75), "semi-hard", 0.25, True),
        ((0, 1.5), "easy", 0, False),
    ]:
        view.drag("negative", place)
        assert view.text(".badge") == category
        assert view.find(".legend .current b").inner_text() == category
        assert view.loss() == pytest.approx(loss, abs=0.02)
        assert set(view.arrows().values()) == {arrows}
        assert view.radii() == pytest.approx([0.5, 1.0], abs=0.02)
    assert view.text(".reason").startswith("The negative is farther than the positive, by the")
    view.wait_for_status("Easy, loss 0. The gradient is zero: nothing is left to learn.")
    view.drag("negative", (5, 5))
    assert view.center("negative") == pytest.approx(view.to_screen((2, 2)), abs=1)


def test_zones_and_margin_of_squared_distances(open_view):
    view = open_view(
        anchor=(0, 0), positive=(0.5, 0), negative=(0, 0.8), metric="squared_euclidean"
    )
    assert view.radii() == pytest.approx([0.5, math.sqrt(0.75)], abs=0.01)
    assert view.text(".badge") == "semi-hard"
    view.find(".margin").fill("0.25")
    view.wait_for_badge("easy")
    assert view.radii() == pytest.approx([0.5, math.sqrt(0.5)], abs=0.01)
    assert view.text(".margin-value") == "0.25"


def test_points_slide_on_the_circle(open_view):
    view = open_view(metric="cosine", anchor=(1, 0), positive=(0.8, 0.6))
    assert view.zones() == ["easy", "semi-hard", "semi-hard", "hard"]
    view.drag("negative", (0.0, 0.4), limit=1.5)
    x, y = view.center("negative")
    assert (x, y) == pytest.approx(view.to_screen((0, 1), 1.5), abs=1)
    assert view.text(".badge") == "easy"
    view.page.keyboard.press("ArrowRight")
    view.page.keyboard.press("Shift+ArrowDown")
    turned = math.radians(90 + 3 - 15)
    place = (math.cos(turned), math.sin(turned))
    assert view.center("negative") == pytest.approx(view.to_screen(place, 1.5), abs=1.5)
    assert view.find(".point.negative").get_attribute("aria-valuetext") == "78 degrees"


@pytest.mark.parametrize("metric", METRICS)
def test_presets_are_what_they_say(open_view, metric):
    view = open_view(margin=1.25)
    view.find(".metric").select_option(metric)
    for preset in ("Easy", "Semi-hard", "Hard"):
        view.find(".preset").get_by_text(preset, exact=True).click()
        view.wait_for_badge(preset.lower())
        assert view.text(".margin-value") == "0.50"
        assert view.arrows()["negative"] == (preset != "Easy")


@pytest.mark.parametrize("metric", METRICS)
def test_a_run_ends_with_an_easy_triplet_and_no_gradient(open_view, metric):
    view = open_view(metric=metric)
    view.find("[data-preset=hard]").click()
    view.wait_for_badge("hard")
    losses = [view.loss()]
    view.find(".step").click()
    view.wait_for_status("after 1 step.")
    losses.append(view.loss())
    assert losses[1] < losses[0]
    view.find(".run").click()
    view.wait_for_badge("easy")
    view.wait_for("(root) => root.querySelector('.run').textContent === 'Run'")
    view.wait_for_status("The gradient is zero: nothing is left to learn.")
    steps = int(re.search(r"Easy, loss 0 after (\d+) steps", view.text(".status"))[1])
    assert steps > 1
    assert not any(view.arrows().values())
    trail = view.find(".trail.negative").get_attribute("d")
    assert trail.count("L") == steps
    view.find(".step").click()  # nothing to do
    assert view.find(".trail.negative").get_attribute("d") == trail
    view.find(".reset").click()
    view.wait_for_badge("semi-hard")
    assert view.find(".trail.negative").get_attribute("d") == ""


def test_collapse_is_absorbing_unless_it_is_not_complete(open_view):
    view = open_view()
    view.find("[data-preset=collapsed]").click()
    view.wait_for_status("Hard, loss 0.500. The gradient is zero: no step moves the points.")
    assert view.text(".reason").endswith("collapse is absorbing.")
    assert not any(view.arrows().values())
    before = [view.center(role) for role in ROLES]
    view.find(".run").click()
    view.wait_for("(root) => root.querySelector('.run').textContent === 'Run'")
    view.find(".step").click()
    assert [view.center(role) for role in ROLES] == before
    view.find("[data-preset='nearly collapsed']").click()
    view.find(".run").click()
    view.wait_for_badge("easy")


def test_the_soft_margin_has_no_ring(open_view):
    view = open_view(soft_margin=True)
    assert view.zones() == ["fading", "edge"]
    assert view.text(".badge") == "not hard"
    assert "no ring" in view.text(".reason")
    assert view.find(".legend li").count() == 2
    assert all(view.arrows().values()), "no triplet is at rest"
    assert view.find(".margin").is_disabled()
    view.find(".run").click()
    view.wait_for("(root) => root.querySelector('.run').textContent === 'Stop'")
    view.find(".run").click()
    view.wait_for_status("Not hard, loss 0.")
    assert 0 < view.loss() < 0.573
    view.find(".metric").select_option("cosine")
    view.wait_for("(root) => root.querySelectorAll('.zone.band').length === 72")
    view.find(".soft").uncheck()
    view.wait_for("(root) => root.querySelectorAll('.zone.semi-hard').length === 2")


def test_keys(open_view):
    view = open_view(anchor=(0, 0), positive=(0.5, 0), negative=(0, 0.75))
    view.find(".playground").focus()
    reached = []
    for _ in ROLES:
        view.page.keyboard.press("Tab")
        reached.append(view.focused())
        ring = view.find(".point:focus-visible .focus")
        assert ring.evaluate("(e) => getComputedStyle(e).strokeWidth") == "2.5px"
    assert reached == ["Anchor", "Positive", "Negative"]
    for key, place in [
        ("ArrowUp", "(0.00, 0.80)"),
        ("Shift+ArrowUp", "(0.00, 1.05)"),
        ("ArrowLeft", "(\N{MINUS SIGN}0.05, 1.05)"),
        ("ArrowDown", "(\N{MINUS SIGN}0.05, 1.00)"),
        ("Shift+ArrowRight", "(0.20, 1.00)"),
    ]:
        view.page.keyboard.press(key)
        assert view.find(".point.negative").get_attribute("aria-valuetext") == place, key
    assert view.text(".badge") == "easy"
    view.page.keyboard.press("r")
    view.wait_for_badge("semi-hard")
    assert view.find(".point.negative").get_attribute("aria-valuetext") == "(0.00, 0.75)"
    view.page.keyboard.press("s")
    view.wait_for_status("after 1 step.")
    view.page.keyboard.press("Space")
    view.wait_for_badge("easy")


def test_coincident_points_are_taken_apart_by_dragging(open_view):
    view = open_view(anchor=(0.5, 0.3), positive=(0.5, 0.3), negative=(0.5, 0.3))
    view.drag("negative", (1.5, -1))
    assert view.focused() == "Negative"
    view.drag("positive", (-1, -1))
    assert view.focused() == "Positive"
    assert view.center("anchor") == pytest.approx(view.to_screen((0.5, 0.3)), abs=1)
    assert view.text(".badge") == "hard"


def test_touch(open_view, digits):
    view = open_view(digits, page_options={"has_touch": True, "width": 390, "height": 700})
    for control in view.find("button, select, .margin, .rate, .check, .hit").all():
        box = control.bounding_box()
        assert min(box["width"], box["height"]) >= 43.9
    x, y = view.center("negative")
    session = view.page.context.new_cdp_session(view.page)
    view.page.evaluate("document.body.style.paddingBottom = '900px'")

    def touch(kind, *points):
        touches = [{"x": px, "y": py} for px, py in points]
        session.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touches})

    touch("touchStart", (x, y))
    for move in range(1, 6):
        touch("touchMove", (x + 4 * move, y + 8 * move))
    touch("touchEnd")
    assert view.center("negative") == pytest.approx((x + 20, y + 40), abs=1)
    assert view.page.evaluate("scrollY") == 0, "the page scrolled away under the finger"
    x, y = view.to_screen((-1.5, -1.5))
    touch("touchStart", (x, y))
    for move in range(1, 6):
        touch("touchMove", (x, y - 30 * move))
    touch("touchEnd")
    view.page.wait_for_function("scrollY > 0")  # beside the points a finger scrolls
    view.find("[data-preset=hard]").tap()
    view.wait_for_badge("hard")


def test_reduced_motion_shows_the_end_at_once(open_view):
    view = open_view(page_options={"reduced_motion": "reduce"}, soft_margin=True)
    view.find(".run").click()
    view.wait_for_status("after 500 steps")
    assert view.text(".run") == "Run"


def test_pictures_stand_beside_their_marks(open_view, digits):
    view = open_view(digits)
    boxes = {role: view.find(f".card.{role}").bounding_box() for role in ROLES}
    for role, box in boxes.items():
        middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        assert math.dist(middle, view.center(role)) < 100
        assert view.find(f".card.{role} [role=img]").get_attribute("aria-label") == (
            f"picture of the {role}"
        )
    offsets = [
        view.find(f".card.{r} .digit").evaluate("(e) => e.style.backgroundPosition") for r in ROLES
    ]
    assert len(set(offsets)) == 3


@pytest.mark.parametrize("preset", ["easy", "semi-hard", "hard"])
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 700), ("light", 480)])
def test_both_distances_are_named_in_the_picture(open_view, digits, preset, scheme, width):
    view = open_view(digits, page_options={"color_scheme": scheme, "width": width})
    view.find(f"[data-preset={preset}]").click()
    view.wait_for_badge(preset)
    shown = view.find(".length:visible").all_text_contents()
    assert [text[:6] for text in shown] == ["d(a,p)", "d(a,n)"]


def test_the_bar_of_the_loss_has_a_scale(open_view):
    view = open_view(margin=0.4)
    assert view.find(".scale span").all_inner_texts() == ["0", "margin 0.40", "0.80"]
    view.find(".soft").check()
    view.wait_for("(root) => root.querySelector('.scale').textContent.includes('log 2')")
    assert view.find(".scale span").all_inner_texts() == ["0", "log 2 = 0.69", "1.39"]
    view.find(".soft").uncheck()
    view.find(".margin").fill("0")
    view.wait_for("(root) => root.querySelector('.scale').textContent.includes('margin 0.00')")
    assert view.find(".scale span").all_inner_texts() == ["margin 0.00", "0.20"]


def test_arrows_say_that_they_are_drawn_shorter(open_view):
    view = open_view(anchor=(0, 0), positive=(0.5, 0), negative=(0, 0.75))
    assert view.text(".gradient") == (
        "Arrows: \N{MINUS SIGN}gradient, drawn at 0.4 of their length. "
        "True lengths: a\u00a01.41, p\u00a01.00, n\u00a01.00."
    )


def test_without_pictures_the_marks_are_named(open_view):
    view = open_view()
    assert view.find(".digit-frame").count() == 0
    assert view.find(".card").all_inner_texts() == list(ROLES)


@pytest.mark.parametrize(
    ("scheme", "width"),
    [("light", 1280), ("dark", 1280), ("light", 700), ("dark", 700), ("light", 330)],
)
def test_themes_and_widths(open_view, digits, screenshot, find_violations, scheme, width):
    options = {"color_scheme": scheme, "width": width, "height": 820 if width > 400 else 1250}
    view = open_view(digits, page_options=options)
    assert view.page.evaluate("document.documentElement.scrollWidth") <= width
    assert view.find(".playground").evaluate("(e) => e.scrollWidth - e.clientWidth") <= 0
    assert ("dark" in view.find(".playground").get_attribute("class")) == (scheme == "dark")
    view.find("[data-preset=hard]").click()
    view.wait_for_badge("hard")
    screenshot(view.page, f"triplet-playground-{scheme}-{width}")
    assert find_violations(view.page, ".tripletviz-triplet-playground") == []


# ---------------------------------------------------------------- in JupyterLab

SETUP = """
import numpy as np
from tripletviz.widgets.triplet_playground import TripletPlayground

images = np.zeros((3, 28, 28), np.uint8)
images[:, 4:24, 12:16] = 255
playground = TripletPlayground(images, anchor=(0, 0), positive=(0.5, 0), negative=(0, 0.75))
"""


@pytest.fixture
def open_lab_view(lab):
    def open_notebook(**options):
        notebook = nbformat.v4.new_notebook()
        notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
        cells = (SETUP, "display(playground)")
        notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
        opened = lab(notebook, **options)
        opened.run_all()
        return opened, View(opened.page)

    return open_notebook


STATE = "[*playground.negative, playground.loss, playground.category, playground.steps_taken]"


def test_the_reader_and_python_move_the_same_points(open_lab_view):
    notebook, view = open_lab_view(height=1300)
    assert notebook.read(STATE) == [0, 0.75, 0.25, "semi-hard", 0]
    view.root.scroll_into_view_if_needed()
    view.drag("negative", (0, -0.25))
    x, y, loss, category, _ = notebook.read_until(STATE, lambda state: state[3] == "hard")
    assert (x, y) == pytest.approx((0, -0.25), abs=0.02)
    assert loss == pytest.approx(0.5 - math.hypot(x, y) + 0.5, abs=1e-9)
    assert category == "hard"

    view.find(".point.negative").focus()
    active = notebook.active_cell()
    view.page.keyboard.press("Shift+ArrowDown")
    view.page.keyboard.press("x")
    view.page.keyboard.press("s")
    view.wait_for_status("after 1 step.")
    assert notebook.active_cell() == active
    *_, steps = notebook.read_until(STATE, lambda state: state[4] == 1)
    assert steps == 1

    notebook.tell("playground.negative = (0, 1.5); playground.margin = 0.75")
    view.wait_for_badge("easy")
    assert view.center("negative") == pytest.approx(view.to_screen((0, 1.5)), abs=1)
    assert view.text(".margin-value") == "0.75"
    assert view.find(".trail.negative").get_attribute("d") == ""
    notebook.tell("playground.metric = 'cosine'")
    view.wait_for("(root) => root.querySelector('.metric').value === 'cosine'")
    view.wait_for("(root) => root.querySelectorAll('.zone.semi-hard').length === 2")
    expected = notebook.read("list(playground.negative)")
    assert view.center("negative") == pytest.approx(view.to_screen(expected, 1.5), abs=1)


def test_a_run_reaches_python_and_is_started_from_it(open_lab_view):
    notebook, view = open_lab_view(has_touch=True, height=1300)
    view.root.scroll_into_view_if_needed()
    view.find("[data-preset=hard]").tap()
    notebook.read_until(STATE, lambda state: state[3] == "hard")
    notebook.tell("playground.running = True")
    view.wait_for_badge("easy")
    state = notebook.read_until(f"{STATE} + [playground.running]", lambda state: not state[5])
    assert state[2:4] == [0, "easy"]
    assert state[4] > 1
    assert state[5] is False
