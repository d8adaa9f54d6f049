"""What lesson 11 says, held against what it measured."""

import nbformat
import pytest

from tripletviz.lessons import read_records

pytestmark = pytest.mark.notebooks
NETWORKS = ("conv net, 32 filters", "AlexNet, dropout 0.5", "AlexNet, no dropout")


@pytest.fixture(scope="module")
def notebook(executed):
    return nbformat.read(executed("11-scale-up"), as_version=4)


@pytest.fixture(scope="module")
def records(notebook):
    return read_records(notebook)


def test_the_table_of_costs_is_there_without_widgets(notebook):
    (cell,) = (cell for cell in notebook.cells if "cost_table(profile)" in cell.source)
    (text,) = (output.data["text/markdown"] for output in cell.outputs if "data" in output)
    assert "| conv net, 32 filters | 64 | batch all | float32 | 219,680 |" in text
    assert "| AlexNet | 64 | batch all | float32 | 413,848 |" in text


def test_the_cube_needs_room_and_the_distances_do_not(records):
    assert records["cube at B = 4096, MB"] == pytest.approx(274_878, abs=1)
    assert records["distances at B = 4096, MB"] == pytest.approx(134.2)
    assert records["cube at B = 256, MB"] == pytest.approx(67.1)


def test_equal_images_and_equal_updates_order_the_batches_differently(records):
    images, updates = (
        [records[f"R@1 after equal {what}, B = {B}"] for B in (64, 256)]
        for what in ("images", "updates")
    )
    assert images[0] > images[1]
    assert updates[0] < updates[1] == images[1]
    assert images[1] > records["R@1 untrained, 8 filters"]


def test_most_weights_of_alexnet_are_in_dense_layers(records):
    assert records["weights of the original, millions"] == 62.4
    assert records["share in its dense layers"] == 0.94
    ours = records["weights of our AlexNet"]
    assert ours == {"in convolutions": 52_312, "in dense layers": 361_536}
    assert sum(ours.values()) > 1.8 * sum(records["weights of our conv net"].values())


def test_dropout_keeps_a_short_training_of_alexnet_from_learning(records):
    before = {name: records[f"R@1 untrained: {name}"] for name in NETWORKS}
    after = {name: records[f"R@1 trained: {name}"] for name in NETWORKS}
    conv_net, dropout, plain = NETWORKS
    assert before[dropout] == before[plain] < before[conv_net] - 0.05
    assert after[dropout] < before[dropout] + 0.02
    assert after[plain] > before[plain] + 0.1
    assert after[conv_net] > after[plain] + 0.01


def test_under_dropout_an_image_is_not_near_itself(records):
    itself, another = (
        records[f"an image to {which}, with dropout"] for which in ("itself", "the next one")
    )
    assert 0.7 * another < itself < another
    assert records["an image to the next one, without dropout"] < another


def test_more_images_help(records):
    assert (
        records["R@1 with 6,000 training images"] > 0.02 + records["R@1 with 200 training images"]
    )


def test_without_prefetch_both_waits_add_up(records):
    """Only what a busy machine cannot turn over; tests/test_costs.py sees that prefetch helps."""
    assert records["seconds for 40 batches, one after the other"] > 40 * (0.005 + 0.005)
    assert records["seconds for 40 batches, with prefetch"] > 40 * 0.005


def test_what_half_precision_keeps_and_loses(records):
    assert records["1e-8 as float16"] == 0
    assert records["smallest float16 above 0"] == 2**-24
    assert records["largest float16"] == 65_504
    assert records["1.001 as bfloat16"] == 1
    assert records["the layer computes in"] == "bfloat16"
    assert records["its weights are kept in"] == "float32"
    assert records["the embedding comes out in"] == records["the loss comes out in"] == "float32"
    assert records["its error is below 1e-6"]


def test_scaling_the_loss_saves_the_gradient_until_it_overflows(records):
    for name in ("off by more than 1 %", "gone"):
        without, best, largest = (
            records[f"{name}, {how}"]
            for how in ("without scaling", "with the best scale", "with the largest scale")
        )
        assert best < 0.01
        assert without >= best
        assert largest > 0.9
    assert records["off by more than 1 %, without scaling"] < 0.1


def test_devices_lose_triplets(records):
    shares = [records[f"triplets on {name}"] for name in ("1 x 64 images", "8 x 8 images")]
    assert set(shares[0].values()) == {25_088}
    assert shares[1]["class after class"] == shares[1]["classes in turn"] == 0
    assert 0 < shares[1]["shuffled"] < 25_088 / 8**2
    middle = records["triplets on 2 x 32 images"]
    assert middle["class after class"] == 2 * 32 * 7 * 24
    assert middle["shuffled"] < 25_088 / 2**2


def test_the_hardest_of_a_few_is_not_hard(records):
    hardest = [records[f"hardest on {devices}"] for devices in (1, 2, 4, 8)]
    farthest = [each["farthest positive"] for each in hardest]
    nearest = [each["nearest negative"] for each in hardest]
    assert farthest == sorted(farthest, reverse=True)
    assert nearest == sorted(nearest)
    assert farthest[0] > nearest[0]
    assert farthest[-1] < nearest[-1]


def test_one_number_doubles_the_gradient_and_gathering_cures_it(records):
    name = "gradient of a loss with {}, over the mean of both halves"
    assert records[name.format("one number")] == pytest.approx(2, abs=0.002)
    assert records[name.format("one value an image")] == pytest.approx(1, abs=0.002)
    name = "distance to the gradient of one device, {}"
    assert records[name.format("own part only")] > 0.05
    assert records[name.format("gathered")] < 0.001
