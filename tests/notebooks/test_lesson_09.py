"""What lesson 09 says of the three strategies, held against what it measured."""

import nbformat
import pytest

from tripletviz.lessons import read_records

NAME = "09-batch-all-or-batch-hard.ipynb"
STRATEGIES = ("batch all", "batch hard", "semi-hard")
MOMENTS = ("untrained", "on the way", "trained")


@pytest.fixture(scope="module")
def records(executed):
    return read_records(nbformat.read(executed(NAME), as_version=4))


@pytest.mark.notebooks
def test_one_embedding_has_three_losses_which_change_their_order(records):
    assert records["loss: batch hard, untrained"] > 2 * records["loss: batch all, untrained"]
    assert records["loss: batch hard, trained"] < records["loss: batch all, trained"] / 2
    for moment in MOMENTS:
        assert records[f"loss: semi-hard, {moment}"] < records[f"loss: batch hard, {moment}"]


@pytest.mark.notebooks
def test_the_hardest_are_a_larger_part_of_the_active_triplets_later(records):
    shares = [
        counts["batch hard"] / counts["batch all"]
        for counts in (records[f"active triplets, {moment}"] for moment in MOMENTS)
    ]
    assert shares[0] < 0.01
    assert shares[2] > 0.05
    assert records["active triplets, untrained"]["batch hard"] == 64


@pytest.mark.notebooks
def test_batch_all_ends_up_with_fewer_anchors_than_batch_hard(records):
    for moment in MOMENTS:
        heard = [records[f"anchors heard by {name}, {moment}"] for name in STRATEGIES[:2]]
        assert heard[0] < heard[1]
    assert heard[0] < heard[1] / 2
    assert records["share of the six loudest, untrained"] == pytest.approx(0.16, abs=0.03)
    assert records["share of the six loudest, trained"] > 0.7
    assert records["share of the twenty loudest of 1,000"] > 0.25


@pytest.mark.notebooks
def test_wrong_labels_get_into_most_active_triplets_of_every_strategy(records):
    for name in STRATEGIES:
        shares = [records[f"spoilt triplets: {name}, {moment}"] for moment in MOMENTS]
        assert shares == sorted(shares)
        assert shares[2] > 0.6
    assert all(records[f"spoilt triplets: {name}, trained"] > 0.85 for name in STRATEGIES[:2])


@pytest.mark.notebooks
def test_batch_hard_suffers_most_from_wrong_labels(records):
    ends = {
        (name, share): records[f"R@1: {name}, {share}% wrong labels"]
        for name in STRATEGIES
        for share in (0, 10)
    }
    lost = {name: ends[name, 0] - ends[name, 10] for name in STRATEGIES}
    assert lost["batch hard"] > lost["batch all"] + 0.05
    assert lost["batch hard"] > lost["semi-hard"] + 0.1
    assert 0.75 < ends["batch hard", 0] < 0.92
    right, wrong = records["mean distance: batch hard"]
    assert wrong < right / 2


@pytest.mark.notebooks
def test_larger_batches_make_the_hardest_harder(records):
    for moment in ("untrained", "trained"):
        gaps = [records[f"farthest minus nearest: {moment}, K = {k}"] for k in (2, 4, 8, 16, 32)]
        assert gaps == sorted(gaps)
    assert gaps[0] < 0 < gaps[-1]
    gain = {
        name: records[f"R@1: {name}, 10 x 10"] - records[f"R@1: {name}, 8 x 4"]
        for name in STRATEGIES[:2]
    }
    assert gain["batch hard"] < -0.03 < gain["batch all"]


@pytest.mark.notebooks
def test_every_calm_training_learns_and_no_order_stands_out(records):
    names = (*STRATEGIES, "all, then hard", "batch all, other seed")
    for name in names:
        assert records[f"calm: R@1, {name}"] > records["calm: R@1, untrained"] + 0.03
        assert records[f"calm: MAP@R, {name}"] > records["calm: MAP@R, untrained"] + 0.1
    switched, alone = (records[f"calm: R@1, {n}"] for n in ("all, then hard", "batch all"))
    assert switched == pytest.approx(alone, abs=0.06)


@pytest.mark.notebooks
def test_batch_all_first_saves_batch_hard_if_there_is_enough_of_it(records):
    for name in ("batch hard", "hard after 10"):
        assert records[f"storm: R@1, {name}"] < 0.3
        assert records[f"storm: mean distance, {name}"] < 0.1
    saved, alone = (records[f"storm: R@1, {name}"] for name in ("hard after 60", "batch all"))
    assert saved > 0.85
    assert saved == pytest.approx(alone, abs=0.06)


@pytest.mark.notebooks
def test_the_loss_is_not_what_an_update_costs(records):
    assert 0 < records["share of an update's seconds: loss of batch all, B = 64"] < 0.5
