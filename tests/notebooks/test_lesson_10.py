"""What lesson 10 says, held against what it measured."""

import itertools

import nbformat
import pytest

from tripletviz.lessons import read_records

pytestmark = pytest.mark.notebooks
NETWORKS = ("untrained", "triplet loss", "softmax")


@pytest.fixture(scope="module")
def records(executed):
    return read_records(nbformat.read(executed("10-classify"), as_version=4))


def test_images_learnt_from_look_better_than_new_ones(records):
    def mistakes_of_new(name):
        """How many times as frequent as among training images."""
        learnt, new = (
            1 - records[f"accuracy, {name}, {kind}"]["k = 5"]
            for kind in ("training images", "validation")
        )
        return new / learnt

    assert records["images"] == {"training": 6000, "validation": 5000, "test": 5000}
    assert mistakes_of_new("triplet loss") > 1.5
    assert mistakes_of_new("untrained") < 1.2


def test_k_matters_in_the_untrained_network_only(records):
    untrained = records["accuracy, untrained, validation"]
    assert untrained["k = 5"] > untrained["k = 1"] > untrained["k = 100"] + 0.02
    trained = records["accuracy, triplet loss, validation"]
    assert max(trained.values()) - min(trained.values()) < 0.012
    assert set(records["best k on the validation images"]) == {
        "raw pixels",
        "untrained",
        "triplet loss",
    }


def test_nearest_means_need_classes_in_one_heap(records):
    assert records["nearest mean, untrained"] < 0.82
    assert records["nearest mean, raw pixels"] < 0.84
    assert records["nearest mean, triplet loss"] > 0.96


def test_the_ways_differ_before_training_and_agree_after_it(records):
    errors = {name: records[f"mistakes in percent, {name}"] for name in ("raw pixels", *NETWORKS)}
    for name in ("raw pixels", "untrained"):
        found = errors[name]
        assert found["k-NN"] < found["linear probe"] < found["nearest mean"]
        assert found["nearest mean"] - found["k-NN"] > 8
    found = errors["triplet loss"]
    assert max(found.values()) - min(found.values()) < 2
    assert max(found.values()) < 5
    found = errors["softmax"]
    assert min(found, key=found.get) == "k-NN"
    assert found["nearest mean"] - found["k-NN"] > 0.5
    assert set(found) == {"k-NN", "nearest mean", "linear probe", "its own layer"}


def test_softmax_and_triplets_have_equal_recall_and_unequal_map(records):
    triplets, softmax = (records[f"retrieval, {name}"] for name in NETWORKS[1:])
    assert abs(triplets["R@1"] - softmax["R@1"]) < 0.015
    assert triplets["MAP@R"] - softmax["MAP@R"] > 0.06
    assert softmax["MAP@R, cosine"] > softmax["MAP@R"] + 0.01
    assert triplets["MAP@R, cosine"] < triplets["MAP@R"]
    assert records["retrieval, untrained"]["MAP@R"] < 0.33
    widths = [records[f"width of a class against the gaps, {name}"] for name in NETWORKS]
    assert widths[0] > 1 > 0.6 > widths[2] > widths[1]


def test_what_both_get_wrong_they_call_the_same(records):
    both = records["both wrong"]
    assert 0 < both <= min(records["mistakes among the unsure images"].values())
    assert records["both wrong, with the same digit"] > both / 2
    assert abs(records["mean confidence of softmax"] - records["accuracy of softmax"]) < 0.05


def test_six_digits_teach_little_about_four_others(records):
    def mean(name, shots):
        return records[f"{name}, {shots}-shot"][1]

    for shots in (1, 5):
        six, pixels = (mean(f"{n}, prototypes", shots) for n in ("trained on 0 to 5", "raw pixels"))
        assert abs(six - pixels) < 0.15
    assert mean("trained on 0 to 5, prototypes", 50) < mean("raw pixels, prototypes", 50) - 0.02
    assert mean("trained on 0 to 9, prototypes", 1) > 0.93
    assert mean("raw pixels, prototypes", 5) == pytest.approx(0.77, abs=0.04)
    assert mean("raw pixels, from scratch", 50) > mean("raw pixels, prototypes", 50)
    for shots in (1, 5, 50):
        low, value, high = records[f"raw pixels, prototypes, {shots}-shot"]
        assert low < value < high
    low, _, high = records["raw pixels, prototypes, 1-shot"]
    assert high - low > 0.08


def test_least_squares_breaks_where_images_are_as_many_as_weights(records):
    squares, logistic, means = (
        records[f"probe of new digits, {name}"]
        for name in ("least squares", "logistic regression", "nearest mean")
    )
    assert min(squares, key=squares.get) == "16"
    assert squares["16"] < squares["5"] - 0.15
    assert squares["100"] > 0.9
    rising = [logistic[shots] for shots in sorted(logistic, key=int)]
    assert all(later > earlier - 0.02 for earlier, later in itertools.pairwise(rising))
    assert logistic["100"] > means["100"] + 0.05


def test_sizes(records):
    assert records["bytes, gallery for k-NN"] == 6000 * 64 * 4
    assert records["bytes, ten means"] == 2560
