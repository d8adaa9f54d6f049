import numpy as np
import pytest

from tripletviz import networks
from tripletviz._tensorflow import keras
from tripletviz.losses import LOSS_CLASSES
from tripletviz.params import ExperimentError, parse_params
from tripletviz.training import Training, build_network, fit, make_batches, seen_classes

SMALL = {
    "strategy": "batch_all",
    "margin": 0.5,
    "channels": 4,
    "embedding_size": 8,
    "snapshots": 4,
}


def trained(sample, **changes):
    """The `Training` of the small data set that some parameters make, after its run."""
    params = parse_params(SMALL | changes)
    training = Training(build_network(params), params, *sample[0], probe=sample[1])
    assert training.run(progress=False)
    return training


@pytest.mark.parametrize(
    "changes",
    [
        {"strategy": "batch_hard", "margin": "soft", "learning_rate": 1e-4},
        {"strategy": "batch_semi_hard", "squared": True, "normalize": True, "margin": 0.2},
        {"classes_per_batch": 8, "images_per_class": 8, "batch_norm": False},
        {"network": "alexnet", "channels": 48, "dropout": 0.3, "batch_size": 128},
        {"objective": "classification", "blocks": 3, "convolutions": 2, "dropout": 0.1},
        {"max_shift": 2, "max_rotation": 10.0, "max_zoom": 0.1},
    ],
)
def test_every_kind_of_training_runs(sample, changes):
    params = parse_params(SMALL | changes)
    network = build_network(params)
    recording, finished = fit(network, params, *sample[0], probe=sample[1], progress=False)
    assert finished
    assert np.isfinite(recording.embeddings).all()
    losses = recording.curves["loss"]
    assert losses[-1] != losses[0]
    assert np.isfinite(losses).all()
    assert {len(values) for values in recording.step_curves.values()} == {recording.steps[-1]}
    if "objective" in changes:
        assert list(recording.step_curves) == ["loss", "accuracy"]
    else:
        wanted = {"mean embedding norm", "hardest positive distance", "hardest negative distance"}
        assert wanted < set(recording.step_curves)


def test_the_network_is_the_one_that_the_parameters_describe():
    changes = {"embedding_size": 7, "channels": 3, "batch_norm": False, "normalize": True}
    network = build_network(parse_params(SMALL | changes))
    assert network.output_shape == (None, 7)
    kinds = [type(layer).__name__ for layer in network.layers]
    assert "UnitNormalization" in kinds
    assert not [kind for kind in kinds if "BatchNormalization" in kind or "Dropout" in kind]
    filters = [layer.filters for layer in network.layers if hasattr(layer, "filters")]
    assert filters == [3, 6]
    plain = build_network(parse_params(SMALL))
    kinds = [type(layer).__name__ for layer in plain.layers]
    assert "UnitNormalization" not in kinds
    assert [kind for kind in kinds if "BatchNormalization" in kind]
    deep = build_network(parse_params(SMALL | {"blocks": 3, "convolutions": 2, "dropout": 0.25}))
    filters = [layer.filters for layer in deep.layers if hasattr(layer, "filters")]
    assert filters == [4, 4, 8, 8, 16, 16]
    rates = [layer.rate for layer in deep.layers if isinstance(layer, networks.CountedDropout)]
    assert rates == [0.25]
    alexnet = build_network(
        parse_params(SMALL | {"network": "alexnet", "channels": 48, "dropout": 0.4})
    )
    assert alexnet.name == "alexnet"
    rates = [layer.rate for layer in alexnet.layers if isinstance(layer, networks.CountedDropout)]
    assert rates == [0.4, 0.4]


def test_the_training_is_the_one_that_the_parameters_describe(sample):
    changes = {
        "strategy": "batch_hard",
        "squared": True,
        "margin": 0.25,
        "learning_rate": 3e-4,
        "epochs": 2,
        "batch_size": 500,
    }
    training = trained(sample, **changes)
    assert type(training.model.loss) is LOSS_CLASSES["batch_hard"]
    assert (training.model.loss.margin, training.model.loss.metric) == (0.25, "squared_euclidean")
    assert float(training.model.optimizer.learning_rate.numpy()) == pytest.approx(3e-4)
    assert training.recorder.recording().steps[-1] == 2 * (1500 // 500)
    # Two epochs are two different orders of the same images.
    batches, steps = make_batches(parse_params(SMALL | changes), *sample[0])
    labels = [labels.numpy() for _, labels in batches]
    assert (len(labels), steps) == (6, 3)
    assert (np.concatenate(labels[:3]) != np.concatenate(labels[3:])).any()


def test_the_learning_rate_follows_its_schedule(sample):
    changes = {"learning_rate_schedule": "linear", "final_learning_rate": 1e-4, "warmup_steps": 3}
    training = trained(sample, **changes, batch_size=150, learning_rate=4e-3)
    rates = [float(training.learning_rate(step)) for step in range(training.total_steps)]
    assert training.total_steps == 10
    np.testing.assert_allclose(rates[:4], [1e-3, 2e-3, 3e-3, 4e-3], rtol=1e-5)
    assert rates[-1] == pytest.approx(1e-4)
    training.model.optimizer.iterations.assign(9)
    assert float(training.model.optimizer.learning_rate) == pytest.approx(1e-4)


def test_a_strategy_of_stages_is_each_of_them_in_its_steps(sample):
    """Up to the switch it is batch all's training; then batch hard's loss on the same weights."""
    stages = [{"until_step": 4, "name": "batch_all"}, {"name": "batch_hard"}]
    kept = {"batch_size": 150, "snapshots": 30}
    staged = trained(sample, strategy=stages, **kept).recorder.recording()
    plain = trained(sample, strategy="batch_all", **kept).recorder.recording()
    np.testing.assert_array_equal(staged.step_curves["loss"][:4], plain.step_curves["loss"][:4])
    at = staged.steps.tolist().index(4)
    np.testing.assert_array_equal(staged.embeddings[: at + 1], plain.embeddings[: at + 1])
    assert (staged.step_curves["loss"][4:] != plain.step_curves["loss"][4:]).all()
    # A look measures the loss of the update that follows it.
    for step, name in ((3, "batch_all"), (4, "batch_hard"), (10, "batch_hard")):
        at = staged.steps.tolist().index(step)
        expected = float(LOSS_CLASSES[name](0.5)(staged.labels, staged.embeddings[at]))
        assert staged.curves["loss"][at] == pytest.approx(expected, rel=1e-5)


def test_held_out_classes_are_not_trained_on(sample):
    params = parse_params(SMALL | {"held_out_classes": [6, 9], "batch_size": 100})
    batches, steps = make_batches(params, *sample[0])
    labels = np.concatenate([labels.numpy() for _, labels in batches])
    assert sorted(set(labels.tolist())) == [0, 1, 2, 3, 4, 5, 7, 8]
    assert steps == np.isin(sample[0][1], [6, 9], invert=True).sum() // 100
    for held_out, message in (([6, 12], r"names \[12\]"), (list(range(9)), "at least two")):
        with pytest.raises(ExperimentError, match=message):
            seen_classes(parse_params(SMALL | {"held_out_classes": held_out}), *sample[0])


@pytest.mark.parametrize("first_step", [0, 3, 10, 14])
def test_batches_from_a_later_step_are_those_of_the_whole_training(sample, first_step):
    params = parse_params(SMALL | {"batch_size": 200, "epochs": 3, "max_shift": 2})
    everything = [batch for batch, _ in make_batches(params, *sample[0])[0].as_numpy_iterator()]
    rest, steps = make_batches(params, *sample[0], first_step=first_step)
    rest = [batch for batch, _ in rest.as_numpy_iterator()]
    assert (len(everything), steps) == (21, 7)
    np.testing.assert_array_equal(rest, everything[first_step:])


def test_augmented_batches_are_the_same_images_moved(sample):
    plain, _ = make_batches(parse_params(SMALL), *sample[0])
    moved, _ = make_batches(parse_params(SMALL | {"max_shift": 3}), *sample[0])
    for (images, labels), (shifted, same_labels) in zip(plain.take(2), moved.take(2), strict=True):
        np.testing.assert_array_equal(labels, same_labels)
        assert (images.numpy() != shifted.numpy()).any(axis=(1, 2)).all()


def test_the_last_epochs_may_see_the_images_as_they_are(sample):
    changes = {"max_shift": 3, "epochs": 3, "batch_size": 500}
    plain, _ = make_batches(parse_params(SMALL | changes | {"max_shift": 0}), *sample[0])
    moved, _ = make_batches(parse_params(SMALL | changes | {"augmented_epochs": 2}), *sample[0])
    same = [
        bool((one == other).all())
        for (one, _), (other, _) in zip(
            plain.as_numpy_iterator(), moved.as_numpy_iterator(), strict=True
        )
    ]
    assert same == [False] * 6 + [True] * 3


def test_classification_trains_the_network_below_its_head(sample):
    params = parse_params(SMALL | {"objective": "classification", "batch_size": 150})
    network = build_network(params)
    before = network.get_weights()
    training = Training(network, params, *sample[0], probe=sample[1])
    assert training.model.output_shape == (None, 10)
    assert isinstance(training.model.loss, keras.losses.SparseCategoricalCrossentropy)
    training.run(progress=False)
    assert any((one != two).any() for one, two in zip(before, network.get_weights(), strict=True))
    # What is recorded are embeddings, not logits.
    assert training.recorder.recording().embeddings.shape[2] == 8


def test_parameters_that_do_not_fit_the_data(sample):
    for changes in (
        {"batch_size": 5000},
        {"classes_per_batch": 2, "images_per_class": 500, "batch_size": 1000},
        {"classes_per_batch": 32, "images_per_class": 2},
        {
            "classes_per_batch": 9,
            "images_per_class": 2,
            "held_out_classes": [1, 2],
            "batch_size": 18,
        },
    ):
        params = parse_params(SMALL | {"batch_size": 64} | changes)
        with pytest.raises(ExperimentError, match="do not fit the data"):
            make_batches(params, *sample[0])
    params = parse_params(SMALL | {"warmup_steps": 23})
    with pytest.raises(ExperimentError, match="do not fit the data: warmup_steps"):
        Training(build_network(params), params, *sample[0])
    stages = [{"until_step": 23, "name": "batch_all"}, {"name": "batch_hard"}]
    params = parse_params(SMALL | {"strategy": stages})
    with pytest.raises(ExperimentError, match="begins at step 23, the training has 23"):
        Training(build_network(params), params, *sample[0])
    with pytest.raises(ExperimentError, match="these parameters make no network: "):
        build_network(parse_params(SMALL | {"blocks": 9}))
