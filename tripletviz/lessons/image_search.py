"""Searches a gallery with what the reader draws or opens: a network behind the image query.

Importing it does not import TensorFlow.
"""

import numpy as np

from ..widgets import ImageQuery


def image_search(network, gallery, images, *, presets=None, k=8, threshold=None, title=None):
    """A widget that takes a picture from the reader and shows its nearest pictures in a gallery.

    Args:
        network: `keras.Model` from images to embeddings, the one by which the gallery was made.
        gallery: `tripletviz.gallery.Gallery`.
        images: uint8 array `(N, H, W)`, the picture of each item of the gallery.
        presets: uint8 array `(P, H, W)` of pictures to choose from; they are answered at once, so
            that they work without a kernel too.
        k: how many neighbours to show; all, if there are fewer.
        threshold: greatest distance of the nearest item at which a picture is not called unknown;
            `None`: none is.
        title: heading, a question; `None` for a plain one.

    Returns:
        `tripletviz.widgets.ImageQuery`.

    Raises:
        ValueError: if pictures and gallery do not fit together.
        tripletviz.gallery.GalleryError: if the gallery was made by another network.

    Example:

    >>> image_search(network, gallery, images, presets=images[:8], threshold=0.9)
    """
    if gallery.made_by is not None:
        gallery.refuse_other(network)
    if len(images) != len(gallery):
        raise ValueError(
            f"images must be one an item of the gallery, got {len(images)} for {len(gallery)}."
        )
    k = min(k, len(gallery))

    def find(pictures):
        # Called as a function: `predict` would set up a loop for one picture.
        embeddings = network(np.asarray(pictures), training=False)
        found = gallery.query(np.asarray(embeddings, np.float32), k)
        return found.indices, found.distances

    def answer(widget, picture):
        indices, distances = find(picture[np.newaxis])
        widget.show_answer(indices[0], distances[0])

    widget = ImageQuery(
        images,
        gallery.labels,
        class_names=gallery.class_names,
        presets=presets,
        preset_answers=None if presets is None else find(presets),
        k=k,
        threshold=threshold,
        title=title,
    )
    widget.on_query(answer)
    return widget
