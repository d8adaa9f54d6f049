"""The t-SNE page in a real browser, from a file, without a network and without WebGL."""

import numpy as np
import pytest
from lab_server import pause

from tripletviz.palette import CLASS_COLORS
from tripletviz.summaries import write_tsne_page

pytestmark = pytest.mark.browser

COUNT = 10_000
LABELS = np.arange(COUNT) % 10
# Point 5000 lies alone, so that the pointer finds it.
LONELY = 5000


def made_up_points():
    """Ten clouds on a circle, in place of a t-SNE, which takes half a minute."""
    angles = LABELS * np.pi / 5
    centres = 20 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    points = centres + np.random.default_rng(0).normal(size=(COUNT, 2))
    points[LONELY] = 0
    return points.astype("float32")


def made_up_images():
    """Each image has one dark column, its place telling the index."""
    images = np.zeros((COUNT, 7, 7), np.uint8)
    images[np.arange(COUNT), :, np.arange(COUNT) % 7] = 255
    return images


@pytest.fixture(scope="module")
def tsne_page(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "tsne.html"
    return write_tsne_page(path, made_up_points(), LABELS, made_up_images(), caption="Made up.")


@pytest.fixture
def open_page(tsne_page, new_page):
    """Opens the page without a network and without WebGL; it must ask for nothing but itself."""
    requests = []

    def open_it(**options):
        page = new_page(offline=True, **options)
        page.add_init_script(
            """const getContext = HTMLCanvasElement.prototype.getContext;
            HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
              return kind.includes("webgl") ? null : getContext.call(this, kind, ...rest);
            };"""
        )
        page.on("request", lambda request: requests.append(request.url))
        page.goto(tsne_page.as_uri())
        page.locator(".scatterlayer .point").first.wait_for(state="attached")
        return page

    yield open_it
    assert [url for url in requests if not url.startswith(("data:", "blob:"))] == [
        tsne_page.as_uri()
    ]


def drawn(page):
    """Of each class in the picture: colour, and number of points that can be seen."""
    return page.evaluate(
        """() => {
          const plot = document.querySelector(".nsewdrag").getBoundingClientRect();
          return [...document.querySelectorAll(".scatterlayer .trace")].map((trace) => {
            const points = [...trace.querySelectorAll(".point")];
            const seen = points.filter((point) => {
              const { left, right, top, bottom, width } = point.getBoundingClientRect();
              return width > 0 && left >= plot.left && right <= plot.right
                && top >= plot.top && bottom <= plot.bottom;
            });
            return { fill: getComputedStyle(points[0]).fill, count: seen.length };
          });
        }"""
    )


def test_all_ten_thousand_points_are_drawn(open_page, screenshot):
    page = open_page()
    classes = drawn(page)
    assert [each["count"] for each in classes] == [COUNT // 10] * 10
    colors = [tuple(bytes.fromhex(color[1:])) for color in CLASS_COLORS]
    assert [each["fill"] for each in classes] == [f"rgb{color}" for color in colors]
    paths = page.locator(".scatterlayer .trace .points").evaluate_all(
        "(groups) => groups.map((group) => group.querySelector('.point').getAttribute('d'))"
    )
    assert len(set(paths)) == 10  # a marker for each class, beside the colour
    assert page.locator("canvas").count() == 0
    screenshot(page, "tsne-page-1280")


def test_a_narrow_page_shows_them_all_and_scrolls_only_down(open_page, screenshot):
    page = open_page(width=390)
    assert sum(each["count"] for each in drawn(page)) == COUNT
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    screenshot(page, "tsne-page-390")


def test_the_page_says_in_words_what_it_shows(open_page):
    page = open_page()
    heading = page.get_by_role("heading").inner_text()
    assert heading.endswith("% of 10,000 points have a nearest neighbour of their class")
    assert page.title() == heading
    picture = page.get_by_role("img", name="Scatter plot of 10,000 points in 10 classes")
    assert picture.count() == 1
    assert page.get_by_text("Made up.").is_visible()
    assert page.locator(".xtick, .ytick").count() == 0


def test_the_legend_hides_and_shows_a_class(open_page):
    page = open_page()
    toggles = page.locator(".legendtoggle")
    assert toggles.count() == 10
    toggles.nth(3).click()
    page.wait_for_function("document.querySelectorAll('.scatterlayer .point').length === 9000")
    assert f"rgb{tuple(bytes.fromhex(CLASS_COLORS[3][1:]))}" not in [
        each["fill"] for each in drawn(page)
    ]
    pause(page, 500)  # a second click too soon would be a double click
    toggles.nth(3).click()
    page.wait_for_function("document.querySelectorAll('.scatterlayer .point').length === 10000")


def test_the_wheel_zooms_and_a_double_click_shows_everything_again(open_page):
    page = open_page()
    middle = page.locator(".nsewdrag").bounding_box()
    x, y = middle["x"] + middle["width"] / 2, middle["y"] + middle["height"] / 2

    def wait_for_width(condition, width):
        page.wait_for_function(
            f"""(width) => {{
              const [low, high] = document.getElementById("plot")._fullLayout.xaxis.range;
              return high - low {condition} width;
            }}""",
            arg=width,
        )

    low, high = page.evaluate("document.getElementById('plot')._fullLayout.xaxis.range")
    page.mouse.move(x, y)
    page.mouse.wheel(0, -1200)
    wait_for_width("<", 0.95 * (high - low))
    # A busy page may take longer from click to click than readers do.
    page.evaluate("document.getElementById('plot')._context.doubleClickDelay = 60000")
    page.mouse.dblclick(x + 60, y)
    wait_for_width(">", 0.99 * (high - low))
    pause(page, 100)
    assert sum(each["count"] for each in drawn(page)) == COUNT


def test_a_point_tells_its_class_and_index_and_shows_its_image(open_page, screenshot):
    page = open_page()
    place = page.locator(".scatterlayer .trace").nth(LONELY % 10).locator(".point")
    box = place.nth(LONELY // 10).bounding_box()
    page.mouse.move(box["x"] - 40, box["y"])
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=4)
    tooltip = page.locator("#tooltip")
    tooltip.wait_for()
    assert tooltip.inner_text().split("\n") == [f"class {LONELY % 10}", f"index {LONELY}"]
    screenshot(page, "tsne-page-hover")
    # What the browser paints in the tooltip: one dark column, at the index's place.
    image = tooltip.locator("div").first
    darkest = image.evaluate(
        """async (element) => {
          const style = getComputedStyle(element);
          const sheet = new Image();
          sheet.src = style.backgroundImage.slice(5, -2);
          await sheet.decode();
          const [left, top] = style.backgroundPosition.split(" ").map(parseFloat);
          const zoom = parseFloat(style.backgroundSize) / sheet.naturalWidth;
          const canvas = new OffscreenCanvas(7, 7).getContext("2d");
          canvas.drawImage(sheet, left / zoom, top / zoom);
          const { data } = canvas.getImageData(0, 0, 7, 7);
          return Array.from({ length: 7 }, (_, x) => x).filter((x) => data[4 * (3 * 7 + x)] < 128);
        }"""
    )
    assert darkest == [LONELY % 7]
    page.mouse.move(5, 5)
    tooltip.wait_for(state="hidden")
