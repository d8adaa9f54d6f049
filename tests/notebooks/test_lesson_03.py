"""What lesson 03 says of its numbers is what its numbers say."""

import nbformat
import pytest

from tripletviz.lessons import read_records

pytestmark = pytest.mark.notebooks


@pytest.fixture
def records(executed):
    return read_records(nbformat.read(executed("03-mining"), as_version=4))


def test_triplets_are_counted_alike_by_formulas_masks_and_matrix(records):
    ways = ("valid triplets", "by the formula for P x K", "valid triplets by masks")
    assert {records[way] for way in ways} == {4320}
    for when in ("untrained", "trained"):
        counts = records[f"counts {when}"]
        assert counts["valid"] == 4320 == counts["easy"] + counts["semi_hard"] + counts["hard"]
        assert counts["active"] == counts["semi_hard"] + counts["hard"]
        assert counts["mined"] == 40, "one for each anchor"
        fraction = records[f"fraction of positive triplets {when}"]
        assert counts["active"] / 4320 == pytest.approx(fraction, abs=1e-4)
    assert records["counts untrained"]["mined_active"] == 40, "all of them are active"


def test_online_mining_takes_fewer_passes(records):
    assert records["passes per triplet online"] == pytest.approx(40 / 4320, abs=1e-4)
    assert records["passes per triplet offline"] == 3


def test_batch_hard_falls_while_batch_all_does_not(records):
    hard = [records[f"batch hard {when}"] for when in ("untrained", "on the way", "trained")]
    assert hard[0] == pytest.approx(2.3104, abs=1e-3)
    assert hard == sorted(hard, reverse=True)
    assert hard[0] / hard[2] == pytest.approx(12, abs=0.5), "a twelfth"
    everything = [records[f"batch all {when}"] for when in ("untrained", "on the way", "trained")]
    assert everything == sorted(everything), "does not fall at all"
    assert records["fraction of positive triplets untrained"] == pytest.approx(0.41, abs=0.005)
    assert records["fraction of positive triplets trained"] < 0.01


@pytest.mark.parametrize("when", ["untrained", "trained"])
def test_every_way_to_a_loss_gives_the_same(records, when):
    matrix = records[f"batch hard {when}, as the matrix says"]
    assert matrix == pytest.approx(records[f"batch hard {when}"], abs=2e-4)
    without = records[f"batch all without a cube, {when}"]
    assert without == pytest.approx(records[f"batch all {when}"], abs=2e-4)
    fraction = records[f"fraction of positive triplets {when}"]
    assert records[f"fraction without a cube, {when}"] == pytest.approx(fraction, abs=2e-4)
    if when == "untrained":
        assert records["loss in TensorFlow"] == pytest.approx(without, abs=2e-4)
        assert records["gradients agree to five digits of it"]


def test_semi_hard_means_three_things(records):
    taken = {name: values for name, values in records.items() if name.startswith("semi-hard in")}
    assert sorted(taken.values()) == [[3.54], [3.54, 3.67, 3.84], [4.17]]


def test_the_gradient_counts(records):
    counts = records["active negatives of each positive"]
    assert counts == [2, 3, 5] == records["slopes at the positives"]
    assert records["slopes at the negatives"] == [-3, -3, -2, -1, -1, 0, 0, 0]
    sums = [
        records[f"sum over one anchor's triplets, {way}"] for way in ("by counts", "one by one")
    ]
    assert sums[0] == pytest.approx(sums[1], abs=2e-4)


def test_the_memory_of_a_cube(records):
    assert records["cube of 128 in megabytes"] == 8.4
    assert records["cube of 1024 in megabytes"] == 4295.0
    assert records["cube of 4096 in megabytes"] == 274877.9


def test_sorting_costs_less_and_grows_less(records):
    assert records["cube and sorted agree to nine digits"]
    # Bytes; how many arrays NumPy keeps at a time depends on the system.
    assert records["memory of the cube, from B = 64 to 256, times"] == pytest.approx(64, abs=10)
    assert 8 <= records["bytes of the cube for each entry, B = 256"] <= 40
    assert records["bytes of sorted for each pair, B = 1,000"] < 8, "less than the distance matrix"
    # A clock on a busy machine: only what cannot be noise.
    assert records["seconds, cube over sorted, B = 256"] > 3
    assert records["seconds, sorted, from B = 256 to 1,000, times"] < (1000 / 256) ** 3
