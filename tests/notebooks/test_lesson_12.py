"""What lesson 12 says, held against what it measured."""

import nbformat
import pytest

from tripletviz.lessons import read_records

pytestmark = pytest.mark.notebooks


@pytest.fixture(scope="module")
def notebook(executed):
    return nbformat.read(executed("12-your-own-images"), as_version=4)


@pytest.fixture(scope="module")
def records(notebook):
    return read_records(notebook)


def test_the_spoilt_folder_is_read_and_what_is_wrong_with_it_is_said(notebook, records):
    printed = "".join(
        output.text
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if output.output_type == "stream"
    )
    for line in (
        "2,001 pictures of 10 classes",
        "left out: 7/notes.txt: no picture",
        "left out: 7/.hidden.png: hidden",
        "left out: 7/broken.png: cannot be read",
        "3/copy.png and 8/0000.png are one picture, in two classes",
    ):
        assert line in printed
    assert records["exact copies"] == 1
    assert records["pictures kept"] == 1_999
    known, new = (records[f"pictures of the {kind}"] for kind in ("known classes", "new class"))
    assert sum(known.values()) == 1_799
    assert new["training"] > 100
    assert new["test"] == 60


def test_a_leak_flatters(records):
    assert records["1-NN accuracy, split by shot"] > 0.93
    assert records["1-NN accuracy, split by picture"] == pytest.approx(0.75, abs=0.04)


def test_few_pictures_teach_the_network(records):
    before, scratch, others, transfer = (
        records[name] for name in ("untrained", "from scratch", "digits 0 to 5 only", "transfer")
    )
    assert before["R@1"] == pytest.approx(0.85, abs=0.03)
    for trained in (scratch, transfer):
        assert trained["R@1"] > 0.93
        assert trained["MAP@R"] > before["MAP@R"] + 0.25
    assert records["raw pixels"]["MAP@R"] < 0.4
    assert before["MAP@R"] - 0.03 < others["MAP@R"] < scratch["MAP@R"] - 0.1
    assert records["fair queries"] == 180


def test_the_gallery_searches_exactly_and_refuses_another_network(records):
    assert records["own search agrees"]
    assert records["same after loading"]
    assert records["refused with another network"]
    assert records["accuracy of the known classes"] > 0.93


def test_preparation_decides(records):
    ways = ("as in the folder", "shrink", "shrink, then centre", "centre, then shrink")
    right, shrunk, late, early = (records[f"accuracy: {way}"]["from scratch"] for way in ways)
    assert right > 0.93
    assert shrunk < 0.3
    assert late < 0.5
    assert 0.75 < early < right


def test_near_unknowns_are_let_in_and_far_ones_are_not(records):
    for name in ("untrained", "from scratch"):
        assert 0.95 <= records[f"validation accepted, {name}"] < 0.96
    accepted = {
        what: records[f"accepted: {what}"]["from scratch"]
        for what in ("known classes", "new class, 9", "turned by 90°", "empty page", "noise")
    }
    assert accepted["known classes"] > 0.85
    assert 0.1 < accepted["new class, 9"] < 0.8
    assert accepted["turned by 90°"] < 0.4
    assert accepted["noise"] == 0
    assert records["accepted: new class, 9"]["untrained"] > accepted["new class, 9"]


def test_a_class_is_added_without_training(records):
    found = records["found of the new class, from scratch"]
    assert found["1"] < found["5"] < found["105"]
    assert found["1"] < 0.5
    assert found["105"] > 0.85
    assert found["105"] > records["found of the new class, untrained"]["105"]
    assert records["found of the old classes, from scratch"] > 0.9
    means = records["found of the new class by means"]
    assert means["1"] > found["1"] + 0.1
    assert means["5"] > found["5"] + 0.1
    assert means["105"] <= found["105"] + 0.02
