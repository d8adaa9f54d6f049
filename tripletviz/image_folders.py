"""A folder of pictures, one sub-folder a class: read, checked, split without leaks, and written.

Pictures of any size and kind become grey squares of one size, as the networks take them. What is
left out is said, with the reason; what makes a folder useless is an error that names it.
"""

import contextlib
import hashlib
import os
import unicodedata
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from ._validation import class_labels, positive_integer

# Pillow reads more, some of it by starting other programs.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_MOST_SAID = 20
_JUNK = {"thumbs.db", "desktop.ini", "__macosx"}
_FORBIDDEN = set('<>:"/\\|?*')
# Names that Windows keeps for devices.
_RESERVED = {"con", "prn", "aux", "nul"} | {f"{a}{b}" for a in ("com", "lpt") for b in range(1, 10)}


@dataclass(frozen=True)
class ImageFolder:
    """The pictures of a folder, as arrays.

    Attributes:
        images: uint8 array `(N, size, size)`.
        labels: int64 array `(N,)`, positions in `class_names`.
        class_names: the sub-folders' names, sorted.
        paths: the file of each picture, seen from the folder, such as `Path("cat/01.jpg")`.
        skipped: what was left out: path, seen from the folder, to the reason.
    """

    images: np.ndarray
    labels: np.ndarray
    class_names: tuple
    paths: tuple
    skipped: dict

    def describe(self):
        """What was found and what was left out, as text; the first of each, if there are many."""
        counts = np.bincount(self.labels, minlength=len(self.class_names))
        each = zip(self.class_names, counts, strict=True)
        classes = _some([f"{name} ({count})" for name, count in each])
        lines = [f"{len(self.images):,} pictures of {len(self.class_names)} classes: {classes}"]
        left_out = [f"left out: {_printable(path)}: {why}" for path, why in self.skipped.items()]
        return "\n".join([*lines, *left_out[:_MOST_SAID], *_more(left_out)])


def load_image_folder(folder, size=28, *, invert=False, least=2):
    """Read a folder that has a sub-folder for each class, with the pictures of that class in it.

    BMP, GIF, JPEG, PNG, PPM, TIFF and WebP are read, whatever the files are called; of an
    animation, the first picture. Each goes through `prepare_image`. Classes and files come in the
    order of their names, the same on every machine. Links are followed.

    Left out, and listed in `skipped`: hidden files, what is no picture or cannot be read, files
    beside the sub-folders, and folders within a class.

    Args:
        folder: path of the folder.
        size: height and width of the arrays.
        invert: whether to swap dark and light, for dark ink on white paper.
        least: pictures that every class must have.

    Returns:
        `ImageFolder`.

    Raises:
        NotADirectoryError: if the folder is not there, or is a file.
        ValueError: if there are fewer than two classes, or classes with too few pictures: the
            message names each, and what was left out of it.

    Example:

    >>> found = load_image_folder("my-pictures")
    >>> print(found.describe())
    """
    folder, size = Path(folder).expanduser(), positive_integer(size, "size")
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise NotADirectoryError(f"{folder} {what}; wanted is a folder with one folder a class.")
    skipped, classes = {}, []
    for path in _in_order(folder):
        why = _hidden(path) or ("it lies in no class folder" if not path.is_dir() else None)
        if why:
            skipped[path.relative_to(folder)] = why
        else:
            classes.append(path)
    images, labels, paths = [], [], []
    for label, class_folder in enumerate(classes):
        for path in _in_order(class_folder):
            place = path.relative_to(folder)
            try:
                images.append(_read(path, size, invert))
            except _NotAPictureError as why:
                skipped[place] = str(why)
                continue
            labels.append(label)
            paths.append(place)
    labels = np.array(labels, np.int64)
    _refuse_small_classes(folder, classes, labels, skipped, positive_integer(least, "least"))
    names = tuple(_name(path) for path in classes)
    return ImageFolder(np.stack(images), labels, names, tuple(paths), skipped)


def prepare_image(picture, size=28, *, invert=False):
    """One picture as the networks take it: grey, upright, a square of the wanted size.

    It is turned as its EXIF orientation says, and what is transparent becomes white. It is made
    grey, scaled so that its longer side fits, and padded on both sides to a square: it keeps its
    proportions. The padding has the median brightness of the picture's own edge.

    Pictures to search with must be prepared just as those in the gallery were.

    Args:
        picture: path of a file, a `PIL.Image.Image`, or a uint8 array `(H, W)` or `(H, W, 3)`.
        size: height and width.
        invert: whether to swap dark and light.

    Returns:
        uint8 array `(size, size)`.

    Raises:
        OSError: if the file cannot be read, or is no picture.
    """
    size = positive_integer(size, "size")
    if isinstance(picture, np.ndarray):
        picture = Image.fromarray(picture)
    if isinstance(picture, Image.Image):
        return _prepared(picture, size, invert)
    # A picture of a hundred megapixels more than any camera's is an attack, or a mistake.
    with warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with Image.open(picture, formats=_FORMATS) as opened:
                # JPEG can be decoded at a fraction of its size, in a fraction of the time.
                opened.draft(None, (4 * size, 4 * size))
                return _prepared(opened, size, invert)
        except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
            raise OSError(f"it is too large: {error}") from None


def center_ink(image, size=28, box=20):
    """Scale and centre a light drawing on black, as the digits of MNIST were.

    What is not black is cut out, scaled so that its longer side is `box` pixels, and placed with
    its centre of mass in the middle, as far as it fits. An image without any ink stays black.

    Args:
        image: uint8 array `(H, W)`; pixels below a tenth of the brightest count as black when the
            drawing is cut out.
        size: height and width of the result.
        box: longer side of the drawing in it.

    Returns:
        uint8 array `(size, size)`.

    Reference:
        LeCun, Bottou, Bengio, Haffner, *Gradient-based learning applied to document recognition*,
        Proceedings of the IEEE 86(11), 1998, section III.A.
    """
    image = np.asarray(image)
    if image.ndim != 2 or image.dtype != np.uint8:
        raise ValueError(
            f"image must be uint8 of shape (H, W), got {image.dtype} of shape {image.shape}."
        )
    size, box = positive_integer(size, "size"), positive_integer(box, "box")
    if box > size:
        raise ValueError(f"box must be at most size, {size}, got {box}.")
    centred = np.zeros((size, size), np.uint8)
    ink = image > image.max(initial=0) / 10
    if not ink.any():
        return centred
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    cut = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    cut = _fitted(Image.fromarray(cut), box)
    places = []
    for axis, side in enumerate(cut.shape):
        mass = cut.sum(axis=1 - axis, dtype=np.float64)
        middle = (np.arange(side) * mass).sum() / max(mass.sum(), 1)
        start = np.floor((size - 1) / 2 - middle + 0.5)
        places.append(slice(*(int(np.clip(start, 0, size - side)) + np.array([0, side]))))
    centred[tuple(places)] = cut
    return centred


def find_duplicates(images):
    """Find images that are equal pixel by pixel.

    Args:
        images: array `(N, H, W)`.

    Returns:
        int64 array `(N,)`: for each image the position of the first one that is equal to it, its
        own if there is none before it. So equal images have equal numbers: groups for
        `split_images`.

    Example:

    >>> find_duplicates(np.array([[[1]], [[2]], [[1]]]))
    array([0, 1, 0])
    """
    first, groups = {}, []
    for position, image in enumerate(np.asarray(images)):
        digest = hashlib.sha256(np.ascontiguousarray(image).data).digest()
        groups.append(first.setdefault(digest, position))
    return np.array(groups, np.int64)


def split_images(labels, share, *, seed=0, groups=None):
    """Split images in two at random, class by class, so that no group is on both sides.

    Args:
        labels: int array `(N,)`, the class of each.
        share: share of each class's groups that go to the second side, between 0 and 1; rounded,
            at least one group, and one at least stays on the first side.
        seed: what is drawn depends on it, and on nothing else.
        groups: int array `(N,)`: images with equal numbers stay together, such as copies of one
            picture or pictures of one person. `None`: each image is a group of its own. A group
            with several classes counts as one of its first image's class.

    Returns:
        Two int64 arrays, positions of the images on either side, in increasing order.

    Raises:
        ValueError: if the share is not between 0 and 1, groups do not fit, or a class has a single
            group, which cannot be on both sides.

    Example:

    >>> training, test = split_images(labels, 0.25, groups=find_duplicates(images))
    """
    labels = class_labels(labels, of="images")
    groups = np.arange(len(labels)) if groups is None else np.asarray(groups)
    groups = class_labels(groups, len(labels), "groups", of="images")
    if not 0 < share < 1:
        raise ValueError(f"share must be between 0 and 1, got {share}.")
    _, first, group_of = np.unique(groups, return_index=True, return_inverse=True)
    class_of_group = labels[first]
    second = np.zeros(len(first), bool)
    generator = np.random.default_rng(seed)
    for label in np.unique(class_of_group):
        members = np.flatnonzero(class_of_group == label)
        if len(members) < 2:
            raise ValueError(
                f"class {label} has a single group of images; it cannot be on both sides."
            )
        count = min(max(1, round(share * len(members))), len(members) - 1)
        second[generator.permutation(members)[:count]] = True
    on_second = second[group_of]
    return np.flatnonzero(~on_second), np.flatnonzero(on_second)


def write_image_folder(folder, images, labels, class_names):
    """Write images as PNG files, one sub-folder a class.

    Args:
        folder: where to; it is made, and must be empty if it is there.
        images: uint8 array `(N, H, W)`, or `(N, H, W, 3)` for colours.
        labels: int array `(N,)`, positions in `class_names`.
        class_names: names of the sub-folders.

    Returns:
        List of the N files' paths.

    Raises:
        FileExistsError: if the folder holds anything.
        ValueError: if a name cannot be that of a folder on every system, names are not different,
            or labels do not fit.

    Example:

    >>> write_image_folder("digits", *load_mnist_sample(), [str(digit) for digit in range(10)])
    """
    folder, images = Path(folder), np.asarray(images)
    labels = class_labels(labels, len(images), of="images")
    class_names = [_safe_name(name) for name in class_names]
    if len({name.casefold() for name in class_names}) < len(class_names):
        raise ValueError(f"class_names must be different, capitals aside, got {class_names}.")
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(class_names):
        raise ValueError(f"labels must be from 0 to {len(class_names) - 1}, got {labels.max()}.")
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FileExistsError(f"{folder} is not empty; nothing was written.")
    for name in class_names:
        (folder / name).mkdir()
    digits = max(4, len(str(len(images))))
    paths = []
    for position, (image, label) in enumerate(zip(images, labels, strict=True)):
        paths.append(folder / class_names[label] / f"{position:0{digits}d}.png")
        Image.fromarray(image).save(paths[-1])
    return paths


class _NotAPictureError(Exception):
    """A file is left out; the message says why."""


def _some(texts):
    return ", ".join([*texts[:_MOST_SAID], *_more(texts)])


def _more(texts):
    return [f"and {len(texts) - _MOST_SAID} more"] if len(texts) > _MOST_SAID else []


def _in_order(folder):
    # macOS may spell an accented letter in two characters, Linux in one.
    return sorted(folder.iterdir(), key=lambda path: (_name(path), path.name))


def _name(path):
    return unicodedata.normalize("NFC", _printable(path.name))


def _printable(path):
    """A name as text that can be printed, though Linux allows bytes that are no text in it."""
    return os.fsencode(path).decode("utf-8", "replace")


def _hidden(path):
    is_hidden = path.name.startswith(".") or path.name.lower() in _JUNK
    return "hidden" if is_hidden else None


def _read(path, size, invert):
    if _hidden(path):
        raise _NotAPictureError("hidden")
    if path.is_dir():
        raise _NotAPictureError("a folder within a class")
    if path.is_symlink() and not path.exists():
        raise _NotAPictureError("a link that leads nowhere")
    # A pipe would be waited for, for ever.
    if not path.is_file():
        raise _NotAPictureError("no ordinary file")
    try:
        return prepare_image(path, size, invert=invert)
    except UnidentifiedImageError:
        raise _NotAPictureError("no picture") from None
    except Exception as error:  # a damaged file can raise nearly anything
        said = " ".join(str(error).split()).replace(str(path), path.name)
        raise _NotAPictureError(f"cannot be read ({said or type(error).__name__})") from None


def _prepared(picture, size, invert):
    picture = _grey(ImageOps.exif_transpose(picture))
    if min(picture.size) < 1:
        raise OSError("it has no pixels")
    grey = _fitted(picture, size)
    edge = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    square = np.full((size, size), np.median(edge), np.uint8)
    top, left = (size - grey.shape[0]) // 2, (size - grey.shape[1]) // 2
    square[top : top + grey.shape[0], left : left + grey.shape[1]] = grey
    return 255 - square if invert else square


def _grey(picture):
    if picture.mode.startswith("I"):  # 16 bits a pixel, which Pillow's own way would cut off
        values = np.asarray(picture)
        return Image.fromarray((np.clip(values, 0, 65535) // 257).astype(np.uint8))
    if picture.mode == "F":
        raise OSError("its pixels are floating-point numbers, of unknown range")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        paper = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(paper, picture)
    return picture.convert("L")


def _fitted(picture, box):
    """A grey picture as an array, scaled so that its longer side is `box`."""
    longer = max(picture.size)
    if longer != box:
        sides = [max(1, round(side * box / longer)) for side in picture.size]
        # With antialiasing: lines one pixel wide do not break when a picture shrinks.
        picture = picture.resize(sides, Image.Resampling.BILINEAR)
    return np.array(picture)


def _refuse_small_classes(folder, classes, labels, skipped, least):
    if len(classes) < 2:
        raise ValueError(
            f"{folder} has {len(classes)} class folder(s); wanted are two at least, one a class."
        )
    counts = np.bincount(labels, minlength=len(classes))
    small = []
    for path, count in zip(classes, counts, strict=True):
        if count >= least:
            continue
        reasons = [why for place, why in skipped.items() if place.parts[:-1] == (path.name,)]
        left_out = f" ({len(reasons)} left out, the first one: {reasons[0]})" if reasons else ""
        small.append(f"{_name(path)} has {count}{left_out}")
    if small:
        raise ValueError(
            f"every class needs at least {least} picture(s), but in {folder} {_some(small)}."
        )


def _safe_name(name):
    name = str(name)
    stem = name.split(".")[0].lower()
    bad = not name or name[0] == "." or name[-1] in ". " or stem in _RESERVED
    if bad or _FORBIDDEN & set(name) or any(ord(letter) < 32 for letter in name):
        raise ValueError(f"{name!r} cannot be the name of a folder on every system.")
    with contextlib.suppress(UnicodeEncodeError):
        name.encode("utf-8")
        return name
    raise ValueError(f"{name!r} is no proper text.")
