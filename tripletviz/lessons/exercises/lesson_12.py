"""Exercises of lesson 12: pictures made square, a split that does not leak, and the search."""

import math

import numpy as np

from ._cases import examine_cases, in_words
from ._exercise import Exercise, NotAttempted, Wrong, as_array

# The package's versions, with the arguments of the exercises --------------------------------------


def square(image):
    """The image in the middle of a black square, as wide as its longer side."""
    height, width = image.shape
    side = max(height, width)
    top, left = (side - height) // 2, (side - width) // 2
    result = np.zeros((side, side), image.dtype)
    result[top : top + height, left : left + width] = image
    return result


def split_without_leakage(labels, groups, rng):
    """Two arrays of positions; of each class a quarter of its groups are on the second side."""
    drawn = []
    # As in the published solution: what a lesson measures must not depend on whose version it uses.
    for label in np.unique(labels):
        own = np.unique(groups[labels == label])
        drawn.extend(rng.permutation(own)[: len(own) // 4])
    is_query = np.isin(groups, drawn)
    return np.flatnonzero(~is_query), np.flatnonzero(is_query)


def search(queries, gallery, k):
    """Positions and distances of the k items of the gallery that are nearest to each query."""
    from ...evaluation import nearest_neighbors

    distances, indices = nearest_neighbors(queries, gallery, k)
    return indices, distances


# square -------------------------------------------------------------------------------------------


def _placed(image, *, side=None, place=lambda free: free // 2, fill=0):
    side = max(image.shape) if side is None else side
    result = np.full((side, side), fill, image.dtype)
    top, left = (place(side - each) for each in image.shape)
    result[top : top + image.shape[0], left : left + image.shape[1]] = image
    return result


_SQUARE_MISTAKES = {
    "The picture lies at the upper left, with all the padding on one side of it. Put it in the"
    " middle.": lambda image: _placed(image, place=lambda free: 0),
    "The picture lies at the lower right, with all the padding on one side of it. Put it in the"
    " middle.": lambda image: _placed(image, place=lambda free: free),
    "Where the padding cannot be the same on both sides, the extra row or column comes below or at"
    " the right; you put it above or at the left.": (
        lambda image: _placed(image, place=lambda free: free - free // 2)
    ),
    "You have padded with white, 255. Black is 0.": lambda image: _placed(image, fill=255),
    "Rows and columns are swapped: the picture lies on its side.": lambda image: _placed(image.T),
    "`np.resize` does not scale a picture: it repeats its numbers, row after row, until the new"
    " shape is full. Start with zeros, and put the picture into them.": (
        lambda image: np.resize(image, (max(image.shape), max(image.shape)))
    ),
    "You have padded with the picture's own edge. Here the padding is black, 0.": (
        lambda image: _padded(image, mode="edge")
    ),
}


def _padded(image, **options):
    free = [max(image.shape) - side for side in image.shape]
    return np.pad(image, [(each // 2, each - each // 2) for each in free], **options)


def _examine_square(answer, rng):
    shapes = [(1, 3), (3, 1), (2, 2), (1, 2), (4, 1), (5, 2), (3, 8), (6, 6), (9, 4)]
    first, possible = None, list(_SQUARE_MISTAKES.items())
    for shape in shapes:
        image = rng.integers(1, 255, size=shape).astype(np.uint8)  # nothing in it is black
        side, wanted = max(shape), square(image)
        result = answer(image)
        cut = np.shape(result) == (min(shape), min(shape)) != shape
        if cut and first is None:
            raise Wrong(
                f"You cut the picture to its shorter side: of {in_words(image)} it keeps"
                f" {in_words(result)}. Nothing may be lost: make the shorter side longer."
            )
        found = as_array(result, (side, side))
        if first is None and not np.array_equal(found, wanted):
            first = (
                f"For {in_words(image)} it gives {in_words(found)}; right is {in_words(wanted)}."
            )
            # Between two black borders there are always black pixels.
            stretched = shape[0] != shape[1] and found.min() > 0
        if found.dtype != np.uint8 and first is None:
            raise Wrong(
                f"The numbers are right, but of type `{found.dtype}`. Pictures are `uint8`, as what"
                " came in."
            )
        possible = [each for each in possible if np.array_equal(found, each[1](image))]
    if first is None:
        return
    if possible:
        raise Wrong(f"{possible[0][0]} {first}")
    if stretched:
        raise Wrong(
            f"You stretch the picture: its proportions change, so that a 1 may become a block. Pad"
            f" it instead. {first}"
        )
    raise Wrong(first)


# split_without_leakage ----------------------------------------------------------------------------


def _sides(result, count):
    """Both sides of a split as arrays, or a message on what they are instead."""
    if not isinstance(result, tuple | list) or len(result) != 2:
        raise Wrong("Give back two arrays of positions: gallery, and queries.")
    sides = []
    for each, name in zip(result, ("gallery", "queries"), strict=True):
        if each is ...:
            raise NotAttempted
        array = np.asarray(each)
        if array.dtype == bool:
            raise Wrong(
                f"`{name}` is a mask of true and false. Wanted are the positions: `np.flatnonzero`"
                " of a mask gives them."
            )
        if array.ndim != 1 or (array.size and array.dtype.kind not in "iu"):
            raise Wrong(
                f"`{name}` must be a flat array of whole numbers, got shape `{array.shape}` of"
                f" `{array.dtype}`."
            )
        if array.size and not 0 <= array.min() <= array.max() < count:
            raise Wrong(
                f"`{name}` holds the position {int(array.max())}, but there are {count} images,"
                " counted from 0."
            )
        sides.append(array.astype(np.int64))
    return sides


def _judge_split(labels, groups, result):
    gallery, queries = _sides(result, len(labels))
    given = f"With labels {in_words(labels)} and groups {in_words(groups)} it gives gallery"
    given += f" {in_words(gallery)} and queries {in_words(queries)}."
    both = np.intersect1d(gallery, queries)
    if both.size:
        raise Wrong(f"Image {both[0]} is on both sides: as a query it would find itself. {given}")
    for side, name in ((gallery, "gallery"), (queries, "queries")):
        if len(np.unique(side)) < len(side):
            raise Wrong(f"`{name}` holds an image twice. {given} (`replace=False`?)")
    missing = np.setdiff1d(np.arange(len(labels)), np.concatenate([gallery, queries]))
    if missing.size:
        raise Wrong(f"Image {missing[0]} is on neither side. {given}")
    torn = np.intersect1d(groups[gallery], groups[queries])
    if torn.size:
        one, other = (side[groups[side] == torn[0]][0] for side in (queries, gallery))
        raise Wrong(
            f"It leaks: images {one} and {other} are of one group, {torn[0]}, and lie on different"
            f" sides. Draw groups, not images. {given}"
        )
    share = {}
    for label in np.unique(labels):
        every = len(np.unique(groups[labels == label]))
        share[label] = len(np.unique(groups[queries][labels[queries] == label])), every
    if all(drawn == every * 3 // 4 for drawn, every in share.values()):
        raise Wrong(f"The two are swapped: gallery first, then the queries. {given}")
    if all(drawn in (0, every) for drawn, every in share.values()):
        raise Wrong(
            "You draw whole classes: none is on both sides, so no query can find anything right."
            f" Draw groups, in each class by itself. {given}"
        )
    for label, (drawn, every) in share.items():
        if drawn == 0:
            raise Wrong(
                f"Class {label} has no query: how well it is found would never be seen. Draw in"
                f" each class by itself. {given}"
            )
        if drawn == every:
            raise Wrong(
                f"Class {label} is not in the gallery: its queries could find nothing right. Draw"
                f" in each class by itself. {given}"
            )
        if drawn != every // 4:
            raise Wrong(
                f"Of the {every} groups of class {label}, {drawn} are queries; wanted are"
                f" {every // 4}: a quarter of the *groups*, in each class by itself. {given}"
            )


def _random_groups(rng, groups_per_class):
    """Labels and group numbers of images in a random order; groups of one to four images."""
    labels, groups = [], []
    numbers = rng.permutation(100)[: sum(groups_per_class)]
    classes = np.repeat(np.arange(len(groups_per_class)), groups_per_class)
    for number, label in zip(numbers, classes, strict=True):
        size = rng.integers(1, 5)
        labels += [label] * size
        groups += [number] * size
    order = rng.permutation(len(labels))
    return np.array(labels)[order], np.array(groups)[order]


def _examine_split(answer, rng):
    cases = [
        (np.array([0] * 4 + [1] * 4), np.arange(8)),
        (np.repeat([0, 1], 8), np.repeat(np.arange(8), 2)),
        _random_groups(rng, (4, 8)),
        _random_groups(rng, (8, 4, 12, 4)),
    ]
    seeds = rng.integers(0, 2**31, size=60)
    for labels, groups in cases:
        for seed in seeds[:8]:
            _judge_split(labels, groups, answer(labels, groups, np.random.default_rng(seed)))
    labels, groups = cases[1]
    drawn = []
    for seed in seeds:
        once, again = (
            _sides(answer(labels, groups, np.random.default_rng(seed)), len(labels))[1]
            for _ in range(2)
        )
        if not np.array_equal(np.sort(once), np.sort(again)):
            raise Wrong(
                "Two generators with the same seed give two different splits. Draw from `rng`, and"
                " from nothing else: `np.random` remembers what was drawn before."
            )
        drawn.append(np.unique(groups[once]))
    if len({tuple(each) for each in drawn}) == 1:
        raise Wrong(
            f"The split is the same for every `rng`: the groups {in_words(drawn[0])} are always"
            " the queries. Files have an order, by day or by person, and the first ones are not"
            " like the rest. Draw at random."
        )
    never = np.setdiff1d(groups, np.concatenate(drawn))
    if never.size:
        raise Wrong(
            f"In {len(seeds)} random splits, group {never[0]} was never among the queries. Each"
            " group of a class must be as likely as the others."
        )


# search -------------------------------------------------------------------------------------------


def _table(queries, gallery):
    return [[math.dist(query, item) for item in gallery] for query in queries]


def _ranked(queries, gallery, k, *, key=None, first=0, value=lambda distance: distance):
    """Positions and values of the k items that come first by `key`, ties by position."""
    table = _table(queries, gallery)
    keys = table if key is None else key(queries, gallery)
    everyone = range(len(gallery))
    indices, values = [], []
    for row, order in zip(table, keys, strict=True):
        best = sorted(everyone, key=lambda item, order=order: (order[item], item))
        best = best[first : first + k]
        indices.append(best)
        values.append([value(row[item]) for item in best])
    return np.array([indices, values], np.float64)


def _by_position(queries, gallery, k):
    right = _ranked(queries, gallery, k)
    right[1] = np.array(_table(queries, gallery))[:, :k]
    return right


def _by_index(queries, gallery, k):
    """The right items, in the order of their positions."""
    indices = np.sort(_ranked(queries, gallery, k)[0], axis=1).astype(int)
    return np.array([indices, np.take_along_axis(np.array(_table(queries, gallery)), indices, 1)])


def _last_of_equal(queries, gallery, k):
    flipped = _ranked(queries, gallery[::-1], k)
    flipped[0] = len(gallery) - 1 - flipped[0]
    return flipped


_SEARCH_MISTAKES = {
    "You leave out the nearest item. That is right where each query is in the gallery itself; here"
    " the queries are new, and the nearest item is what we look for.": (
        lambda q, g, k: _ranked(q, g, k, first=1) if k < len(g) else np.full((2, len(q), k), np.nan)
    ),
    "You find the items that are farthest. `argsort` puts the smallest first.": (
        lambda q, g, k: _ranked(q, g, k, key=lambda q, g: -np.array(_table(q, g)))
    ),
    "The distances are squared. `search` gives the Euclidean distance itself.": (
        lambda q, g, k: _ranked(q, g, k, value=lambda distance: distance**2)
    ),
    "The positions are right, but the distances are those of the gallery's first k items. Take the"
    " distances at the positions that you found (`np.take_along_axis`).": _by_position,
    "The two are swapped: positions come first, then distances.": (
        lambda q, g, k: _ranked(q, g, k)[::-1]
    ),
    "You rank by the dot product. It grows with the length of a vector, so that a far item with"
    " large numbers wins over a near one.": (
        lambda q, g, k: _ranked(q, g, k, key=lambda q, g: -(q @ g.T))
    ),
    "You have found the right items, but they stand in the order of the gallery. The nearest comes"
    " first.": _by_index,
    "Of items that are equally far, the one that comes first in the gallery comes first; you have"
    " it the other way round.": _last_of_equal,
}


def _shortly(numbers):
    """Numbers in words, whole ones as such, of each row the first five."""
    if np.ndim(numbers) == 2:
        return f"`[{', '.join(_shortly(row).strip('`') for row in numbers)}]`"
    rest = ["…"] * (len(numbers) > 5)
    return f"`[{', '.join([f'{number:.4g}' for number in numbers[:5]] + rest)}]`"


def _pair_of_arrays(answer):
    """The learner's function, with its two results as one array."""

    def asked(queries, gallery, k):
        result = answer(queries, gallery, k)
        if not isinstance(result, tuple | list) or len(result) != 2:
            raise Wrong("Give back two arrays: positions, and distances.")
        shape, transposed = (len(queries), k), (len(gallery), k)
        arrays = []
        for each, name in zip(result, ("The first result", "The second result"), strict=True):
            if np.shape(each) == transposed != shape:
                raise Wrong(
                    f"{name} has {len(gallery)} rows, one an item of the gallery. Wanted is a row"
                    f" for each of the {len(queries)} queries: which items are near it?"
                )
            if np.shape(each) == (len(queries), len(gallery)) != shape:
                raise Wrong(
                    f"{name} holds all {len(gallery)} items of the gallery. Wanted are the first k"
                    f" = {k} of each row."
                )
            arrays.append(as_array(each, shape, name).astype(np.float64))
        found = np.stack(arrays)
        _refuse_disorder(found, _ranked(queries, gallery, k))
        return found

    return asked


def _refuse_disorder(found, wanted):
    """Name two mistakes that have no formula: right items in no order, and ties in no order."""
    same_items = np.array_equal(np.sort(found[0], axis=1), np.sort(wanted[0], axis=1))
    in_order = (np.diff(found[1], axis=1) >= -1e-9).all()
    by_index = np.array_equal(found[0], np.sort(wanted[0], axis=1))
    if same_items and not in_order and not by_index:
        raise Wrong(
            "You have found the right items, but in no order: `argpartition` puts the k nearest"
            f" before the others, and leaves them unsorted. Distances of one query: "
            f"{_shortly(found[1][0])}."
        )


def _examine_search(answer, rng):
    def line(*values):
        return np.array(values, np.float64)[:, np.newaxis]

    cases = [
        (line(5), line(9, 1, 6, 0), 1),
        (line(5, 1), line(9, 1, 6, 0), 2),
        (line(5, 1), line(9, 1, 6, 0), 4),
        (line(3), line(9, 5, 1, 8, 20), 2),  # two of them are equally far
    ]
    # The large one is for `argpartition`, which puts small ones in order by the way.
    for count, size, k in ((5, 12, 3), (1, 25, 6), (4, 9, 9), (2, 3000, 900)):
        cases.append((rng.normal(size=(count, 3)), rng.normal(size=(size, 3)) + 0.5, k))

    def spoken(arguments, found, wanted):
        queries, gallery, k = arguments
        if gallery.shape[1] > 1:
            row = int(np.flatnonzero(~np.isclose(found, wanted).all(axis=(0, 2)))[0])
            about = f"With random points, {len(gallery)} in the gallery, and k = {k}, it gives for"
            about += f" query {row}"
            found, wanted = found[:, row], wanted[:, row]
        else:
            about = f"With queries {in_words(queries)}, gallery {in_words(gallery)} and k = {k}"
            about += " it gives"
        found, wanted = ([_shortly(part) for part in each] for each in (found, wanted))
        return (
            f"{about} positions {found[0]} and distances {found[1]}; right are {wanted[0]} and"
            f" {wanted[1]}."
        )

    examine_cases(_pair_of_arrays(answer), cases, _ranked, _SEARCH_MISTAKES, spoken)


EXERCISES = (
    Exercise(
        name="square",
        lesson="12",
        title="a picture made square without changing its proportions",
        examine=_examine_square,
        hints=(
            "The side of the square is `max(image.shape)`. What is missing to it, in rows and in"
            " columns? One of the two is 0.",
            "Half of what is missing, rounded down, goes before the picture: above it, or at its"
            " left. `(side - height) // 2` rounds down.",
            "Make `np.zeros((side, side), image.dtype)`, and put the picture into the rows from"
            " `top` to `top + height` and the columns from `left` to `left + width`.",
        ),
        reference=lambda: square,
    ),
    Exercise(
        name="split_without_leakage",
        lesson="12",
        title="gallery and queries with no picture of one group on both sides",
        examine=_examine_split,
        hints=(
            "What is drawn at random is no image but a group, and in each class by itself: two"
            " loops, or one.",
            "For one class: `own = np.unique(groups[labels == label])` are its groups, and"
            " `rng.permutation(own)` shuffles them. The first quarter of these becomes queries.",
            "Collect the drawn groups of all classes in a list. `np.isin(groups, drawn)` says for"
            " each image whether its group was drawn; `np.flatnonzero` turns that, and its"
            " opposite, into positions.",
        ),
        reference=lambda: split_without_leakage,
    ),
    Exercise(
        name="search",
        lesson="12",
        title="the k nearest items of a gallery, with their distances",
        examine=_examine_search,
        hints=(
            "`cdist(queries, gallery)` has a row for each query. No query is in the gallery, so"
            " nothing has to be left out.",
            '`np.argsort(distances, axis=1, kind="stable")` gives positions, the nearest first;'
            " keep the first k columns. `stable` keeps equally far items in their order.",
            "`np.take_along_axis(distances, indices, axis=1)` picks from each row the distances at"
            " the positions of the same row.",
        ),
        reference=lambda: search,
    ),
)
