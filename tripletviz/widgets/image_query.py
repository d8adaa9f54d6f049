"""The image query: draw, choose or open a picture, and see its nearest images of the gallery."""

import base64
import binascii
import itertools
import math
import numbers
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import traitlets

from ._question import as_markdown
from ._widget import Widget, describe_classes, load_script

MAX_NEIGHBOURS = 25
MAX_PRESETS = 30
SIDES = (8, 256)
"""Smallest and largest height or width of a picture, in pixels."""

_QUESTION = "Which images of the gallery lie nearest to yours?"
_FROM_PYTHON = "python"


class _Query(NamedTuple):
    """One picture that was asked for: `count` orders the queries, `number` is the view's name."""

    count: int
    number: str
    image: np.ndarray
    thread: int


class ImageQuery(Widget):
    """Takes a picture from the reader, and shows the nearest images of a gallery with their vote.

    The reader draws with mouse, finger or keyboard, presses a ready-made picture, or opens or
    drops a PNG or JPEG. A picture is made grey and scaled in the browser; a switch, on at first,
    fits it as MNIST's digits were fitted: the ink's bounding box into 20 of 28 pixels (of other
    sizes the same share), its centre of mass in the middle. *What the network sees* shows the
    result, pixel by pixel.

    Whoever has the network answers: see `on_query`. Ready-made pictures with `preset_answers` are
    answered without a kernel, so that they also live in an exported page.

    Pictures are drawn as dark ink on light paper. If the border of the gallery's images is mostly
    dark, as in MNIST, their ink is bright (255); if it is light, their ink is dark (0). What the
    reader draws is sent in the same way.

    Keys: Tab goes to the pad, to the ready-made pictures, to the button that opens a file. On the
    pad the arrows move a pen, Space puts it down or lifts it, Backspace takes back the last step.

    Args:
        gallery_images: `uint8` array of shape `(N, H, W)`, sides from 8 to 256. They stay in
            Python; the browser gets those that an answer shows.
        gallery_labels: class of each, integer array of shape `(N,)`.
        class_names: name of class `label` at `class_names[label]`; the labels themselves if None.
        presets: ready-made queries, `uint8` array of shape `(P, H, W)`, at most 30.
        preset_answers: `(indices, distances)` of the presets' neighbours, both of shape `(P, k)`:
            integers into the gallery, and floats that do not decrease along a row. With them a
            preset never asks the kernel.
        k: number of neighbours in an answer, from 1 to 25.
        threshold: a query whose nearest image is farther away than this is called unknown; `None`:
            no query is.
        title: heading; a question if None.
        **traits: starting values of ipywidgets' own traits (`layout`, ...).

    Raises:
        TypeError: if `k` is not an integer or `threshold` not a number.
        ValueError: if an array has the wrong shape or type or does not fit the others, `k` or
            `threshold` is out of range, or there are answers without presets.

    Example:
        >>> widget = ImageQuery(images, labels, presets=images[:8], k=8, threshold=0.8)
        >>> def answer(widget, image):
        ...     query = network.predict(image[np.newaxis, ..., np.newaxis] / 255.0, verbose=0)
        ...     distances, indices = nearest_neighbors(query, gallery, k=8)
        ...     widget.show_answer(indices[0], distances[0])
        >>> widget.on_query(answer)
    """

    _esm = load_script("image_query")

    title = traitlets.Unicode(_QUESTION).tag(sync=True)

    _height = traitlets.Int(1).tag(sync=True)
    _width = traitlets.Int(1).tag(sync=True)
    _bright_ink = traitlets.Bool(True).tag(sync=True)
    _count = traitlets.Int(1).tag(sync=True)
    _gallery_size = traitlets.Int(1).tag(sync=True)
    _presets = traitlets.Bytes().tag(sync=True)
    _preset_answers = traitlets.List().tag(sync=True)
    _pictures = traitlets.Bytes().tag(sync=True)
    # JSON throughout: buffers that change after the display would spoil an exported page.
    _answer = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        gallery_images,
        gallery_labels,
        *,
        class_names: Sequence[str] | None = None,
        presets=None,
        preset_answers=None,
        k: int = 8,
        threshold: float | None = None,
        title: str | None = None,
        **traits,
    ):
        self._images = _check_gallery(gallery_images)
        count, height, width = self._images.shape
        self._labels = _check_labels(gallery_labels, count)
        self._k = _check_k(k, count)
        self._threshold = _check_threshold(threshold)
        present = np.unique(self._labels).tolist()
        self._classes = {each["label"]: each for each in describe_classes(present, class_names)}
        self._has_names = class_names is not None
        presets = _check_presets(presets, (height, width))
        answers, shown = self._describe_presets(presets, preset_answers)
        self._callback = None
        self._newest = None  # the `_Query` that came last
        self._counts, self._numbers = itertools.count(1), itertools.count(1)
        self._lock = threading.RLock()  # one answer is put in its place at a time
        self._here = threading.local()  # in each thread the query that its callback answers
        super().__init__(
            _height=height,
            _width=width,
            _bright_ink=_has_bright_ink(self._images),
            _count=self._k,
            _gallery_size=count,
            _presets=presets.tobytes(),
            _preset_answers=answers,
            _pictures=self._images[shown].tobytes(),
            title=_QUESTION if title is None else title,
            **traits,
        )
        self.on_msg(self._hear)

    # ---------------------------------------------------------------- asking

    @property
    def image(self) -> np.ndarray | None:
        """The last query that reached Python, `uint8` of shape `(H, W)`; None if there is none."""
        return None if self._newest is None else self._newest.image.copy()

    @property
    def query(self) -> int:
        """Number of a query, the first being 1; 0 if there was none.

        In the callback it is the query that the callback answers, elsewhere the newest.
        """
        asked = getattr(self._here, "query", None) or self._newest
        return 0 if asked is None else asked.count

    def on_query(self, callback: Callable[["ImageQuery", np.ndarray], None]) -> None:
        """Says who answers: `callback(widget, image)` is called for every query of the reader.

        It should call `show_answer` before it returns. What it raises is shown to the reader. If it
        hands over to a thread of its own, it should `report` that before it returns; and it reads
        `query`, which that thread gives to `show_answer`: a newer query may have come by then.

        Args:
            callback: function of this widget and of a `uint8` array of shape `(H, W)`.

        Raises:
            TypeError: if it cannot be called.
        """
        if not callable(callback):
            raise TypeError(f"`callback` must be a function, got {callback!r}.")
        self._callback = callback
        self.send({"type": "alive", "answers": True})

    def ask(self, image) -> None:
        """Asks from Python as a reader would; returns when the callback has returned.

        Args:
            image: `uint8` array of shape `(H, W)`, used as it is.

        Raises:
            RuntimeError: if nobody answers, see `on_query`.
            ValueError: if shape or type are others.
        """
        if self._callback is None:
            raise RuntimeError("nobody answers for this widget: `on_query` was not called")
        image = np.asarray(image)
        size = self._images.shape[1:]
        if image.shape != size or image.dtype != np.uint8:
            raise ValueError(
                f"`image` must be uint8 of shape {size}, as the gallery's images, "
                f"got dtype {image.dtype} and shape {image.shape}."
            )
        self._ask(f"{_FROM_PYTHON}-{next(self._numbers)}", image)

    def show_answer(self, indices, distances, *, query: int | None = None) -> None:
        """Shows the nearest images of the gallery, for the query that is being answered.

        If a newer query has come since, nothing is shown: the answer is late.

        Args:
            indices: of the `k` nearest, distinct integers, nearest first.
            distances: their distances, `k` finite floats that do not decrease.
            query: number of the query that is answered; needed in a thread of one's own.

        Raises:
            RuntimeError: if there was no query yet, or it is not known which is answered.
            ValueError: if shape, type, range or order are others.
        """
        indices, distances = self._check_answer(indices, distances, "indices", "distances")
        described = self._describe(indices, distances)
        pictures = self._images[indices].tobytes()
        pictures = base64.b64encode(pictures).decode("ascii")
        self._tell(self._count_of(query), **described, pictures=pictures, failed="")

    def report(self, text: str, *, query: int | None = None) -> None:
        """Shows a line of text with the answer; it goes with the next query.

        Args:
            text: one line.
            query: as for `show_answer`.

        Raises:
            RuntimeError: as `show_answer`.
        """
        self._tell(self._count_of(query), report=" ".join(str(text).split()))

    def _count_of(self, query: int | None) -> int:
        """Which query is meant: the one that is given, or the one that this thread answers."""
        if self._newest is None:
            raise RuntimeError("there is no query to answer yet: answer in the `on_query` callback")
        if query is not None:
            return query
        asked = getattr(self._here, "query", None) or self._newest
        if asked.thread != threading.get_ident():
            raise RuntimeError(
                "it is not known which query this thread answers: read `query` in the `on_query` "
                "callback, and give it, `show_answer(..., query=query)`"
            )
        return asked.count

    def _tell(self, count: int, **changes) -> None:
        """Adds to what the browser knows about a query, unless a newer one has come."""
        with self._lock:
            newest = self._newest
            if count != newest.count:
                return
            known = self._answer
            if known.get("number") != newest.number:
                picture = base64.b64encode(newest.image.tobytes()).decode("ascii")
                known = {"number": newest.number, "image": picture}
            self._answer = {**known, **changes}

    def _ask(self, number: str, image: np.ndarray) -> None:
        with self._lock:
            query = _Query(next(self._counts), number, image, threading.get_ident())
            self._newest = query
        before, self._here.query = getattr(self._here, "query", None), query
        try:
            self._call_back(query)
        finally:
            self._here.query = before

    def _call_back(self, query: _Query) -> None:
        try:
            self._callback(self, query.image.copy())
        except KeyboardInterrupt:
            self._tell(query.count, failed="No answer: it was interrupted.")
        except Exception as error:  # a pad must not die silently
            said = " ".join(str(error).split()) or "it said nothing"
            self._tell(query.count, failed=f"No answer. {type(error).__name__}: {said}")
        else:
            self._complain_of_silence(query)

    def _complain_of_silence(self, query: _Query) -> None:
        with self._lock:  # a thread may answer just now
            told = self._answer if self._answer.get("number") == query.number else {}
            if not (told.get("items") or told.get("report")):
                words = "No answer: the callback did not call `show_answer`."
                self._tell(query.count, failed=words)

    def _hear(self, _, content, __) -> None:
        """Answers a view's messages: whether somebody is here who answers, and queries."""
        kind = content.get("type")
        if kind == "hello":
            self.send({"type": "alive", "answers": self._callback is not None})
        if kind != "query" or self._callback is None:
            return
        number = str(content.get("number"))
        self.send({"type": "started", "number": number})
        try:
            pixels = base64.b64decode(content["image"], validate=True)
            image = np.frombuffer(pixels, np.uint8).reshape(self._images.shape[1:])
        except (KeyError, TypeError, ValueError, binascii.Error):
            pass  # not from our script
        else:
            self._ask(number, image)
        self.send({"type": "answered", "number": number})

    # ---------------------------------------------------------------- answers

    def _check_answer(self, indices, distances, indices_name: str, distances_name: str):
        """Both as arrays of shape `(k,)`; refuses all else."""
        indices, distances = np.asarray(indices), np.asarray(distances)
        count = len(self._images)
        for array, name in ((indices, indices_name), (distances, distances_name)):
            if array.shape != (self._k,):
                raise ValueError(f"`{name}` must have shape ({self._k},), got {array.shape}.")
        if not np.issubdtype(indices.dtype, np.integer):
            raise ValueError(f"`{indices_name}` must be integers, got dtype {indices.dtype}.")
        if not 0 <= indices.min() <= indices.max() < count:
            raise ValueError(
                f"`{indices_name}` must be from 0 to {count - 1}, "
                f"got {indices.min()} to {indices.max()}."
            )
        if len(np.unique(indices)) < self._k:
            raise ValueError(f"`{indices_name}` must be distinct, got {indices.tolist()}.")
        if not np.issubdtype(distances.dtype, np.floating) or not np.isfinite(distances).all():
            raise ValueError(
                f"`{distances_name}` must be finite floats, got {distances.tolist()} "
                f"of dtype {distances.dtype}."
            )
        if (np.diff(distances) < 0).any():
            raise ValueError(
                f"`{distances_name}` must be sorted, the nearest first, got {distances.tolist()}."
            )
        return indices, distances

    def _describe_presets(self, presets: np.ndarray, answers) -> tuple[list, list]:
        """Each preset's answer for the browser, and which gallery images these show."""
        if answers is None:
            return [], []
        if not len(presets):
            raise ValueError("`preset_answers` need `presets`.")
        shape = (len(presets), self._k)
        try:
            indices, distances = (np.asarray(each) for each in answers)
        except (TypeError, ValueError):
            raise ValueError(
                f"`preset_answers` must be two arrays (indices, distances) of shape {shape}."
            ) from None
        if indices.shape != shape or distances.shape != shape:
            raise ValueError(
                f"`preset_answers` must be two arrays (indices, distances) of shape {shape}, "
                f"got shapes {indices.shape} and {distances.shape}."
            )
        rows = []
        for row, (row_indices, row_distances) in enumerate(zip(indices, distances, strict=True)):
            names = (f"preset_answers[{part}][{row}]" for part in (0, 1))
            rows.append(self._check_answer(row_indices, row_distances, *names))
        shown = np.unique(indices)
        described = [
            {**self._describe(*row), "places": np.searchsorted(shown, row[0]).tolist()}
            for row in rows
        ]
        return described, shown.tolist()

    def _describe(self, indices: np.ndarray, distances: np.ndarray) -> dict:
        labels = self._labels[indices].tolist()
        counts = {label: labels.count(label) for label in labels}  # the nearer class first
        most = max(counts.values())
        winners = [label for label, count in counts.items() if count == most]
        nearest, threshold = float(distances[0]), self._threshold
        items = [
            {
                "index": int(index),
                "name": self._classes[label]["name"],
                "distance": _formatted(distance),
                "wins": label in winners,
                "far": threshold is not None and float(distance) > threshold,
            }
            for index, label, distance in zip(indices, labels, distances, strict=True)
        ]
        verdict = ""
        if threshold is not None:
            is_far = nearest > threshold
            verdict = (
                f"Farther than the threshold {threshold:g}: unknown."
                if is_far
                else f"Not farther than the threshold {threshold:g}: known."
            )
        vote = self._vote_words(winners, most, labels[0], nearest)
        return {"items": items, "vote": vote, "verdict": verdict}

    def _vote_words(self, winners: list, most: int, first: int, nearest: float) -> str:
        at = f"nearest: {self._classes[first]['name']} at {_formatted(nearest)}."
        if self._k == 1:
            return f"The nearest is {self._class_words([first])}, at {_formatted(nearest)}."
        if len(winners) > 3:
            return f"No class has more than {most} of {self._k} neighbours; {at}"
        what = self._class_words(winners)
        verb = "is" if most == 1 else "are"
        if len(winners) == 1:
            return f"{most} of {self._k} neighbours {verb} {what}; {at}"
        return f"A tie: {most} of {self._k} neighbours each {verb} {what}; {at}"

    def _class_words(self, labels: list) -> str:
        names = [self._classes[label]["name"] for label in labels]
        if self._has_names:
            return f"of class {' or '.join(names)}"
        return " or ".join(f"{_article(name)} {name}" for name in names)

    # ---------------------------------------------------------------- text forms

    def to_markdown(self) -> str:
        """What a reader gets where widgets are not shown."""
        lines = [
            f"**{as_markdown(self.title)}** In a running notebook you draw a picture here, or open "
            f"one, and see the {self._k} nearest of {self._gallery_size:,} gallery images."
        ]
        if self._preset_answers:
            lines += ["", "Ready-made queries:", ""]
            for number, answer in enumerate(self._preset_answers, 1):
                words = " ".join(filter(None, (answer["vote"], answer["verdict"])))
                lines.append(f"{number}. {as_markdown(words)}")
        return "\n".join(lines)

    def _repr_mimebundle_(self, **options):
        data, metadata = super()._repr_mimebundle_(**options)
        return data | {"text/markdown": self.to_markdown()}, metadata

    def __repr__(self) -> str:
        presets = len(self._presets) // (self._height * self._width)
        return (
            f"ImageQuery({self._gallery_size} gallery images in {len(self._classes)} classes, "
            f"k={self._k}, {presets} presets)"
        )


# ---------------------------------------------------------------- checks


def _check_gallery(images) -> np.ndarray:
    images = np.asarray(images)
    if images.ndim != 3 or not len(images):
        raise ValueError(
            "`gallery_images` must have shape (images, height, width), at least one image, "
            f"got shape {images.shape}."
        )
    if images.dtype != np.uint8:
        raise ValueError(f"`gallery_images` must be uint8 from 0 to 255, got dtype {images.dtype}.")
    low, high = SIDES
    if not low <= min(images.shape[1:]) <= max(images.shape[1:]) <= high:
        raise ValueError(
            f"`gallery_images` must be from {low} to {high} pixels high and wide, "
            f"got {images.shape[1]} x {images.shape[2]}."
        )
    return images


def _check_labels(labels, count: int) -> np.ndarray:
    labels = np.asarray(labels)
    if labels.shape != (count,):
        raise ValueError(
            "`gallery_labels` must have one entry for every image of `gallery_images`, "
            f"got shape {labels.shape} for {count}."
        )
    if not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"`gallery_labels` must be integers, got dtype {labels.dtype}.")
    return labels


def _check_k(k, count: int) -> int:
    if isinstance(k, bool) or not isinstance(k, numbers.Integral):
        raise TypeError(f"`k` must be an integer, got {k!r}.")
    most = min(count, MAX_NEIGHBOURS)
    if not 1 <= k <= most:
        raise ValueError(f"`k` must be from 1 to {most}, got {k}.")
    return int(k)


def _check_threshold(threshold) -> float | None:
    if threshold is None:
        return None
    if isinstance(threshold, bool) or not isinstance(threshold, numbers.Real):
        raise TypeError(f"`threshold` must be a number or None, got {threshold!r}.")
    if not (math.isfinite(threshold) and threshold > 0):
        raise ValueError(f"`threshold` must be finite and above 0, got {threshold!r}.")
    return float(threshold)


def _check_presets(presets, size: tuple[int, int]) -> np.ndarray:
    if presets is None:
        return np.zeros((0, *size), np.uint8)
    presets = np.asarray(presets)
    if presets.ndim != 3 or presets.shape[1:] != size or not len(presets):
        raise ValueError(
            f"`presets` must have shape (pictures, {size[0]}, {size[1]}), as the gallery's images, "
            f"got shape {presets.shape}."
        )
    if presets.dtype != np.uint8:
        raise ValueError(f"`presets` must be uint8 from 0 to 255, got dtype {presets.dtype}.")
    if len(presets) > MAX_PRESETS:
        raise ValueError(f"`presets` must be {MAX_PRESETS} at most, got {len(presets)}.")
    return presets


def _has_bright_ink(images: np.ndarray) -> bool:
    """Whether the border of the images, their paper, is dark."""
    border = [images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]]
    return bool(np.median(np.concatenate([side.ravel() for side in border])) < 128)


# ---------------------------------------------------------------- words


def _formatted(value) -> str:
    """Three digits, as the scripts write them."""
    value = float(value)
    if abs(value) >= 1000:
        return f"{value:.0f}"
    text = f"{value:#.3g}".rstrip(".")
    return text if "e" not in text else f"{value:.2g}"


def _article(name: str) -> str:
    return "an" if name.startswith("8") or name in ("11", "18") else "a"
