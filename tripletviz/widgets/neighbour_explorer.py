"""The neighbour explorer: what a query finds in the gallery, in one embedding or in two."""

from collections.abc import Mapping, Sequence

import numpy as np
import traitlets

from ._widget import (
    MAX_PICTURES,
    METRIC_WORDS,
    Widget,
    arrays_of_one_set,
    check_labels,
    describe_classes,
    load_script,
    make_sprite,
    untrained_and_trained,
)

_QUESTION = "Which items lie nearest to this one?"
_ITEM = "item of `embeddings`"
_MOST_EMBEDDINGS = 2


class NeighbourExplorer(Widget):
    """Pick a query and see its nearest items of the gallery, in two embeddings side by side.

    Every neighbour has its distance and a frame: solid and ticked where it is of the query's
    class, dashed and crossed where it is not. Above each list stands what it is to be compared
    with: recall@1 and recall@k of that embedding over all queries; below both, those of the raw
    pixels, where no network is at work. Distances of two embeddings are not on one scale, so each
    is also given as a multiple of the mean distance of its embedding.

    Neighbours are exact (`tripletviz.evaluation.nearest_neighbors`) and looked up here, once; the
    browser gets the lists, so that the widget also lives in an exported page.

    Keys: left and right go to the query before and after, up and down by a row, page up and page
    down by a page, Home and End to the ends; a digit goes to the next query of that class. All of
    them stay among the queries that `filter` leaves.

    Args:
        embeddings: one or two embeddings of the same items, a mapping from name to a float array
            of shape `(N, dimensions)`, `N` at most 1,000. The first is the one to compare with.
        labels: class of every item, integer array of shape `(N,)`.
        images: picture of every item, `uint8` array of shape `(N, H, W)`.
        queries: which items are queries, a bool array of shape `(N,)` or distinct indices; all
            others are the gallery. `None`: every item is a query and looked up among the others,
            so that it never finds itself.
        k: number of neighbours, at most the number of items that a query is looked up among.
        metric: `"euclidean"`, `"squared_euclidean"` or `"cosine"`.
        class_names: name of class `label` at `class_names[label]`; the labels themselves if None.
        title: heading; a question if None.
        **traits: starting values of the traits below, or of ipywidgets' own (`layout`, ...).

    Attributes:
        query: index of the item looked up, one of the queries.
        filter: which queries can be paged through, a dictionary from the name of an embedding to
            `"right"` or `"wrong"`: what the first neighbour is there. Empty for all queries.
            `{"untrained": "wrong", "trained": "right"}` leaves what training has mended. It does
            not change `query`.

    Raises:
        TypeError: if `k` is not an integer.
        ValueError: if there are not one or two embeddings, or an array has the wrong shape or
            type, is not finite, or does not fit the others; if `k` is too large, the metric
            unknown, or no item is left as query or as gallery.

    Example:
        >>> explorer = NeighbourExplorer(
        ...     {"untrained": before, "trained": after}, labels, images, k=10
        ... )
        >>> explorer.query = 8
        >>> explorer.filter = {"trained": "wrong"}
    """

    _esm = load_script("neighbour_explorer")

    query = traitlets.Int(0).tag(sync=True, echo_update=False)
    filter = traitlets.Dict().tag(sync=True)
    title = traitlets.Unicode(_QUESTION).tag(sync=True)

    _names = traitlets.List().tag(sync=True)
    _neighbours = traitlets.Bytes().tag(sync=True)
    _distances = traitlets.Bytes().tag(sync=True)
    _mean_distances = traitlets.List().tag(sync=True)
    _pixel_recalls = traitlets.Dict().tag(sync=True)
    _queries = traitlets.Bytes().tag(sync=True)
    _one_set = traitlets.Bool(True).tag(sync=True)
    _count = traitlets.Int(1).tag(sync=True)
    _metric = traitlets.Unicode().tag(sync=True)
    _class_of = traitlets.Bytes().tag(sync=True)
    _classes = traitlets.List().tag(sync=True)
    _sprite = traitlets.Bytes().tag(sync=True)
    _sprite_layout = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        embeddings: Mapping,
        labels,
        images,
        *,
        queries=None,
        k: int = 10,
        metric: str = "euclidean",
        class_names: Sequence[str] | None = None,
        title: str | None = None,
        **traits,
    ):
        embeddings, count = _check_embeddings(embeddings)
        labels = check_labels(labels, count, _ITEM)
        sprite, sprite_layout = make_sprite(images, count, _ITEM)
        is_query = _check_queries(queries, count)
        lists = [_look_up(name, each, is_query, k, metric) for name, each in embeddings.items()]
        pixels = np.asarray(images).reshape(count, -1) / 255.0
        found, _ = _nearest("raw pixels", *_split(pixels, is_query), k, "euclidean")
        present, class_of = np.unique(labels, return_inverse=True)
        items = np.arange(count) if is_query is None else np.flatnonzero(is_query)
        traits.setdefault("query", int(items[0]))
        super().__init__(
            _names=list(embeddings),
            _neighbours=np.stack([each[0] for each in lists]).astype("<i4").tobytes(),
            _distances=np.stack([each[1] for each in lists]).astype("<f4").tobytes(),
            _mean_distances=[each[2] for each in lists],
            _pixel_recalls=_recalls(labels[found] == labels[items, None]),
            _queries=items.astype("<i4").tobytes(),
            _one_set=is_query is None,
            _count=lists[0][0].shape[1],
            _metric=METRIC_WORDS[metric],
            _class_of=class_of.astype("<i4").tobytes(),
            _classes=describe_classes(present.tolist(), class_names),
            _sprite=sprite,
            _sprite_layout=sprite_layout,
            title=_QUESTION if title is None else title,
            **traits,
        )

    @classmethod
    def from_recording(cls, recording, **arguments) -> "NeighbourExplorer":
        """Compares the first snapshot of a recording, "untrained", with the last, "trained".

        Args:
            recording: a `tripletviz.recordings.Recording` of two snapshots or more.
            **arguments: as for the class: `queries`, `k`, `metric`, `class_names`, ...

        Returns:
            A `NeighbourExplorer`.

        Raises:
            ValueError: if there is one snapshot only, or the first is not at step 0.

        Example:
            >>> NeighbourExplorer.from_recording(Recording.load("data/mnist-recording.npz"))
        """
        embeddings = untrained_and_trained(recording)
        return cls(embeddings, recording.labels, recording.images, **arguments)

    @traitlets.validate("query")
    def _check_query(self, proposal):
        items = np.frombuffer(self._queries, "<i4")
        if proposal.value not in items:
            raise traitlets.TraitError(
                f"`query` must be the index of one of the {len(items)} queries, "
                f"got {proposal.value}."
            )
        return proposal.value

    @traitlets.validate("filter")
    def _check_filter(self, proposal):
        known = set(proposal.value) <= set(self._names)
        if not known or not set(proposal.value.values()) <= {"right", "wrong"}:
            raise traitlets.TraitError(
                f'`filter` must map names among {self._names} to "right" or "wrong", '
                f"got {proposal.value}."
            )
        return proposal.value

    def __repr__(self) -> str:
        items = len(self._class_of) // 4
        names = ", ".join(self._names)
        queries = len(self._queries) // 4
        return f"NeighbourExplorer({queries} queries of {items} items, in {names})"


def _check_embeddings(embeddings) -> tuple[dict, int]:
    """The embeddings as arrays by name, and their number of items."""
    if not isinstance(embeddings, Mapping) or not 1 <= len(embeddings) <= _MOST_EMBEDDINGS:
        given = len(embeddings) if isinstance(embeddings, Mapping) else type(embeddings).__name__
        raise ValueError(
            f"`embeddings` must be a mapping from one or two names to arrays, got {given}."
        )
    arrays, count = arrays_of_one_set(embeddings)
    if count > MAX_PICTURES:
        raise ValueError(
            f"`embeddings` can be of {MAX_PICTURES} items at most, got {count}: choose some."
        )
    return arrays, count


def _check_queries(queries, count: int) -> np.ndarray | None:
    """Which items are queries, bool of shape `(count,)`; None if each is, among the others."""
    if queries is None:
        return None
    queries = np.asarray(queries)
    if queries.dtype == bool and queries.shape == (count,):
        is_query = queries
    elif queries.ndim == 1 and np.issubdtype(queries.dtype, np.integer):
        if len(queries) and not 0 <= queries.min() <= queries.max() < count:
            raise ValueError(
                f"`queries` must be indices from 0 to {count - 1}, "
                f"got {queries.min()} to {queries.max()}."
            )
        is_query = np.zeros(count, bool)
        is_query[queries] = True
        if is_query.sum() < len(queries):
            raise ValueError("`queries` must be distinct, got some index twice.")
    else:
        raise ValueError(
            f"`queries` must be a bool array of shape ({count},) or a list of indices, "
            f"got dtype {queries.dtype} and shape {queries.shape}."
        )
    if is_query.all() or not is_query.any():
        raise ValueError(
            "`queries` must leave at least one query and one item of the gallery, "
            f"got {is_query.sum()} queries of {count} items."
        )
    return is_query


def _look_up(name: str, embeddings, is_query, k: int, metric: str):
    """Indices and distances of each query's neighbours, `(Q, k)`, and the mean of all distances."""
    queries, gallery, items = _split(embeddings, is_query)
    found, distances = _nearest(name, queries, gallery, items, k, metric)
    return found, distances, _mean_distance(queries, gallery, metric)


def _split(embeddings, is_query):
    """Queries, gallery (None: the other queries), and which items the gallery holds."""
    if is_query is None:
        return embeddings, None, np.arange(len(embeddings))
    return embeddings[is_query], embeddings[~is_query], np.flatnonzero(~is_query)


def _nearest(name: str, queries, gallery, items, k: int, metric: str):
    """Indices and distances of each query's neighbours, both `(Q, k)`."""
    from ..evaluation import nearest_neighbors  # it imports scikit-learn, which takes a second

    try:
        distances, indices = nearest_neighbors(queries, gallery, k, metric)
    except ValueError as error:
        raise ValueError(f"embedding {name!r}: {error}") from None
    if distances.max() > np.finfo(np.float32).max:
        raise ValueError(f"embedding {name!r}: distances must be finite in float32.")
    return items[indices], distances


def _recalls(hits: np.ndarray) -> dict[str, float]:
    """Recall@1 and recall@k of `(Q, k)` hits, nearest first, by k as text: keys of JSON."""
    return {str(k): float(hits[:, :k].any(axis=1).mean()) for k in (1, hits.shape[1])}


def _mean_distance(queries, gallery, metric: str) -> float:
    """Mean distance of all queries to all of the gallery; with no gallery, to all others."""
    queries = np.asarray(queries, float)
    others = queries if gallery is None else np.asarray(gallery, float)
    if metric == "cosine":
        distances = 1 - _unit_rows(queries) @ _unit_rows(others).T
    else:
        from scipy.spatial.distance import cdist  # half a second that other widgets need not wait

        distances = cdist(queries, others, metric.replace("squared_", "sq"))
    if gallery is not None:
        return float(distances.mean())
    return float((distances.sum() - distances.trace()) / (distances.size - len(distances)))


def _unit_rows(embeddings: np.ndarray) -> np.ndarray:
    """Rows of norm 1; a zero row stays, which makes it as far from everything as a right angle."""
    largest = np.abs(embeddings).max(axis=1, keepdims=True)
    scaled = embeddings / np.where(largest > 0, largest, 1)  # squares of tiny ones would vanish
    norms = np.linalg.norm(scaled, axis=1, keepdims=True)
    return scaled / np.where(norms > 0, norms, 1)
