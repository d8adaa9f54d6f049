"""What a widget takes, refuses, sends and saves. How it behaves is tested in `tests/browser`."""

import base64
import io
import json
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import traitlets
from PIL import Image
from sklearn.manifold import trustworthiness

from tripletviz.projection import pca_frames, tsne_frames
from tripletviz.recordings import Recording
from tripletviz.widgets import EmbeddingPlayer
from tripletviz.widgets._widget import load_script

SNAPSHOTS, POINTS = 4, 6


@pytest.fixture
def data():
    generator = np.random.default_rng(7)
    return {
        "frames": generator.normal(size=(SNAPSHOTS, POINTS, 2)),
        "labels": np.array([3, 3, 7, 7, 3, 0]),
        "steps": [0, 1, 10, 100],
    }


@pytest.fixture
def player(data):
    return EmbeddingPlayer(**data)


def with_value(array, index, value):
    array = np.array(array)
    array[index] = value
    return array


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"frames": np.zeros((4, 6))}, r"\(snapshots, points, 3\).* got shape \(4, 6\)"),
        ({"frames": np.zeros((4, 6, 4))}, r"got shape \(4, 6, 4\)"),
        ({"frames": np.zeros((0, 6, 2))}, r"got shape \(0, 6, 2\)"),
        ({"frames": np.zeros((4, 6, 2), int)}, r"must hold floats, got dtype int64"),
        ({"frames": with_value(np.zeros((4, 6, 2)), (2, 0, 0), np.nan)}, r"first in snapshot 2"),
        ({"frames": np.full((4, 6, 2), 1e300)}, r"finite in float32"),
        ({"labels": np.zeros(5, int)}, r"point of `frames`, got labels of shape \(5,\) for 6"),
        ({"labels": np.zeros((6, 1), int)}, r"labels of shape \(6, 1\)"),
        ({"labels": np.zeros(6)}, r"must be integers, got dtype float64"),
        ({"steps": [0, 1, 2]}, r"steps of shape \(3,\) for 4 snapshots"),
        ({"steps": [0, 1, 1, 2]}, r"must increase .* got \[0, 1, 1, 2\]"),
        ({"steps": [-1, 1, 2, 3]}, r"from 0 or above"),
        ({"steps": [0.0, 1.0, 2.0, 3.0]}, r"must be integers, got dtype float64"),
        ({"curves": {"loss": [1, 2]}}, r"got shape \(2,\) for 'loss' and 4 snapshots"),
        ({"curves": {"kinds": {}}}, r"at least one line for 'kinds'"),
        ({"curves": {"kinds": {"easy": [1]}}}, r"got shape \(1,\) for 'easy' and 4 snapshots"),
        ({"embeddings": np.zeros((4, 5, 8))}, r"\(4, 6, dimensions\).* got shape \(4, 5, 8\)"),
        ({"embeddings": np.zeros((4, 6))}, r"got shape \(4, 6\)"),
        ({"embeddings": np.zeros((4, 6, 0))}, r"got shape \(4, 6, 0\)"),
        ({"embeddings": np.zeros((4, 6, 2), int)}, r"must hold floats, got dtype int64"),
        ({"embeddings": with_value(np.zeros((4, 6, 2)), (1, 0, 0), np.inf)}, r"in snapshot 1"),
        ({"images": np.zeros((5, 28, 28), np.uint8)}, r"\(6, height, width\).*\(5, 28, 28\)"),
        ({"images": np.zeros((6, 28, 28))}, r"must be uint8 .* got dtype float64"),
        ({"class_names": ["zero", "one"]}, r"got 2 names and labels from 0 to 7"),
    ],
)
def test_refuses_what_does_not_fit(data, changed, message):
    with pytest.raises(ValueError, match=message):
        EmbeddingPlayer(**(data | changed))


def test_refuses_pictures_of_many_points():
    frames = np.zeros((1, 1001, 2))
    images = np.zeros((1001, 2, 2), np.uint8)
    with pytest.raises(ValueError, match="1000 points at most, got 1001"):
        EmbeddingPlayer(frames, np.zeros(1001, int), steps=[0], images=images)


@pytest.mark.parametrize("points", [2, 1001])
def test_refuses_embeddings_of_too_few_and_of_many_points(points):
    frames = np.zeros((1, points, 2))
    with pytest.raises(ValueError, match=f"3 to 1000 points, got {points}"):
        EmbeddingPlayer(frames, np.zeros(points, int), steps=[0], embeddings=frames)


def test_refuses_many_points_in_three_dimensions():
    with pytest.raises(ValueError, match="1000 points at most, got 1001"):
        EmbeddingPlayer(np.zeros((1, 1001, 3)), np.zeros(1001, int), steps=[0])


def test_what_is_sent_decodes_to_what_was_given(data, player):
    sent = np.frombuffer(player._frames, "<f4").reshape(SNAPSHOTS, POINTS, 2)
    np.testing.assert_array_equal(sent, data["frames"].astype(np.float32))
    class_of = np.frombuffer(player._class_of, "<i4")
    labels = [player._classes[k]["label"] for k in class_of]
    np.testing.assert_array_equal(labels, data["labels"])
    assert player._steps == data["steps"]


def test_frames_in_any_memory_layout(data):
    turned = np.asfortranarray(data["frames"].astype(np.float32))
    player = EmbeddingPlayer(**(data | {"frames": turned[:, ::-1]}))
    sent = np.frombuffer(player._frames, "<f4").reshape(SNAPSHOTS, POINTS, 2)
    np.testing.assert_array_equal(sent, turned[:, ::-1])


def payload(player):
    state = player.get_state(EmbeddingPlayer.class_own_traits(sync=True))
    sizes = [len(v if isinstance(v, bytes | memoryview) else repr(v)) for v in state.values()]
    return sum(sizes)


def test_payload_of_ten_thousand_points_stays_below_its_bar():
    player = EmbeddingPlayer(np.zeros((50, 10_000, 2)), np.arange(10_000) % 10, steps=np.arange(50))
    assert 4_000_000 <= payload(player) <= 4_500_000


def test_payload_of_pictures_and_neighbors_stays_below_its_bar():
    generator = np.random.default_rng(0)
    frames = generator.normal(size=(50, 1000, 3))
    images = generator.integers(0, 256, (1000, 28, 28)).astype(np.uint8)  # nothing to compress
    player = EmbeddingPlayer(
        frames, np.arange(1000) % 10, steps=np.arange(50), images=images, embeddings=frames
    )
    assert 3_500_000 <= payload(player) <= 4_500_000


def test_frames_of_three_dimensions(data):
    frames = np.random.default_rng(1).normal(size=(SNAPSHOTS, POINTS, 3))
    player = EmbeddingPlayer(**(data | {"frames": frames}), rotation=[90, -10])
    sent = np.frombuffer(player._frames, "<f4").reshape(frames.shape)
    np.testing.assert_array_equal(sent, frames.astype(np.float32))
    assert player._dimensions == 3
    assert player.rotation == [90.0, -10.0]


# ---------------------------------------------------------------- neighbours


def decoded(buffer, distance_range, shape):
    low, high = distance_range
    codes = np.frombuffer(buffer, "<u2").astype(float).reshape(shape)
    return np.where(codes == 0, 0.0, low * (high / low) ** ((codes - 1) / 65534))


@pytest.mark.parametrize(("points", "count"), [(3, 1), (6, 2), (21, 10), (40, 10)])
def test_neighbors_sent_are_the_true_ones(points, count):
    generator = np.random.default_rng(points)
    embeddings = generator.normal(size=(SNAPSHOTS, points, 8)) * [[[1e-3]], [[1]], [[1]], [[50]]]
    frames = embeddings[..., :2].astype(np.float32)
    player = EmbeddingPlayer(
        frames, np.arange(points) % 3, steps=range(SNAPSHOTS), embeddings=embeddings
    )
    assert player._neighbor_count == count
    shape = (SNAPSHOTS, points, count)
    indices = np.frombuffer(player._neighbors, "<u2").reshape(shape)
    true = decoded(player._neighbor_distances, player._distance_range, shape)
    drawn = decoded(player._drawn_distances, player._distance_range, shape)
    for s in range(SNAPSHOTS):
        distances = np.linalg.norm(embeddings[s][:, None] - embeddings[s], axis=-1)
        np.fill_diagonal(distances, np.inf)
        order = distances.argsort(axis=1)[:, :count]
        np.testing.assert_array_equal(indices[s], order)
        np.testing.assert_allclose(true[s], np.take_along_axis(distances, order, 1), rtol=1e-3)
        seen = np.linalg.norm((frames[s][:, None] - frames[s]).astype(float), axis=-1)
        np.fill_diagonal(seen, np.inf)
        order = seen.argsort(axis=1)[:, :count]
        np.testing.assert_allclose(drawn[s], np.take_along_axis(distances, order, 1), rtol=1e-3)


def test_trustworthiness_is_that_of_each_snapshot():
    embeddings = np.random.default_rng(0).normal(size=(SNAPSHOTS, 40, 8))
    frames = embeddings[..., :2].astype(np.float32)
    player = EmbeddingPlayer(
        frames, np.arange(40) % 3, steps=range(SNAPSHOTS), embeddings=embeddings
    )
    expected = [
        trustworthiness(*pair, n_neighbors=10) for pair in zip(embeddings, frames, strict=True)
    ]
    assert player.trustworthiness == pytest.approx(expected, abs=1e-9)
    with pytest.raises(AttributeError):
        player.trustworthiness = [1.0]


def test_without_embeddings_nothing_is_said_of_neighbors(player):
    assert player.trustworthiness == []
    assert (player._neighbor_count, player._neighbors) == (0, b"")


def test_neighbors_of_a_collapsed_embedding(data):
    player = EmbeddingPlayer(**data, embeddings=np.ones((SNAPSHOTS, POINTS, 5)))
    shape = (SNAPSHOTS, POINTS, 2)
    assert (decoded(player._neighbor_distances, player._distance_range, shape) == 0).all()
    json.dumps(player._trustworthiness, allow_nan=False)


# ---------------------------------------------------------------- curves


def test_gaps_in_curves_are_sent_as_null(data):
    player = EmbeddingPlayer(
        **data, curves={"loss": [1.0, math.nan, math.inf, 0.5], "R@1": [1] * 4}
    )
    assert player._curves == [
        {"name": "loss", "values": [1.0, None, None, 0.5]},
        {"name": "R@1", "values": [1.0, 1.0, 1.0, 1.0]},
    ]
    json.dumps(player._curves, allow_nan=False)


def test_curves_in_one_chart(data):
    kinds = {"easy": [0.2, 0.5, math.nan, 1.0], "hard": [0.8, 0.5, 0.2, 0.0]}
    player = EmbeddingPlayer(**data, curves={"loss": [4, 3, 2, 1], "share": kinds})
    assert player._curves == [
        {"name": "loss", "values": [4.0, 3.0, 2.0, 1.0]},
        {
            "name": "share",
            "lines": [
                {"name": "easy", "values": [0.2, 0.5, None, 1.0]},
                {"name": "hard", "values": [0.8, 0.5, 0.2, 0.0]},
            ],
        },
    ]


def test_class_names_and_colors_belong_to_labels(data):
    names = ["T-shirt", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker"]
    named = EmbeddingPlayer(**data, class_names=names)._classes
    assert [(c["label"], c["name"]) for c in named] == [
        (0, "T-shirt"),
        (3, "Dress"),
        (7, "Sneaker"),
    ]
    unnamed = EmbeddingPlayer(**data)._classes
    assert [c["name"] for c in unnamed] == ["0", "3", "7"]
    assert [c["color"] for c in unnamed] == [c["color"] for c in named]
    assert len({c["color"] for c in named}) == 3


def test_every_picture_is_on_the_sheet(data):
    images = np.random.default_rng(1).integers(0, 256, (POINTS, 5, 4)).astype(np.uint8)
    player = EmbeddingPlayer(**data, images=images)
    sheet = np.asarray(Image.open(io.BytesIO(player._sprite)))
    layout = player._sprite_layout
    assert layout == {"height": 5, "width": 4, "columns": 3}
    for index, image in enumerate(images):
        row, column = divmod(index, layout["columns"])
        cut = sheet[5 * row : 5 * row + 5, 4 * column : 4 * column + 4]
        np.testing.assert_array_equal(cut, image)


def test_traits_take_what_they_say(player):
    player.position = 1.5
    player.speed = 0.5
    player.hidden_classes = [7, 0]
    player.hovered = 5
    player.playing = True
    player.pinned = 2
    player.view = {"zoom": 2, "y": -1}
    player.rotation = (370, -90)
    assert (player.pinned, player.rotation) == (2, [370.0, -90.0])
    assert player.view == {"x": 0.0, "y": -1.0, "zoom": 2.0}
    assert (player.position, player.speed, player.hidden_classes) == (1.5, 0.5, [7, 0])
    assert (player.hovered, player.playing) == (5, True)


def test_traits_in_the_constructor(data):
    player = EmbeddingPlayer(**data, position=2.0, hidden_classes=[3], height=300, title="Moves")
    assert (player.position, player.hidden_classes) == (2.0, [3])
    assert (player.height, player.title) == (300, "Moves")


@pytest.mark.parametrize(("given", "taken"), [(-1, 0.0), (99, 3.0), (2, 2.0)])
def test_position_is_clipped_to_the_snapshots(player, given, taken):
    player.position = given
    assert player.position == taken


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("position", math.nan, "must be finite"),
        ("speed", 0, "above 0, got 0"),
        ("speed", math.inf, "above 0, got inf"),
        ("hidden_classes", [3, 4], r"among the labels \[0, 3, 7\], got \[4\]"),
        ("hovered", 6, "one of the 6 points, or -1 for none, got 6"),
        ("hovered", -2, "got -2"),
        ("height", 50, "100"),
        ("pinned", 6, "`pinned` must be the index of one of the 6 points, or -1 for none, got 6"),
        ("view", {"zoom": 0.5}, "zoom from 1 to 100, got 0.5"),
        ("view", {"zoom": 101}, "zoom from 1 to 100, got 101"),
        ("view", {"left": 1}, "under 'x', 'y' and 'zoom' alone"),
        ("view", {"x": math.nan}, "must hold finite numbers"),
        ("view", {"x": "1"}, "must hold finite numbers"),
        ("rotation", [0, 91], "tilt from -90 to 90 degrees"),
        ("rotation", [math.inf, 0], "finite turn"),
        ("rotation", [1], "length 2"),
    ],
)
def test_traits_refuse_what_makes_no_sense(player, name, value, message):
    with pytest.raises(traitlets.TraitError, match=message):
        setattr(player, name, value)


def test_one_snapshot_of_one_point_is_enough():
    player = EmbeddingPlayer(np.zeros((1, 1, 2)), [4], steps=[0])
    player.position = 1
    assert player.position == 0


def test_text_form_is_the_same_in_every_run(player):
    bundle, _ = player._repr_mimebundle_()
    assert bundle["text/plain"] == "EmbeddingPlayer(6 points in 3 classes, 4 snapshots)"


# ---------------------------------------------------------------- from a recording


def make_recording(points=POINTS, **changed):
    generator = np.random.default_rng(3)
    names = ["loss", "fraction of positive triplets", "R@1", "easy", "semi-hard", "hard", "other"]
    arrays = {
        "steps": np.array([0, 1, 10, 100]),
        "embeddings": generator.normal(size=(SNAPSHOTS, points, 5)).astype(np.float32),
        "labels": np.arange(points) % 3,
        "images": generator.integers(0, 256, (points, 4, 4)).astype(np.uint8),
        "curves": {name: generator.random(SNAPSHOTS) for name in names},
    }
    return Recording(**(arrays | changed))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_a_recording_in_one_line(dimensions):
    recording = make_recording()
    player = EmbeddingPlayer.from_recording(recording, dimensions=dimensions, position=2)
    sent = np.frombuffer(player._frames, "<f4").reshape(SNAPSHOTS, POINTS, dimensions)
    expected = pca_frames(recording.embeddings, dimensions=dimensions)
    np.testing.assert_array_equal(sent, expected)
    assert player._steps == [0, 1, 10, 100]
    assert player.position == 2
    assert len(player.trustworthiness) == SNAPSHOTS
    assert player._sprite
    names = ["loss", "positive triplets", "R@1", "share of the triplets"]
    assert [curve["name"] for curve in player._curves] == names
    assert [line["name"] for line in player._curves[3]["lines"]] == ["easy", "semi-hard", "hard"]
    assert player._curves[3]["lines"][2]["values"] == recording.curves["hard"].tolist()


def test_a_recording_as_tsne():
    recording = make_recording(points=60)
    player = EmbeddingPlayer.from_recording(recording, projection="tsne", images=None)
    sent = np.frombuffer(player._frames, "<f4").reshape(SNAPSHOTS, 60, 2)
    np.testing.assert_array_equal(sent, tsne_frames(recording.embeddings))
    assert player._sprite == b""


def test_a_recording_without_curves():
    assert EmbeddingPlayer.from_recording(make_recording(curves={}))._curves == []


def test_a_recording_of_many_points_goes_without_pictures_and_neighbors():
    player = EmbeddingPlayer.from_recording(make_recording(points=1001))
    assert (player._sprite, player.trustworthiness) == (b"", [])


def test_an_unknown_projection_is_refused():
    with pytest.raises(ValueError, match="'pca' or 'tsne', got 'umap'"):
        EmbeddingPlayer.from_recording(make_recording(), projection="umap")


def test_a_recording_is_shown_without_what_is_slow_to_import():
    program = (
        "import sys; from tripletviz.recordings import Recording; "
        "from tripletviz.widgets import EmbeddingPlayer; "
        "EmbeddingPlayer.from_recording(Recording.load('data/mnist-recording.npz')); "
        "sys.exit(str({'tensorflow', 'sklearn'} & set(sys.modules) or ''))"
    )
    root = Path(__file__).resolve().parents[1]
    done = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True)
    assert done.stderr.strip() == ""


# ---------------------------------------------------------------- the saved page


def page_content(path: Path) -> dict:
    page = path.read_text(encoding="utf-8")
    (content,) = re.findall(r'<script type="application/json" id="content">(.*?)</script>', page)
    return json.loads(content)


def test_saved_page_holds_the_script_and_the_data(data, tmp_path):
    player = EmbeddingPlayer(**data, position=1.5)
    path = player.save_html(tmp_path / "player.html")
    content = page_content(path)
    assert content["module"] == load_script("embedding_player")
    assert base64.b64decode(content["buffers"]["_frames"]) == player._frames
    assert content["values"]["position"] == 1.5
    assert content["values"]["_steps"] == data["steps"]


def test_saved_page_asks_for_nothing(player, tmp_path):
    page = player.save_html(tmp_path / "player.html").read_text(encoding="utf-8")
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")  # a name, no address
    assert not re.search(r"\b(src|href)\s*=", page)
    module = page_content(tmp_path / "player.html")["module"]
    assert not re.search(r"@import|^\s*import\s", module, re.MULTILINE)


def test_saved_page_survives_hostile_text(data, tmp_path):
    hostile = "</script><script>alert(1)</script><!-- & {braces}"
    player = EmbeddingPlayer(**data, curves={hostile: [1, 2, 3, 4]}, title=hostile)
    path = player.save_html(str(tmp_path / "player.html"))
    page = path.read_text(encoding="utf-8")
    assert page.count("<script") == page.count("</script>") == 2
    assert "<title>&lt;/script&gt;" in page
    assert page_content(path)["values"]["title"] == hostile
    assert page_content(path)["values"]["_curves"][0]["name"] == hostile


def test_import_does_not_import_tensorflow():
    program = "import sys, tripletviz.widgets; sys.exit('tensorflow' in sys.modules)"
    root = Path(__file__).resolve().parents[1]
    subprocess.run([sys.executable, "-c", program], check=True, cwd=root)
