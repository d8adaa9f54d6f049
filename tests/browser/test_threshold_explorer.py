"""`ThresholdExplorer` in a real browser: in JupyterLab, and in its own page without a network."""

import re

import nbformat
import numpy as np
import pytest
from lab_server import pause, steady_box

from tripletviz.evaluation import verification_curve
from tripletviz.widgets import threshold_explorer
from tripletviz.widgets.threshold_explorer import ThresholdExplorer

pytestmark = pytest.mark.browser

ITEMS = 200


def make_data():
    """Ten classes that overlap in one embedding and hardly in the other."""
    generator = np.random.default_rng(0)
    labels = np.arange(ITEMS) % 10
    noise = generator.normal(0, 1, (ITEMS, 4))
    centers = generator.normal(0, 1, (10, 4))[labels]
    images = np.zeros((ITEMS, 28, 28), np.uint8)
    for item, label in enumerate(labels):
        images[item, 4:24, 4 + label : 8 + label] = 255
    return {
        "embeddings": {"untrained": centers + noise, "trained": 4 * centers + noise},
        "labels": labels,
        "images": images,
    }


SETUP = """
import sys
sys.path.insert(0, {folder!r})
from test_threshold_explorer import make_data
from tripletviz.widgets.threshold_explorer import ThresholdExplorer
explorer = ThresholdExplorer(**make_data())
"""


@pytest.fixture(scope="module")
def data():
    return make_data()


@pytest.fixture(scope="module")
def curves(data):
    return {
        name: verification_curve(embeddings, data["labels"])
        for name, embeddings in data["embeddings"].items()
    }


def counts_at(curve, threshold):
    """How many impostor pairs a threshold accepts, and how many genuine ones it rejects."""
    last = max(np.searchsorted(curve.thresholds, threshold, side="right") - 1, 0)
    accepts = round(curve.false_accept_rate[last] * curve.impostor_pairs)
    return accepts, round((1 - curve.true_accept_rate[last]) * curve.genuine_pairs)


class Explorer:
    """What a reader sees and touches of one explorer on a page."""

    def __init__(self, page):
        self.page = page
        self.root = page.locator(".tripletviz-threshold-explorer")
        self.find(".histogram[aria-valuenow]").wait_for()
        self.settle()

    def find(self, selector):
        return self.root.locator(selector)

    def wait_for(self, condition, argument=None):
        """Waits until a condition holds of `find(selector)`, `all(selector)` and an argument."""
        self.page.wait_for_function(
            f"""(argument) => {{
              const root = document.querySelector(".tripletviz-threshold-explorer").shadowRoot;
              const find = (selector) => root.querySelector(selector);
              const all = (selector) => [...root.querySelectorAll(selector)];
              return {condition};
            }}""",
            arg=argument,
        )

    def settle(self):
        """Waits until the words say the threshold that is painted."""
        pause(self.page, 0)  # what is set is painted within a frame; before that all agree, too
        self.wait_for(
            """find('.flag').textContent
              === `threshold ${find('.histogram').getAttribute('aria-valuenow')}`
              && find('.status').textContent.startsWith(
                `At threshold ${find('.histogram').getAttribute('aria-valuenow')}`)"""
        )

    def wait_for_threshold(self, threshold):
        shown = "Number(find('.histogram').getAttribute('aria-valuenow')) === argument"
        self.wait_for(shown, threshold)
        self.settle()

    def wait_for_another(self, threshold):
        shown = "Number(find('.histogram').getAttribute('aria-valuenow')) !== argument"
        self.wait_for(shown, threshold)
        self.settle()

    def threshold(self):
        return float(self.find(".histogram").get_attribute("aria-valuenow"))

    def counts(self):
        """False accepts and false rejects, as the words beside the rates say."""
        words = [
            self.find(selector).inner_text() for selector in (".false-accepts", ".false-rejects")
        ]
        assert words[0].endswith(" of 18,000 impostor pairs accepted")
        assert words[1].endswith(" of 1,900 genuine pairs rejected")
        return tuple(int(each.split()[0].replace(",", "")) for each in words)

    def line(self):
        """Where the line stands on the page: middle of its grip."""
        box = steady_box(self.find(".line circle"))
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def point(self):
        box = steady_box(self.find(".point"))
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def examples(self, kind, row):
        """Of each pair shown in a row: its items, their classes and the distance, in words."""
        pairs = self.find(f'[data-kind="{kind}"] .row').nth(row).locator(".pair")
        labels = pairs.evaluate_all(
            """(pairs) => pairs.filter((pair) => pair.style.visibility !== "hidden")
              .map((pair) => pair.getAttribute("aria-label"))"""
        )
        return [
            [float(number) for number in re.findall(r"\d+(?:\.\d+)?", label)] for label in labels
        ]


@pytest.fixture
def open_page(new_page, tmp_path, data):
    """Opens the page that `save_html` writes, from disk and with no network."""

    def open_explorer(arguments=(), **options):
        explorer = ThresholdExplorer(**{**data, **dict(arguments)})
        path = explorer.save_html(tmp_path / "explorer.html")
        page = new_page(offline=True, **options)
        page.goto(path.as_uri())
        return Explorer(page)

    return open_explorer


# ---------------------------------------------------------------- the numbers


def grid_of(explorer, name):
    """One embedding of an explorer as the script holds it, in plain lists."""
    grid = explorer._distances[name]
    multiple, divisor = grid.description["multiple"], grid.description["divisor"]
    return {
        "multiple": multiple,
        "divisor": divisor,
        "thresholds": len(grid.thresholds),
        "lowest": -1 if grid.genuine[0] + grid.impostor[0] else 0,
        "genuine": grid.genuine.tolist(),
        "impostor": grid.impostor.tolist(),
    }


@pytest.mark.parametrize("metric", ["euclidean", "squared_euclidean", "cosine"])
def test_the_script_measures_as_the_package_does(script, metric, monkeypatch):
    monkeypatch.setattr(threshold_explorer, "_MOST_THRESHOLDS", 300)  # every call sends them
    module = script("threshold_explorer")
    generator = np.random.default_rng(8)
    for case in range(2):
        embeddings = generator.normal(size=(50, 3)).round(case % 2)  # equal distances among them
        labels = generator.integers(0, 4, 50)
        curve = verification_curve(embeddings, labels, metric=metric)
        explorer = ThresholdExplorer(embeddings, labels, metric=metric)
        grid = grid_of(explorer, "embedding")
        largest = curve.thresholds[-1]
        for threshold in (-1, 0, largest, 2 * largest, *generator.uniform(0, largest, 5)):
            explorer.threshold = threshold
            place = module.call("placeOf", grid, threshold)
            assert module.call("thresholdAt", grid, place) == explorer.threshold
            measured = module.call("measure", grid, place)
            counts = counts_at(curve, explorer.threshold)
            assert (measured["falseAccepts"], measured["falseRejects"]) == counts
            assert measured["falseAcceptRate"] == explorer.false_accept_rate
            assert measured["falseRejectRate"] == explorer.false_reject_rate
            assert measured["genuinePairs"] == curve.genuine_pairs
            assert measured["impostorPairs"] == curve.impostor_pairs
        for rate in (0, 0.001, 0.01, 0.3, 1):
            place = module.call("placeAtRate", grid, rate)
            expected = explorer.at_false_accept_rate(rate)
            assert module.call("thresholdAt", grid, place) == expected
        place = module.call("placeOfEqualError", grid)
        start = ThresholdExplorer(embeddings, labels, metric=metric).threshold
        assert module.call("thresholdAt", grid, place) == start


def test_the_script_divides_the_pairs_among_bars(script):
    module = script("threshold_explorer")
    accepted = np.cumsum(np.random.default_rng(2).integers(0, 9, 1001))
    shares = module.call("sharesOf", accepted.tolist(), 40)
    expected = np.diff([0, *accepted[25::25]]) / accepted[-1]
    np.testing.assert_allclose(shares, expected, atol=1e-15)
    assert sum(shares) == pytest.approx(1)


def test_the_script_finds_the_wrong_pairs(script):
    module = script("threshold_explorer")
    examples = [number for place in range(0, 100, 10) for number in (place, 1, 2)]

    def places(kind, place, count):
        found = module.call("wrongPairs", examples, kind, place, count)
        return [[10 * i for i in found[which]] for which in ("worst", "close")]

    assert places("impostor", 50, 3) == [[0, 10, 20], [50, 40, 30]]
    assert places("impostor", 20, 2) == [[0, 10], [20]]
    assert places("impostor", -1, 2) == [[], []]
    assert places("genuine", 50, 2) == [[90, 80], [60, 70]]
    assert places("genuine", 90, 2) == [[], []]


# ---------------------------------------------------------------- in its own page


def test_shows_rates_counts_and_areas_beside_the_baseline(open_page, curves):
    explorer = open_page()
    curve, other = curves["trained"], curves["untrained"]
    accepts, rejects = counts_at(curve, explorer.threshold())
    assert explorer.counts() == (accepts, rejects)

    def read(selector):
        return float(explorer.find(selector).inner_text().removesuffix(" %"))

    assert read(".false-accept-rate") == pytest.approx(100 * accepts / 18_000, rel=5e-3)
    assert read(".false-reject-rate") == pytest.approx(100 * rejects / 1900, rel=5e-3)
    _, true_accept_rate = other.at_false_accept_rate(accepts / 18_000)
    assert read(".baseline-rate") == pytest.approx(100 * (1 - true_accept_rate), abs=0.2)
    assert explorer.find(".baseline-name").inner_text() == "untrained: false reject rate"
    areas = explorer.find(".areas").inner_text()
    assert areas.split("\n")[0] == (
        f"Area under the curve (AUC) {curve.roc_auc:.3f}, untrained {other.roc_auc:.3f}"
    )
    rates = [float(rate) for rate in re.findall(r"([\d.]+) %", areas)]
    expected = [100 * curve.equal_error_rate, 100 * other.equal_error_rate]
    np.testing.assert_allclose(rates, expected, rtol=5e-3)


def test_the_line_is_dragged(open_page, curves):
    explorer = open_page()
    before = explorer.threshold()
    x, y = explorer.line()
    mouse = explorer.page.mouse
    mouse.move(x, y)
    mouse.down()
    mouse.move(x - 60, y)
    explorer.wait_for_another(before)
    assert explorer.line()[0] == pytest.approx(x - 60, abs=1.5)
    mouse.move(x + 80, y + 50)
    explorer.wait_for("Number(find('.histogram').getAttribute('aria-valuenow')) > argument", before)
    explorer.settle()
    assert explorer.line()[0] == pytest.approx(x + 80, abs=1.5)
    assert explorer.counts() == counts_at(curves["trained"], explorer.threshold())
    mouse.move(x - 2000, y)
    explorer.wait_for_threshold(0)
    assert explorer.counts() == (0, 1900)
    mouse.move(x + 2000, y)
    explorer.wait_for("find('.false-rejects').textContent.startsWith('0 ')")
    explorer.settle()
    assert explorer.counts() == (18_000, 0)
    mouse.up()
    end = explorer.threshold()
    mouse.move(x, y)
    explorer.page.keyboard.press("Shift+ArrowLeft")  # the pointer that moved before would show
    explorer.wait_for_another(end)
    assert explorer.line()[0] > x + 50


@pytest.mark.parametrize("scale", ["linear", "log"])
def test_the_point_is_dragged_along_the_curve(open_page, curves, scale):
    explorer = open_page({"scale": scale})
    before = explorer.threshold()
    explorer.find(".roc").scroll_into_view_if_needed()
    plot = steady_box(explorer.find(".roc"))
    x, y = plot["x"] + plot["width"] * 0.4, plot["y"] + plot["height"] * 0.6
    start = explorer.point()
    mouse = explorer.page.mouse
    mouse.move(*start)
    mouse.down()
    mouse.move(x, y)
    explorer.wait_for_another(before)
    mouse.up()
    assert explorer.counts() == counts_at(curves["trained"], explorer.threshold())
    # The point lies where its two rates are on the axes.
    x, y = explorer.find(".point").evaluate("(p) => [p.cx.baseVal.value, p.cy.baseVal.value]")
    left, top, width, height = explorer.find(".roc .axis").first.evaluate(
        "(axis) => { const box = axis.getBBox(); return [box.x, box.y, box.width, box.height]; }"
    )
    accepts, rejects = explorer.counts()
    assert y == pytest.approx(top + height * rejects / 1900, abs=0.1)
    rate = accepts / 18_000
    part = rate if scale == "linear" else 1 + np.log10(rate) / 5
    assert x == pytest.approx(left + width * part, abs=0.1)


def test_keys_move_the_threshold(open_page):
    explorer = open_page({"threshold": 5.0})
    explorer.find(".histogram").focus()
    press = explorer.page.keyboard.press
    place = explorer.threshold()
    steps = []
    for key in (
        "ArrowRight",
        "ArrowLeft",
        "Shift+ArrowUp",
        "Shift+ArrowDown",
        "PageUp",
        "PageDown",
    ):
        press(key)
        explorer.wait_for_another(place)
        steps.append(explorer.threshold() - place)
        place = explorer.threshold()
    small, fine, far = steps[0], steps[2], steps[4]
    np.testing.assert_allclose(steps, [small, -small, fine, -fine, far, -far], atol=1e-9)
    assert 0 < fine < small < far
    assert fine == pytest.approx(0.001)
    assert far == pytest.approx(10 * small)
    press("End")
    explorer.wait_for("find('.false-rejects').textContent.startsWith('0 ')")
    press("Home")
    explorer.wait_for_threshold(0)
    press("ArrowLeft")
    press("ArrowRight")
    explorer.wait_for_threshold(round(small, 6))


def test_buttons_go_to_rates(open_page, curves, data):
    explorer = open_page({"threshold": 1.0})
    fresh = ThresholdExplorer(data["embeddings"]["trained"], data["labels"])
    for selector, threshold in [
        (".goal >> nth=0", fresh.at_false_accept_rate(0.01)),
        (".goal >> nth=1", fresh.at_false_accept_rate(0.001)),
        (".equal", fresh.threshold),
    ]:
        explorer.find(selector).click()
        explorer.wait_for_threshold(threshold)
        assert explorer.counts() == counts_at(curves["trained"], threshold)
    assert explorer.find(".goal").all_inner_texts() == ["FAR 1 %", "FAR 0.1 %"]


def test_another_embedding_comes_at_the_same_false_accept_rate(open_page, curves):
    explorer = open_page()
    explorer.find(".goal").first.click()
    explorer.wait_for("find('.false-accepts').textContent.startsWith('180 ')")
    before = explorer.threshold()
    baseline = explorer.find(".baseline-rate").inner_text()
    explorer.find(".name").first.click()
    explorer.wait_for_another(before)
    accepts, rejects = explorer.counts()
    assert 175 <= accepts <= 180
    assert (accepts, rejects) == counts_at(curves["untrained"], explorer.threshold())
    assert explorer.find(".false-reject-rate").inner_text() == baseline
    assert explorer.find(".name[aria-pressed=true]").inner_text() == "untrained"
    assert "in untrained," in explorer.find(".status").inner_text()


def test_examples_are_the_pairs_that_are_wrong(open_page, data):
    explorer = open_page({"threshold": 4.0})
    explorer.wait_for_threshold(4)
    embeddings, labels = data["embeddings"]["trained"], data["labels"]
    first, second = np.triu_indices(ITEMS, 1)
    distances = np.linalg.norm(embeddings[first] - embeddings[second], axis=1)
    is_genuine = labels[first] == labels[second]
    for kind, wrong in [
        ("impostor", ~is_genuine & (distances <= 4)),
        ("genuine", is_genuine & (distances > 4)),
    ]:
        order = np.flatnonzero(wrong)[np.argsort(distances[wrong])]
        worst = order[:5] if kind == "impostor" else order[::-1][:5]
        shown = explorer.examples(kind, 0)
        for pair, (a, b, class_a, class_b, distance) in zip(worst, shown, strict=True):
            assert (first[pair], second[pair]) == (a, b)
            assert (labels[first[pair]], labels[second[pair]]) == (class_a, class_b)
            assert distance == pytest.approx(distances[pair], rel=5e-3)
        close = explorer.examples(kind, 1)
        gaps = [4 - pair[4] if kind == "impostor" else pair[4] - 4 for pair in close]
        assert len(close) == 5
        assert min(gaps) >= -0.005, "a pair on the right side of the threshold"
        assert max(gaps) < 0.1
    explorer.find(".histogram").focus()
    explorer.page.keyboard.press("Home")
    explorer.wait_for_threshold(0)
    assert explorer.examples("impostor", 0) == explorer.examples("impostor", 1) == []
    heading = explorer.find('[data-kind="impostor"] .kind-name').inner_text()
    assert heading.strip() == "0 impostor pairs accepted wrongly"


def test_what_is_wrong_is_hatched_up_to_the_line(open_page):
    explorer = open_page({"threshold": 4.0})
    explorer.wait_for_threshold(4)
    x, _ = explorer.line()
    left = explorer.find(".histogram").bounding_box()["x"]
    edges = explorer.find("clipPath rect").evaluate_all(
        """(rects) => rects.map(({ x, width }) =>
          [x.baseVal.value, x.baseVal.value + width.baseVal.value])"""
    )
    assert edges[0][1] == edges[1][0] == pytest.approx(x - left, abs=0.6)
    hatched = explorer.find('[fill^="url(#hatch"]')
    assert [each.get_attribute("clip-path") for each in hatched.all()] == [
        "url(#rejected)",
        "url(#accepted)",
    ]


def test_the_line_never_strikes_out_a_share(open_page):
    explorer = open_page({"threshold": 0.0})
    explorer.find(".histogram").focus()
    for _ in range(40):
        explorer.page.keyboard.press("PageUp")
        struck = explorer.find(".share").evaluate_all(
            """(texts) => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(
              () => done(texts.filter((text) => {
                const line = text.ownerSVGElement.querySelector(".line path");
                const at = line.getBoundingClientRect();
                const { left, right, width } = text.getBoundingClientRect();
                return width && left < at.right && right > at.left;
              }).map((text) => text.textContent)))))"""
        )
        assert not struck
    words = explorer.find(".plots").inner_text()
    assert "share of genuine pairs" in words
    assert "receiver operating characteristic" in words


def test_one_embedding_without_pictures_shows_labels(open_page, data):
    explorer = open_page({"embeddings": data["embeddings"]["trained"], "images": None})
    assert not explorer.find(".names").is_visible()
    assert not explorer.find(".baseline").is_visible()
    assert explorer.find(".item.mark").first.inner_text() in "0123456789"
    assert "untrained" not in explorer.find(".widget").inner_text()


def test_a_collapsed_embedding_is_still_shown(open_page):
    explorer = open_page({"embeddings": np.ones((ITEMS, 2))})
    assert explorer.counts() == (18_000, 0)
    explorer.find(".goal").first.click()
    explorer.wait_for("find('.false-accepts').textContent.startsWith('0 ')")
    assert explorer.counts() == (0, 1900)
    assert explorer.threshold() < 0


# ---------------------------------------------------------------- in JupyterLab


def make_notebook(folder):
    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    cells = SETUP.format(folder=str(folder)), "explorer"
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
    return notebook


STATE = "[explorer.threshold, explorer.false_accept_rate, explorer.false_reject_rate]"


def wait_for_python(notebook, explorer):
    """Waits until the kernel has the threshold that is shown; gives the rates it has."""
    _, *rates = notebook.read_until(STATE, lambda state: state[0] == explorer.threshold())
    return rates


def test_the_round_trip_to_python_and_back(lab, request, curves):
    notebook = lab(make_notebook(request.path.parent), has_touch=True, width=1100, height=1100)
    notebook.run_all()
    explorer = Explorer(notebook.page)
    start = explorer.threshold()
    explorer.find(".histogram").scroll_into_view_if_needed()
    x, y = explorer.line()
    notebook.page.mouse.move(x, y)
    notebook.page.mouse.down()
    notebook.page.mouse.move(x + 50, y, steps=5)
    notebook.page.mouse.up()
    explorer.wait_for_another(start)
    rates = wait_for_python(notebook, explorer)
    accepts, rejects = counts_at(curves["trained"], explorer.threshold())
    assert rates == [accepts / 18_000, rejects / 1900]

    dragged = explorer.threshold()
    explorer.find(".histogram").scroll_into_view_if_needed()
    box = steady_box(explorer.find(".histogram"))
    notebook.page.touchscreen.tap(box["x"] + 120, box["y"] + 100)
    explorer.wait_for_another(dragged)
    assert explorer.line()[0] == pytest.approx(box["x"] + 120, abs=1.5)
    wait_for_python(notebook, explorer)

    explorer.find(".name").first.click()
    explorer.wait_for("find('.status').textContent.includes('in untrained')")
    explorer.settle()
    rates = wait_for_python(notebook, explorer)
    notebook.read_until("explorer.embedding", "untrained")
    accepts, rejects = counts_at(curves["untrained"], explorer.threshold())
    assert rates == [accepts / 18_000, rejects / 1900]
    explorer.find("[data-scale=log]").click()
    explorer.wait_for("find('[data-scale=log]').getAttribute('aria-pressed') === 'true'")
    notebook.read_until("explorer.scale", "log")

    notebook.tell("explorer.embedding = 'trained'; explorer.threshold = 3.25")
    explorer.wait_for_threshold(3.25)
    assert explorer.counts() == counts_at(curves["trained"], 3.25)

    explorer.find(".thresholds").focus()
    active, cells = notebook.active_cell(), notebook.page.locator(".jp-Cell").count()
    for key in ("ArrowDown", "x", "b", "End"):
        notebook.page.keyboard.press(key)
    explorer.wait_for("find('.false-rejects').textContent.startsWith('0 ')")
    explorer.settle()
    assert notebook.active_cell() == active
    assert notebook.page.locator(".jp-Cell").count() == cells
    assert wait_for_python(notebook, explorer) == [1, 0]
    small = explorer.find("button").evaluate_all(
        """(buttons) => buttons.filter((button) => {
          const { width, height } = button.getBoundingClientRect();
          return Math.min(width, height) < 44;
        }).map((button) => button.textContent)"""
    )
    assert not small


# ---------------------------------------------------------------- the look


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 700, 330])
def test_themes_and_widths(open_page, screenshot, color_scheme, width):
    explorer = open_page({"scale": "log"}, width=width, color_scheme=color_scheme)
    is_dark = "find('.widget').classList.contains('dark') === argument"
    explorer.wait_for(is_dark, color_scheme == "dark")
    assert explorer.page.evaluate("document.documentElement.scrollWidth") <= width
    outside = explorer.find("svg text").evaluate_all(
        """(texts) => texts.filter((text) => {
          const box = text.getBoundingClientRect();
          const plot = text.ownerSVGElement.getBoundingClientRect();
          return box.left < plot.left - 1 || box.right > plot.right + 1
            || box.top < plot.top - 1 || box.bottom > plot.bottom + 1;
        }).map((text) => text.textContent)"""
    )
    assert not outside, "text is cut off"
    plots = [explorer.find(plot).bounding_box() for plot in (".histogram", ".roc")]
    assert (plots[0]["y"] == plots[1]["y"]) == (width == 1280)
    screenshot(explorer.page, f"threshold-explorer-{color_scheme}-{width}")
