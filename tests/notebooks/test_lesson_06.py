"""What lesson 06 says, held against what it measured."""

import nbformat
import pytest

from tripletviz.lessons import read_records

pytestmark = pytest.mark.notebooks
NETWORKS = ("untrained", "trained on 0 to 5", "trained on 0 to 9")
HALVES = ("chosen here, 0 to 5", "other images of 0 to 5", "digits 6 to 9")


@pytest.fixture(scope="module")
def records(executed):
    return read_records(nbformat.read(executed("06-evaluate-embeddings"), as_version=4))


def test_by_hand_and_by_the_package_agree(records):
    for number, package, value in (
        ("R-precision", "R-precision", 0.75),
        ("AP@R", "MAP@R", 0.6042),
    ):
        assert records[f"{number} by hand"] == records[f"{package} by the package"] == value
    assert records["R@1 by the package"] == 1


def test_recall_saturates_and_map_at_r_does_not(records):
    assert 0.92 < records["R@1 untrained"] < records["R@1 raw pixels"] < records["R@1 trained"]
    assert records["R@8 untrained, gallery of 999"] > 0.97
    assert records["R@1 untrained, gallery of 999"] == pytest.approx(0.86, abs=0.015)
    for name in ("raw pixels", "untrained"):
        assert records[f"MAP@R {name}"] == pytest.approx(0.3, abs=0.02)
    assert records["MAP@R trained"] > 0.75


def test_the_gallery_alone_moves_recall(records):
    small, large = (records[f"untrained, gallery of {size}"] for size in ("100", "9,000"))
    assert large["R@1"] - small["R@1"] > 0.2
    assert abs(large["MAP@R"] - small["MAP@R"]) < 0.02


def test_clusters_by_chance_have_a_high_nmi_where_classes_are_many(records):
    assert records["NMI by chance, 1,000 items, 10 classes"] < 0.05
    assert records["NMI by chance, 1,000 items, 500 classes"] > 0.7
    assert records["NMI untrained, queries in 10 clusters"] < 0.6
    assert records["NMI trained, queries in 10 clusters"] > 0.8


def test_intervals_hold_their_value_and_narrow_with_more_queries(records):
    for name in ("cosine minus Euclidean", "trained minus untrained"):
        widths = []
        for count in ("1,000 queries", "10,000 queries"):
            low, value, high = records[f"{name}, {count}"]
            assert low <= value <= high
            widths.append(high - low)
        assert 2 < widths[0] / widths[1] < 5
    assert records["trained minus untrained, 1,000 queries"][0] > 0.02
    low, value, high = records["cosine minus Euclidean, 1,000 queries"]
    assert low <= 0 <= high
    assert abs(value) < 0.01


def test_verification_tells_what_recall_hides(records):
    assert records["pairs"] == {"genuine": 49_500, "impostor": 450_000}
    assert records["EER untrained"] > 0.28
    assert records["EER trained"] < 0.1
    for name in ("untrained", "trained"):
        assert 0.0095 < records[f"FAR {name}, at 1 %"] <= 0.01
    assert records["FRR untrained, at FAR 1 %"] > 0.7
    assert records["FRR trained, at FAR 1 %"] < 0.35


def test_unseen_digits_stay_near_the_untrained_network(records):
    assert sum(records["queries"].values()) == 10_000
    values = {name: records[f"{name}, digits 6 to 9"] for name in NETWORKS}
    assert values["untrained"]["MAP@R"] == pytest.approx(0.44, abs=0.02)
    assert values["trained on 0 to 5"]["MAP@R"] == pytest.approx(0.46, abs=0.1)
    assert values["trained on 0 to 9"]["MAP@R"] > 0.8
    assert records["trained on 0 to 5, digits 0 to 5"]["MAP@R"] > 0.88
    low, value, high = records["R@1 of digits 6 to 9, trained on 0 to 5 minus untrained"]
    assert low <= 0 <= high
    gain = values["trained on 0 to 5"]["R@1"] - values["untrained"]["R@1"]
    assert value == pytest.approx(gain, abs=2e-4)


def test_the_threshold_drifts_to_unseen_digits_only(records):
    for name in NETWORKS:
        here, other, new = (records[f"{name}, {half}, at the threshold"]["FAR"] for half in HALVES)
        assert 0.0095 < here <= 0.01
        assert 0.004 < other < 0.02
        if name == "trained on 0 to 5":
            assert new > 0.3
        else:
            assert 0.01 < new < 0.05
    same, new = (records[f"median distance of impostor pairs: {half}"] for half in HALVES[1:])
    assert new < 0.8 * same
    assert new == pytest.approx(records["threshold"], rel=0.25)
