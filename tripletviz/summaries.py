"""What TensorBoard shows of a training, and pages that show its result without TensorBoard."""

import base64
import contextlib
import html
import io
import json
import math
import string
from pathlib import Path

import numpy as np
from google.protobuf import text_format
from PIL import Image
from tensorboard.plugins.projector import ProjectorConfig
from tensorboard.plugins.projector.metadata import PROJECTOR_FILENAME

from ._files import whole
from ._tensorflow import keras, tf
from ._validation import class_labels, finite_embeddings, positive_integer
from .figures import alt_text, tsne_scatter
from .params import ExperimentError

_SUFFIX = ".tripletviz"  # ends the names of event files, to know them from other programs'
_IMAGES_PER_ROW = 10  # of the picture of training images
_LARGEST_SHEET = 8192  # pixels a side: more, browsers may not take as a texture
_HOVERED_PIXELS = 112  # side of the image beside a hovered point, on the screen
_PLOT_CONFIG = {
    "responsive": True,
    "scrollZoom": True,
    "displaylogo": False,
    "modeBarButtons": [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]],
}
_PAGE = Path(__file__).with_name("tsne_page.html")


class TensorBoardSummaries(keras.callbacks.Callback):
    """Writes what an `EmbeddingRecorder` records for TensorBoard, while the training runs.

    - `batch/…`: each of the recorder's step curves, at step 1 and every `every` steps;
    - `batch/learning rate`: that of the same updates;
    - `probe/…`: each of the recorder's curves of the probe set, at every look;
    - `training images`: a picture of some of them.

    The recorder is the only memory. When a training begins, or goes on from a checkpoint, event
    files that an earlier training left in the folder are deleted and all that the recorder holds
    by then is written anew. So TensorBoard shows no step twice, and the same as if the training had
    never been interrupted; only the times of day are those of the writing. (A TensorBoard that was
    running meanwhile, without its data server, as on Windows, shows that after a restart.)

    What is written reaches the disk at once.

    Args:
        log_dir: folder for the event files; made if it does not exist. Files there that are not
            this callback's stay.
        recorder: the training's `EmbeddingRecorder`, which must stand before this callback in the
            list.
        images: uint8 array `(N, H, W)`: the training images, or `None` for no picture.
        labels: int array `(N,)`: their labels, for a picture with a row for each class; without
            them it shows the first hundred.
        learning_rate: a number, or what gives one for the number of updates already made (a
            `keras.optimizers.schedules.LearningRateSchedule` or another function); `None`: not
            written.
        every: steps from one written batch to the next.

    Raises:
        ExperimentError: while training, if the files cannot be written.

    Example:

    >>> summaries = TensorBoardSummaries("summaries", recorder, learning_rate=1e-3)
    >>> network.fit(batches, callbacks=[recorder, summaries])

    and in a terminal: `tensorboard --logdir summaries`.
    """

    def __init__(
        self, log_dir, recorder, *, images=None, labels=None, learning_rate=None, every=10
    ):
        super().__init__()
        self.log_dir, self.recorder = Path(log_dir), recorder
        self.every = positive_integer(every, "every")
        self.learning_rate = learning_rate
        self.picture = None if images is None else _training_picture(images, labels)
        self._writer = None

    def on_train_begin(self, logs=None):
        self._written_steps, self._written_looks = {}, 0
        with self._named_errors():
            self.log_dir.mkdir(parents=True, exist_ok=True)
            for old in self.log_dir.glob(f"events.out.tfevents.*{_SUFFIX}"):
                old.unlink()
            self._writer = tf.summary.create_file_writer(str(self.log_dir), filename_suffix=_SUFFIX)
            if self.picture is not None:
                with self._writer.as_default():
                    tf.summary.image("training images", self.picture[None, ..., None], step=0)
        self._write_news()

    def on_train_batch_end(self, batch, logs=None):
        self._write_news()

    def on_train_end(self, logs=None):
        if self._writer is not None:
            self._write_news()
            with self._named_errors():
                self._writer.close()
            self._writer = None

    def _write_news(self):
        """Write what the recorder holds and was not written yet."""
        points = {}
        for name, values in self.recorder.step_curves.items():
            for step in self._due_steps(name, len(values)):
                points.setdefault(step, {})[f"batch/{name}"] = values[step - 1]
        if self.learning_rate is not None:
            for step, values in points.items():
                values["batch/learning rate"] = self._rate_after(step - 1)
        looks = self.recorder.looks[self._written_looks :]
        self._written_looks += len(looks)
        for step, _, measured in looks:
            named = {f"probe/{name}": value for name, value in measured.items()}
            points.setdefault(step, {}).update(named)
        if not points:
            return
        with self._named_errors(), self._writer.as_default():  # flushes at its end
            for step in sorted(points):
                _write_scalars(points[step], step)

    def _due_steps(self, name, taken):
        before = self._written_steps.get(name, 0)
        self._written_steps[name] = taken
        news = range(before + 1, taken + 1)
        return [step for step in news if step == 1 or step % self.every == 0]

    def _rate_after(self, updates):
        rate = self.learning_rate
        return rate(updates) if callable(rate) else rate

    @contextlib.contextmanager
    def _named_errors(self):
        try:
            yield
        except OSError as error:
            reason = error.strerror
        except tf.errors.OpError as error:  # "{{node …}} path; reason [Op:…]", then more lines
            reason = error.message.splitlines()[0].rpartition("; ")[2].partition(" [Op:")[0]
        else:
            return
        raise ExperimentError(f"{self.log_dir} cannot take TensorBoard's files: {reason}")


def _write_scalars(values, step):
    # One event for all of them: ten times as fast as `tf.summary.scalar` for each.
    summary = tf.compat.v1.Summary()
    for tag, value in values.items():
        summary.value.add(tag=tag, simple_value=float(value))
    tf.summary.experimental.write_raw_pb(summary.SerializeToString(), step=step)


def write_projector(log_dir, embeddings, labels, images=None):
    """Write embeddings for TensorBoard's Embedding Projector, whole or not at all.

    Beside the event files of a training, so that TensorBoard finds both under one name. An
    interrupted call leaves the projector as it was, or none.

    Args:
        log_dir: folder that TensorBoard is pointed at; made if it does not exist.
        embeddings: floats of shape `(N, dimensions)`.
        labels: integers of shape `(N,)`.
        images: uint8 of shape `(N, H, W)`, the picture of each embedding; or `None`.

    Returns:
        Path of the projector's configuration, `projector_config.pbtxt`.

    Raises:
        ValueError: embeddings that are not finite, labels or images that do not fit them, or more
            images than a sheet of 8192 x 8192 pixels holds.
        OSError: if the files cannot be written.

    Example:

    >>> write_projector("summaries", embed(network, x_test), y_test, x_test)
    """
    embeddings = finite_embeddings(embeddings).astype(np.float32)
    labels = class_labels(labels, len(embeddings))
    if images is not None:
        images = _checked_images(images, len(embeddings))
        sheet = _square_sheet(images)
    log_dir = Path(log_dir)
    log_dir.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as files:
        # What is opened first is put in its place last.
        config_path = files.enter_context(whole(log_dir / PROJECTOR_FILENAME))
        tensors = files.enter_context(whole(log_dir / "projector_embeddings.tsv"))
        metadata = files.enter_context(whole(log_dir / "projector_labels.tsv"))
        config = ProjectorConfig()
        shown = config.embeddings.add(
            tensor_name="embeddings",
            tensor_shape=embeddings.shape,
            tensor_path="projector_embeddings.tsv",
            metadata_path="projector_labels.tsv",
        )
        # Nine digits give every float32 back. The plugin also reads bare float32, but takes them
        # for text where their first bytes happen to be letters.
        np.savetxt(tensors, embeddings, fmt="%.9g", delimiter="\t")
        rows = (f"{label}\t{index}\n" for index, label in enumerate(labels))
        metadata.write_text("".join(["label\tindex\n", *rows]), encoding="utf-8")
        if images is not None:
            sprite = files.enter_context(whole(log_dir / "projector_images.png"))
            Image.fromarray(sheet).save(sprite)
            shown.sprite.image_path = "projector_images.png"
            shown.sprite.single_image_dim.extend([images.shape[2], images.shape[1]])
        config_path.write_text(text_format.MessageToString(config), encoding="utf-8")
        # Until all of the new files are in their places there is no projector.
        (log_dir / PROJECTOR_FILENAME).unlink(missing_ok=True)
    return log_dir / PROJECTOR_FILENAME


def write_tsne_page(
    path, points, labels, images=None, *, embeddings=None, title=None, caption=None
):
    """Write a t-SNE picture as one HTML page that needs neither a network nor WebGL.

    Classes have colours, markers and names, and are hidden and shown by the legend; dragging and
    the mouse's wheel zoom, and a point tells its class and index, with its picture.

    Args:
        path: where to; its folder must exist. The file is written whole or not at all.
        points: floats of shape `(N, 2)`, as from `projection.tsne`.
        labels: integers of shape `(N,)`.
        images: uint8 of shape `(N, H, W)`, the picture of each point; or `None`.
        embeddings: floats of shape `(N, dimensions)` that the points stand for; or `None`.
        title: the finding; `None` for that of `figures.tsne_scatter`.
        caption: a sentence beneath the title, such as how the picture was made; or `None`.

    Returns:
        The path written.

    Raises:
        ValueError: arrays that are not finite or do not fit together, or more images than a sheet
            of 8192 x 8192 pixels holds.
        OSError: if the file cannot be written.

    Example:

    >>> points = tsne(embeddings)
    >>> write_tsne_page("tsne.html", points, y_test, x_test, embeddings=embeddings)
    """
    figure = tsne_scatter(points, labels, embeddings, title)
    alt = alt_text(figure)
    title = figure.layout.title.text.replace("<br>", " ")
    figure.update_layout(title=None, margin_t=40, height=None)  # room for Plotly's buttons
    if images is None:
        image_style, layout = "", None
    else:
        image_style, layout = _page_images(_checked_images(images, len(points)))
    plot = figure.to_html(
        full_html=False,
        include_plotlyjs=True,
        div_id="plot",
        default_height="100%",
        config=_PLOT_CONFIG,
    )
    page = string.Template(_PAGE.read_text(encoding="utf-8")).substitute(
        title=html.escape(title),
        caption=html.escape(caption or ""),
        alt=html.escape(alt),
        plot=plot,
        image_style=image_style,
        layout=json.dumps(layout),
    )
    with whole(path) as partial:
        partial.write_text(page, encoding="utf-8")
    return Path(path)


def _page_images(images):
    """All images as one sheet within a page: the style that shows it, and how they lie in it."""
    _, height, width = images.shape
    sheet = _square_sheet(images)
    # Sixteen shades do for a glance, and make the sheet half as large.
    shades = Image.fromarray(sheet >> 4)
    shades.putpalette([17 * shade for shade in range(16) for _ in "rgb"])
    file = io.BytesIO()
    shades.save(file, format="PNG", optimize=True, bits=4)
    content = base64.b64encode(file.getvalue()).decode()
    zoom = max(1, _HOVERED_PIXELS // max(width, height))
    style = (
        f"width: {zoom * width}px; height: {zoom * height}px; "
        f"background: url(data:image/png;base64,{content}) 0 0 / {zoom * sheet.shape[1]}px auto;"
    )
    columns = sheet.shape[1] // width
    return style, {"columns": columns, "width": zoom * width, "height": zoom * height}


# Sheets of images --------------------------------------------------------------------------------


def _training_picture(images, labels):
    """A row for each class, its first images; without labels the first hundred, as they come."""
    images = _checked_images(images)
    if labels is None:
        return _sheet(images[: _IMAGES_PER_ROW**2], _IMAGES_PER_ROW)
    labels = class_labels(labels, len(images), of="images")
    members = (np.flatnonzero(labels == label) for label in np.unique(labels))
    rows = [_sheet(images[each[:_IMAGES_PER_ROW]], _IMAGES_PER_ROW) for each in members]
    return np.concatenate(rows)


def _square_sheet(images):
    count, height, width = images.shape
    columns = math.ceil(math.sqrt(count))
    if columns * max(height, width) > _LARGEST_SHEET:
        raise ValueError(
            f"{count} images of {height} x {width} pixels do not fit a sheet of {_LARGEST_SHEET} "
            f"x {_LARGEST_SHEET} pixels; pass fewer, or none."
        )
    return _sheet(images, columns)


def _sheet(images, columns):
    """Images side by side in rows, as dark ink on white: uint8 of shape `(height, width)`."""
    count, height, width = images.shape
    rows = math.ceil(count / columns)
    tiles = np.full((rows * columns, height, width), 255, np.uint8)
    tiles[:count] = 255 - images
    tiles = tiles.reshape(rows, columns, height, width)
    return tiles.swapaxes(1, 2).reshape(rows * height, columns * width)


def _checked_images(images, count=None):
    array = np.asarray(images)
    if array.ndim == 4 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != 3 or 0 in array.shape or array.dtype != np.uint8:
        raise ValueError(
            "images must be uint8 of shape (N, height, width), none of them zero, got "
            f"{array.dtype} of shape {np.shape(images)}."
        )
    if count is not None and len(array) != count:
        raise ValueError(f"there must be one image a point, got {len(array)} for {count} points.")
    return array
