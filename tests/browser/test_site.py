"""The site: every page of it opened in a real browser, with no network."""

import functools
import html
import http.server
import json
import re
import threading
from urllib.parse import unquote

import nbformat
import pytest
from lab_server import pause

from tripletviz.figures import training_curves
from tripletviz.lessons.publishing import make_site
from tripletviz.lessons.publishing.site import TEXTS
from tripletviz.lessons.runner import NOTEBOOKS

pytestmark = [pytest.mark.browser, pytest.mark.notebooks]
LESSON_PAGES = [f"{path.stem}.html" for path in sorted(NOTEBOOKS.glob("*.ipynb"))]
TEXT_PAGES = [page for file, page, *_ in TEXTS if (NOTEBOOKS / file).exists()]
PAGES = ["index.html", *LESSON_PAGES, *TEXT_PAGES]
WIDGET = ".jupyter-widgets.jp-OutputArea-output"
# Of the page's figure: its title's lines, where the longest ends, the figure's height, the words.
TITLE = """() => {
  const title = document.querySelector(".gtitle");
  const found = [...title.querySelectorAll("tspan.line")];
  const lines = found.length ? found : [title];
  const { height } = document.querySelector(".js-plotly-plot").getBoundingClientRect();
  const right = Math.max(...lines.map((line) => line.getBoundingClientRect().right));
  return [lines.length, right, height, lines.map((line) => line.textContent).join(" ")];
}"""


@pytest.fixture(scope="module")
def site(browser, export_folder, executed_folder, tmp_path_factory):
    """Folder of the site, made of all executed notebooks."""
    output = tmp_path_factory.mktemp("site")
    made = make_site(executed_folder, output)
    assert [path.name for path in made] == [
        "index.html",
        *sorted(LESSON_PAGES, key=lambda page: not page[:2].isdigit()),
        *TEXT_PAGES,
    ]
    return output


def wait_for_formulas(page):
    page.wait_for_function(
        "window.MathJax === undefined || (MathJax.isReady && MathJax.Hub.queue.pending === 0)"
    )


def open_whole(page, path):
    """Opens a page and waits until every widget and figure of it is there."""
    page.goto(path.as_uri())
    wait_for_formulas(page)
    for place in page.locator(f".tripletviz-plot, {WIDGET}").all():
        place.scroll_into_view_if_needed()
        page.wait_for_function(
            """(place) => place.matches(".tripletviz-plot")
              ? place.querySelector(".main-svg")
              : place.querySelector("[class*=tripletviz-], .lm-Widget")""",
            arg=place.element_handle(),
        )
    pause(page, 300)


@functools.cache
def ids_of(path):
    ids = re.findall(r'\bid="([^"]+)"', path.read_text(encoding="utf-8"))
    return {html.unescape(each) for each in ids}


def dead_links(page, site, name):
    """Links of an opened page, those that scripts made too, that lead nowhere on this site."""
    links = page.evaluate(
        "[...document.querySelectorAll('a[href]')].map((a) => a.getAttribute('href'))"
    )
    dead = []
    for link in links:
        if re.match(r"https://|mailto:", link):
            continue
        file, _, anchor = link.partition("#")
        target = site / (unquote(file) or name)
        # As a browser does, which also takes an id that is spelt with percents itself.
        if (
            not target.is_file()
            or not target.resolve().is_relative_to(site.resolve())
            or (anchor and not {anchor, unquote(anchor)} & ids_of(target))
        ):
            dead.append(link)
    assert links
    return dead


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [1280, 700])
def test_a_page_is_whole_alive_and_linked_without_a_network(
    name, width, site, new_page, screenshot
):
    page = new_page(offline=True, width=width)
    open_whole(page, site / name)  # `new_page` fails the test for errors and outside requests
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    assert page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")
    assert not page.locator(".MathJax_Error, .mjx-merror").count()
    assert "$$" not in page.locator("body").inner_text()
    assert not page.locator("main details[open]").count(), "answers and solutions are folded"
    page.evaluate("scrollTo(0, 0)")
    screenshot(page, f"site-{name.removesuffix('.html')}-{width}")
    for host in page.locator(f"{WIDGET} [class^=tripletviz-]").all():
        handle = host.element_handle()
        page.wait_for_function("(host) => host.shadowRoot?.textContent.trim() !== ''", arg=handle)
    # Controls that only a kernel could serve say so.
    for place in page.locator(WIDGET).all():
        controls = place.locator(".widget-button, .widget-slider, .widget-dropdown, .widget-text")
        if controls.count():
            note = place.locator("xpath=following-sibling::*[1]")
            assert "need a running kernel" in note.inner_text()
    assert dead_links(page, site, name) == []


def test_the_title_of_a_figure_is_broken_as_the_page_allows(export_html, new_page):
    title = (
        "R@1 rose from 0.938 before the first update to 0.991 after one epoch of training with X"
    )
    figure = training_curves([0, 1], {"loss": [1, 0]}, title=title)
    cell = nbformat.v4.new_code_cell("figure", execution_count=1)
    data = {"application/vnd.plotly.v1+json": json.loads(figure.to_json())}
    cell.outputs = [nbformat.v4.new_output("execute_result", data, execution_count=1)]
    page = new_page(offline=True)
    page.goto(export_html(nbformat.v4.new_notebook(cells=[cell]), execute=False).as_uri())
    found = {}
    for width in (1280, 400, 700):
        page.set_viewport_size({"width": width, "height": 800})
        # Broken anew, and as high as its lines ask for: Python reckoned with two.
        page.wait_for_function(
            f"""([width, two]) => {{
              const title = document.querySelector(".gtitle");
              if (title === null) return false;
              const [lines, right, height] = ({TITLE})();
              return right <= width - 16 && height === two + 21 * (lines - 2);
            }}""",
            arg=[width, figure.layout.height],
        )
        pause(page, 300)
        found[width], right, _, words = page.evaluate(TITLE)
        assert right <= width - 16, "the title is cut"
        assert words == title
    assert found[1280] == 1, "there was room for one line"
    assert found[1280] < found[700] <= found[400]


def test_the_player_of_lesson_04_plays(site, new_page):
    page = new_page(offline=True)
    open_whole(page, site / "04-train-on-mnist.html")
    player = page.locator(".tripletviz-embedding-player").first
    player.scroll_into_view_if_needed()
    start = player.locator("canvas").evaluate("(canvas) => canvas.toDataURL()")
    player.locator(".play").click()
    page.wait_for_function(
        "([canvas, start]) => canvas.toDataURL() !== start",
        arg=[player.locator("canvas").element_handle(), start],
    )


def test_the_index_lists_every_lesson(site, new_page):
    page = new_page(offline=True)
    page.goto((site / "index.html").as_uri())
    entries = page.locator("ol.lessons > li")
    assert entries.count() == sum(name[:2].isdigit() for name in LESSON_PAGES)
    for entry in entries.all():
        assert re.search(r"minutes|hour", entry.locator(".time").inner_text())
        assert entry.locator(".abilities li").count() >= 1
        downloaded = site / entry.locator(".get").get_attribute("href")
        assert downloaded.read_bytes() == (NOTEBOOKS / downloaded.name).read_bytes()


@pytest.fixture
def served(site):
    """Address of the site on this machine: axe-core reads style sheets, which a file may not."""
    handler = functools.partial(QuietHandler, directory=site)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_GET(self):
        if self.path == "/favicon.ico":  # browsers ask for it by themselves
            self.send_response(204)
            self.end_headers()
        else:
            super().do_GET()


@pytest.mark.parametrize("name", ["index.html", "04-train-on-mnist.html"])
def test_pages_are_accessible(name, served, new_page, find_violations):
    page = new_page()
    page.goto(f"{served}/{name}")
    wait_for_formulas(page)
    pause(page, 300)
    assert not find_violations(page, "header")
    assert not find_violations(page, "main > *:not(:has(.tripletviz-plot, .jupyter-widgets))")
