"""The confusion explorer: which classes a classifier takes for which, and on which images."""

import operator
from collections.abc import Mapping, Sequence

import numpy as np
import traitlets

from ._question import as_markdown, check_text
from ._widget import (
    Widget,
    check_labels,
    describe_classes,
    load_script,
    make_sprite,
    untrained_and_trained,
)

_ITEM = "item of `labels`"
_FEWEST_CLASSES, _MOST_CLASSES = 2, 26
# Of each method, in the text that stands for the widget where no widget is shown.
_CONFUSIONS_IN_TEXT = 5


class ConfusionExplorer(Widget):
    """The confusion matrix of one or more methods, with the images behind each of its cells.

    Rows are true classes, columns predicted ones; at the edges stand the recall of each row and
    the precision of each column. Go to a cell to see its images, each with its true class and with
    what every method said of it. Two methods can be subtracted from one another, cell by cell.

    A class that is predicted but is the true one of no image gets a column and no row. Shades
    follow the logarithm of the count off the diagonal, where one error more is worth seeing; the
    diagonal, which outweighs all else, has a frame and a shade of its own.

    Keys: in the matrix the arrows go from cell to cell, Home and End to the ends of the row, page
    up and page down to those of the column, Enter to the first image of the cell; among the
    confusions and among the images the arrows, Home and End likewise.

    Args:
        images: picture of every item, `uint8` array of shape `(N, H, W)`; None shows the items'
            numbers instead, as it must be for more than 1,000.
        labels: true class of every item, integers of shape `(N,)`. They need not be contiguous.
        predictions: a mapping from the name of each method to the class it predicts for every
            item, integers of shape `(N,)`. The method shown at first is the first.
        class_names: name of class `label` at `class_names[label]`; the labels themselves if None.
        title: heading; the accuracy of what is shown if None.
        **traits: starting values of the traits below, or of ipywidgets' own (`layout`, ...).

    Attributes:
        shown_method: name of the method shown.
        subtracted_method: name of the method whose counts are subtracted from those of
            `shown_method`; empty for none. It becomes empty if `shown_method` is set to it.
        selected_cell: true and predicted label of the cell whose images are shown, as a list; at
            first the most frequent confusion of the method shown. Where two methods are
            subtracted, its images are those of either.
        selected_image: index of the item that is held, -1 for none. Setting it selects its cell,
            selecting a cell without it sets it to -1.
        unit: `"count"`, or `"percent"` of the row.

    Raises:
        TypeError: if the name of a method or a class is no string.
        ValueError: if an array has the wrong shape or type or does not fit the others, if there
            are no predictions, if a name is blank, or if the classes are not 2 to 26.

    Example:
        >>> explorer = ConfusionExplorer(
        ...     images, labels, {"1-NN": neighbour_classes, "nearest mean": mean_classes}
        ... )
        >>> explorer.selected_cell = [4, 9]
        >>> explorer.subtracted_method = "nearest mean"
    """

    _esm = load_script("confusion_explorer")

    shown_method = traitlets.Unicode().tag(sync=True)
    subtracted_method = traitlets.Unicode("").tag(sync=True)
    # An echo would take a cell back to where it was when the message left.
    selected_cell = traitlets.List().tag(sync=True, echo_update=False)
    selected_image = traitlets.Int(-1).tag(sync=True, echo_update=False)
    unit = traitlets.Enum(["count", "percent"], "count").tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)

    _names = traitlets.List().tag(sync=True)
    _class_of = traitlets.Bytes().tag(sync=True)
    _predicted = traitlets.Bytes().tag(sync=True)
    _classes = traitlets.List().tag(sync=True)
    _sprite = traitlets.Bytes().tag(sync=True)
    _sprite_layout = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        images,
        labels,
        predictions: Mapping,
        *,
        class_names: Sequence[str] | None = None,
        title: str | None = None,
        **traits,
    ):
        labels = _check_true_labels(labels)
        predicted = _check_predictions(predictions, len(labels))
        sprite, sprite_layout = make_sprite(images, len(labels), _ITEM)
        # As Python's own integers: NumPy would turn int64 beside uint64 into floats.
        rows = [array.tolist() for array in (labels, *predicted.values())]
        present = sorted(set().union(*rows))
        classes = _describe(present, class_names)
        place_of = {label: place for place, label in enumerate(present)}
        places = np.array([[place_of[label] for label in row] for row in rows], "<i4")
        self._labels = present
        self._true, self._said = places[0], dict(zip(predicted, places[1:], strict=True))
        name = traits.setdefault("shown_method", next(iter(predicted)))
        if "selected_image" in traits and name in self._said:
            traits |= self._cell_of_image(traits["selected_image"], name)
        if name in self._said:
            traits.setdefault("selected_cell", self._first_cell(name))
        super().__init__(
            _names=list(predicted),
            _class_of=places[0].tobytes(),
            _predicted=places[1:].tobytes(),
            _classes=classes,
            _sprite=sprite,
            _sprite_layout=sprite_layout,
            title="" if title is None else title,
            **traits,
        )

    @classmethod
    def from_recording(cls, recording, **arguments) -> "ConfusionExplorer":
        """Classifies every item of a recording by its nearest neighbour among the others.

        Args:
            recording: a `tripletviz.recordings.Recording` with images and two snapshots or more.
            **arguments: as for the class: `class_names`, `subtracted_method`, ...

        Returns:
            A `ConfusionExplorer` of three methods: the neighbour in the last snapshot, "trained",
            in the first, "untrained", and with no network at all, in "raw pixels".

        Raises:
            ValueError: if there is one snapshot only, or the first is not at step 0.

        Example:
            >>> ConfusionExplorer.from_recording(Recording.load("data/mnist-recording.npz"))
        """
        from ..evaluation import nearest_neighbors  # it imports scikit-learn, which takes a second

        labels, images = np.asarray(recording.labels), np.asarray(recording.images)
        spaces = dict(reversed(untrained_and_trained(recording).items()))
        spaces["raw pixels"] = images.reshape(len(images), -1) / 255.0
        found = {name: nearest_neighbors(each, k=1)[1][:, 0] for name, each in spaces.items()}
        predictions = {name: labels[neighbours] for name, neighbours in found.items()}
        return cls(images, labels, predictions, **arguments)

    def confusions(self, method: str | None = None) -> list[tuple[int, int, int]]:
        """What a method takes for what, the most frequent confusion first.

        Args:
            method: name of a method; the one shown if None.

        Returns:
            True label, predicted label and number of images of each pair of different classes
            that occurs; of equally frequent ones, those with the smaller labels first.

        Raises:
            ValueError: if there is no such method.
        """
        method = self.shown_method if method is None else method
        if method not in self._said:
            raise ValueError(f"`method` must be one of {list(self._said)}, got {method!r}.")
        counts = np.zeros((len(self._labels), len(self._labels)), int)
        np.add.at(counts, (self._true, self._said[method]), 1)
        np.fill_diagonal(counts, 0)
        pairs = sorted(np.argwhere(counts).tolist(), key=lambda pair: -counts[tuple(pair)])
        return [(self._labels[t], self._labels[p], int(counts[t, p])) for t, p in pairs]

    def accuracy(self, method: str | None = None) -> float:
        """Share of the images that a method, or the one shown, puts into their class.

        Raises:
            ValueError: if there is no such method.
        """
        method = self.shown_method if method is None else method
        if method not in self._said:
            raise ValueError(f"`method` must be one of {list(self._said)}, got {method!r}.")
        return float((self._said[method] == self._true).mean())

    def to_markdown(self) -> str:
        """Accuracy and most frequent confusions of each method, as a table in Markdown."""
        count = len(self._true)
        most = np.bincount(self._true).max()
        lines = [
            f"**Confusions** of {count:,} images in {len(set(self._true.tolist()))} classes. "
            f"Always the most frequent class: {most / count:.3f} right.",
            "",
            "| method | right | accuracy | most frequent confusions |",
            "| --- | --- | --- | --- |",
        ]
        names = {each["label"]: as_markdown(each["name"]) for each in self._classes}
        for method, said in self._said.items():
            confusions = self.confusions(method)
            words = [f"{names[t]} taken for {names[p]}: {n}" for t, p, n in confusions]
            listed = "; ".join(words[:_CONFUSIONS_IN_TEXT]) or "none"
            right = int((said == self._true).sum())
            cells = as_markdown(method), f"{right:,} of {count:,}", f"{right / count:.3f}", listed
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join(lines)

    def _repr_mimebundle_(self, **options):
        data, metadata = super()._repr_mimebundle_(**options)
        return data | {"text/markdown": self.to_markdown()}, metadata

    def _first_cell(self, method: str) -> list[int]:
        """The most frequent confusion of a method; without one, a cell of the diagonal."""
        confusions = self.confusions(method)
        return list(confusions[0][:2]) if confusions else [self._labels[self._true.min()]] * 2

    def _cell_of_image(self, image, method: str) -> dict:
        """The cell that holds an image, as a trait; nothing for none, or for what is none."""
        if not isinstance(image, int | np.integer) or not 0 <= image < len(self._true):
            return {}
        cell = self._true[image], self._said[method][image]
        return {"selected_cell": [self._labels[place] for place in cell]}

    def _holds(self, image: int) -> bool:
        """Whether an image is among those of the selected cell."""
        true, predicted = (self._labels.index(label) for label in self.selected_cell)
        methods = filter(None, (self.shown_method, self.subtracted_method))
        said = {int(self._said[method][image]) for method in methods}
        return self._true[image] == true and predicted in said

    @traitlets.validate("shown_method")
    def _check_shown_method(self, proposal):
        if proposal.value not in self._said:
            raise traitlets.TraitError(
                f"`shown_method` must be one of {list(self._said)}, got {proposal.value!r}."
            )
        return proposal.value

    @traitlets.validate("subtracted_method")
    def _check_subtracted_method(self, proposal):
        others = [name for name in self._said if name != self.shown_method]
        if proposal.value and proposal.value not in others:
            raise traitlets.TraitError(
                f"`subtracted_method` must be one of {others}, or empty, got {proposal.value!r}."
            )
        return proposal.value

    @traitlets.validate("selected_cell")
    def _check_selected_cell(self, proposal):
        try:
            true, predicted = (operator.index(label) for label in proposal.value)
        except (TypeError, ValueError):
            true = predicted = None
        rows = [self._labels[place] for place in np.unique(self._true)]
        if true not in rows or predicted not in self._labels:
            raise traitlets.TraitError(
                f"`selected_cell` must hold one of the true labels {rows} and one of the "
                f"predicted labels {self._labels}, got {proposal.value!r}."
            )
        return [true, predicted]

    @traitlets.validate("selected_image")
    def _check_selected_image(self, proposal):
        if not -1 <= proposal.value < len(self._true):
            raise traitlets.TraitError(
                f"`selected_image` must be the index of one of the {len(self._true)} images, "
                f"or -1 for none, got {proposal.value}."
            )
        return proposal.value

    @traitlets.observe("selected_image")
    def _go_to_image(self, change):
        if change.new >= 0 and not self._holds(change.new):
            cell = self._cell_of_image(change.new, self.shown_method)
            self.selected_cell = cell["selected_cell"]

    @traitlets.observe("shown_method")
    def _stop_subtracting(self, change):
        if self.subtracted_method == change.new:
            self.subtracted_method = ""

    @traitlets.observe("selected_cell", "shown_method", "subtracted_method")
    def _let_go(self, change):
        if self.selected_image >= 0 and not self._holds(self.selected_image):
            self.selected_image = -1

    def __repr__(self) -> str:
        classes = len(set(self._true.tolist()))
        names = ", ".join(self._names)
        return f"ConfusionExplorer({len(self._true)} images in {classes} classes, by {names})"


def _check_true_labels(labels) -> np.ndarray:
    """The labels as an array of shape `(N,)`, `N` at least 1."""
    labels = np.asarray(labels)
    if labels.ndim != 1 or not len(labels):
        raise ValueError(
            f"`labels` must have shape (images,), at least one image, got shape {labels.shape}."
        )
    return check_labels(labels, len(labels), _ITEM)


def _check_predictions(predictions, count: int) -> dict[str, np.ndarray]:
    """The predictions as arrays of shape `(count,)` by name."""
    if not isinstance(predictions, Mapping) or not predictions:
        given = "none" if isinstance(predictions, Mapping) else type(predictions).__name__
        raise ValueError(
            "`predictions` must be a mapping from the name of each method to its predicted "
            f"classes, at least one, got {given}."
        )
    arrays = {}
    for name, array in predictions.items():
        check_text(name, "a name in `predictions`")
        array = np.asarray(array)
        if array.shape != (count,):
            raise ValueError(
                f"`predictions[{name!r}]` must have one entry for every item of `labels`, "
                f"got shape {array.shape} for {count}."
            )
        if not np.issubdtype(array.dtype, np.integer):
            raise ValueError(
                f"`predictions[{name!r}]` must hold integers, got dtype {array.dtype}."
            )
        arrays[name] = array
    return arrays


def _describe(present: list[int], class_names) -> list[dict]:
    if not _FEWEST_CLASSES <= len(present) <= _MOST_CLASSES:
        raise ValueError(
            f"`labels` and `predictions` must hold {_FEWEST_CLASSES} to {_MOST_CLASSES} classes "
            f"together, got {len(present)}."
        )
    for name in () if class_names is None else class_names:
        check_text(name, "a name in `class_names`")
    return describe_classes(present, class_names)
