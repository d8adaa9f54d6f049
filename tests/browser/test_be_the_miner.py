"""`BeTheMiner` in a real browser: played in JupyterLab and in a page of its own."""

import itertools
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest

from tripletviz.recordings import Recording
from tripletviz.widgets import be_the_miner
from tripletviz.widgets.be_the_miner import BeTheMiner

pytestmark = pytest.mark.browser

ROOT = Path(__file__).resolve().parents[2]
RECORDING = ROOT / "data" / "mnist-recording.npz"
MARGIN = 0.5
KINDS = ("easy", "semi-hard", "hard")


@pytest.fixture(scope="module")
def recording():
    return Recording.load(RECORDING)


@pytest.fixture(scope="module")
def widget(recording):
    return BeTheMiner.from_recording(recording)


def right_numbers(widget, game=1):
    """For every round the numbers, as the reader sees them, of the right candidates."""
    return [
        [k + 1 for k in be_the_miner._right_picks(played, MARGIN)]
        for played in widget._games[game - 1]
    ]


def wrong_numbers(widget, game=1):
    return [[k for k in range(1, 9) if k not in right] for right in right_numbers(widget, game)]


class Game:
    """What a reader sees and touches of the game on a page."""

    def __init__(self, page):
        self.page = page
        self.root = page.locator(".tripletviz-be-the-miner")
        self.find(".widget").wait_for()

    def find(self, selector):
        return self.root.locator(selector)

    def candidate(self, number):
        return self.find(".candidate").nth(number - 1)

    def status(self, beginning):
        """The line of status, once it begins so: it is written when things have come to rest."""
        self.page.wait_for_function(
            """([host, beginning]) => host.shadowRoot.querySelector(".status")
              .textContent.startsWith(beginning)""",
            arg=[self.root.element_handle(), beginning],
        )
        return self.find(".status").inner_text()

    def task(self):
        return self.find(".task").inner_text()

    def focused(self):
        return self.root.evaluate("(host) => host.shadowRoot.activeElement?.className ?? null")

    def readout(self):
        return self.find(".readout").inner_text()


@pytest.fixture
def open_page(new_page, tmp_path):
    """Opens the exported page of a widget: no kernel, no network."""

    def open_widget(widget, **options):
        page = new_page(offline=True, **options)
        page.goto(widget.save_html(tmp_path / "miner.html").as_uri())
        return Game(page)

    return open_widget


# ---------------------------------------------------------------- in JupyterLab

SETUP = f"""
from tripletviz.recordings import Recording
from tripletviz.widgets.be_the_miner import BeTheMiner
game = BeTheMiner.from_recording(Recording.load({str(RECORDING)!r}))
"""


def make_notebook():
    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in (SETUP, "game")]
    return notebook


def test_round_trip_in_jupyterlab(lab, widget):
    notebook = lab(make_notebook(), has_touch=True, height=1000)
    notebook.run_all()
    game = Game(notebook.page)
    right, wrong = right_numbers(widget), wrong_numbers(widget)

    game.candidate(right[0][0]).click()
    notebook.read_until("game.picks[:2]", [right[0][0], 0])
    assert notebook.read("[game.score, game.streak]") == [10, 1]
    game.find(".next").tap()
    notebook.read_until("game.round", 2)
    game.candidate(wrong[1][0]).tap()
    notebook.read_until("game.picks[:2]", [right[0][0], wrong[1][0]])
    assert notebook.read("game.streak") == 0
    assert notebook.read("game.result['fooled'][0]['round']") == 2

    # No key of the game reaches JupyterLab.
    game.find(".miner").focus()
    cells, active = notebook.page.locator(".jp-Cell").count(), notebook.active_cell()
    game.page.keyboard.press("Enter")
    game.status("Round 3 of 10: pick a semi-hard negative")
    for key in ["x", "b", "ArrowDown", "ArrowUp", str(right[2][0])]:
        game.page.keyboard.press(key)
    game.status("Round 3 of 10: right")
    assert notebook.active_cell() == active
    assert notebook.page.locator(".jp-Cell").count() == cells
    notebook.read_until("game.picks[2]", right[2][0])

    notebook.tell("game.round = 9")
    game.status("Round 9 of 10: pick")
    assert "after 937 steps" in game.find(".network").inner_text()
    notebook.tell(f"game.picks = {[numbers[0] for numbers in right]}")
    game.status("Round 9 of 10: right")
    assert game.readout() == "100 points · streak 10"
    game.find(".next").click()
    notebook.read_until("game.round", 11)
    game.find(".again").click()
    notebook.read_until("[game.game, game.round, game.picks]", [2, 1, [0] * 10])
    notebook.tell("game.tab = 'album'; game.album_strategy = 'batch_all'")
    game.find(".strategies [data-value=batch_all][aria-pressed=true]").wait_for()
    game.find(".snapshots [data-value=after]").click()
    notebook.read_until("game.album_snapshot", "after")


def test_themes_in_jupyterlab(lab, screenshot):
    notebook = lab(make_notebook(), width=1280)
    notebook.run_all()
    notebook.execute("application:toggle-left-area")
    notebook.tell("game.picks = [1, 2, 3]; game.round = 3")
    game = Game(notebook.page)
    game.find(".next").wait_for()
    for theme, selector in [("Dark", ".miner.dark"), ("Light", ".miner:not(.dark)")]:
        notebook.set_theme(f"JupyterLab {theme}")
        game.find(selector).wait_for()
        game.root.scroll_into_view_if_needed()
        screenshot(notebook.page, f"be-the-miner-lab-{theme.lower()}")


# ---------------------------------------------------------------- the game, without a kernel


def test_a_whole_game_by_mouse(open_page, widget):
    game = open_page(widget)
    right, wrong = right_numbers(widget), wrong_numbers(widget)
    picks = [(right if k % 3 else wrong)[k][0] for k in range(10)]
    for number, pick in enumerate(picks, start=1):
        assert game.task().startswith(f"Round {number}: pick ")
        assert ("a semi-hard" in game.task()) == (number % 3 == 0)
        assert game.find(".chip").count() == 2  # anchor and positive: the answer is hidden
        assert game.find(".distance").all_inner_texts() == [""] * 8
        assert game.find(".tags").all_inner_texts() == [""] * 8
        game.candidate(pick).click()
        assert game.find(".chip").count() == 10
        outcome = game.find(".outcome").inner_text()
        assert outcome.startswith("✓ Right 10 points") == (pick in right[number - 1])
        played = widget._games[0][number - 1]
        for k, distance in enumerate(played["network"]["candidates"]):
            assert float(game.find(".distance").nth(k).inner_text()) == pytest.approx(
                distance, rel=0.006
            )
        marked = game.find(".candidate.right .key").all_inner_texts()
        assert marked == [f"{k} ✓" for k in right[number - 1]]
        game.candidate(pick % 8 + 1).click()  # too late to change one's mind
        assert game.find(".candidate.right, .candidate.wrong").count() == len(
            {*right[number - 1], pick}
        )
        game.find(".next").click()
    reference = BeTheMiner.from_recording(Recording.load(RECORDING), picks=picks)
    result = reference.result
    heading = game.find(".findings h4").inner_text()
    assert heading == f"{result['right']} of 10 right, {reference.score} points"
    numbers = game.find(".bars .number").all_inner_texts()
    assert numbers == [str(result["right"]), str(result["pixels"]), f"{result['chance']:.1f}"]
    assert game.find(".rounds tbody tr").count() == 10
    first = result["fooled"][0]
    assert f"{first['picked']} against {first['miner']} (anchor {first['anchor']})" in (
        game.find(".findings").inner_text()
    )
    game.find(".again").click()
    assert game.task().startswith("Round 1")
    assert game.readout() == "0 points · streak 0"
    second = widget._games[1][0]
    game.candidate(be_the_miner._pick(second, "network") + 1).click()
    assert game.readout() == "10 points · streak 1"


def test_a_whole_game_by_keyboard(open_page, widget):
    game = open_page(widget)
    keyboard = game.page.keyboard
    right = right_numbers(widget)
    game.find(".miner").focus()
    for number, (answer, *_) in enumerate(right, start=1):
        assert game.task().startswith(f"Round {number}:")
        if number % 2:
            keyboard.press(str(answer))
        else:  # two rows of four: the first arrow leads to candidate 1
            for key in ["ArrowRight"] * ((answer - 1) % 4 + 1) + ["ArrowDown"] * (answer > 4):
                keyboard.press(key)
            assert game.focused() == "candidate"
            keyboard.press("Enter")
            assert game.focused() == "next"
        assert game.find(".outcome").inner_text().startswith("✓ Right")
        keyboard.press("Enter")
    assert game.status("Game 1 of 3: 10 of 10 right, 100 points.")
    assert "Nothing fooled you." in game.find(".findings").inner_text()
    keyboard.press("5")  # picks nothing here
    keyboard.press("Enter")
    assert game.task().startswith("Round 1")
    assert game.status("Round 1 of 10: pick")


def test_a_semi_hard_round_says_how_narrow_the_ring_is(open_page, recording, widget):
    game = open_page(BeTheMiner.from_recording(recording, round=3))
    played = widget._games[0][2]["network"]
    said = game.find(".network").inner_text()
    numbers = [float(number) for number in re.findall(r"\d+\.\d+", said)]
    expected = [min(played["candidates"]), max(played["candidates"]), MARGIN, played["positive"]]
    assert numbers == pytest.approx(expected, rel=6e-3)


def test_looking_back_from_the_result(open_page, recording, widget):
    picks = [numbers[0] for numbers in right_numbers(widget)]
    game = open_page(BeTheMiner.from_recording(recording, picks=picks, round=11))
    game.find(".look").nth(4).click()
    assert game.task().startswith("Round 5:")
    assert game.find(".next").inner_text() == "See the result"
    game.page.keyboard.press("Enter")
    game.find(".summary").wait_for()


def test_near_misses_and_what_pixels_would_pick(open_page, recording, widget):
    """A second nearest in round 1 and a hard one in round 3 are worth five points each."""
    first, _, third = widget._games[0][:3]
    second_nearest = int(np.argsort(first["network"]["candidates"])[1]) + 1
    hard = int(np.argmin(third["network"]["candidates"])) + 1
    assert min(third["network"]["candidates"]) <= third["network"]["positive"]
    shown = BeTheMiner.from_recording(recording, picks=[second_nearest, 0, hard])
    game = open_page(shown)
    assert game.readout() == "10 points · streak 0"
    assert game.find(".outcome").inner_text() == "✗ Close 5 points"
    by_pixels = be_the_miner._pick(first, "pixels") + 1
    words = game.find(".verdict").inner_text()
    assert f"Raw pixels would pick candidate {by_pixels}, " in words
    label = widget._classes[np.frombuffer(widget._class_of, "<i4")[first["candidates"][0]]]["mark"]
    assert game.candidate(1).get_attribute("aria-label").startswith(f"candidate 1, a {label}, at ")
    assert "pixels" in game.find(".tags").nth(by_pixels - 1).inner_text()
    other = first["other_hardest"] + 1
    after = "To the network after 937 steps the nearest of the eight is candidate"
    assert f"{after} {other}, " in words


def test_chips_stand_at_their_distances(open_page, recording, widget):
    played = widget._games[0][4]
    game = open_page(BeTheMiner.from_recording(recording, picks=[1] * 10, round=5))
    places = game.find(".mark").evaluate_all(
        "(marks) => marks.map((m) => Number(m.getAttribute('transform').match(/[\\d.]+/)[0]))"
    )
    distances = [0, played["network"]["positive"], *played["network"]["candidates"]]
    assert len(places) == 10
    # A line through them all: places are proportional to distances.
    slope = (max(places) - min(places)) / max(distances)
    np.testing.assert_allclose(sorted(places), 18 + slope * np.sort(distances), atol=0.01)
    ring = game.find(".edge").evaluate_all("(edges) => edges.map((e) => e.x1.baseVal.value)")
    inner = played["network"]["positive"]
    np.testing.assert_allclose(ring, [18 + slope * d for d in (inner, inner + MARGIN)], atol=0.01)
    right = be_the_miner._right_picks(played, MARGIN)
    game.candidate(right[0] + 1).hover()
    assert game.find(".chip.lit").get_attribute("data-candidate") == str(right[0])
    row, column = divmod(played["candidates"][0], widget._sprite_layout["columns"])
    picture = game.find(".candidate .picture").first
    assert picture.evaluate("(e) => [e.offsetWidth, e.offsetHeight]") == [84, 84]
    place = picture.evaluate("(e) => e.style.backgroundPosition.replaceAll('px', '').split(' ')")
    assert [float(part) for part in place] == [-84 * column, -84 * row]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 700, 330])
def test_widths_and_themes(open_page, recording, screenshot, scheme, width):
    game = open_page(
        BeTheMiner.from_recording(recording, picks=[1, 4, 3, 1, 2, 5], round=6),
        width=width,
        has_touch=width < 700,
        color_scheme=scheme,
    )
    game.find(".miner.dark" if scheme == "dark" else ".miner:not(.dark)").wait_for()
    game.find(".chip").nth(9).wait_for()
    for tab in ("game", "album"):
        game.find(f"[data-tab={tab}]").click()
        assert game.page.evaluate("document.documentElement.scrollWidth") <= width
        for button in game.find("button:visible").all():
            box = button.bounding_box()
            assert min(box["width"], box["height"]) >= 44
            assert button.evaluate("(e) => e.scrollWidth <= e.clientWidth + 1")
        screenshot(game.page, f"be-the-miner-{tab}-{scheme}-{width}")


# ---------------------------------------------------------------- the album


def test_album_shows_every_page(open_page, recording, widget):
    game = open_page(BeTheMiner.from_recording(recording, tab="album"))
    for when in ("before", "after"):
        game.find(f".snapshots [data-value={when}]").click()
        for strategy in be_the_miner.STRATEGIES:
            game.find(f".strategies [data-value={strategy}]").click()
            page = widget._album[when]["strategies"][strategy]
            total = sum(kind["count"] for kind in page.values())
            count = game.find(".album-count").inner_text()
            assert "of its 25,088 valid triplets" in count
            assert f" picks {total:,}: {page['hard']['count']:,} hard," in count
            # Easy first, but what was not picked at all comes last.
            kinds = sorted(KINDS, key=lambda kind: page[kind]["count"] == 0)
            for section, kind in zip(game.find(".kind").all(), kinds, strict=True):
                check_kind(section, kind, page[kind])


def check_kind(section, kind, described):
    assert section.locator("h4").inner_text().startswith(f"{kind} {described['count']:,} picked")
    rows = section.locator("tbody tr").all()
    assert len(rows) == len(described["rows"])
    if not rows:
        assert section.locator(".none").inner_text().startswith("None")
    for row, (*_, inner, outer) in zip(rows, described["rows"], strict=True):
        assert row.locator(".digit").count() == 3
        numbers = [float(t.removeprefix("at ")) for t in row.locator(".number").all_inner_texts()]
        loss = max(inner - outer + MARGIN, 0)
        assert numbers == pytest.approx([inner, outer, loss], rel=0.006)


def test_album_says_why_a_page_is_empty(open_page, recording, script, widget):
    game = open_page(BeTheMiner.from_recording(recording, tab="album", album_strategy="batch_all"))
    easy = widget._album["before"]["valid"]["easy"]
    words = game.find(".none").inner_text()
    assert words.startswith("None, by definition: batch all learns from positive triplets")
    assert words.endswith(f"It leaves out {easy:,} easy triplets.")
    album = {
        "before": {"valid": {"hard": 9}, "strategies": {"batch_hard": {"hard": {"count": 4}}}},
        "after": {"valid": {"hard": 0}, "strategies": {"batch_hard": {"hard": {"count": 0}}}},
    }
    why = script("be_the_miner").call("whyNone", album, "batch_hard", "after", "hard")
    assert why == "None left: before training it picked 4. The batch has no hard triplet."


def test_album_by_keyboard(open_page, recording):
    game = open_page(BeTheMiner.from_recording(recording))
    game.find("#tab-game").focus()
    game.page.keyboard.press("ArrowRight")
    assert game.find("#tab-album").get_attribute("aria-selected") == "true"
    assert game.root.evaluate("(host) => host.shadowRoot.activeElement.id") == "tab-album"
    game.page.keyboard.press("3")  # picks nothing here
    game.page.keyboard.press("ArrowLeft")
    assert game.find(".chip").count() == 2
    assert game.status("Round 1 of 10: pick the hardest negative")


# ---------------------------------------------------------------- the script's numbers


def test_script_judges_as_python_does(script, recording):
    judge = script("be_the_miner")
    generator = np.random.default_rng(1)
    for seed in range(2):
        widget = BeTheMiner.from_recording(recording, seed=seed, margin=1.0)
        labels = np.frombuffer(widget._class_of, "<i4").tolist()
        for number, game in enumerate(widget._games, start=1):
            for played in game:
                right = be_the_miner._right_picks(played, 1.0)
                assert judge.call("rightPicks", played, 1.0) == right
                for kind in ("network", "pixels"):
                    assert judge.call("pickBy", played, kind) == be_the_miner._pick(played, kind)
            answers = [be_the_miner._right_picks(played, 1.0)[0] + 1 for played in game]
            random = generator.integers(0, 9, 10)
            picks = np.where(generator.random(10) < 0.4, answers, random).tolist()
            widget.game = number
            widget.picks = picks
            result = judge.call("resultOf", game, picks, 1.0, labels)
            assert result.pop("streak") == widget.streak
            assert result.pop("chance") == pytest.approx(widget.result["chance"])
            assert result == {k: v for k, v in widget.result.items() if k != "chance"}


def test_script_picks_at_ties_as_python_does(script):
    judge = script("be_the_miner")
    generator = np.random.default_rng(2)
    for _ in range(12):
        positive = float(generator.integers(1, 5))
        candidates = generator.integers(0, 8, 8).astype(float)
        kinds = be_the_miner.categories(positive, candidates, 2.0)
        for kind, distance in zip(kinds, candidates.tolist(), strict=True):
            assert judge.call("categoryOf", positive, distance, 2.0) == kind
            loss = judge.call("lossOf", positive, distance, 2.0)
            assert loss == max(positive - distance + 2, 0)
        distances = {"positive": positive, "candidates": candidates.tolist()}
        for task in ("hardest", "semi-hard"):
            played = {"task": task, "network": distances, "pixels": distances}
            assert judge.call("rightPicks", played, 2.0) == be_the_miner._right_picks(played, 2.0)
            for kind in ("network", "pixels"):
                assert judge.call("pickBy", played, kind) == be_the_miner._pick(played, kind)
            for k in range(8):
                points = be_the_miner._points(played, k, 2.0)
                assert judge.call("pointsOf", played, k, 2.0) == points


def test_chips_never_cover_each_other(script):
    line = script("be_the_miner")
    generator = np.random.default_rng(3)
    for _ in range(30):
        xs = np.sort(generator.uniform(0, 300, 10) ** generator.choice([0.3, 1]))
        chips = line.call("stackChips", xs.tolist(), 30, 300)
        for k, chip in enumerate(chips):
            assert 0 <= chip["left"] <= 270
            assert chip["left"] == pytest.approx(np.clip(xs[k] - 15, 0, 270))
            for other in chips[:k]:
                apart = abs(other["left"] - chip["left"]) >= 33
                assert apart or other["lane"] != chip["lane"]
        widths = [50, 80, 50]
        centres = line.call(
            "spreadWords", np.sort(generator.uniform(0, 300, 3)).tolist(), widths, 300
        )
        edges = [(c - w / 2, c + w / 2) for c, w in zip(centres, widths, strict=True)]
        assert edges[0][0] >= -1e-9
        assert edges[-1][1] <= 300 + 1e-9
        assert all(a[1] <= b[0] + 1e-9 for a, b in itertools.pairwise(edges))


@pytest.mark.parametrize(
    ("high", "wanted", "ticks"),
    [
        (13.2, 8, [0, 2, 4, 6, 8, 10, 12]),
        (0.31, 5, [0, 0.1, 0.2, 0.3]),
        (2, 5, [0, 0.5, 1, 1.5, 2]),
    ],
)
def test_ticks(script, high, wanted, ticks):
    assert script("be_the_miner").call("ticksUpTo", high, wanted) == ticks
