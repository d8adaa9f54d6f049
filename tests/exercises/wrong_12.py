"""Known wrong answers to the exercises of lesson 12."""

import textwrap

from wrong_answers import WrongAnswer


def _function(name, arguments, body):
    return f"def {name}({arguments}):\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n"


def _square(
    mistake,
    says,
    body=None,
    *,
    side="max(height, width)",
    top="(side - height) // 2",
    left="(side - width) // 2",
    start="np.zeros((side, side), image.dtype)",
):
    body = (
        body
        or f"""
        height, width = image.shape
        side = {side}
        top, left = {top}, {left}
        result = {start}
        result[top : top + height, left : left + width] = image
        return result
    """
    )
    return WrongAnswer("square", mistake, _function("square", "image", body), says)


def _split(
    mistake,
    says,
    body=None,
    *,
    own="np.unique(groups[labels == label])",
    chosen="rng.permutation(own)[: len(own) // 4]",
    end="return np.flatnonzero(~is_query), np.flatnonzero(is_query)",
):
    body = (
        body
        or f"""
        drawn = []
        for label in np.unique(labels):
            own = {own}
            drawn.extend({chosen})
        is_query = np.isin(groups, drawn)
        {end}
    """
    )
    code = _function("split_without_leakage", "labels, groups, rng", body)
    return WrongAnswer("split_without_leakage", mistake, code, says)


def _search(
    mistake,
    says,
    *,
    distances="cdist(queries, gallery)",
    indices='np.argsort(distances, axis=1, kind="stable")[:, :k]',
    end="return indices, np.take_along_axis(distances, indices, axis=1)",
):
    body = f"distances = {distances}\nindices = {indices}\n{end}"
    code = _function("search", "queries, gallery, k", body)
    return WrongAnswer("search", mistake, code, says)


WRONG = [
    _square("upper left", "at the upper left", top="0", left="0"),
    _square("lower right", "at the lower right", top="side - height", left="side - width"),
    _square(
        "extra row above",
        "you put it above or at the left",
        top="(side - height + 1) // 2",
        left="(side - width + 1) // 2",
    ),
    _square("padded with white", "with white, 255", start="np.full((side, side), 255, np.uint8)"),
    _square(
        "rows and columns swapped",
        "lies on its side",
        """
        side = max(image.shape)
        result = np.zeros((side, side), image.dtype)
        width, height = image.shape
        top, left = (side - height) // 2, (side - width) // 2
        result[top : top + height, left : left + width] = image.T
        return result
        """,
    ),
    _square(
        "np.resize", "it repeats its numbers", "return np.resize(image, (max(image.shape),) * 2)"
    ),
    _square(
        "stretched",
        "You stretch the picture",
        """
        side = max(image.shape)
        rows = np.arange(side) * image.shape[0] // side
        columns = np.arange(side) * image.shape[1] // side
        return image[rows][:, columns]
        """,
    ),
    _square(
        "stretched by Pillow",
        "its proportions change",
        """
        from PIL import Image
        side = max(image.shape)
        return np.asarray(Image.fromarray(image).resize((side, side)))
        """,
    ),
    _square(
        "cut to the shorter side",
        "cut the picture to its shorter side",
        """
        height, width = image.shape
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        return image[top : top + side, left : left + side]
        """,
    ),
    _square("floats", "but of type `float64`", start="np.zeros((side, side))"),
    _square(
        "padded with the edge",
        "padded with the picture's own edge",
        """
        side = max(image.shape)
        free = [side - each for each in image.shape]
        return np.pad(image, [(each // 2, each - each // 2) for each in free], mode="edge")
        """,
    ),
    _split(
        "by image",
        "It leaks",
        """
        is_query = np.zeros(len(labels), bool)
        for label in np.unique(labels):
            own = np.flatnonzero(labels == label)
            is_query[rng.permutation(own)[: len(own) // 4]] = True
        return np.flatnonzero(~is_query), np.flatnonzero(is_query)
        """,
    ),
    _split(
        "a quarter of all groups",
        "in each class by itself",
        """
        own = np.unique(groups)
        drawn = rng.permutation(own)[: len(own) // 4]
        is_query = np.isin(groups, drawn)
        return np.flatnonzero(~is_query), np.flatnonzero(is_query)
        """,
    ),
    _split(
        "a quarter of the images' number",
        "a quarter of the *groups*",
        own="rng.permutation(np.unique(groups[labels == label]))",
        chosen="own[: (labels == label).sum() // 4]",
    ),
    _split("the first quarter", "the same for every `rng`", chosen="own[: len(own) // 4]"),
    _split(
        "a seed of its own",
        "Two generators with the same seed",
        chosen="np.random.permutation(own)[: len(own) // 4]",
    ),
    _split("masks", "is a mask of true and false", end="return ~is_query, is_query"),
    _split(
        "swapped",
        "The two are swapped",
        end="return np.flatnonzero(is_query), np.flatnonzero(~is_query)",
    ),
    _split(
        "queries stay in the gallery",
        "it would find itself",
        end="return np.arange(len(labels)), np.flatnonzero(is_query)",
    ),
    _split(
        "one image of each drawn group",
        "is on neither side",
        end=(
            "return np.flatnonzero(~is_query), np.array([np.flatnonzero(groups == g)[0]"
            " for g in drawn])"
        ),
    ),
    _split(
        "never the last ones",
        "was never among the queries",
        chosen="rng.permutation(own[: -(len(own) // 4)])[: len(own) // 4]",
    ),
    _split(
        "whole classes",
        "You draw whole classes",
        """
        drawn = rng.permutation(np.unique(labels))[: max(1, len(np.unique(labels)) // 4)]
        is_query = np.isin(labels, drawn)
        return np.flatnonzero(~is_query), np.flatnonzero(is_query)
        """,
    ),
    _search(
        "leaves out the nearest",
        "You leave out the nearest item",
        indices='np.argsort(distances, axis=1, kind="stable")[:, 1 : k + 1]',
    ),
    _search(
        "the farthest",
        "items that are farthest",
        indices='np.argsort(-distances, axis=1, kind="stable")[:, :k]',
    ),
    _search(
        "squared distances",
        "The distances are squared",
        distances='cdist(queries, gallery, "sqeuclidean")',
    ),
    _search(
        "distances of the first items",
        "those of the gallery's first k items",
        end="return indices, distances[:, :k]",
    ),
    _search(
        "swapped",
        "positions come first, then distances",
        end="return np.take_along_axis(distances, indices, axis=1), indices",
    ),
    _search(
        "dot product",
        "rank by the dot product",
        indices='np.argsort(-(queries @ gallery.T), axis=1, kind="stable")[:, :k]',
    ),
    _search(
        "in the gallery's order",
        "in the order of the gallery",
        indices='np.sort(np.argsort(distances, axis=1, kind="stable")[:, :k], axis=1)',
    ),
    _search(
        "no order",
        "`argpartition` puts the k nearest before",
        indices=(
            "np.argpartition(distances, k - 1, axis=1)[:, :k] if k < distances.shape[1] else"
            ' np.argsort(distances, axis=1, kind="stable")'
        ),
    ),
    _search(
        "ties the other way round",
        "you have it the other way round",
        indices=('len(gallery) - 1 - np.argsort(distances[:, ::-1], axis=1, kind="stable")[:, :k]'),
    ),
    _search(
        "all of the gallery",
        "Wanted are the first k",
        indices='np.argsort(distances, axis=1, kind="stable")',
    ),
    _search(
        "the gallery's items as queries",
        "which items are near it?",
        distances="cdist(gallery, queries)",
        indices='np.argsort(distances, axis=1, kind="stable")[:, :1].repeat(k, axis=1)',
    ),
]
