"""A searchable gallery: embeddings of known images, what they show, and who the nearest are.

It is exact: every query is compared with every item. Kept in one file, it knows by which network
it was made, and refuses another one's embeddings.
"""

import hashlib
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ._files import whole
from ._validation import class_labels, finite_embeddings
from .evaluation import METRICS, nearest_neighbors

UNKNOWN = -1
"""The label of a query that is like nothing in the gallery."""

_VERSION = 1


class GalleryError(Exception):
    """A gallery cannot be used as asked; the message is for a person."""


class Found(NamedTuple):
    """What a gallery gives for Q queries: the k nearest items of each, nearest first.

    Attributes:
        indices: int64 array `(Q, k)`, positions in the gallery.
        distances: float64 array `(Q, k)`.
        labels: int64 array `(Q, k)`, the items' classes.
    """

    indices: np.ndarray
    distances: np.ndarray
    labels: np.ndarray


def fingerprint(network):
    """A short text that tells one network from another: a digest of its layers and its weights.

    A network that was saved and loaded again has the same; one that was trained a step further
    has another.

    Args:
        network: `keras.Model`.
    """
    digest = hashlib.sha256()
    # Two networks with the same weights can differ in a layer that has none.
    digest.update(json.dumps(network.get_config(), sort_keys=True, default=str).encode())
    for weight in network.get_weights():
        digest.update(f"{weight.dtype}{weight.shape}".encode())
        digest.update(np.ascontiguousarray(weight).tobytes())
    return digest.hexdigest()[:16]


class Gallery:
    """Embeddings to search in, with a class and a name for each. It never changes.

    Args:
        embeddings: array `(N, D)`; kept as float32.
        labels: int array `(N,)`, positions in `class_names`.
        class_names: names of the classes; by default the labels themselves as text.
        items: a text for each item, such as the path of its picture; by default its position.
        made_by: `fingerprint` of the network, or `None` if it is not known.
        metric: as for `evaluation.nearest_neighbors`.

    Raises:
        ValueError: if the arrays do not fit together, or hold what is no finite number.

    Example:

    >>> gallery = Gallery(embed(network, images), labels, made_by=fingerprint(network))
    >>> gallery.query(embed(network, new_images), k=5).labels
    """

    def __init__(
        self,
        embeddings,
        labels,
        class_names=None,
        items=None,
        *,
        made_by=None,
        metric="euclidean",
    ):
        self.embeddings = finite_embeddings(embeddings).astype(np.float32)
        self.labels = class_labels(labels, len(self.embeddings))
        if self.labels.min() < 0:
            raise ValueError(f"labels must be 0 or more, got {self.labels.min()}.")
        if class_names is None:
            class_names = range(self.labels.max() + 1)
        self.class_names = tuple(map(str, class_names))
        if self.labels.max() >= len(self.class_names):
            raise ValueError(
                f"labels must be below the number of class names, {len(self.class_names)}, got "
                f"{self.labels.max()}."
            )
        self.items = tuple(map(str, range(len(self.labels)) if items is None else items))
        if len(self.items) != len(self.labels):
            raise ValueError(
                f"items must be one an embedding, got {len(self.items)} for {len(self.labels)}."
            )
        if metric not in METRICS:
            raise ValueError(f"metric must be one of {', '.join(METRICS)}, got {metric!r}.")
        self.made_by, self.metric = made_by, metric
        self.embeddings.flags.writeable = self.labels.flags.writeable = False

    def __len__(self):
        return len(self.labels)

    def query(self, embeddings, k=1):
        """The k items nearest to each query.

        Items at exactly the same distance come in the order of their position.

        Args:
            embeddings: array `(Q, D)`.
            k: how many, at most as many as there are items.

        Returns:
            `Found`.

        Raises:
            ValueError: as `evaluation.nearest_neighbors`.
        """
        queries = np.asarray(embeddings, np.float32)
        distances, indices = nearest_neighbors(queries, self.embeddings, k, self.metric)
        return Found(indices, distances, self.labels[indices])

    def recognise(self, embeddings, threshold=None):
        """The class of each query: that of its nearest item, if that is near enough.

        Args:
            embeddings: array `(Q, D)`.
            threshold: greatest distance at which the nearest item still counts; `None`: any.

        Returns:
            int64 array `(Q,)`; `UNKNOWN` where the nearest item is farther than the threshold.
        """
        found = self.query(embeddings)
        labels = found.labels[:, 0].copy()
        if threshold is not None:
            labels[found.distances[:, 0] > threshold] = UNKNOWN
        return labels

    def with_items(self, embeddings, class_name, items=None):
        """A gallery with more items of one class, which may be a new one. Nothing is trained.

        Args:
            embeddings: array `(M, D)`, made by the same network.
            class_name: a name that is there, or a new one.
            items: a text for each, by default their positions.

        Returns:
            `Gallery`; this one stays as it is.
        """
        embeddings = finite_embeddings(embeddings)
        if embeddings.shape[1] != self.embeddings.shape[1]:
            raise ValueError(
                f"embeddings must have {self.embeddings.shape[1]} dimensions as those of the "
                f"gallery, got shape {embeddings.shape}."
            )
        names, class_name = list(self.class_names), str(class_name)
        if class_name not in names:
            names.append(class_name)
        label = names.index(class_name)
        items = range(len(self), len(self) + len(embeddings)) if items is None else items
        return Gallery(
            np.concatenate([self.embeddings, embeddings]),
            np.concatenate([self.labels, np.full(len(embeddings), label)]),
            names,
            [*self.items, *items],
            made_by=self.made_by,
            metric=self.metric,
        )

    def save(self, path):
        """Write the gallery as one `.npz` file, whole or not at all; it holds no pickles.

        Args:
            path: the file to write; its folder must be there.

        Returns:
            Its path, with `.npz` at its end.
        """
        path = Path(path)
        path = path if path.suffix == ".npz" else path.with_name(f"{path.name}.npz")
        texts = {
            "version": _VERSION,
            "class_names": self.class_names,
            "items": self.items,
            "made_by": self.made_by,
            "metric": self.metric,
        }
        # As bytes: NumPy's own texts lose zeros at their end, and take four bytes a letter.
        texts = np.frombuffer(json.dumps(texts).encode(), np.uint8)
        with whole(path) as partial:
            np.savez_compressed(
                partial, embeddings=self.embeddings, labels=self.labels, texts=texts
            )
        return path

    @classmethod
    def load(cls, path, network=None):
        """Read a gallery that `save` has written.

        Args:
            path: its file.
            network: the `keras.Model` that will embed the queries, to make sure that it is the one
                by which the gallery was made; `None`: not looked at.

        Returns:
            `Gallery`.

        Raises:
            FileNotFoundError: if the file is not there.
            GalleryError: if it is no gallery, is damaged, or was made by another network.
        """
        path = Path(path)
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in ("embeddings", "labels", "texts")}
            texts = json.loads(arrays["texts"].tobytes())
            version = texts["version"]
            gallery = version == _VERSION and cls(
                arrays["embeddings"],
                arrays["labels"],
                texts["class_names"],
                texts["items"],
                made_by=texts["made_by"],
                metric=texts["metric"],
            )
        except FileNotFoundError:
            raise
        except Exception as error:  # a damaged file can raise nearly anything
            raise GalleryError(f"{path} is no gallery, or is damaged: {error}") from None
        if not gallery:
            raise GalleryError(f"{path} is of version {version}; this one reads {_VERSION}")
        if network is not None:
            gallery.refuse_other(network, path)
        return gallery

    def refuse_other(self, network, name="this gallery"):
        """Raise `GalleryError` unless the gallery was made by this very network."""
        own = fingerprint(network)
        if self.made_by is None:
            raise GalleryError(f"{name} does not say by which network it was made")
        if self.made_by != own:
            raise GalleryError(
                f"{name} was made by another network ({self.made_by}, this one is {own}): their "
                "distances mean nothing together. Embed the pictures again with this one."
            )
