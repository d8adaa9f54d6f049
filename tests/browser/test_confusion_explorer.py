"""`ConfusionExplorer` in a real browser: in JupyterLab, and in its own page without a network."""

from decimal import ROUND_HALF_UP, Decimal

import nbformat
import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_score, recall_score

from tripletviz.widgets import ConfusionExplorer

pytestmark = pytest.mark.browser

ITEMS = 240
MINUS, DASH, SPACE = "\N{MINUS SIGN}", "\N{EN DASH}", "\N{NO-BREAK SPACE}"
PRESENT = [*range(0, 20, 2), 31]  # nothing is of class 31, though it is predicted
ROWS = PRESENT[:-1]


def make_data():
    """Ten classes, even numbers, and two methods that err on about every fifth and third image."""
    generator = np.random.default_rng(0)
    labels = np.sort(generator.choice(ROWS, ITEMS))
    errors = generator.random((2, ITEMS)) < [[0.2], [0.35]]
    near, far = np.where(errors, generator.choice(PRESENT, (2, ITEMS)), labels)
    near[np.flatnonzero(labels == 4)[:5]] = 18
    near[near == 31] = 16
    images = np.zeros((ITEMS, 28, 28), np.uint8)
    for item, label in enumerate(labels):
        images[item, 4:24, 4 + label : 8 + label] = 255
        images[item, 26, : item // 10] = 255
    return {"images": images, "labels": labels, "predictions": {"near": near, "far": far}}


SETUP = """
import sys
sys.path.insert(0, {folder!r})
from test_confusion_explorer import make_data
from tripletviz.widgets import ConfusionExplorer
explorer = ConfusionExplorer(**make_data())
"""


@pytest.fixture(scope="module")
def data():
    return make_data()


@pytest.fixture(scope="module")
def matrices(data):
    return {
        name: confusion_matrix(data["labels"], said, labels=PRESENT)
        for name, said in data["predictions"].items()
    }


class Explorer:
    """What a reader sees and touches of one explorer on a page."""

    def __init__(self, page):
        self.page = page
        self.root = page.locator(".tripletviz-confusion-explorer")
        self.find(".tile").first.wait_for()

    def find(self, selector):
        return self.root.locator(selector)

    def wait_for(self, condition, argument=None):
        """Waits until a condition holds of `find(selector)`, `all(selector)` and an argument."""
        self.page.wait_for_function(
            f"""(argument) => {{
              const root = document.querySelector(".tripletviz-confusion-explorer").shadowRoot;
              const find = (selector) => root.querySelector(selector);
              const all = (selector) => [...root.querySelectorAll(selector)];
              return {condition};
            }}""",
            arg=argument,
        )

    def wait_for_cell(self, true, predicted):
        """Waits until a cell is selected and its words are said."""
        words = f"{true} {'recognised' if true == predicted else f'taken for {predicted}'}: "
        self.wait_for("find('.cell-words').textContent.startsWith(argument)", words)
        self.wait_for(
            "find('.cell[aria-selected=true]').getAttribute('aria-label').startsWith(argument)",
            f"True {true}, predicted {predicted}: ",
        )

    def wait_for_status(self, words):
        self.wait_for("find('.status').textContent === argument", words)

    def cell(self, true, predicted):
        return self.find(f'.cell[aria-label^="True {true}, predicted {predicted}: "]')

    def numbers(self):
        """The texts of the matrix, row by row."""
        return self.find("tbody").evaluate(
            """(body) => [...body.rows].slice(0, -1).map(
              (row) => [...row.querySelectorAll(".cell")].map((cell) => cell.textContent))"""
        )

    def styles(self, name):
        """A variable of the style of every cell of the matrix, row by row."""
        return self.find("tbody").evaluate(
            """(body, name) => [...body.rows].slice(0, -1).map(
              (row) => [...row.querySelectorAll(".cell")].map(
                (cell) => cell.style.getPropertyValue(name)))""",
            name,
        )

    def edges(self):
        """The texts of the recalls, and those of the precisions."""
        rows = self.find("tbody").evaluate(
            """(body) => [...body.rows].map(
              (row) => [...row.querySelectorAll(".edge")].map((cell) => cell.textContent))"""
        )
        return [row[0] for row in rows[:-1]], rows[-1][:-1]

    def tiles(self):
        """Of each image shown: its number, and the lines under it."""
        return self.find(".tile:not([hidden])").evaluate_all(
            """(tiles) => tiles.map((tile) => [tile.item, [...tile.children].slice(1)
              .map((line) => line.textContent.replace("\\u00a0", " "))])"""
        )

    def list(self):
        texts = self.find(".confusion").all_inner_texts()
        return [text.replace(SPACE, " ") for text in texts]

    def press(self, *keys):
        for key in keys:
            self.page.keyboard.press(key)


@pytest.fixture
def open_page(new_page, tmp_path, data):
    """Opens the page that `save_html` writes, from disk and with no network."""

    def open_explorer(arguments=(), **options):
        path = ConfusionExplorer(**data | dict(arguments)).save_html(tmp_path / "explorer.html")
        page = new_page(offline=True, **options)
        page.goto(path.as_uri())
        return Explorer(page)

    return open_explorer


def rounded(value, places):
    """As JavaScript rounds: what lies half-way goes up, while Python goes to the even digit."""
    return str(Decimal(float(value)).quantize(Decimal(10) ** -places, ROUND_HALF_UP))


def shares(values):
    return [rounded(value, 3) for value in values]


def signed(number, text):
    return f"+{text}" if number > 0 else f"{MINUS}{text}" if number < 0 else text


# ---------------------------------------------------------------- the numbers


def test_the_script_counts_as_scikit_learn_does(script):
    module = script("confusion_explorer")
    generator = np.random.default_rng(5)
    for count in (2, 5, 26):
        labels, said, other = generator.integers(0, count, (3, 300))
        labels[labels == 1] = 0  # a class of no image
        lists = labels.tolist(), said.tolist(), other.tolist()
        matrix = confusion_matrix(labels, said, labels=range(count))
        flat = module.call("matrixOf", *lists[:2], count)
        assert flat == matrix.ravel().tolist()
        totals = module.call("totalsOf", flat, count)
        assert totals["rows"] == matrix.sum(axis=1).tolist()
        assert totals["columns"] == matrix.sum(axis=0).tolist()
        assert totals["right"] == matrix.diagonal().tolist()
        for t, p in generator.integers(0, count, (5, 2)).tolist():
            groups = module.call("itemsOf", t, p, *lists)
            first, second = ((labels == t) & (each == p) for each in (said, other))
            expected = first & ~second, ~first & second, first & second
            assert groups == [np.flatnonzero(each).tolist() for each in expected]
            assert module.call("itemsOf", t, p, *lists[:2])[0] == np.flatnonzero(first).tolist()


def test_the_script_sorts_by_size_whatever_the_sign(script):
    module = script("confusion_explorer")
    matrix = [9, -3, 0, 2, 9, -5, 3, 2, 9]
    expected = [[1, 2, -5], [0, 1, -3], [2, 0, 3], [1, 0, 2], [2, 1, 2]]
    assert module.call("confusionsOf", matrix, 3) == expected
    shares = [[1, 2, -5], [1, 0, 2], [0, 1, -3], [2, 0, 3], [2, 1, 2]]
    assert module.call("confusionsOf", matrix, 3, [30, 10, 30]) == shares


def test_shares_claim_neither_nothing_nor_all_wrongly(script):
    module = script("confusion_explorer")
    for given, text in [
        ((0, 1, 3), "0.000"),
        ((0.0001, 1, 3), "<0.001"),
        ((0.12345, 1, 3), "0.123"),
        ((0.9999, 1, 3), ">0.999"),
        ((1, 1, 3), "1.000"),
        ((99.97, 100, 1), ">99.9"),
        ((0.4, 100, 0), "<1"),
    ]:
        assert module.call("rounded", *given) == text
    shade = [module.call("logShade", n, 100) for n in (0, 1, -1, 10, 100)]
    np.testing.assert_allclose(shade, np.log1p([0, 1, 1, 10, 100]) / np.log(101))
    assert module.call("logShade", 0, 0) == 0


# ---------------------------------------------------------------- in its own page


def test_shows_the_matrix_with_recall_precision_and_accuracy(open_page, data, matrices):
    explorer = open_page()
    near, far = (data["predictions"][name] for name in ("near", "far"))
    labels = data["labels"]
    assert explorer.numbers() == [list(map(str, row)) for row in matrices["near"][:-1]]
    heads = explorer.find("thead .name").all_inner_texts()
    assert heads == list(map(str, PRESENT)), "the class that is only predicted has a column"
    assert explorer.find("tbody .name").all_inner_texts() == list(map(str, ROWS))
    recalls, precisions = explorer.edges()
    assert recalls == shares(recall_score(labels, near, labels=ROWS, average=None))
    expected = precision_score(labels, near, labels=ROWS, average=None)
    assert precisions == [*shares(expected), DASH], "of class 31 nothing is predicted"
    right = (near == labels).sum()
    assert explorer.find(".title").inner_text() == (
        f"near gets {right} of 240 right: accuracy {rounded(right / ITEMS, 3)}"
    )
    most = matrices["near"].sum(axis=1).max()
    assert explorer.find(".baseline").inner_text() == (
        f"Accuracy: near {rounded(right / ITEMS, 3)} · far {rounded((far == labels).mean(), 3)} · "
        f"always the most frequent class {rounded(most / ITEMS, 3)}"
    )
    framed = explorer.find(".diagonal").evaluate_all(
        "(all) => all.map((e) => [e.getAttribute('aria-label').match(/\\d+/g).slice(0, 2), "
        "getComputedStyle(e).borderTopWidth])"
    )
    assert framed == [[[str(label)] * 2, "2px"] for label in ROWS]


def test_one_error_more_is_seen_beside_the_diagonal(open_page, matrices):
    explorer = open_page()
    shades = [[float(text.removesuffix("%")) for text in row] for row in explorer.styles("--shade")]
    shade = {}
    for (i, j), count in np.ndenumerate(matrices["near"][:-1]):
        if i != j:
            shade.setdefault(count, set()).add(shades[i][j])
    assert all(len(values) == 1 for values in shade.values()), "equal counts are equally dark"
    steps = [min(shade[count]) for count in sorted(shade)]
    assert steps[0] == 0
    assert steps == sorted(set(steps))
    assert steps[1] - steps[0] > 10, "one error differs from none"
    recalls = matrices["near"].diagonal()[:-1] / matrices["near"][:-1].sum(axis=1)
    diagonal = [shades[i][i] for i in range(len(ROWS))]
    np.testing.assert_allclose(diagonal, recalls / recalls.max() * max(diagonal), atol=0.1)


def test_the_percentages_are_those_of_the_row(open_page, matrices):
    explorer = open_page()
    explorer.find('.unit[data-unit="percent"]').click()
    explorer.wait_for("find('.unit[data-unit=percent]').ariaPressed === 'true'")
    percent = 100 * matrices["near"][:-1] / matrices["near"][:-1].sum(axis=1, keepdims=True)
    expected = [[rounded(n, 1) if n else "0" for n in row] for row in percent]
    assert explorer.numbers() == expected
    entries = explorer.list()
    values = [float(text.split(": ")[1].removesuffix(" %")) for text in entries]
    assert values == sorted(values, reverse=True)
    assert explorer.find(".list-title").inner_text().endswith(", in percent of the true class")
    explorer.find('.unit[data-unit="count"]').click()
    explorer.wait_for("find('.unit[data-unit=count]').ariaPressed === 'true'")
    assert explorer.numbers() == [list(map(str, row)) for row in matrices["near"][:-1]]


def test_the_list_names_the_most_frequent_confusions_first(open_page, data):
    explorer = open_page()
    confusions = ConfusionExplorer(**data).confusions()
    expected = [
        f"{t} taken for {p}: {n} {'image' if n == 1 else 'images'}" for t, p, n in confusions
    ]
    assert explorer.list() == expected
    explorer.wait_for_cell(*confusions[0][:2])
    explorer.find(".confusion").nth(3).click()
    explorer.wait_for_cell(*confusions[3][:2])
    explorer.wait_for("find('.confusion[aria-pressed=true]') === all('.confusion')[3]")
    explorer.press("ArrowDown", "ArrowRight")
    explorer.wait_for_cell(*confusions[5][:2])
    explorer.press("End")
    explorer.wait_for_cell(*confusions[-1][:2])
    shown = "(([l, b]) => b.top >= l.top && b.bottom <= l.bottom)([find('.list'), argument"
    explorer.wait_for(
        shown.replace(
            "argument", "all('.confusion').at(-1)].map((e) => e.getBoundingClientRect()))"
        )
    )
    explorer.press("Home")
    explorer.wait_for_cell(*confusions[0][:2])
    assert explorer.find(".confusion[tabindex='0']").count() == 1


def test_a_pressed_cell_shows_its_images_and_what_each_method_says(open_page, data):
    explorer = open_page()
    labels, near, far = data["labels"], data["predictions"]["near"], data["predictions"]["far"]
    explorer.cell(4, 18).click()
    explorer.wait_for_cell(4, 18)
    items = np.flatnonzero((labels == 4) & (near == 18))
    shown = explorer.tiles()
    assert [item for item, _ in shown] == items.tolist()
    for item, lines in shown:
        verdict = "✓" if far[item] == 4 else "✗"
        assert lines == ["true 4", "near: 18 ✗", f"far: {far[item]} {verdict}"]
    whole = (labels == 4).sum()
    percent = rounded(100 * len(items) / whole, 1)
    assert explorer.find(".cell-words").inner_text().replace(SPACE, " ") == (
        f"4 taken for 18: {len(items)} of {whole} images ({percent} %)."
    )
    # 240 pictures lie in 16 columns, two pixels a pixel.
    position = explorer.find(".tile .picture").first.evaluate("(e) => e.style.backgroundPosition")
    place = f"-{items[0] % 16 * 56}px -{items[0] // 16 * 56}px".replace("-0px", "0px")
    assert position == place


def test_an_empty_cell_says_so(open_page, matrices):
    i, j = np.argwhere(matrices["near"][:-1] == 0)[0]
    explorer = open_page({"selected_cell": [ROWS[0], ROWS[0]]})
    explorer.cell(ROWS[i], PRESENT[j]).click()
    explorer.wait_for_cell(ROWS[i], PRESENT[j])
    assert explorer.tiles() == []
    assert not explorer.find(".hint").is_visible()
    explorer.press("Enter")
    explorer.wait_for("find('.status').textContent.endsWith('There is no image to go to.')")


def test_a_pressed_image_is_held_and_told_in_words(open_page, data):
    explorer = open_page({"selected_cell": [4, 18]})
    far = data["predictions"]["far"]
    item = explorer.tiles()[2][0]
    explorer.find(".tile").nth(2).click()
    verdict = "right" if far[item] == 4 else "wrong"
    explorer.wait_for_status(
        f"Held: Image {item} is of class 4: near says 18, wrong; far says {far[item]}, {verdict}."
    )
    assert explorer.find(".tile[aria-pressed=true]").evaluate("(tile) => tile.item") == item
    assert explorer.find(".held").is_visible()
    explorer.find(".tile").nth(2).click()  # and is let go
    explorer.wait_for("find('.held').hidden && !find('.tile[aria-pressed=true]')")
    explorer.find(".tile").nth(1).click()
    explorer.wait_for("!find('.held').hidden")
    explorer.cell(8, 8).click()
    explorer.wait_for_cell(8, 8)
    explorer.wait_for("find('.held').hidden")


def test_an_image_set_from_python_is_on_the_page_that_is_shown(open_page, data):
    labels, near = data["labels"], data["predictions"]["near"]
    item = int(np.flatnonzero((labels == 8) & (near == 8))[-1])
    explorer = open_page({"selected_image": item})
    explorer.wait_for_cell(8, 8)
    held = "find('.tile[aria-pressed=true]')?.item === argument"
    explorer.wait_for(held, item)
    assert explorer.find(".page-forward").is_disabled()


def test_pages_hold_all_images_of_a_cell(open_page, data):
    labels, near = data["labels"], data["predictions"]["near"]
    explorer = open_page({"selected_cell": [8, 8]}, width=700)
    items = np.flatnonzero((labels == 8) & (near == 8)).tolist()
    seen = [item for item, _ in explorer.tiles()]
    assert explorer.find(".page").inner_text() == f"1{DASH}{len(seen)} of {len(items)}"
    assert explorer.find(".page-back").is_disabled()
    while not explorer.find(".page-forward").is_disabled():
        before = explorer.find(".page").inner_text()
        explorer.find(".page-forward").click()
        explorer.wait_for("find('.page').textContent !== argument", before)
        seen += [item for item, _ in explorer.tiles()]
    assert seen == items


def test_keys_go_through_the_matrix(open_page):
    explorer = open_page({"selected_cell": [4, 18]})
    explorer.find(".cell[tabindex='0']").focus()
    for key, cell in [
        ("ArrowRight", (4, 31)),
        ("ArrowRight", (4, 31)),  # no further
        ("Home", (4, 0)),
        ("ArrowDown", (6, 0)),
        ("PageDown", (18, 0)),
        ("ArrowDown", (18, 0)),
        ("End", (18, 31)),
        ("ArrowLeft", (18, 18)),
        ("PageUp", (0, 18)),
        ("Home", (0, 0)),
    ]:
        explorer.press(key)
        explorer.wait_for_cell(*cell)
        explorer.wait_for("find('.cell:focus') === find('.cell[aria-selected=true]')")
        assert explorer.find(".cell[tabindex='0']").count() == 1
    outline = explorer.find(".cell:focus").evaluate("(e) => getComputedStyle(e).outlineStyle")
    assert outline == "solid"


def test_keys_go_through_the_images(open_page):
    explorer = open_page({"selected_cell": [8, 8]}, width=700)
    explorer.find(".cell[tabindex='0']").focus()
    explorer.press("Enter")
    items = [item for item, _ in explorer.tiles()]
    focused = "find('.tile:focus')?.item === argument"
    explorer.wait_for(focused, items[0])
    columns = len({tile.bounding_box()["x"] for tile in explorer.find(".tile").all()})
    explorer.press("ArrowDown")
    explorer.wait_for(focused, items[columns])
    explorer.press("ArrowLeft")
    explorer.wait_for(focused, items[columns - 1])
    explorer.press("Enter")
    explorer.wait_for(
        "find('.status').textContent.startsWith(argument)",
        f"Held: Image {items[columns - 1]} is of class 8: ",
    )
    assert explorer.find(".tile[tabindex='0']").count() == 1
    explorer.press("End")
    explorer.wait_for("find('.page-forward').disabled && find('.tile:focus')")
    explorer.press("Home")
    explorer.wait_for(focused, items[0])


def test_the_difference_of_two_methods(open_page, data, matrices):
    explorer = open_page({"selected_cell": [4, 18]})
    explorer.find(".minus").select_option("far")
    explorer.wait_for("find('.title').textContent.startsWith('near minus far')")
    difference = (matrices["near"] - matrices["far"])[:-1]
    expected = [[signed(n, str(abs(n))) for n in row] for row in difference]
    assert explorer.numbers() == expected
    labels, near, far = data["labels"], data["predictions"]["near"], data["predictions"]["far"]
    accuracies = [(each == labels).mean() for each in (near, far)]
    gain = accuracies[0] - accuracies[1]
    assert explorer.find(".title").inner_text() == (
        f"near minus far: accuracy {shares(accuracies)[0]} {MINUS} {shares(accuracies)[1]} = "
        f"{signed(gain, rounded(abs(gain), 3))}"
    )
    recalls = [recall_score(labels, each, labels=ROWS, average=None) for each in (near, far)]
    change = recalls[0] - recalls[1]
    shown = [signed(n, rounded(abs(n), 3)) if n else "0" for n in change]
    assert explorer.edges()[0] == shown
    assert explorer.edges()[1][-1] == DASH  # near predicts nothing as 31, and no share of nothing
    first, second = ((labels == 4) & (each == 18) for each in (near, far))
    groups = first & ~second, second & ~first, first & second
    counts = [group.sum() for group in groups]
    assert explorer.find(".cell-words").inner_text() == (
        f"4 taken for 18: only by near {counts[0]}, only by far {counts[1]}, by both {counts[2]}."
    )
    items = np.concatenate([np.flatnonzero(group) for group in groups])
    assert [item for item, _ in explorer.tiles()] == items.tolist()
    off = difference.copy()
    off[range(len(ROWS)), range(len(ROWS))] = 0
    i, j = np.unravel_index(np.abs(off).argmax(), off.shape)
    a, b = (matrices[name][i, j] for name in ("near", "far"))
    assert explorer.list()[0] == (
        f"{ROWS[i]} taken for {PRESENT[j]}: {a} {MINUS} {b} = {signed(a - b, str(abs(a - b)))}"
    )
    better = explorer.styles("--hue")
    for (i, j), n in np.ndenumerate(difference):
        if n:
            assert better[i][j] == f"var(--{'positive' if (n > 0) == (i == j) else 'negative'})"


def test_a_method_that_is_subtracted_changes_places_with_the_other(open_page, matrices):
    explorer = open_page({"subtracted_method": "far"})
    explorer.find(".method").select_option("far")
    explorer.wait_for("find('.title').textContent.startsWith('far minus near')")
    assert explorer.find(".minus").input_value() == "near"
    explorer.find(".minus").select_option("")
    explorer.wait_for("find('.title').textContent.startsWith('far gets')")
    assert explorer.numbers() == [list(map(str, row)) for row in matrices["far"][:-1]]
    assert explorer.find(".minus option").all_inner_texts() == ["nothing", "near"]


def test_one_method_without_pictures(open_page, data):
    explorer = open_page(
        {
            "images": None,
            "predictions": {"near": data["predictions"]["near"]},
            "title": "What is taken for what?",
            "selected_cell": [4, 18],
        }
    )
    assert not explorer.find(".method").is_visible()
    assert explorer.find(".title").inner_text() == "What is taken for what?"
    assert explorer.find(".readout").inner_text().startswith("near gets ")
    item = explorer.tiles()[0][0]
    assert explorer.find(".tile .picture").first.inner_text() == f"#{item}"
    explorer.find(".tile").first.click()
    explorer.wait_for_status(f"Held: Image {item} is of class 4: near says 18, wrong.")
    assert not explorer.find(".held").is_visible()


def test_a_method_without_errors(open_page, data):
    explorer = open_page({"predictions": {"oracle": data["labels"]}})
    assert explorer.find(".list").inner_text() == "None."
    explorer.wait_for_cell(0, 0)
    assert "accuracy 1.000" in explorer.find(".title").inner_text()


def test_screen_readers_get_a_grid(open_page, find_violations, matrices):
    explorer = open_page({"selected_cell": [4, 18]})
    explorer.wait_for("find('.status').textContent")
    assert explorer.page.get_by_role("grid", name="Confusion matrix of near").count() == 1
    count, whole = matrices["near"][2, 9], matrices["near"][2].sum()
    percent = rounded(100 * count / whole, 1)
    name = f"True 4, predicted 18: {count} images, {percent}{SPACE}% of the row"
    assert explorer.page.get_by_role("gridcell", name=name, selected=True).count() == 1
    assert explorer.page.get_by_role("columnheader").count() == len(PRESENT) + 3
    assert explorer.page.get_by_role("rowheader").count() == len(ROWS) + 1
    for _ in range(2):
        assert not find_violations(explorer.page, ".tripletviz-confusion-explorer")
        explorer.find(".minus").select_option("far")
        explorer.wait_for("find('.title').textContent.startsWith('near minus far')")


# ---------------------------------------------------------------- in JupyterLab


def make_notebook(folder):
    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    cells = SETUP.format(folder=str(folder)), "explorer"
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
    return notebook


def test_the_round_trip_to_python_and_back(lab, request, data):
    notebook = lab(make_notebook(request.path.parent), has_touch=True, width=1000, height=1400)
    notebook.run_all()
    explorer = Explorer(notebook.page)
    explorer.cell(4, 18).click()
    explorer.wait_for_cell(4, 18)
    notebook.read_until("explorer.selected_cell", [4, 18])
    item = explorer.tiles()[1][0]
    explorer.find(".tile").nth(1).tap()
    notebook.read_until("explorer.selected_image", item)
    explorer.find(".minus").select_option("far")
    notebook.read_until("explorer.subtracted_method", "far")
    explorer.find(".method").select_option("far")
    notebook.read_until("explorer.shown_method", "far")
    notebook.read_until("explorer.subtracted_method", "near")
    assert notebook.read("explorer.selected_image") == item  # it is of the cell still

    image = int(np.flatnonzero(data["predictions"]["near"] == 12)[-1])
    true = int(data["labels"][image])
    notebook.tell(f"explorer.shown_method = 'near'; explorer.selected_image = {image}")
    explorer.wait_for("find('.title').textContent.startsWith('near gets')")
    explorer.wait_for_cell(true, 12)
    explorer.wait_for("find('.tile[aria-pressed=true]')?.item === argument", image)
    notebook.tell("explorer.unit = 'percent'; explorer.selected_cell = [6, 6]")
    explorer.wait_for_cell(6, 6)
    explorer.wait_for("find('.unit[data-unit=percent]').ariaPressed === 'true'")
    notebook.read_until("explorer.selected_image", -1)

    explorer.find(".cell[tabindex='0']").focus()
    active, cells = notebook.active_cell(), notebook.page.locator(".jp-Cell").count()
    explorer.press("ArrowDown", "x", "b", "ArrowRight", "ArrowDown")
    explorer.wait_for_cell(10, 8)
    notebook.read_until("explorer.selected_cell", [10, 8])
    assert notebook.active_cell() == active
    assert notebook.page.locator(".jp-Cell").count() == cells
    too_small = explorer.find("button, select").evaluate_all(
        """(controls) => controls.filter((control) => {
          const { width, height } = control.getBoundingClientRect();
          return width && Math.min(width, height) < 44;
        }).map((control) => control.className)"""
    )
    assert not too_small


# ---------------------------------------------------------------- the look


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 700, 330])
def test_themes_and_widths(open_page, screenshot, scheme, width):
    explorer = open_page({"selected_cell": [4, 18]}, width=width, color_scheme=scheme)
    explorer.wait_for("find('.widget').classList.contains('dark') === argument", scheme == "dark")
    assert explorer.page.evaluate("document.documentElement.scrollWidth") <= width
    cut_off = explorer.find("*").evaluate_all(
        """(all) => all.filter((e) => e.clientWidth && e.scrollWidth > e.clientWidth + 1
          && !e.matches("select, .unseen, .scroll")).map((e) => e.className)"""
    )
    assert not cut_off
    matrix, side = (explorer.find(s).bounding_box() for s in (".matrix-box", ".list-box"))
    assert (side["x"] > matrix["x"] + 100) == (width > 1000), "side by side where there is room"
    size = explorer.find(".cell").first.bounding_box()
    assert min(size["width"], size["height"]) >= (24 if width < 700 else 40)
    if width == 330:  # the matrix is wider than its place: what is selected is in sight
        place, cell = matrix, explorer.find(".cell[aria-selected=true]").bounding_box()
        assert place["x"] <= cell["x"]
        assert cell["x"] + cell["width"] <= place["x"] + place["width"] + 1
    screenshot(explorer.page, f"confusion-explorer-{scheme}-{width}")


def test_twenty_six_classes_with_long_names(open_page, screenshot):
    labels = np.arange(260) % 26
    said = {"a method": np.where(np.arange(260) % 7, labels, 25 - labels)}
    names = [f"letter {chr(97 + k)}" for k in range(26)]
    explorer = open_page(
        {"images": None, "labels": labels, "predictions": said, "class_names": names},
        width=1280,
    )
    assert explorer.page.evaluate("document.documentElement.scrollWidth") <= 1280
    assert explorer.find(".cell").count() == 26 * 26
    box = explorer.find(".scroll")
    assert box.evaluate("(e) => e.scrollWidth <= e.clientWidth")
    assert explorer.find(".confusion").first.inner_text().startswith("letter ")
    screenshot(explorer.page, "confusion-explorer-26")
