"""What lesson 08 says of distances and margins, held against what it measured."""

import nbformat
import pytest

from tripletviz.lessons import read_records

pytestmark = pytest.mark.notebooks
IN_REACH = ("Euclidean, anywhere", "Euclidean, sphere", "squared, sphere", "cosine, anywhere")
OUT_OF_REACH = "squared, sphere, 4.5"


@pytest.fixture(scope="module")
def records(executed):
    return read_records(nbformat.read(executed("08-l2-or-cosine"), as_version=4))


def test_on_the_sphere_all_distances_find_the_same(records):
    assert records["other nearest neighbours on the sphere"] == 0
    assert 300 < records["other nearest neighbours anywhere"] < 370


def test_off_the_sphere_other_neighbours_hardly_change_recall(records):
    for name in ("raw pixels", "untrained", "trained"):
        euclidean, cosine = records[f"R@1 {name}"]
        assert abs(euclidean - cosine) < 0.03
    assert records["R@1 untrained"][0] < records["R@1 raw pixels"][0] < records["R@1 trained"][0]


def test_squared_is_cosine_with_twice_the_margin(records):
    for strategy in ("batch all", "batch hard", "semi-hard"):
        assert records[f"{strategy}: squared is twice cosine"] is True
    assert records["apart by Adam"] < 0.03 * records["largest change by Adam"]
    assert records["apart by SGD"] > 0.5 * records["largest change by SGD"]


def test_no_factor_makes_a_euclidean_margin_of_a_squared_one(records):
    assert records["Euclidean margin like 0.2 squared"] == [0.45, 0.05]
    assert records["the same, positive at 0.5"] == pytest.approx(0.171, abs=0.001)
    assert records["cosine margin like 0.2 squared"] == 0.1


def test_random_pairs_stand_at_right_angles_in_many_dimensions(records):
    spreads = [records[f"random pairs, {d} dimensions"][1] for d in (2, 8, 64)]
    assert spreads == sorted(spreads, reverse=True)
    mean, spread = records["random pairs, 64 dimensions"]
    assert mean == pytest.approx(2**0.5, abs=0.01)
    assert spread == pytest.approx(128**-0.5, abs=0.005)


def test_the_recorded_network_stays_in_a_part_of_the_sphere(records):
    medians = records["median cosine distances"]
    assert medians["untrained, other digits"] < 0.4  # a margin of 0.4 is more than that
    assert medians["trained, same digit"] < 0.1
    assert 0.4 < medians["trained, other digits"] < 0.8


def test_out_of_reach_two_poles_are_as_good_as_ten_corners(records):
    met, missed, euclidean = (
        records[name]
        for name in (
            "squared_euclidean, margin 0.4",
            "squared_euclidean, margin 4.5",
            "euclidean, margin 2.5",
        )
    )
    assert met["ten corners"] == [0.0, 0.0]
    assert met["two poles"][0] == 0.4
    assert missed["ten corners"] == missed["two poles"] == [2.278, 1.0]
    assert euclidean["ten corners"][0] < euclidean["two poles"][0] - 0.3


def test_off_the_sphere_a_margin_is_a_unit_of_length(records):
    for metric, factor in (("euclidean", 10), ("squared_euclidean", 100), ("cosine", 1)):
        ratio, same = records[f"{metric}, ten times as large"]
        assert ratio == pytest.approx(factor, rel=1e-3)
        assert same
    assert records["gradient along the embedding is 0"]
    assert records["gradient ten times farther out"] == pytest.approx(0.1, abs=1e-4)


def test_squared_and_cosine_are_one_training(records):
    squared, cosine = records["squared, sphere"], records["cosine, anywhere"]
    assert squared["R@1"] == pytest.approx(cosine["R@1"], abs=0.01)
    assert squared["MAP@R"] == pytest.approx(cosine["MAP@R"], abs=0.01)
    assert squared["mean embedding norm"] == [1, 1]
    before, after = cosine["mean embedding norm"]
    assert after > before > 2


def test_a_margin_out_of_reach_hurts_more_than_any_other_choice(records):
    missed = records[OUT_OF_REACH]
    assert missed["fraction of positive triplets"] == [1, 1]
    for name in IN_REACH:
        assert records[name]["MAP@R"] > missed["MAP@R"] + 0.1
        assert records[name]["R@1"] > missed["R@1"] + 0.02
        assert records[name]["R@1"] > records[name]["untrained"]["R@1"] + 0.08
        assert records[name]["fraction of positive triplets"][1] < 0.2
    assert records["range of R@1"] < 0.04
