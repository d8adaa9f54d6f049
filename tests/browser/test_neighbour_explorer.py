"""`NeighbourExplorer` in a real browser: in JupyterLab, and in its own page without a network."""

import nbformat
import numpy as np
import pytest

from tripletviz.evaluation import nearest_neighbors, recall_at_k
from tripletviz.widgets.neighbour_explorer import NeighbourExplorer

pytestmark = pytest.mark.browser

ITEMS, K = 200, 10
DASH, TIMES = "\N{EN DASH}", "\N{MULTIPLICATION SIGN}"


def make_data():
    """Ten classes that overlap in one embedding and hardly in the other."""
    generator = np.random.default_rng(0)
    labels = np.arange(ITEMS) % 10
    angles = labels * np.pi / 5
    centers = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    noise = generator.normal(0, 1, (ITEMS, 2))
    images = np.zeros((ITEMS, 28, 28), np.uint8)
    for item, label in enumerate(labels):
        images[item, 4:24, 4 + label : 8 + label] = 255
        images[item, 26, : item // 8] = 255
    return {
        "embeddings": {"untrained": centers + 0.4 * noise, "trained": 9 * centers + noise},
        "labels": labels,
        "images": images,
    }


SETUP = """
import sys
sys.path.insert(0, {folder!r})
from test_neighbour_explorer import make_data
from tripletviz.widgets.neighbour_explorer import NeighbourExplorer
explorer = NeighbourExplorer(**make_data(), query=3)
"""


@pytest.fixture(scope="module")
def data():
    return make_data()


@pytest.fixture(scope="module")
def expected(data):
    """The truth for each embedding: neighbours, distances, and whether they are right."""
    truth = {}
    for name, embeddings in data["embeddings"].items():
        distances, indices = nearest_neighbors(embeddings, k=K)
        hits = data["labels"][indices] == data["labels"][:, np.newaxis]
        truth[name] = {"distances": distances, "indices": indices, "hits": hits}
    return truth


class Explorer:
    """What a reader sees and touches of one explorer on a page."""

    def __init__(self, page):
        self.page = page
        self.root = page.locator(".tripletviz-neighbour-explorer")
        self.find(".card-picture.digit").wait_for()

    def find(self, selector):
        return self.root.locator(selector)

    def wait_for(self, condition, argument=None):
        """Waits until a condition holds of `find(selector)`, `all(selector)` and an argument."""
        self.page.wait_for_function(
            f"""(argument) => {{
              const root = document.querySelector(".tripletviz-neighbour-explorer").shadowRoot;
              const find = (selector) => root.querySelector(selector);
              const all = (selector) => [...root.querySelectorAll(selector)];
              return {condition};
            }}""",
            arg=argument,
        )

    def wait_for_query(self, item):
        self.wait_for(
            "find('.number-field').valueAsNumber === argument"
            " && find('.status').textContent.startsWith(`Query ${argument} is`)",
            item,
        )

    def query(self):
        return int(self.find(".number-field").input_value())

    def shown(self, panel):
        """Of each neighbour in a panel: its item, whether its frame says right, and the texts."""
        return (
            self.find(".panel")
            .nth(panel)
            .locator(".tile")
            .evaluate_all(
                """(tiles) => tiles.map((tile) => ({
              item: Number(tile.getAttribute("aria-label").match(/item (\\d+)/)[1]),
              right: tile.classList.contains("right"),
              frame: getComputedStyle(tile.querySelector(".frame")).borderTopStyle,
              verdict: tile.querySelector(".verdict").textContent,
              distance: tile.querySelector(".number").textContent,
              relative: tile.querySelector(".relative").textContent,
            }))"""
            )
        )

    def strip(self):
        """The queries on the page of the strip that is shown."""
        return self.find(".cell").evaluate_all(
            "(cells) => cells.filter((c) => c.style.visibility !== 'hidden').map((c) => c.item)"
        )


@pytest.fixture
def open_page(new_page, tmp_path, data):
    """Opens the page that `save_html` writes, from disk and with no network."""

    def open_explorer(arguments=(), **options):
        explorer = NeighbourExplorer(**{"query": 3, **data, **dict(arguments)})
        path = explorer.save_html(tmp_path / "explorer.html")
        page = new_page(offline=True, **options)
        page.goto(path.as_uri())
        return Explorer(page)

    return open_explorer


# ---------------------------------------------------------------- the numbers


def test_the_script_counts_as_the_package_does(script):
    module = script("neighbour_explorer")
    generator = np.random.default_rng(5)
    for case in range(4):
        embeddings = generator.normal(size=(40, 2)).round(case % 2)  # ties and copies among them
        labels = generator.integers(0, 3 + 3 * case, 40)
        queries = np.sort(generator.permutation(40)[: 40 if case < 2 else 15])
        rest = np.setdiff1d(np.arange(40), queries)
        gallery = rest if len(rest) else None
        sets = (embeddings[queries], None if gallery is None else embeddings[gallery])
        _, indices = nearest_neighbors(*sets, k=6)
        neighbours = indices if gallery is None else gallery[indices]
        hits = module.call("hitsOf", neighbours.ravel().tolist(), queries.tolist(), labels.tolist())
        recall = recall_at_k(
            sets[0],
            labels[queries],
            sets[1],
            None if gallery is None else labels[gallery],
            k=(1, 3, 6),
        )
        for k, value in recall.items():
            assert module.call("recallAt", hits, 6, k) == value


def test_the_script_filters_by_the_first_neighbour(script):
    module = script("neighbour_explorer")
    generator = np.random.default_rng(6)
    hits = generator.integers(0, 2, (2, 50, 3))
    given = [each.ravel().tolist() for each in hits], ["a", "b"], 3
    first = hits[:, :, 0].astype(bool)
    for chosen, places in [
        ({}, np.arange(50)),
        ({"a": "wrong"}, np.flatnonzero(~first[0])),
        ({"b": "right"}, np.flatnonzero(first[1])),
        ({"a": "wrong", "b": "right"}, np.flatnonzero(~first[0] & first[1])),
    ]:
        assert module.call("placesLeft", *given, chosen) == places.tolist()


# ---------------------------------------------------------------- in its own page


def test_shows_the_neighbours_of_the_query_in_both_embeddings(open_page, data, expected):
    explorer = open_page({"query": 58})
    explorer.wait_for_query(58)
    for panel, (name, truth) in enumerate(expected.items()):
        shown = explorer.shown(panel)
        assert [tile["item"] for tile in shown] == truth["indices"][58].tolist()
        assert [tile["right"] for tile in shown] == truth["hits"][58].tolist()
        distances = truth["distances"][58]
        np.testing.assert_allclose([float(t["distance"]) for t in shown], distances, rtol=5e-3)
        every, _ = nearest_neighbors(data["embeddings"][name], k=ITEMS - 1)
        relative = [float(t["relative"].removesuffix(TIMES)) for t in shown]
        np.testing.assert_allclose(relative, distances / every.mean(), atol=0.0051)
        for tile in shown:  # told by shape and mark, not by colour alone
            label = data["labels"][tile["item"]]
            assert tile["verdict"] == f"{'✓' if tile['right'] else '✗'} {label}"
            assert tile["frame"] == ("solid" if tile["right"] else "dashed")
        right = truth["hits"][58].sum()
        heading = explorer.find(".panel").nth(panel)
        assert heading.locator(".score").inner_text() == f"{right} of 10 right"
        recall = recall_at_k(data["embeddings"][name], data["labels"], k=(1, 10))
        assert heading.locator(".baseline").inner_text() == (
            f"R@1 {recall[1]:.3f} · R@10 {recall[10]:.3f} over all 200 queries"
        )
    assert explorer.find(".setting").inner_text() == (
        "Press a query to look it up in the gallery. Queries: all 200 items. "
        "Gallery of each: the other 199, so that no query finds itself."
    )
    assert "are not on one scale" in explorer.find(".note").inner_text()
    assert "Euclidean distance" in explorer.find(".note").inner_text()


def test_pictures_are_those_of_the_items(open_page):
    explorer = open_page({"query": 58})
    explorer.wait_for_query(58)
    # 200 pictures lie in 15 columns: number 58 is in row 3, column 13; four pixels a pixel.
    picture = explorer.find(".card-picture")
    position = picture.evaluate("(e) => e.style.backgroundPosition")
    assert position == f"-{13 * 112}px -{3 * 112}px"
    tile = explorer.find(".tile").first
    item = explorer.shown(0)[0]["item"]
    size = tile.locator(".picture").evaluate("(e) => e.clientWidth")
    assert tile.locator(".picture").evaluate("(e) => e.style.backgroundPosition") == (
        f"-{item % 15 * size}px -{item // 15 * size}px".replace("-0px", "0px")
    )


def test_a_pressed_query_and_a_pressed_neighbour_are_looked_up(open_page, expected):
    explorer = open_page()
    explorer.find(".cell").nth(17).click()
    explorer.wait_for_query(17)
    assert explorer.find(".cell[aria-pressed=true]").count() == 1
    assert explorer.find(".cell[aria-pressed=true]").evaluate("(cell) => cell.item") == 17
    neighbour = int(expected["trained"]["indices"][17, 2])
    explorer.find(".panel").nth(1).locator(".tile").nth(2).click()
    explorer.wait_for_query(neighbour)
    assert explorer.strip().count(neighbour) == 1, "the strip did not turn to its page"


def test_a_typed_number_is_looked_up_and_a_wrong_one_refused(open_page):
    explorer = open_page()
    field = explorer.find(".number-field")
    field.fill("142")
    field.press("Enter")
    explorer.wait_for_query(142)
    field.fill("200")
    field.press("Enter")
    explorer.wait_for(
        "find('.status').textContent === argument", ("Item 200 is none of the 200 queries.")
    )
    assert explorer.query() == 142


def test_a_digit_goes_to_the_next_query_of_its_class(open_page):
    explorer = open_page()
    explorer.find(".neighbours").focus()
    explorer.page.keyboard.press("7")
    explorer.wait_for_query(7)
    explorer.page.keyboard.press("7")
    explorer.wait_for_query(17)
    explorer.find(".class").nth(2).click()
    explorer.wait_for_query(22)
    explorer.page.keyboard.press("End")
    explorer.wait_for_query(199)
    explorer.page.keyboard.press("0")  # from the start again
    explorer.wait_for_query(0)


def test_keys_move_through_the_queries(open_page):
    explorer = open_page()
    explorer.find(".neighbours").focus()
    columns = explorer.find(".strip").evaluate(
        "(e) => Number(e.style.getPropertyValue('--columns'))"
    )
    size = explorer.find(".cell").count()
    place = 3
    for key, step in [
        ("ArrowRight", 1),
        ("ArrowDown", columns),
        ("PageDown", size),
        ("ArrowLeft", -1),
        ("ArrowUp", -columns),
        ("PageUp", -size),
    ]:
        explorer.page.keyboard.press(key)
        place += step
        explorer.wait_for_query(place)
        assert place in explorer.strip()
    explorer.page.keyboard.press("End")
    explorer.wait_for_query(199)
    explorer.page.keyboard.press("ArrowRight")
    explorer.page.keyboard.press("Home")
    explorer.wait_for_query(0)


def test_focus_in_the_strip_goes_with_the_query(open_page):
    explorer = open_page()
    explorer.find(".cell").nth(5).focus()
    explorer.page.keyboard.press("Enter")
    explorer.wait_for_query(5)
    explorer.page.keyboard.press("PageDown")
    explorer.wait_for_query(5 + explorer.find(".cell").count())
    focused = "find('.cell:focus')?.item === argument"
    explorer.wait_for(focused, 5 + explorer.find(".cell").count())
    assert explorer.find(".cell[tabindex='0']").count() == 1


def test_pages_turn_without_a_new_query(open_page):
    explorer = open_page()
    size = explorer.find(".cell").count()
    assert explorer.find(".page").inner_text() == f"1{DASH}{size} of 200"
    assert explorer.find(".page-back").is_disabled()
    explorer.find(".page-forward").click()
    explorer.wait_for("find('.page').textContent.startsWith(argument)", f"{size + 1}{DASH}")
    assert explorer.strip() == list(range(size, 2 * size))
    assert explorer.query() == 3
    while not explorer.find(".page-forward").is_disabled():
        before = explorer.find(".page").inner_text()
        explorer.find(".page-forward").click()
        explorer.wait_for("find('.page').textContent !== argument", before)
    assert explorer.strip()[-1] == 199
    assert explorer.find(".page").inner_text().endswith(f"{DASH}200 of 200")


def test_the_filter_leaves_queries_by_their_first_neighbour(open_page, expected):
    explorer = open_page()
    first = {name: truth["hits"][:, 0] for name, truth in expected.items()}
    select = explorer.find(".filter")
    wanted = {
        "right or wrong": np.ones(ITEMS, bool),
        "wrong in untrained": ~first["untrained"],
        "wrong in trained": ~first["trained"],
        "wrong in both": ~first["untrained"] & ~first["trained"],
        "wrong in untrained, right in trained": ~first["untrained"] & first["trained"],
        "right in untrained, wrong in trained": first["untrained"] & ~first["trained"],
        "right in both": first["untrained"] & first["trained"],
        "right in untrained": first["untrained"],
        "right in trained": first["trained"],
    }
    options = [f"{words} ({kept.sum()})" for words, kept in wanted.items()]
    assert select.locator("option").all_inner_texts() == options
    for words in ("wrong in untrained", "wrong in untrained, right in trained"):
        kept = np.flatnonzero(wanted[words])
        select.select_option(label=f"{words} ({len(kept)})")
        explorer.wait_for("find('.page').textContent.endsWith(argument)", f" of {len(kept)}")
        size = explorer.find(".cell").count()
        assert explorer.query() in kept
        start = np.flatnonzero(kept == explorer.query())[0] // size * size
        assert explorer.strip() == kept[start : start + size].tolist()
    explorer.find(".neighbours").focus()
    explorer.page.keyboard.press("Home")
    explorer.wait_for_query(int(kept[0]))
    explorer.page.keyboard.press("ArrowRight")
    explorer.wait_for_query(int(kept[1]))


def test_a_filter_that_leaves_nothing_says_so(open_page, data):
    embeddings = {"tidy": np.eye(10)[data["labels"]]}
    explorer = open_page({"embeddings": embeddings, "filter": {"tidy": "wrong"}})
    explorer.wait_for_query(3)
    assert explorer.find(".nothing").is_visible()
    assert explorer.find(".page").inner_text() == "0 of 0"
    assert "It is not among the queries shown." in explorer.find(".status").inner_text()
    explorer.find(".neighbours").focus()
    explorer.page.keyboard.press("ArrowRight")
    explorer.page.keyboard.press("4")
    explorer.wait_for(
        "find('.status').textContent === argument", ("No query of class 4 is among those shown.")
    )
    assert explorer.query() == 3


def test_raw_pixels_stand_beside_the_embeddings(open_page, data):
    explorer = open_page()
    recalls = NeighbourExplorer(**data)._pixel_recalls
    assert explorer.find(".pixels").inner_text() == (
        "For comparison, without a network: raw pixels (Euclidean distance) reach "
        f"R@1 {recalls['1']:.3f} · R@{K} {recalls[str(K)]:.3f} with the same queries and gallery."
    )


def test_a_collapsed_embedding_has_no_multiples_of_its_mean(open_page):
    explorer = open_page({"embeddings": {"collapsed": np.ones((ITEMS, 2))}})
    assert [tile["distance"] for tile in explorer.shown(0)] == ["0.00"] * 10
    assert [tile["relative"] for tile in explorer.shown(0)] == [DASH] * 10


def test_a_gallery_apart_says_who_is_query_and_takes_no_presses(open_page):
    explorer = open_page({"queries": range(0, 200, 4), "query": 8})
    assert explorer.find(".setting").inner_text() == (
        "Press a query to look it up in the gallery. "
        "Queries: 50 of 200 items. Gallery: the other 150."
    )
    assert explorer.strip()[:3] == [0, 4, 8]
    assert not {tile["item"] for tile in explorer.shown(0)} & set(range(0, 200, 4))
    assert explorer.find("button.tile").count() == 0
    explorer.find(".neighbours").focus()
    explorer.page.keyboard.press("ArrowRight")
    explorer.wait_for_query(12)


# ---------------------------------------------------------------- in JupyterLab


def make_notebook(folder):
    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    cells = SETUP.format(folder=str(folder)), "explorer"
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
    return notebook


def test_the_round_trip_to_python_and_back(lab, request):
    notebook = lab(make_notebook(request.path.parent), has_touch=True, width=1000, height=1100)
    notebook.run_all()
    explorer = Explorer(notebook.page)
    explorer.find(".cell").nth(6).click()
    explorer.wait_for_query(6)
    notebook.read_until("explorer.query", 6)
    explorer.find(".cell").nth(2).tap()
    explorer.wait_for_query(2)
    notebook.read_until("explorer.query", 2)
    explorer.find(".filter").select_option(index=1)
    explorer.wait_for("!find('.page').textContent.endsWith(' of 200')")
    notebook.read_until("explorer.filter", {"untrained": "wrong"})
    notebook.read_until("explorer.query", lambda query: query == explorer.query())

    notebook.tell("explorer.query = 123; explorer.filter = {'trained': 'right'}")
    explorer.wait_for_query(123)
    selected = "find('.filter').selectedOptions[0].textContent.startsWith(argument)"
    explorer.wait_for(selected, "right in trained")

    explorer.find(".neighbours").focus()
    active, cells = notebook.active_cell(), notebook.page.locator(".jp-Cell").count()
    for key in ("ArrowDown", "x", "b", "Home", "5"):
        notebook.page.keyboard.press(key)
    explorer.wait_for("find('.status').textContent.includes('is of class 5')")
    assert notebook.active_cell() == active
    assert notebook.page.locator(".jp-Cell").count() == cells
    notebook.read_until("explorer.query", lambda query: query == explorer.query())
    too_small = explorer.find("button, select, input").evaluate_all(
        """(controls) => controls.filter((control) => {
          const { width, height } = control.getBoundingClientRect();
          return Math.min(width, height) < 44;
        }).map((control) => control.className)"""
    )
    assert not too_small


# ---------------------------------------------------------------- the look


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 700, 330])
def test_themes_and_widths(open_page, screenshot, scheme, width):
    explorer = open_page({"query": 58}, width=width, color_scheme=scheme)
    explorer.wait_for_query(58)
    explorer.wait_for("find('.widget').classList.contains('dark') === argument", scheme == "dark")
    assert explorer.page.evaluate("document.documentElement.scrollWidth") <= width
    cut_off = explorer.find("*").evaluate_all(
        """(all) => all.filter((e) => e.clientWidth && e.scrollWidth > e.clientWidth + 1
          && !e.matches("select, input")).map((e) => e.className)"""
    )
    assert not cut_off
    panels = [panel.bounding_box() for panel in explorer.find(".panel").all()]
    assert (panels[0]["y"] == panels[1]["y"]) == (width > 600), "side by side where there is room"
    screenshot(explorer.page, f"neighbour-explorer-{scheme}-{width}")
