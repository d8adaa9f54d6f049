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
        ({"frames": np.zeros((4, 6))}, r"\(snapshots, points, 2\).* got shape \(4, 6\)"),
        ({"frames": np.zeros((4, 6, 3))}, r"got shape \(4, 6, 3\)"),
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


def test_payload_of_ten_thousand_points_stays_below_its_bar():
    player = EmbeddingPlayer(np.zeros((50, 10_000, 2)), np.arange(10_000) % 10, steps=np.arange(50))
    state = player.get_state(EmbeddingPlayer.class_own_traits(sync=True))
    sizes = [len(v if isinstance(v, bytes | memoryview) else repr(v)) for v in state.values()]
    assert 4_000_000 <= sum(sizes) <= 4_500_000


def test_gaps_in_curves_are_sent_as_null(data):
    player = EmbeddingPlayer(
        **data, curves={"loss": [1.0, math.nan, math.inf, 0.5], "R@1": [1] * 4}
    )
    assert player._curves == [
        {"name": "loss", "values": [1.0, None, None, 0.5]},
        {"name": "R@1", "values": [1.0, 1.0, 1.0, 1.0]},
    ]
    json.dumps(player._curves, allow_nan=False)


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
