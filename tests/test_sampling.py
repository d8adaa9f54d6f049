"""Batches: which images they hold, that seeds decide, and that a training can be resumed."""

import time

import numpy as np
import pytest

from tripletviz import sampling
from tripletviz._tensorflow import keras, tf
from tripletviz.sampling import pk_batches, pk_plan, random_batches, random_plan

# Classes, images a class (from, to), P, K: dividing evenly and not, small and large classes.
SETTINGS = {
    "even": (10, (12, 12), 5, 4),
    "all classes in a batch": (10, (30, 30), 10, 3),
    "classes straddle": (10, (20, 40), 7, 3),
    "one class less than all": (5, (9, 9), 4, 2),
    "as many images as K": (6, (4, 4), 4, 4),
    "images straddle": (7, (5, 7), 3, 4),
    "skewed sizes": (8, (4, 90), 3, 4),
    "more classes than batches": (50, (3, 4), 8, 3),
    "P = K = 1": (4, (3, 5), 1, 1),
}


def labels_of(setting, seed=0):
    classes, (fewest, most), _, _ = SETTINGS[setting]
    generator = np.random.default_rng(seed)
    counts = generator.integers(fewest, most, classes, endpoint=True)
    # Class numbers that are neither 0, 1, 2, … nor small.
    return generator.permutation(np.repeat(np.arange(classes) * 7 + 2**30, counts))


def classes_of(setting, seed, epoch):
    """Return labels, plan, and the plan's classes as (steps, P, K)."""
    _, _, p, k = SETTINGS[setting]
    labels = labels_of(setting)
    plan = pk_plan(labels, p, k, seed, epoch)
    return labels, plan, labels[plan].reshape(len(plan), p, k)


@pytest.fixture
def images():
    """Images that say which one they are."""
    return np.repeat(np.arange(50, dtype=np.uint8), 4).reshape(50, 2, 2)


@pytest.fixture
def labels():
    return np.arange(50) % 5


def as_arrays(dataset):
    return [(images.numpy(), labels.numpy()) for images, labels in dataset]


def assert_same_batches(first, second):
    for one, other in zip(as_arrays(first), as_arrays(second), strict=True):
        np.testing.assert_array_equal(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


class TestRandomPlan:
    def test_each_image_at_most_once_and_all_but_a_partial_batch(self):
        plan = random_plan(23, 5, seed=1, epoch=2)
        assert plan.shape == (4, 5)
        assert plan.dtype == np.int64
        assert len(set(plan.ravel())) == 20
        assert set(plan.ravel()) <= set(range(23))

    def test_all_images_are_left_out_at_some_time_or_other(self):
        left_out = [set(range(23)) - set(random_plan(23, 5, 0, e).ravel()) for e in range(40)]
        assert set.union(*left_out) == set(range(23))

    def test_is_a_pure_function_of_seed_and_epoch(self):
        plan = random_plan(40, 8, seed=1, epoch=2)
        random_plan(40, 8, seed=5, epoch=5)
        np.testing.assert_array_equal(random_plan(40, 8, seed=1, epoch=2), plan)
        for seed, epoch in ((1, 3), (2, 2), (2, 1), (0, 3)):
            assert not np.array_equal(random_plan(40, 8, seed, epoch), plan)

    def test_one_batch_of_everything(self):
        assert sorted(random_plan(6, 6).ravel()) == list(range(6))


@pytest.mark.parametrize("setting", SETTINGS)
@pytest.mark.parametrize(("seed", "epoch"), [(0, 0), (0, 1), (3, 0)])
class TestPKPlan:
    def test_p_classes_and_k_images_of_each(self, setting, seed, epoch):
        _, plan, classes = classes_of(setting, seed, epoch)
        assert plan.dtype == np.int64
        assert (classes == classes[:, :, :1]).all()
        for batch, batch_classes in zip(plan, classes[:, :, 0], strict=True):
            assert len(set(batch_classes)) == len(batch_classes)
            assert len(set(batch)) == len(batch)

    def test_every_class_occurs_and_equally_often(self, setting, seed, epoch):
        labels, _, classes = classes_of(setting, seed, epoch)
        covered, counts = np.unique(classes[:, :, 0], return_counts=True)
        assert set(covered) == set(labels)
        assert counts.max() - counts.min() <= 1

    def test_images_of_a_class_occur_equally_often(self, setting, seed, epoch):
        labels, plan, _ = classes_of(setting, seed, epoch)
        counts = np.bincount(plan.ravel(), minlength=len(labels))
        for label in np.unique(labels):
            assert np.ptp(counts[labels == label]) <= 1

    def test_number_of_steps(self, setting, seed, epoch):
        classes, _, p, k = SETTINGS[setting]
        labels, plan, _ = classes_of(setting, seed, epoch)
        assert plan.shape == (max(len(labels) // (p * k), int(np.ceil(classes / p))), p * k)

    def test_is_a_pure_function_of_seed_and_epoch(self, setting, seed, epoch):
        labels, plan, _ = classes_of(setting, seed, epoch)
        _, _, p, k = SETTINGS[setting]
        np.testing.assert_array_equal(pk_plan(labels, p, k, seed, epoch), plan)
        assert not np.array_equal(pk_plan(labels, p, k, seed, epoch + 1), plan)
        assert not np.array_equal(pk_plan(labels, p, k, seed + 1, epoch), plan)


def test_coverage_wins_where_the_data_fill_too_few_batches():
    labels = np.repeat(np.arange(7), 2)
    plan = pk_plan(labels, 5, 2)
    assert len(labels) // 10 == 1
    assert plan.shape == (2, 10)
    assert set(labels[plan].ravel()) == set(range(7))


@pytest.mark.parametrize(("images", "p", "k"), [(3, 3, 2), (4, 4, 3)])
def test_classes_and_images_are_dealt_evenly_at_random(images, p, k):
    """Where decks straddle hands, no card is favoured at any place of a hand."""
    labels = np.repeat(np.arange(5), images)
    plans = np.stack([pk_plan(labels, p, k, seed=0, epoch=epoch) for epoch in range(3000)])
    assert plans.shape[1:] == (2, p * k)
    expected = 3000 / len(labels)
    for place in plans.reshape(3000, -1).T:
        counts = np.bincount(place, minlength=len(labels))
        # Five standard deviations of 3,000 throws of a die with so many sides.
        assert abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_labels_in_a_column():
    labels = np.arange(12) % 3
    np.testing.assert_array_equal(pk_plan(labels[:, None], 3, 2), pk_plan(labels, 3, 2))


def test_planning_mnist_takes_no_time():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, 60_000)

    def draw_one_by_one():
        for _ in range(60_000 // 14):
            for _ in rng.permutation(10)[:7]:
                rng.choice(6000, 2, replace=False)

    took, by_hand = [], []
    while not took or (min(took) >= 0.1 and len(took) < 5):
        for times, do in ((took, lambda: pk_plan(labels, 7, 2)), (by_hand, draw_one_by_one)):
            start = time.perf_counter()
            do()
            times.append(time.perf_counter() - start)
    # About 20 ms. A busy machine takes longer, and then for drawing each class by itself, too: some
    # fifteen times as long.
    assert min(took) < max(0.1, min(by_hand) / 4), (took, by_hand)


class TestDatasets:
    def test_random_batches_are_the_plan(self, images, labels):
        dataset = random_batches(images, labels, 8, seed=4, epochs=2)
        plans = [random_plan(50, 8, 4, epoch) for epoch in range(2)]
        for (batch_images, batch_labels), indices in zip(
            as_arrays(dataset), np.concatenate(plans), strict=True
        ):
            np.testing.assert_array_equal(batch_images, images[indices])
            np.testing.assert_array_equal(batch_labels, labels[indices])

    def test_pk_batches_are_the_plan(self, images, labels):
        dataset = pk_batches(images, labels, 3, 4, seed=4, epochs=2)
        plans = [pk_plan(labels, 3, 4, 4, epoch) for epoch in range(2)]
        for (batch_images, batch_labels), indices in zip(
            as_arrays(dataset), np.concatenate(plans), strict=True
        ):
            np.testing.assert_array_equal(batch_images, images[indices])
            np.testing.assert_array_equal(batch_labels, labels[indices])

    def test_shapes_and_dtypes_are_static(self, images, labels):
        expected = (
            tf.TensorSpec((6, 2, 2), tf.uint8),
            tf.TensorSpec((6,), tf.int64),
        )
        assert random_batches(images, labels.astype("int8"), 6).element_spec == expected
        assert pk_batches(images, labels[:, None], 2, 3).element_spec == expected
        floats = images.astype("float32")
        assert random_batches(floats, labels, 6).element_spec[0].dtype == tf.float32

    def test_large_class_numbers_survive(self, images, labels):
        ids = labels + 2**53
        batch_labels = as_arrays(random_batches(images, ids, 50))[0][1]
        assert set(batch_labels) == set(ids)

    @pytest.mark.parametrize(
        ("position", "left"),
        [({}, 18), ({"first_epoch": 1}, 12), ({"first_epoch": 2, "first_step": 5}, 1)],
    )
    def test_cardinality(self, images, labels, position, left):
        for dataset in (
            random_batches(images, labels, 8, epochs=3, **position),
            pk_batches(images, labels, 4, 2, epochs=3, **position),
        ):
            assert int(dataset.cardinality()) == left
            assert len(as_arrays(dataset)) == left

    def test_resumed_batches_are_the_undisturbed_ones(self, images, labels):
        position = {"first_epoch": 1, "first_step": 4}
        assert_same_batches(
            random_batches(images, labels, 8, seed=2, epochs=3, **position),
            random_batches(images, labels, 8, seed=2, epochs=3).skip(10),
        )
        assert_same_batches(
            pk_batches(images, labels, 4, 2, seed=2, epochs=3, **position),
            pk_batches(images, labels, 4, 2, seed=2, epochs=3).skip(10),
        )

    def test_iterating_again_gives_the_same(self, images, labels):
        dataset = pk_batches(images, labels, 4, 2, epochs=2)
        assert_same_batches(dataset, dataset)

    @pytest.mark.parametrize("make", ["random", "pk"])
    def test_python_plans_once_an_epoch_and_not_before(self, images, labels, make, monkeypatch):
        calls = []
        name = {"random": "random_plan", "pk": "_pk_plan"}[make]
        original = getattr(sampling, name)

        def counted(*arguments):
            calls.append(arguments[-1])
            return original(*arguments)

        monkeypatch.setattr(sampling, name, counted)
        if make == "random":
            dataset = random_batches(images, labels, 5, epochs=3)
        else:
            dataset = pk_batches(images, labels, 5, 2, epochs=3)
        assert calls == []
        as_arrays(dataset)
        assert calls == [0, 1, 2]

    def test_keras_sees_one_epoch_after_another(self, images, labels):
        seen = []

        class Record(keras.layers.Layer):
            def call(self, inputs):
                tf.py_function(lambda batch: seen.append(batch.numpy()[:, 0, 0]), [inputs], [])
                return tf.reduce_sum(inputs, axis=(1, 2))[:, None]

        inputs = keras.Input((2, 2))
        model = keras.Model(inputs, keras.layers.Dense(1)(Record()(inputs)))
        model.compile("sgd", "mse", run_eagerly=True)
        dataset = random_batches(images, labels, 10, seed=1, epochs=2)
        model.fit(dataset, epochs=2, steps_per_epoch=5, shuffle=False, verbose=0)
        plans = [random_plan(50, 10, 1, epoch) for epoch in range(2)]
        np.testing.assert_array_equal(seen[-10:], np.concatenate(plans))


class TestBadInput:
    def test_batch_larger_than_the_data(self):
        with pytest.raises(ValueError, match="at most the 5 images, got 6"):
            random_plan(5, 6)
        with pytest.raises(ValueError, match="at most the 5 images, got 6"):
            random_batches(np.zeros((5, 2)), np.zeros(5, int), 6)

    def test_too_few_images_of_a_class(self):
        labels = [3, 3, 3, 9, 9, 4, 4, 4]
        message = "at least images_per_class=3 images, but class 9 has 2"
        with pytest.raises(ValueError, match=message):
            pk_plan(labels, 2, 3)
        with pytest.raises(ValueError, match=message):
            pk_batches(np.zeros((8, 2)), labels, 2, 3)

    def test_many_classes_too_small_are_not_all_listed(self):
        with pytest.raises(ValueError, match="class 4 has 1 and 15 more") as caught:
            pk_plan(np.arange(20), 2, 3)
        assert "class 5" not in str(caught.value)

    def test_more_classes_a_batch_than_there_are(self):
        with pytest.raises(ValueError, match="at most the number of classes, 2, got 3"):
            pk_plan([0, 0, 1, 1], 3, 2)

    @pytest.mark.parametrize("make", [random_batches, pk_batches])
    def test_lengths_differ(self, make):
        sizes = (4,) if make is random_batches else (2, 2)
        with pytest.raises(ValueError, match=r"same length, got labels of shape \(9,\) for 8 im"):
            make(np.zeros((8, 2, 2)), np.arange(9) % 2, *sizes)

    def test_one_hot_labels(self):
        with pytest.raises(ValueError, match=r"shape \(4, 2\).*look one-hot.*argmax"):
            pk_plan(np.eye(2)[[0, 1, 0, 1]], 2, 2)

    def test_labels_that_are_no_numbers(self):
        with pytest.raises(ValueError, match="labels must be integers, got dtype <U1"):
            pk_plan(["a", "b"], 1, 1)

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"seed": -1}, ValueError, "seed must be at least 0, got -1"),
            ({"seed": 0.5}, TypeError, "seed must be an integer, got 0.5"),
            ({"epochs": 0}, ValueError, "epochs must be at least 1, got 0"),
            ({"first_epoch": -1}, ValueError, "first_epoch must be at least 0, got -1"),
            ({"epochs": 2, "first_epoch": 2}, ValueError, "within 2 epochs of 2 steps"),
            ({"first_step": 2}, ValueError, "first_epoch=0 and first_step=2"),
        ],
    )
    def test_numbers_out_of_range(self, arguments, error, message):
        for make, sizes in ((random_batches, (4,)), (pk_batches, (2, 2))):
            with pytest.raises(error, match=message):
                make(np.zeros((8, 2)), np.arange(8) % 2, *sizes, **arguments)

    def test_sizes_out_of_range(self):
        with pytest.raises(ValueError, match="batch_size must be at least 1, got 0"):
            random_plan(5, 0)
        with pytest.raises(TypeError, match=r"images_per_class must be an integer, got 2\.0"):
            pk_plan([0, 0, 1, 1], 2, 2.0)
        with pytest.raises(ValueError, match="epoch must be at least 0, got -1"):
            pk_plan([0, 0, 1, 1], 2, 2, epoch=-1)
