"""What TensorBoard shows: read from the event files, and asked of a real TensorBoard."""

import base64
import errno
import io
import json
import re
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tripletviz import figures
from tripletviz._tensorflow import keras, tf
from tripletviz.callbacks import EmbeddingRecorder
from tripletviz.losses import BatchAllTripletLoss, FractionOfPositiveTriplets
from tripletviz.params import ExperimentError
from tripletviz.summaries import TensorBoardSummaries, write_projector, write_tsne_page

LOOKS = (0, 1, 5, 12, 20)
STEPS = 20
RATE = keras.optimizers.schedules.PolynomialDecay(0.5, STEPS)


@pytest.fixture(scope="module")
def pictures():
    """Images each of which is known by its pixels, and their labels."""
    images = np.zeros((30, 4, 3), np.uint8)
    images[:, 0, 0] = np.arange(30)
    images[:, 3, 2] = 255
    return images, np.arange(30) % 3


# A training without a network: what a recorder holds after some steps -----------------------------


def history(steps):
    """A recorder that has seen so many steps."""
    looks = [
        (step, None, {"loss": step / 8, "R@1": 1 - step / 64, "semi-hard": 0.25})
        for step in LOOKS
        if step <= steps
    ]
    curves = {
        "loss": [step / 4 for step in range(1, steps + 1)],
        "fraction of positive triplets": [0.5] * steps,
    }
    return SimpleNamespace(looks=looks, step_curves=curves if steps else {})


def train(folder, start=0, stop=STEPS, killed=False, **options):
    """Run the callback from one step to another, as `fit` would; return it."""
    options = {"every": 4, "learning_rate": RATE} | options
    recorder = history(start)
    callback = TensorBoardSummaries(folder, recorder, **options)
    callback.on_train_begin()
    for step in range(start + 1, stop + 1):
        for name, value in vars(history(step)).items():
            setattr(recorder, name, value)
        callback.on_train_batch_end(step)
    if not killed:
        callback.on_train_end()
    return callback


def event_files(folder):
    return sorted(Path(folder).glob("events.out.tfevents.*"))


def written(folder):
    """All values of a folder's event files: a sorted list of (tag, step, value)."""
    found = []
    for path in event_files(folder):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            found += [
                (value.tag, event.step, value.simple_value)
                for value in event.summary.value
                if not value.HasField("tensor")
            ]
    return sorted(found)


def picture_in(folder):
    for path in event_files(folder):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            for value in tf.compat.v1.Event.FromString(record).summary.value:
                if value.tag == "training images":
                    width, height, png = tf.make_ndarray(value.tensor)
                    image = np.asarray(Image.open(io.BytesIO(png)))
                    assert image.shape == (int(height), int(width))
                    return image
    return None


def test_every_curve_has_its_tag_and_its_steps(tmp_path):
    train(tmp_path / "new" / "folder")
    batch_steps = [1, 4, 8, 12, 16, 20]
    expected = [("batch/loss", step, step / 4) for step in batch_steps]
    expected += [("batch/fraction of positive triplets", step, 0.5) for step in batch_steps]
    # The rate of an update is that of the number of updates made before it.
    expected += [
        ("batch/learning rate", step, pytest.approx(float(RATE(step - 1)))) for step in batch_steps
    ]
    expected += [("probe/loss", step, step / 8) for step in LOOKS]
    expected += [("probe/R@1", step, 1 - step / 64) for step in LOOKS]
    expected += [("probe/semi-hard", step, 0.25) for step in LOOKS]
    assert written(tmp_path / "new" / "folder") == sorted(expected, key=lambda each: each[:2])


@pytest.mark.parametrize(
    ("rate", "expected"), [(1e-3, [1e-3] * 3), (lambda updates: updates, [0, 3, 7]), (None, [])]
)
def test_a_learning_rate_is_a_number_or_a_function_or_left_out(rate, expected, tmp_path):
    train(tmp_path, stop=9, learning_rate=rate)
    rates = [value for tag, _, value in written(tmp_path) if tag == "batch/learning rate"]
    assert rates == pytest.approx(expected)


def test_curves_with_new_names_are_written_too(tmp_path):
    recorder = history(2)
    callback = TensorBoardSummaries(tmp_path, recorder, every=1)
    callback.on_train_begin()
    recorder.step_curves["mean embedding norm"] = [1.0, 2.0]
    recorder.looks.append((2, None, {"hardest negative distance": 0.5}))
    callback.on_train_end()
    found = written(tmp_path)
    assert ("batch/mean embedding norm", 2, 2.0) in found
    assert ("probe/hardest negative distance", 2, 0.5) in found


@pytest.mark.parametrize(
    ("killed_at", "checkpoint"), [(0, 0), (3, 0), (13, 10), (13, 12), (20, 20)]
)
def test_a_training_that_was_killed_shows_the_same_as_an_undisturbed_one(
    killed_at, checkpoint, tmp_path
):
    train(tmp_path / "undisturbed")
    abandoned = train(tmp_path / "resumed", stop=killed_at, killed=True)
    train(tmp_path / "resumed", start=checkpoint)
    found = written(tmp_path / "resumed")
    assert found == written(tmp_path / "undisturbed")
    assert len({each[:2] for each in found}) == len(found)
    assert len(event_files(tmp_path / "resumed")) == 1
    assert abandoned.recorder.looks


def test_a_second_training_with_the_same_callback_begins_anew(tmp_path):
    callback = train(tmp_path, stop=9)
    vars(callback.recorder).update(vars(history(0)))
    callback.on_train_begin()
    callback.on_train_end()
    assert {step for _, step, _ in written(tmp_path)} == {0}


def test_files_of_others_stay(tmp_path):
    other = tf.summary.create_file_writer(str(tmp_path))
    other.close()
    (tmp_path / "notes.txt").write_text("mine")
    theirs = event_files(tmp_path)
    train(tmp_path)
    train(tmp_path)
    assert len(theirs) == 1
    assert set(theirs) < set(event_files(tmp_path))
    assert len(event_files(tmp_path)) == 2
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_what_is_written_is_on_disk_at_once(tmp_path):
    still_open = train(tmp_path, stop=5, killed=True)
    assert ("probe/loss", 5, 5 / 8) in written(tmp_path)
    assert ("batch/loss", 4, 1.0) in written(tmp_path)
    still_open.on_train_end()


def test_the_picture_has_a_row_for_each_class(tmp_path, pictures):
    train(tmp_path, stop=0, images=pictures[0], labels=pictures[1])
    sheet = picture_in(tmp_path)
    assert sheet.shape == (3 * 4, 10 * 3)
    # Dark ink on white: the images' first pixels are their numbers.
    numbers = 255 - sheet[::4, ::3]
    np.testing.assert_array_equal(numbers, np.arange(30).reshape(10, 3).T)
    assert (sheet[3::4, 2::3] == 0).all()
    assert (sheet == 255).sum() == sheet.size - 30 - 29  # the first image's number is 0


def test_a_picture_without_labels_shows_the_first_as_they_come(tmp_path, pictures):
    train(tmp_path, stop=0, images=pictures[0][:25, ..., None])
    sheet = picture_in(tmp_path)
    assert sheet.shape == (3 * 4, 10 * 3)
    np.testing.assert_array_equal((255 - sheet[::4, ::3]).ravel()[:25], np.arange(25))
    assert (sheet[8:, 15:] == 255).all()
    train(tmp_path / "none", stop=0)
    assert picture_in(tmp_path / "none") is None


def test_a_real_training_is_written_as_it_was_recorded(tmp_path, rng):
    labels = np.arange(64) % 4
    images = rng.integers(0, 256, size=(64, 6, 6)).astype(np.uint8)
    network = keras.Sequential(
        [keras.Input((6, 6)), keras.layers.Flatten(), keras.layers.Dense(3, use_bias=False)]
    )
    network.compile("sgd", BatchAllTripletLoss(0.5), metrics=[FractionOfPositiveTriplets(0.5)])
    recorder = EmbeddingRecorder(
        images, labels, total_steps=6, strategy="batch_all", margin=0.5, snapshots=4
    )
    callbacks = [recorder, TensorBoardSummaries(tmp_path, recorder, every=2)]
    network.fit(images, labels, batch_size=32, epochs=3, callbacks=callbacks, verbose=0)
    expected = [
        (f"batch/{name}", step, pytest.approx(values[step - 1]))
        for name, values in recorder.step_curves.items()
        for step in (1, 2, 4, 6)
    ]
    expected += [
        (f"probe/{name}", step, pytest.approx(value))
        for step, _, measured in recorder.looks
        for name, value in measured.items()
    ]
    assert len(expected) >= 2 * 4 + 6 * 4
    assert written(tmp_path) == sorted(expected, key=lambda each: each[:2])


def test_a_folder_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ExperimentError, match=r"file cannot take TensorBoard's files: .*exists"):
        train(tmp_path / "file")

    full = tf.errors.ResourceExhaustedError(
        None, None, "{{function_node flush}} /some/file; No space left on device\n\tFailed to flush"
    )

    def fail(step):
        raise full

    callback = train(tmp_path, stop=3, killed=True)
    monkeypatch.setattr(callback._writer, "flush", lambda: fail(0))
    callback.recorder.looks.append((4, None, {"loss": 0.0}))
    with pytest.raises(ExperimentError) as caught:
        callback.on_train_batch_end(4)
    assert str(caught.value) == (
        f"{tmp_path} cannot take TensorBoard's files: No space left on device"
    )


def test_options_that_make_no_sense_are_refused(tmp_path, pictures):
    with pytest.raises(ValueError, match="every must be at least 1, got 0"):
        TensorBoardSummaries(tmp_path, history(0), every=0)
    with pytest.raises(ValueError, match=r"images must be uint8.*float64 of shape \(3, 2, 2\)"):
        TensorBoardSummaries(tmp_path, history(0), images=np.zeros((3, 2, 2)))
    with pytest.raises(ValueError, match="30 images"):
        TensorBoardSummaries(tmp_path, history(0), images=pictures[0], labels=[1, 2])
    assert not list(tmp_path.iterdir())


# The projector -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def embeddings():
    values = np.random.default_rng(0).normal(size=(30, 5)).astype(np.float32)
    values[0] = [0, 1, -1e-30, 1e30, np.pi]
    return values


def test_the_projectors_files_hold_what_was_given(tmp_path, embeddings, pictures):
    images, labels = pictures
    path = write_projector(tmp_path / "new", embeddings, labels, images)
    folder = path.parent
    assert sorted(each.name for each in folder.iterdir()) == [
        "projector_config.pbtxt",
        "projector_embeddings.tsv",
        "projector_images.png",
        "projector_labels.tsv",
    ]
    tensors = np.loadtxt(folder / "projector_embeddings.tsv", delimiter="\t", dtype=np.float32)
    np.testing.assert_array_equal(tensors, embeddings)
    lines = (folder / "projector_labels.tsv").read_text().splitlines()
    assert lines[0] == "label\tindex"
    assert lines[1:] == [f"{label}\t{index}" for index, label in enumerate(labels)]
    sheet = np.asarray(Image.open(folder / "projector_images.png"))
    assert sheet.shape == (5 * 4, 6 * 3)
    tiles = sheet.reshape(5, 4, 6, 3).swapaxes(1, 2).reshape(30, 4, 3)
    np.testing.assert_array_equal(255 - tiles, images)


def test_a_projector_needs_no_images(tmp_path, embeddings):
    text = write_projector(tmp_path, embeddings, np.zeros(30, int)).read_text()
    assert "sprite" not in text
    assert not (tmp_path / "projector_images.png").exists()


def test_a_projector_that_cannot_be_written_leaves_the_old_one(
    tmp_path, embeddings, pictures, monkeypatch
):
    images, labels = pictures
    write_projector(tmp_path, embeddings, labels, images)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(*args, **options):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="No space left"):
        write_projector(tmp_path, embeddings + 1, labels, images)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_while_a_new_projector_is_put_in_place_there_is_none(tmp_path, embeddings, monkeypatch):
    labels = np.zeros(30, int)
    write_projector(tmp_path, embeddings, labels)
    order = []
    replace = Path.replace

    def watched(self, target):
        order.append((Path(target).name, (tmp_path / "projector_config.pbtxt").exists()))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    write_projector(tmp_path, embeddings + 1, labels)
    assert order[-1] == ("projector_config.pbtxt", False)
    assert {exists for _, exists in order} == {False}
    assert len(order) == 3


def test_a_projector_of_what_does_not_fit_is_refused(tmp_path, embeddings, pictures):
    images, labels = pictures
    nan = embeddings.copy()
    nan[3, 2] = np.nan
    for arguments, said in (
        ((nan, labels), "1 NaN"),
        ((embeddings, labels[:7]), "30 embeddings"),
        ((embeddings, labels, images[:7]), "got 7 for 30 points"),
        ((embeddings, labels, np.zeros((30, 2000, 3), np.uint8)), "do not fit a sheet of 8192"),
    ):
        with pytest.raises(ValueError, match=said):
            write_projector(tmp_path / "none", *arguments)
    assert not (tmp_path / "none").exists()


# The page (in a browser: tests/browser/test_tsne_page.py) ----------------------------------------


@pytest.fixture(scope="module")
def points():
    return np.random.default_rng(1).normal(size=(30, 2)).astype(np.float32)


def test_the_page_says_what_it_shows(tmp_path, points, pictures, embeddings):
    images, labels = pictures
    path = write_tsne_page(
        tmp_path / "page.html",
        points,
        labels,
        images,
        embeddings=embeddings,
        caption="t-SNE <perplexity 25>",
    )
    page = path.read_text(encoding="utf-8")
    figure = figures.tsne_scatter(points, labels, embeddings)
    title = figure.layout.title.text.replace("<br>", " ")
    assert f"<h1>{title}</h1>" in page
    assert f"<title>{title}</title>" in page
    assert "t-SNE &lt;perplexity 25&gt;" in page
    assert f'aria-label="{figures.alt_text(figure)}"' in page
    assert [each.name for each in tmp_path.iterdir()] == ["page.html"]


def test_the_pages_sheet_holds_the_images_in_sixteen_shades(tmp_path, points, pictures):
    images, labels = pictures
    path = write_tsne_page(tmp_path / "page.html", points, labels, images)
    content = re.search(r"url\(data:image/png;base64,([^)]+)\)", path.read_text("utf-8"))[1]
    picture = Image.open(io.BytesIO(base64.b64decode(content))).convert("L")
    tiles = np.asarray(picture).reshape(5, 4, 6, 3).swapaxes(1, 2).reshape(30, 4, 3)
    np.testing.assert_allclose(255 - tiles.astype(int), images, atol=16)
    assert (
        "base64"
        not in write_tsne_page(tmp_path / "plain.html", points, labels, title="None")
        .read_text("utf-8")
        .split("<body>")[0]
    )


def test_a_page_that_cannot_be_written_leaves_the_old_one(tmp_path, points, monkeypatch):
    path = tmp_path / "page.html"
    path.write_text("old")
    nan = points.copy()
    nan[0] = np.nan
    for arguments, said in (
        ((nan, np.zeros(30, int)), "points must be finite"),
        ((points, np.zeros(7, int)), "30 points"),
        ((points, np.zeros(30, int), np.zeros((7, 3, 3), np.uint8)), "got 7 for 30 points"),
    ):
        with pytest.raises(ValueError, match=said):
            write_tsne_page(path, *arguments)
    with pytest.raises(OSError, match="No such file"):
        write_tsne_page(tmp_path / "no folder" / "page.html", points, np.zeros(30, int))

    def full(self, text, **options):
        self.write_bytes(text.encode()[:100])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError, match="No space left"):
        write_tsne_page(path, points, np.zeros(30, int))
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1


# A real TensorBoard ------------------------------------------------------------------------------


class TensorBoard:
    """A running TensorBoard, asked by HTTP."""

    def __init__(self, folder, log):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.address, self.log = f"http://127.0.0.1:{port}/data/plugin/", log
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder)]
        command += ["--host", "127.0.0.1", "--port", str(port), "--reload_interval", "1"]
        with log.open("wb") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)

    def ask(self, route, **query):
        address = f"{self.address}{route}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(address, timeout=300) as response:
            return response.read()

    def ask_json(self, route, **query):
        return json.loads(self.ask(route, **query))

    def scalars(self):
        """What it shows, as `written` finds it; empty before it is up or has read the files."""
        try:
            tags = self.ask_json("scalars/tags").get(".", {})
            return sorted(
                (tag, step, value)
                for tag in tags
                for _, step, value in self.ask_json("scalars/scalars", run=".", tag=tag)
            )
        except OSError:
            return []

    def wait_for(self, scalars, seconds=600):
        end = time.monotonic() + seconds
        while (shown := self.scalars()) != scalars and time.monotonic() < end:
            assert self.process.poll() is None, self.log.read_text(errors="replace")
            time.sleep(0.2)
        assert shown == scalars


@pytest.fixture
def tensorboard(tmp_path):
    server = TensorBoard(tmp_path / "logs", tmp_path / "log.txt")
    yield server
    server.process.terminate()
    server.process.wait(300)


def test_tensorboard_shows_what_was_written(tensorboard, tmp_path, pictures, embeddings):
    images, labels = pictures
    folder = tmp_path / "logs"
    train(folder, stop=13, killed=True, images=images, labels=labels)
    write_projector(folder, embeddings, labels, images)
    tensorboard.wait_for(written(folder))

    (picture,) = tensorboard.ask_json("images/images", run=".", tag="training images", sample=0)
    query = dict(urllib.parse.parse_qsl(picture["query"]))
    png = tensorboard.ask("images/individualImage", **query)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(png))), picture_in(folder))

    (shown,) = tensorboard.ask_json("projector/info", run=".")["embeddings"]
    assert shown["tensorShape"] == [30, 5]
    assert shown["sprite"]["singleImageDim"] == [3, 4]
    asked = {"run": ".", "name": shown["tensorName"]}
    tensors = np.frombuffer(tensorboard.ask("projector/tensor", **asked), np.float32)
    np.testing.assert_array_equal(tensors.reshape(30, 5), embeddings)
    metadata = tensorboard.ask("projector/metadata", **asked)
    assert metadata == (folder / "projector_labels.tsv").read_bytes()
    sprite = tensorboard.ask("projector/sprite_image", **asked)
    assert sprite == (folder / "projector_images.png").read_bytes()

    # The training goes on from its checkpoint, and TensorBoard, still running, sees one training.
    train(folder, start=10, images=images, labels=labels)
    train(tmp_path / "undisturbed")
    assert written(folder) == written(tmp_path / "undisturbed")
    tensorboard.wait_for(written(folder))
    assert "Traceback" not in tensorboard.log.read_text(errors="replace")
