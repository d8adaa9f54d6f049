"""What all widgets share: their script, their page, and checks of what they are given."""

import base64
import html
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import anywidget
import numpy as np

from ..palette import CLASS_COLORS

MAX_PICTURES = 1000
"""Above this many items no pictures are sent: their sheet would outweigh everything else."""

METRIC_WORDS = {
    "euclidean": "Euclidean distance",
    "squared_euclidean": "squared Euclidean distance",
    "cosine": "cosine distance",
}

CURVE_WORDS = {"fraction of positive triplets": "positive triplets"}
"""What a curve of a recording is called on the screen, where that is not its own name."""

_FOLDER = Path(__file__).parent
_IMPORT = re.compile(r'^import \{[^}]*\} from "\./(\w+)\.js";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const)\b)", re.MULTILINE)


def load_script(name: str) -> str:
    """The text of one script with what it imports from beside it put in its place.

    A widget is one module for the browser, which has nowhere to import another from; so a
    statement `import { ... } from "./shared.js";` at the start of a line becomes that file.
    Names have to differ, as they do within one file.

    Args:
        name: name of the file without its suffix.

    Returns:
        An ES module without imports.
    """
    done = set()

    def inlined(match):
        if match[1] in done:
            return ""
        done.add(match[1])
        return _EXPORT.sub("", read(match[1]))

    def read(name):
        return _IMPORT.sub(inlined, (_FOLDER / f"{name}.js").read_text(encoding="utf-8"))

    return read(name)


class Widget(anywidget.AnyWidget):
    """Base of the widgets: everything they know is in synchronised traits."""

    def save_html(self, path, title: str | None = None) -> Path:
        """Writes the widget as one HTML file that needs neither a kernel nor a network.

        The page starts where the widget stands now, and holds the script and all data itself.

        Args:
            path: where to write; its folder must exist. A file there is replaced.
            title: title of the page; the widget's own if None.

        Returns:
            The path written.

        Example:
            >>> widget.save_html("page.html")
        """
        # What anywidget itself adds to an instance is not for the script.
        inherited = {*Widget.class_traits(sync=True), "_esm", "_css", "_anywidget_id"}
        names = [name for name in self.class_traits(sync=True) if name not in inherited]
        values, buffers = {}, {}
        for name, value in self.get_state(names).items():
            if isinstance(value, bytes | memoryview):
                buffers[name] = base64.b64encode(value).decode("ascii")
            else:
                values[name] = value
        if title is None:
            title = getattr(self, "title", "") or type(self).__name__
        content = {"module": self._esm, "values": values, "buffers": buffers}
        page = _PAGE.format(title=html.escape(title), content=_script_safe(content))
        path = Path(path)
        path.write_text(page, encoding="utf-8")
        return path


def check_labels(labels, count: int, what: str) -> np.ndarray:
    """Refuses labels that are not one integer for each of `count` items.

    Args:
        labels: integer array of shape `(count,)`.
        count: number of items.
        what: one item, in words for the message.

    Returns:
        The labels as an array.

    Raises:
        ValueError: if shape or type are others.
    """
    labels = np.asarray(labels)
    if labels.shape != (count,):
        raise ValueError(
            f"`labels` must have one entry for every {what}, "
            f"got labels of shape {labels.shape} for {count}."
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"`labels` must be integers, got dtype {labels.dtype}.")
    return labels


def check_images(images, count: int, what: str) -> np.ndarray:
    """Refuses images that are not `uint8` of shape `(count, H, W)`; gives them as an array."""
    images = np.asarray(images)
    if images.ndim != 3 or images.shape[0] != count:
        raise ValueError(
            f"`images` must have shape ({count}, height, width), one picture for every {what}, "
            f"got shape {images.shape}."
        )
    if images.dtype != np.uint8:
        raise ValueError(f"`images` must be uint8 from 0 to 255, got dtype {images.dtype}.")
    return images


def finite_float32(array: np.ndarray, name: str) -> np.ndarray:
    """The array as little-endian float32, as the browser reads it.

    Args:
        array: array whose first axis are snapshots.
        name: what it is called in the messages.

    Raises:
        ValueError: if it holds no floats, or NaN or infinity after the conversion.
    """
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"`{name}` must hold floats, got dtype {array.dtype}.")
    with np.errstate(over="ignore"):  # said below, in our words
        array = array.astype("<f4")
    if not np.isfinite(array).all():
        snapshot = int(np.argwhere(~np.isfinite(array))[0, 0])
        raise ValueError(
            f"`{name}` must be finite in float32, "
            f"got NaN or infinity, first in snapshot {snapshot}."
        )
    return array


def check_steps(steps, snapshots: int, of: str) -> list[int]:
    """Refuses steps that are not one integer for each snapshot, increasing from 0 or above.

    Args:
        steps: integer array of shape `(snapshots,)`.
        snapshots: number of snapshots.
        of: what has the snapshots, for the messages.

    Raises:
        ValueError: if shape, type or order are others.
    """
    steps = np.asarray(steps)
    if steps.shape != (snapshots,):
        raise ValueError(
            f"`steps` must have one entry for every snapshot of `{of}`, "
            f"got steps of shape {steps.shape} for {snapshots} snapshots."
        )
    if not np.issubdtype(steps.dtype, np.integer):
        raise ValueError(f"`steps` must be integers, got dtype {steps.dtype}.")
    if steps[0] < 0 or (np.diff(steps) <= 0).any():
        raise ValueError(f"`steps` must increase from 0 or above, got {steps.tolist()}.")
    return steps.tolist()


def arrays_of_one_set(embeddings: Mapping) -> tuple[dict[str, np.ndarray], int]:
    """Embeddings of the same items as arrays by name, and the number of items.

    Raises:
        ValueError: if one is not of shape `(items, dimensions)`, or they are of different items.
    """
    arrays = {str(name): np.asarray(array) for name, array in embeddings.items()}
    shapes = {name: array.shape for name, array in arrays.items()}
    counts = {shape[0] if len(shape) == 2 else None for shape in shapes.values()}
    if len(counts) > 1 or None in counts:
        raise ValueError(
            "`embeddings` must have shape (items, dimensions), each for the same items, "
            f"got shapes {shapes}."
        )
    return arrays, counts.pop()


def untrained_and_trained(recording) -> dict[str, np.ndarray]:
    """The first and the last snapshot of a recording, by name.

    Raises:
        ValueError: if there is one snapshot only, or the first is not at step 0.
    """
    steps = np.asarray(recording.steps)
    if len(steps) < 2 or steps[0] != 0:
        raise ValueError(
            "`recording` must hold a snapshot at step 0 and a later one, "
            f"got snapshots at steps {steps.tolist()}."
        )
    return {"untrained": recording.embeddings[0], "trained": recording.embeddings[-1]}


def describe_classes(present: list[int], class_names: Sequence[str] | None) -> list[dict]:
    """Label, short mark, name and colour of each class, for the browser.

    Args:
        present: the labels there are, increasing.
        class_names: name of class `label` at `class_names[label]`; the labels themselves if None.

    Returns:
        A list of dictionaries with the keys `label`, `mark`, `name`, `color`.

    Raises:
        ValueError: if a label has no name.
    """
    if class_names is not None and not 0 <= present[0] <= present[-1] < len(class_names):
        raise ValueError(
            f"`class_names` must hold a name for every label, got {len(class_names)} names "
            f"and labels from {present[0]} to {present[-1]}."
        )
    return [
        {
            "label": label,
            "mark": str(label),
            "name": str(label if class_names is None else class_names[label]),
            "color": CLASS_COLORS[label % len(CLASS_COLORS)],
        }
        for label in present
    ]


def make_sprite(images, count: int, what: str) -> tuple[bytes, dict]:
    """Puts all pictures on one sheet, row by row: one PNG instead of a thousand.

    Args:
        images: `uint8` array of shape `(count, H, W)`, or None for no pictures.
        count: number of items, at most `MAX_PICTURES`.
        what: one item, in words for the messages.

    Returns:
        The PNG's bytes, and its layout with the keys `height`, `width` (of one picture, in
        pixels) and `columns`. Both empty without pictures.

    Raises:
        ValueError: if the pictures do not fit the items, or are too many.
    """
    if images is None:
        return b"", {}
    images = check_images(images, count, what)
    if count > MAX_PICTURES:
        raise ValueError(
            f"`images` are sent for {MAX_PICTURES} points at most, got {count}: "
            "leave them out, or show fewer points."
        )
    from PIL import Image

    _, height, width = images.shape
    columns = math.ceil(math.sqrt(count))
    rows = math.ceil(count / columns)
    sheet = np.zeros((rows * columns, height, width), np.uint8)
    sheet[:count] = images
    sheet = sheet.reshape(rows, columns, height, width).swapaxes(1, 2)
    file = io.BytesIO()
    Image.fromarray(sheet.reshape(rows * height, columns * width)).save(file, "PNG", optimize=True)
    return file.getvalue(), {"height": height, "width": width, "columns": columns}


def _script_safe(content) -> str:
    """JSON that can stand in a script element: no "<" is left to end it or to open a comment."""
    return json.dumps(content, allow_nan=False).replace("<", "\\u003c")


# The page plays the part of the notebook's widget manager: a model of plain values and listeners.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0 auto; padding: 16px; max-width: 1200px; }}
</style>
</head>
<body>
<noscript>This page needs JavaScript.</noscript>
<script type="application/json" id="content">{content}</script>
<script type="module">
const {{ module, values, buffers }} = JSON.parse(document.getElementById("content").textContent);
const state = new Map(Object.entries(values));
for (const [name, text] of Object.entries(buffers)) {{
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  state.set(name, new DataView(bytes.buffer));
}}
const listeners = new Map();
const model = {{
  get: (name) => state.get(name),
  set(name, value) {{
    if (state.get(name) === value) return;
    state.set(name, value);
    for (const listener of [...(listeners.get(`change:${{name}}`) ?? [])]) listener();
  }},
  on(event, listener) {{
    listeners.set(event, (listeners.get(event) ?? new Set()).add(listener));
  }},
  off(event, listener) {{
    listeners.get(event)?.delete(listener);
  }},
  save_changes() {{}},
}};
const url = URL.createObjectURL(new Blob([module], {{ type: "text/javascript" }}));
const {{ default: widget }} = await import(url);
widget.initialize?.({{ model }});
widget.render({{ model, el: document.body }});
</script>
</body>
</html>
"""
