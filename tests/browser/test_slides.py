"""The slides: every deck walked through in a real browser, at 1280 x 720 and with no network."""

import dataclasses
import functools

import nbclient
import nbformat
import pytest
from lab_server import steady_box

from tripletviz.lessons.publishing import make_slides
from tripletviz.lessons.publishing.pages import export
from tripletviz.lessons.publishing.slides import count_slides
from tripletviz.lessons.runner import NOTEBOOKS

pytestmark = [pytest.mark.browser, pytest.mark.notebooks]
LESSONS = sorted(path.stem for path in NOTEBOOKS.glob("[0-9][0-9]-*.ipynb"))
LECTURES = [
    name
    for name in LESSONS
    if count_slides(nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4))
]
# What of the slide that is shown does not fit it, in words; nothing if all is well.
PROBLEMS = """() => {
  const slide = Reveal.getCurrentSlide();
  const box = slide.getBoundingClientRect();
  const problems = [];
  if (slide.scrollHeight > slide.clientHeight + 1 || slide.scrollWidth > slide.clientWidth + 1) {
    problems.push(`${slide.scrollWidth} x ${slide.scrollHeight} instead of 1280 x 720`);
  }
  for (const element of slide.querySelectorAll("*")) {
    if (element.closest(".jp-OutputArea-output details, script, style, math")) continue;
    const name = `${element.tagName} ${element.className} ${element.textContent.slice(0, 60)}`;
    const { top, bottom, left, right, width, height } = element.getBoundingClientRect();
    // What text and formulas have of a slide ends before its edge: there they are cut.
    const edge = element.closest(".jp-MarkdownCell") ? box.right - 62 : box.right;
    const over = [box.top - top, bottom - box.bottom, box.left - left, right - edge];
    if (width && height && Math.max(...over) > 1) problems.push(`outside: ${name}`);
    const isCode = element.matches("pre, .jp-InputArea-editor");
    if (isCode && element.scrollWidth > element.clientWidth + 1) problems.push(`cut: ${name}`);
  }
  const shows = slide.innerText.trim() || slide.querySelector("svg, canvas, img, .lm-Widget");
  if (!shows) problems.push("it is empty");
  return problems;
}"""

# Of the whole deck: the sizes of code and of text.
TEXT_SIZES = """() => [...document.querySelectorAll(".highlight pre, .jp-RenderedMarkdown p")]
  .filter((each) => !each.closest("details"))
  .map((each) => parseFloat(getComputedStyle(each).fontSize))"""
QUESTIONS = ("tripletviz-quiz", "tripletviz-prediction")
# Each widget of the slide, and the size of its text as it is shown.
WIDGET_SIZES = """() => [...Reveal.getCurrentSlide().querySelectorAll("[class^=tripletviz-]")]
  .filter((host) => host.shadowRoot)
  .map((host) => {
    const zoom = parseFloat(host.closest(".jupyter-widgets.jp-OutputArea-output").style.zoom);
    const { fontSize } = getComputedStyle(host.shadowRoot.querySelector(".widget"));
    return [host.classList[0], zoom * parseFloat(fontSize)];
  })"""
# Of each figure of the slide its width, and those of the lines of its title.
TITLES = """() => [...Reveal.getCurrentSlide().querySelectorAll(".js-plotly-plot")]
  .map((figure) => {
    const lines = figure.querySelectorAll(".gtitle tspan.line");
    const parts = lines.length ? [...lines] : [figure.querySelector(".gtitle")];
    const widthOf = (element) => element.getBoundingClientRect().width;
    return [widthOf(figure), parts.map(widthOf)];
  })"""


@pytest.fixture(scope="module")
def slides(browser, export_folder, executed_folder, tmp_path_factory):
    """Folder of the decks, made of all executed lessons; and what was said of each."""
    output, said = tmp_path_factory.mktemp("slides"), []
    made = make_slides(executed_folder, output, say=said.append)
    assert [path.stem for path in made] == LECTURES
    for name in set(LESSONS) - set(LECTURES):
        assert f"{name}: no cell is tagged for slides" in said
    return output


def open_deck(page, path):
    page.goto(path.as_uri())
    page.wait_for_function("window.deck !== undefined")
    return page.evaluate("Reveal.getTotalSlides()")


def show(page, number):
    page.evaluate("(number) => Reveal.slide(number)", number)
    page.evaluate("() => window.deck.settled().then(() => null)")


@dataclasses.dataclass
class Walk:
    """What was seen of a deck; lists have an entry for each slide."""

    text_sizes: list[float]
    problems: list[list[str]]
    widget_sizes: list[list[tuple[str, float]]]
    titles: list[list[tuple[float, list[float]]]]


@pytest.fixture(scope="module")
def walk(slides, page_for_all, screenshot):
    """Walks once through a deck for all tests: `walk(name)` gives a `Walk`.

    Pictures of its slides are taken on the way, for people to look at.
    """

    @functools.cache
    def walk_through(name):
        with page_for_all() as new_page:
            page = new_page(offline=True, width=1280, height=720)
            count = open_deck(page, slides / f"{name}.html")
            seen = Walk(page.evaluate(TEXT_SIZES), [], [], [])
            for number in range(count):
                show(page, number)
                seen.problems.append(page.evaluate(PROBLEMS))
                seen.widget_sizes.append(page.evaluate(WIDGET_SIZES))
                seen.titles.append(page.evaluate(TITLES))
                screenshot(page, f"slides-{name}-{number + 1:02d}")
        assert count
        return seen

    return walk_through


@pytest.mark.parametrize("name", LECTURES)
def test_no_slide_overflows(name, walk):
    problems = enumerate(walk(name).problems, 1)
    assert {number: each for number, each in problems if each} == {}


@pytest.mark.parametrize("name", LECTURES)
def test_code_text_and_widgets_are_large(name, walk):
    seen = walk(name)
    assert min(seen.text_sizes) >= 18
    for number, widgets in enumerate(seen.widget_sizes, 1):
        for widget, size in widgets:
            least = 18 if widget in QUESTIONS else 13
            assert size >= least, f"slide {number}: the text of {widget} is too small"


@pytest.mark.parametrize("name", ["06-evaluate-embeddings", "10-classify"])
def test_titles_of_figures_use_the_width_of_the_slide(name, walk):
    figures = [figure for slide in walk(name).titles for figure in slide]
    assert figures
    for width, lines in figures:
        assert max(lines) < width
        # One line fewer would not have fitted.
        assert len(lines) == 1 or sum(lines) > (len(lines) - 1) * 0.9 * width


def test_a_lecturer_walks_by_keyboard_and_sees_the_number(slides, new_page):
    page = new_page(offline=True, width=1280, height=720)
    count = open_deck(page, slides / f"{LECTURES[0]}.html")
    assert page.locator(".slide-number").inner_text().split() == ["1", "/", str(count)]
    page.keyboard.press("ArrowRight")
    page.wait_for_function("Reveal.getIndices().h === 1")
    assert page.locator(".slide-number").inner_text().startswith("2")


def test_a_widget_on_an_enlarged_slide_follows_the_pointer(export_folder, new_page):
    cell = nbformat.v4.new_code_cell(
        "from tripletviz.widgets import TripletPlayground\nTripletPlayground()",
        metadata={"slideshow": {"slide_type": "slide"}},
    )
    notebook = nbformat.v4.new_notebook(cells=[cell])
    nbclient.NotebookClient(
        notebook, timeout=900, startup_timeout=300, store_widget_state=True
    ).execute()
    path = export_folder / "playground.html"
    path.write_text(export(notebook, "Playground", slides=True), encoding="utf-8")
    page = new_page(offline=True, width=1920, height=1080)
    open_deck(page, path)
    show(page, 0)
    point = page.locator(".tripletviz-triplet-playground .point.negative")

    def middle():
        box = steady_box(point)
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    x, y = middle()
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 120, y - 60, steps=5)
    page.mouse.up()
    assert middle() == pytest.approx((x + 120, y - 60), abs=3)
