"""Lesson 02: its numbers are as its prose says."""

import nbformat
import pytest

from tripletviz.lessons import read_records

pytestmark = pytest.mark.notebooks


@pytest.fixture
def records(executed):
    return read_records(nbformat.read(executed("02-triplets.ipynb"), as_version=4))


def test_the_triplet_of_the_first_section_is_hard_at_first_and_easy_later(records):
    d_ap, d_an = records["d(a, p) before training"], records["d(a, n) before training"]
    assert d_an < d_ap
    assert records["loss of our triplet"] == pytest.approx(d_ap - d_an + 0.5, abs=0.002)
    assert records["kinds of our triplet"] == ["hard", "semi-hard", "easy"]
    # "The positive hardly came nearer, if at all", and "the whole embedding grew".
    assert records["d(a, p) after training"] > 0.8 * d_ap
    assert records["d(a, n) after training"] > 4 * d_an
    before, after = (records[f"mean length of an embedding {when}"] for when in ("before", "after"))
    assert after > 1.2 * before


def test_the_gradient_is_the_derived_one(records):
    for name in "apn":
        assert records[f"gradient of {name}: TensorFlow agrees with the formula"] is True
    assert records["length of the gradient of p"] == records["length of the gradient of n"] == 1
    fall = records["loss before the step"] - records["loss after the step"]
    assert fall == pytest.approx(records["fall expected to first order"], rel=0.05)


def test_shrinking_pays_without_a_margin_only(records):
    losses = [records[f"mean loss at scale {scale}"] for scale in ("1", "0.1", "0.01", "0")]
    without, with_margin = ([loss[name] for loss in losses] for name in ("no margin", "margin"))
    assert without == sorted(without, reverse=True)
    assert without[-1] == 0
    assert with_margin == sorted(with_margin)
    assert with_margin[-1] == 0.5


def test_squaring_moves_the_ring_and_leaves_the_hard_ones(records):
    assert records["kinds, plain distances"] == ["easy", "semi-hard"]
    assert records["kinds, squared distances"] == ["semi-hard", "easy"]
    plain, squared = (records[f"counts, {name} distances"] for name in ("plain", "squared"))
    assert plain["valid"] == squared["valid"] == 1000 * 99 * 900
    assert plain["hard"] == squared["hard"]
    assert squared["semi_hard"] < 0.5 * plain["semi_hard"], "the ring has lost most of its members"


def test_training_makes_triplets_easy(records):
    before, after = records["shares at step 0"], records["shares at step 937"]
    assert 0.2 < before["hard"] < 0.4, "far below a half"
    assert 0.002 < after["hard"] + after["semi_hard"] < 0.03, "about one in a hundred"
    first, last = (
        records[f"kinds of our anchor's triplets {when}"] for when in ("before", "after")
    )
    assert sum(first.values()) == sum(last.values()) == 99 * 900
    assert last["easy"] > first["easy"]
    assert min(first[kind] for kind in ("easy", "semi-hard", "hard")) > 0
