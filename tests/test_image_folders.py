import os
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tripletviz.image_folders import (
    center_ink,
    find_duplicates,
    load_image_folder,
    prepare_image,
    split_images,
    write_image_folder,
)

RED, WHITE = (255, 0, 0), (255, 255, 255)


@pytest.fixture
def images(rng):
    return rng.integers(0, 256, size=(9, 28, 28), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path, images):
    write_image_folder(tmp_path / "pictures", images, np.arange(9) % 3, ["a", "b", "c"])
    return tmp_path / "pictures"


def test_what_is_written_is_read_again_in_order_of_class(folder, images):
    found = load_image_folder(folder)
    order = np.argsort(np.arange(9) % 3, kind="stable")
    np.testing.assert_array_equal(found.images, images[order])
    assert found.images.dtype == np.uint8
    assert found.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert found.class_names == ("a", "b", "c")
    assert found.paths[0] == Path("a/0000.png")
    assert found.skipped == {}
    assert found.describe() == "9 pictures of 3 classes: a (3), b (3), c (3)"


def test_what_is_left_out_is_said(folder):
    (folder / "README.txt").write_text("hello")
    (folder / "Thumbs.db").touch()
    (folder / ".git").mkdir()
    (folder / "a" / ".hidden.png").touch()
    (folder / "a" / "notes.txt").write_text("no picture")
    (folder / "a" / "empty.png").touch()
    (folder / "a" / "cut.png").write_bytes((folder / "a" / "0000.png").read_bytes()[:100])
    (folder / "b" / "inner").mkdir()
    found = load_image_folder(folder)
    assert len(found.images) == 9
    said = {path.as_posix(): why for path, why in found.skipped.items()}
    assert said.pop("a/cut.png").startswith("cannot be read (")
    assert said == {
        "README.txt": "it lies in no class folder",
        "Thumbs.db": "hidden",
        ".git": "hidden",
        "a/.hidden.png": "hidden",
        "a/notes.txt": "no picture",
        "a/empty.png": "no picture",
        "b/inner": "a folder within a class",
    }
    assert "left out: a/notes.txt: no picture" in found.describe()


def test_of_many_the_first_are_said(folder):
    for number in range(30):
        (folder / "a" / f"{number:02}.txt").touch()
    lines = load_image_folder(folder).describe().splitlines()
    assert len(lines) == 22
    assert lines[-1] == "and 10 more"


def test_content_counts_not_the_name(folder):
    (folder / "a" / "0000.png").rename(folder / "a" / "0000.data")
    assert load_image_folder(folder).paths[0] == Path("a/0000.data")


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_links_are_followed_and_pipes_are_not_waited_for(folder, tmp_path):
    (folder / "a" / "link.png").symlink_to(folder / "b" / "0001.png")
    (folder / "a" / "lost.png").symlink_to(tmp_path / "nowhere.png")
    (folder / "a" / "loop").symlink_to(folder)
    (folder / "d").symlink_to(folder / "a", target_is_directory=True)
    os.mkfifo(folder / "a" / "pipe.png")
    found = load_image_folder(folder)
    assert found.class_names == ("a", "b", "c", "d")
    assert Path("a/link.png") in found.paths
    assert found.skipped[Path("a/lost.png")] == "a link that leads nowhere"
    assert found.skipped[Path("a/loop")] == "a folder within a class"
    assert found.skipped[Path("a/pipe.png")] == "no ordinary file"


@pytest.mark.skipif(sys.platform != "linux", reason="others refuse such names")
def test_names_that_are_no_text_can_be_printed(folder):
    os.rename(os.fsencode(folder / "a"), os.fsencode(folder) + b"/\xff")  # noqa: PTH104
    found = load_image_folder(folder)
    assert found.class_names == ("b", "c", "\N{REPLACEMENT CHARACTER}")
    found.describe().encode()


def test_one_spelling_of_accents(folder):
    (folder / "a").rename(folder / "e\N{COMBINING ACUTE ACCENT}")
    assert load_image_folder(folder).class_names[-1] == "\N{LATIN SMALL LETTER E WITH ACUTE}"


def test_classes_with_too_few_pictures_are_named(folder):
    (folder / "d").mkdir()
    (folder / "d" / "x.txt").write_text("x")
    with pytest.raises(
        ValueError, match=r"at least 2 .* d has 0 \(1 left out, the first one: no picture\)"
    ):
        load_image_folder(folder)
    with pytest.raises(ValueError, match=r"at least 4 .* a has 3, b has 3, c has 3, d has 0"):
        load_image_folder(folder, least=4)


def test_folders_that_are_none(folder, tmp_path):
    with pytest.raises(NotADirectoryError, match="does not exist"):
        load_image_folder(tmp_path / "nothing")
    with pytest.raises(NotADirectoryError, match="is a file"):
        load_image_folder(folder / "a" / "0000.png")
    with pytest.raises(ValueError, match=r"has 0 class folder"):
        load_image_folder(folder / "a")


# One picture --------------------------------------------------------------------------------------


def test_proportions_are_kept_by_padding():
    tall = np.full((40, 10), 200, np.uint8)
    tall[5:35, 3:7] = 50
    found = prepare_image(tall, 20)
    assert found.shape == (20, 20)
    assert (found[:, :7] == 200).all()  # the edge's own brightness
    assert found[10, 9] == 50
    np.testing.assert_array_equal(prepare_image(tall.T, 20), found.T)


def test_padding_is_in_the_middle():
    line = np.full((1, 4), 9, np.uint8)
    line[0, 1] = 200
    assert np.flatnonzero(prepare_image(line, 4) == 200).tolist() == [5]


def test_invert_swaps_dark_and_light():
    picture = np.array([[0, 255], [10, 245]], np.uint8)
    np.testing.assert_array_equal(prepare_image(picture, 2, invert=True), 255 - picture)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_are_turned_upright(tmp_path, orientation):
    upright = np.zeros((8, 12), np.uint8)
    upright[:4, :6] = 255
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "x.png", exif=exif)
    np.testing.assert_array_equal(prepare_image(tmp_path / "x.png", 12)[2:10], upright)


def test_colours_transparency_and_depth_become_grey(tmp_path):
    red = Image.new("RGB", (4, 4), RED)
    assert prepare_image(red, 4)[0, 0] == 76
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0))
    assert (prepare_image(clear, 4) == 255).all()
    red.quantize(4).save(tmp_path / "palette.gif")
    assert abs(int(prepare_image(tmp_path / "palette.gif", 4)[0, 0]) - 76) <= 1
    deep = np.array([[0, 65535], [257, 32896]], np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert prepare_image(tmp_path / "deep.png", 2).tolist() == [[0, 255], [1, 128]]
    assert prepare_image(Image.new("1", (2, 2), 1), 2).tolist() == [[255, 255], [255, 255]]


def test_large_photographs_are_read_quickly_and_well(tmp_path):
    photo = Image.new("RGB", (1200, 800), WHITE)
    photo.paste((0, 0, 0), (0, 0, 600, 800))
    photo.save(tmp_path / "photo.jpg")
    found = prepare_image(tmp_path / "photo.jpg", 24)
    assert (found[6:18, :11] < 5).all()
    assert (found[6:18, 13:] > 250).all()


def test_a_bomb_is_no_picture(folder, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    Image.new("L", (12, 12)).save(folder / "a" / "bomb.png")
    Image.new("L", (100, 100)).save(folder / "a" / "bomb2.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 784)
    assert Path("a/bomb2.png") in load_image_folder(folder).skipped


def test_ink_is_centred_and_scaled():
    large = np.zeros((112, 90), np.uint8)
    large[60:110, 70:80] = 255
    found = center_ink(large)
    rows, columns = np.nonzero(found)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 23, 12, 15)
    np.testing.assert_array_equal(center_ink(np.roll(large, (-50, -60), (0, 1))), found)
    assert not center_ink(np.zeros((10, 10), np.uint8)).any()
    heavy = np.zeros((28, 28), np.uint8)
    heavy[4:24, 4:6] = heavy[20:24, 4:24] = 255  # an L: its mass lies at the lower left
    rows, columns = np.nonzero(center_ink(heavy))
    assert (rows.min(), columns.max()) == (0, 26)
    with pytest.raises(ValueError, match="uint8"):
        center_ink(heavy / 255)


# Duplicates, splits, writing ----------------------------------------------------------------------


def test_duplicates_have_the_number_of_their_first(images):
    both = np.concatenate([images[:3], images[1:2], images[:1], images[3:]])
    assert find_duplicates(both).tolist() == [0, 1, 2, 1, 0, 5, 6, 7, 8, 9, 10]


def test_a_split_keeps_groups_together_and_classes_on_both_sides(rng):
    for seed in range(20):
        groups = rng.permutation(np.repeat(np.arange(30), rng.integers(1, 5, size=30)))
        labels = groups % 3
        first, second = split_images(labels, 0.3, seed=seed, groups=groups)
        assert np.array_equal(np.sort(np.r_[first, second]), np.arange(len(labels)))
        assert not set(groups[first]) & set(groups[second])
        for label in range(3):
            assert len(set(groups[second][labels[second] == label])) == 3
        again = split_images(labels, 0.3, seed=seed, groups=groups)
        assert np.array_equal(again[1], second)
    others = {tuple(split_images(labels, 0.3, seed=s, groups=groups)[1]) for s in range(10)}
    assert len(others) > 5


def test_a_split_leaves_every_class_something():
    labels = [0, 0, 1, 1, 1]
    for share in (0.01, 0.99):
        first, second = split_images(labels, share)
        assert {labels[i] for i in first} == {labels[i] for i in second} == {0, 1}
    with pytest.raises(ValueError, match="class 1 has a single group"):
        split_images([0, 0, 1], 0.5)
    with pytest.raises(ValueError, match="share must be between 0 and 1"):
        split_images(labels, 1.0)
    with pytest.raises(ValueError, match="groups"):
        split_images(labels, 0.5, groups=[0, 1])


def test_nothing_is_overwritten(folder, images):
    with pytest.raises(FileExistsError, match="nothing was written"):
        write_image_folder(folder, images, np.zeros(9, int), ["a"])
    assert len(load_image_folder(folder).images) == 9


@pytest.mark.parametrize("name", ["", "a/b", "..", ".x", "con", "NUL.png", "a:", "x ", "\ud800"])
def test_names_that_are_no_folder_everywhere(tmp_path, images, name):
    with pytest.raises(ValueError, match=r"cannot be the name|no proper text"):
        write_image_folder(tmp_path / "x", images, np.zeros(9, int), [name])
    assert not (tmp_path / "x").exists()


def test_labels_and_names_must_fit(tmp_path, images):
    with pytest.raises(ValueError, match="different"):
        write_image_folder(tmp_path / "x", images, np.zeros(9, int), ["a", "A"])
    with pytest.raises(ValueError, match="labels must be from 0 to 0"):
        write_image_folder(tmp_path / "x", images, np.arange(9), ["a"])
