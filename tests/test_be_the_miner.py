"""What the miner's game takes, refuses, draws and sends; how it plays is tested in the browser."""

import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import strategies
import traitlets
from PIL import Image

from tripletviz import triplets
from tripletviz.distances import pairwise_distances
from tripletviz.recordings import Recording
from tripletviz.widgets import be_the_miner
from tripletviz.widgets.be_the_miner import BeTheMiner

SNAPSHOTS, ITEMS, MARGIN = 5, 120, 0.5
RECORDING = Path(__file__).resolve().parents[1] / "data" / "mnist-recording.npz"


def numbered_images(count):
    """Pictures that say which item they belong to."""
    images = np.zeros((count, 4, 3), np.uint8)
    images[:, 0, 0] = np.arange(count) // 256
    images[:, 0, 1] = np.arange(count) % 256
    return images


@pytest.fixture
def data():
    """Six classes, some near others, that part in five snapshots."""
    generator = np.random.default_rng(3)
    labels = np.arange(ITEMS) % 6
    goals = generator.normal(size=(6, 4))[labels]
    time = np.linspace(0.2, 1, SNAPSHOTS)[:, None, None]
    embeddings = time * goals + generator.normal(0, 0.6, (ITEMS, 4))
    return {
        "embeddings": embeddings.astype(np.float32),
        "labels": labels,
        "images": numbered_images(ITEMS),
        "steps": [0, 1, 10, 100, 1000],
        "margin": MARGIN,
    }


@pytest.fixture
def game(data):
    return BeTheMiner(**data)


def item_of(widget, place):
    """The item whose picture stands at a place on the sheet."""
    sheet = np.asarray(Image.open(io.BytesIO(widget._sprite)))
    row, column = divmod(place, widget._sprite_layout["columns"])
    high, low = sheet[4 * row, 3 * column : 3 * column + 2]
    return 256 * int(high) + int(low)


def all_rounds(widget):
    return [played for game in widget._games for played in game]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"embeddings": np.zeros((5, 120))}, r"\(snapshots, items, dimensions\).*\(5, 120\)"),
        ({"embeddings": np.zeros((1, 120, 4))}, r"at least two snapshots.*\(1, 120, 4\)"),
        ({"embeddings": np.zeros((5, 120, 4), int)}, r"must hold floats, got dtype int64"),
        ({"embeddings": np.full((5, 120, 4), np.nan)}, r"finite.* first in snapshot 0"),
        ({"labels": np.zeros(5, int)}, r"item of `embeddings`, got labels of shape \(5,\) for 120"),
        ({"images": np.zeros((120, 28, 28))}, r"must be uint8"),
        ({"images": None}, r"\(120, height, width\)"),
        ({"steps": [0, 1, 2]}, r"one entry for every snapshot.*shape \(3,\)"),
        ({"steps": [0, 1, 1, 2, 3]}, r"must increase .* got \[0, 1, 1, 2, 3\]"),
        ({"margin": "soft"}, r"finite number, at least 0, got 'soft'.*semi-hard ring"),
        ({"margin": -1}, r"at least 0, got -1"),
        ({"margin": np.inf}, r"got inf"),
        ({"metric": "manhattan"}, r"must be one of .*'cosine'.* got 'manhattan'"),
        ({"rounds": 0}, r"from 1 to 20, got 0"),
        ({"rounds": 21}, r"from 1 to 20, got 21"),
        ({"rounds": 2.0}, r"got 2.0"),
        ({"class_names": ["zero"]}, r"got 1 names and labels from 0 to 5"),
        ({"embeddings": np.ones((5, 120, 4))}, r"at step 0.*collapsed"),
        ({"labels": np.zeros(120, int)}, r"8 negatives"),
        ({"labels": np.arange(120)}, r"a class of at least two"),
    ],
)
def test_refuses_what_does_not_fit(data, changed, message):
    with pytest.raises(ValueError, match=message):
        BeTheMiner(**(data | changed))


@pytest.mark.parametrize("metric", strategies.METRICS)
def test_a_round_holds_what_the_package_computes(data, metric):
    widget = BeTheMiner(**data, metric=metric)
    pixels = pairwise_distances(data["images"].reshape(ITEMS, -1) / 255.0).numpy()
    for played in all_rounds(widget):
        anchor, positive, *candidates = (
            item_of(widget, place)
            for place in (played["anchor"], played["positive"], *played["candidates"])
        )
        snapshot = data["steps"].index(played["step"])
        distances = pairwise_distances(
            data["embeddings"][snapshot].astype(float), metric=metric
        ).numpy()
        assert anchor != positive
        assert len(set(candidates)) == 8
        classes = data["labels"][[anchor, positive, *candidates]]
        assert classes[0] == classes[1]
        assert classes[0] not in classes[2:]
        for sent, true in [(played["network"], distances), (played["pixels"], pixels)]:
            np.testing.assert_allclose(sent["positive"], true[anchor, positive], rtol=1e-9)
            np.testing.assert_allclose(sent["candidates"], true[anchor, candidates], rtol=1e-9)
        other = data["steps"].index(played["other_step"])
        assert abs(other - snapshot) >= 2
        elsewhere = pairwise_distances(data["embeddings"][other].astype(float), metric=metric)
        elsewhere = elsewhere.numpy()[anchor, candidates]
        assert elsewhere[played["other_hardest"]] == pytest.approx(elsewhere.min())


def test_a_round_can_be_decided(data):
    for played in [r for seed in range(4) for r in all_rounds(BeTheMiner(**data, seed=seed))]:
        positive = played["network"]["positive"]
        distances = np.array(played["network"]["candidates"])
        if played["task"] == "hardest":
            nearest, second = np.sort(distances)[:2]
            assert second > 1.05 * nearest
        else:
            ring = (positive < distances) & (distances < positive + MARGIN)
            assert 1 <= ring.sum() <= 3
            edges = np.abs(distances[:, None] - [positive, positive + MARGIN])
            assert edges.min() > 0.05 * MARGIN


def test_rounds_follow_the_training_and_every_third_asks_for_semi_hard(game):
    for rounds in game._games:
        steps = [played["step"] for played in rounds]
        assert steps == sorted(steps)
        assert (steps[0], steps[-2:]) == (0, [1000, 1000])
        assert set(steps) == {0, 1, 10, 100, 1000}
        tasks = [played["task"] for played in rounds]
        assert tasks == (["hardest", "hardest", "semi-hard"] * 4)[:10]


@pytest.mark.parametrize("rounds", [1, 2, 3, 20])
def test_other_numbers_of_rounds(data, rounds):
    widget = BeTheMiner(**data, rounds=rounds)
    assert [len(game) for game in widget._games] == [rounds] * 3
    assert widget._games[0][0]["step"] == 0
    assert len(widget.picks) == rounds


def test_without_a_ring_there_is_no_semi_hard_round(data):
    widget = BeTheMiner(**(data | {"margin": 0.0}))
    assert {played["task"] for played in all_rounds(widget)} == {"hardest"}
    assert widget._album["before"]["valid"]["semi-hard"] == 0


def test_where_no_triplet_is_semi_hard_the_hardest_is_asked_for(data):
    generator = np.random.default_rng(0)
    apart = 100.0 * np.eye(6)[data["labels"]] * generator.uniform(1, 2, (ITEMS, 1))
    far = np.repeat(apart[None], SNAPSHOTS, axis=0)
    widget = BeTheMiner(**(data | {"embeddings": far, "margin": 1e-9}))
    assert {played["task"] for played in all_rounds(widget)} == {"hardest"}


def test_one_seed_one_game(data, game):
    again, other = BeTheMiner(**data), BeTheMiner(**data, seed=1)
    assert (again._games, again._album) == (game._games, game._album)
    assert other._games != game._games
    anchors = [played["anchor"] for played in all_rounds(game)]
    assert len(set(anchors)) == 30


def test_only_pictures_that_are_shown_are_sent(game):
    shown = {*game._album["items"]}
    for played in all_rounds(game):
        shown.update([played["anchor"], played["positive"], *played["candidates"]])
    sent = len(game._class_of) // 4
    assert shown == set(range(sent))
    items = [item_of(game, place) for place in range(sent)]
    assert len(set(items)) == sent
    labels = np.frombuffer(game._class_of, "<i4")
    np.testing.assert_array_equal(labels, np.array(items) % 6)


# ---------------------------------------------------------------- the album


@pytest.mark.parametrize("metric", strategies.METRICS)
@pytest.mark.parametrize(("name", "snapshot"), [("before", 0), ("after", -1)])
def test_album_shows_what_was_mined(data, metric, name, snapshot):
    widget = BeTheMiner(**data, metric=metric)
    album = widget._album
    items = [item_of(widget, place) for place in album["items"]]
    labels, embeddings = data["labels"][items], data["embeddings"][snapshot][items]
    assert (album["classes"], album["images"], len(items)) == (6, 8, 48)
    assert np.unique(labels, return_counts=True)[1].tolist() == [8] * 6
    page = album[name]
    assert page["step"] == data["steps"][snapshot]
    counts = triplets.count_triplets(labels, embeddings, MARGIN, metric=metric)
    assert [page["valid"][kind] for kind in ("easy", "semi-hard", "hard")] == list(counts[1:])
    for strategy in triplets.STRATEGIES:
        mined = triplets.mine_triplets(labels, embeddings, MARGIN, strategy, metric=metric)
        kinds = page["strategies"][strategy]
        assert sum(kind["count"] for kind in kinds.values()) == len(mined)
        assert (kinds["easy"]["count"] > 0) <= (strategy != "batch_all")
        for kind, described in kinds.items():
            assert len(described["rows"]) == min(described["count"], 4)
            losses = [MARGIN + inner - outer for *_, inner, outer in described["rows"]]
            assert losses == sorted(losses, reverse=True)
            for *triplet, inner, outer in described["rows"]:
                assert triplet in mined.tolist()
                is_hard, is_active = outer <= inner, outer < inner + MARGIN
                assert kind == ("hard" if is_hard else "semi-hard" if is_active else "easy")


def test_album_of_small_classes(data):
    labels = np.where(np.arange(ITEMS) < 117, 0, 1)  # three of class 1
    labels[:60] = 2
    album = BeTheMiner(**(data | {"labels": labels}))._album
    assert (album["classes"], album["images"], len(album["items"])) == (3, 3, 9)


# ---------------------------------------------------------------- the traits


def expected(widget, picks):
    """Score, streak and result, from the documentation."""
    score = right = pixels = streak = 0
    chance = 0.0
    for played, pick in zip(widget._games[widget.game - 1], picks, strict=False):
        if not pick:
            continue
        distances = np.array(played["network"]["candidates"])
        positive = played["network"]["positive"]
        raw = np.array(played["pixels"]["candidates"])
        if played["task"] == "hardest":
            answers = distances == distances.min()
            near = np.argsort(distances)[1] == pick - 1
            by_pixels = raw.argmin()
        else:
            answers = (distances > positive) & (distances < positive + MARGIN)
            near = distances[pick - 1] <= positive
            farther = raw > played["pixels"]["positive"]
            by_pixels = np.where(farther, raw, np.inf).argmin() if farther.any() else raw.argmax()
        score += 10 if answers[pick - 1] else 5 if near else 0
        right += int(answers[pick - 1])
        pixels += int(answers[by_pixels])
        streak = streak + 1 if answers[pick - 1] else 0
        chance += answers.mean()
    return score, streak, right, pixels, chance


@pytest.mark.parametrize("seed", range(8))
def test_score_streak_and_result_follow_the_picks(data, seed):
    generator = np.random.default_rng(seed)
    widget = BeTheMiner(**(data | {"seed": seed}), game=seed % 3 + 1)
    rounds = widget._games[widget.game - 1]
    right = [be_the_miner._right_picks(played, MARGIN)[0] + 1 for played in rounds]
    picks = np.where(generator.random(10) < 0.5, right, generator.integers(0, 9, 10)).tolist()
    widget.picks = picks
    score, streak, right, pixels, chance = expected(widget, picks)
    assert (widget.score, widget.streak) == (score, streak)
    result = widget.result
    assert (result["right"], result["pixels"], result["score"]) == (right, pixels, score)
    assert result["chance"] == pytest.approx(chance)
    assert result["answered"] == np.count_nonzero(picks)
    assert len(result["fooled"]) == result["answered"] - right
    labels = np.frombuffer(widget._class_of, "<i4")
    for fooled in result["fooled"]:
        played = rounds[fooled["round"] - 1]
        picked = played["candidates"][picks[fooled["round"] - 1] - 1]
        assert fooled["anchor"] == labels[played["anchor"]]
        assert fooled["picked"] == labels[picked]
        assert fooled["task"] == played["task"]


def test_all_right_and_longest_streak(game):
    right = [be_the_miner._right_picks(played, MARGIN)[0] + 1 for played in game._games[0]]
    game.picks = right
    assert (game.score, game.streak, game.result["longest_streak"]) == (100, 10, 10)
    assert game.result["fooled"] == []
    wrong = int(np.argmax(game._games[0][3]["network"]["candidates"])) + 1
    game.picks = [*right[:3], wrong, *right[4:6]]
    assert (game.score, game.streak, game.result["longest_streak"]) == (50, 2, 3)


def test_pixels_pick_the_farthest_where_none_is_farther_than_the_positive():
    played = {
        "task": "semi-hard",
        "network": {"positive": 1.0, "candidates": [1.2, 0.5, 9.0]},
        "pixels": {"positive": 5.0, "candidates": [1.0, 5.0, 2.0]},
    }
    assert be_the_miner._pick(played, "pixels") == 1
    assert be_the_miner._pick(played, "network") == 0
    assert [be_the_miner._points(played, k, 0.5) for k in range(3)] == [10, 5, 0]


def test_traits_take_what_they_say(game):
    seen = []
    game.observe(lambda change: seen.append(change.new), "score")
    game.picks = [1, 2, 0, 8]
    game.round = 11
    game.tab = "album"
    game.album_strategy = "batch_all"
    game.album_snapshot = "after"
    assert game.picks == [1, 2, 0, 8, 0, 0, 0, 0, 0, 0]
    assert (game.round, game.tab, game.album_strategy) == (11, "album", "batch_all")
    assert game.album_snapshot == "after"
    assert seen == [game.score] * bool(game.score)


def test_a_new_game_starts_at_its_first_round(game):
    game.picks = [1, 2, 3]
    game.round = 4
    game.game = 2
    assert (game.picks, game.round, game.score, game.result["answered"]) == ([0] * 10, 1, 0, 0)


def test_traits_in_the_constructor(data):
    widget = BeTheMiner(**data, game=3, picks=[4], round=2, title="Mine!", tab="album")
    assert (widget.game, widget.picks[:2], widget.round) == (3, [4, 0], 2)
    assert (widget.title, widget.tab) == ("Mine!", "album")
    assert widget.result["answered"] == 1


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("game", 0, "from 1 to 3, got 0"),
        ("game", 4, "got 4"),
        ("round", 0, "from 1 to 10, or 11 for the result, got 0"),
        ("round", 12, "got 12"),
        ("picks", [9], r"from 1 to 8, or 0 for none, got \[9\]"),
        ("picks", [-1], r"got \[-1\]"),
        ("picks", [1] * 11, "at most 10 integers"),
        ("tab", "other", "'game'"),
        ("album_strategy", "hardest", "batch_hard"),
        ("album_snapshot", "between", "before"),
        ("score", 10, "read-only"),
        ("result", {}, "read-only"),
    ],
)
def test_traits_refuse_what_makes_no_sense(game, name, value, message):
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(game, name, value)


# ---------------------------------------------------------------- the whole


def test_from_a_recording():
    recording = Recording.load(RECORDING)
    widget = BeTheMiner.from_recording(recording, seed=5, rounds=6)
    given = BeTheMiner(
        recording.embeddings,
        recording.labels,
        recording.images,
        steps=recording.steps,
        margin=0.5,
        seed=5,
        rounds=6,
    )
    assert (widget._games, widget._album) == (given._games, given._album)
    assert [played["step"] for played in widget._games[0]] == [0, 6, 31, 169, 937, 937]
    state = widget.get_state(BeTheMiner.class_own_traits(sync=True))
    sizes = [len(v if isinstance(v, bytes | memoryview) else repr(v)) for v in state.values()]
    assert sum(sizes) < 150_000


def test_classes_by_name(data):
    names = ["T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal"]
    widget = BeTheMiner(**data, class_names=names)
    assert [entry["name"] for entry in widget._classes] == names


def test_text_form(game):
    bundle, _ = game._repr_mimebundle_()
    assert bundle["text/plain"] == "BeTheMiner(3 games of 10 rounds, margin 0.5)"


def test_import_does_not_import_tensorflow():
    program = (
        "import sys, tripletviz.widgets.be_the_miner as m, tripletviz.recordings as r;"
        f"m.BeTheMiner.from_recording(r.Recording.load({str(RECORDING)!r}));"
        "sys.exit('tensorflow' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[1]
    subprocess.run([sys.executable, "-c", program], check=True, cwd=root)
