"""Augmentation: known transforms give known images, and (seed, step) decides everything."""

import numpy as np
import pytest

from tripletviz import augmentation
from tripletviz._tensorflow import tf
from tripletviz.augmentation import augment, check_bounds, transform
from tripletviz.datasets import load_mnist_sample

BOUNDS = {"max_shift": 2, "max_rotation": 10.0, "max_zoom": 0.1}


@pytest.fixture(scope="module")
def digits():
    return load_mnist_sample()[0][:32]


def transformed(images, shift=(0, 0), rotation=0, zoom=1):
    """Transform every image alike."""
    count = len(images)
    return transform(images, [shift] * count, [rotation] * count, [zoom] * count).numpy()


def disc(row, column, radius, side=41):
    """A white disc with a soft edge, at a centre between pixels."""
    rows, columns = np.mgrid[:side, :side]
    distances = np.hypot(rows - row, columns - column)
    return (255 * np.clip(radius - distances + 0.5, 0, 1)).round().astype(np.uint8)


def centre_and_area(images):
    """The centres of mass `(B, 2)` as row and column, and the areas `(B,)` in white pixels."""
    rows, columns = np.mgrid[: images.shape[1], : images.shape[2]]
    areas = images.sum(axis=(1, 2), dtype=float)
    centres = [(images * axis).sum(axis=(1, 2)) / areas for axis in (rows, columns)]
    return np.stack(centres, axis=1), areas / 255


class TestTransform:
    def test_nothing_changes_at_the_identity(self, digits):
        np.testing.assert_array_equal(transformed(digits), digits)

    def test_shifts_go_down_and_to_the_right_and_leave_black_behind(self, digits):
        expected = np.zeros_like(digits)
        expected[:, 3:, :-2] = digits[:, :-3, 2:]
        np.testing.assert_array_equal(transformed(digits, shift=(3, -2)), expected)

    def test_half_a_pixel_is_the_mean_of_two_pixels_rounded(self):
        image = np.array([[[0, 100, 200, 255]]], np.uint8)
        # 227.5 is as near to 227 as to 228, and the even one of them is taken.
        assert transformed(image, shift=(0, 0.5)).tolist() == [[[0, 50, 150, 228]]]
        assert transformed(image, shift=(0, 0.25)).tolist() == [[[0, 75, 175, 241]]]

    @pytest.mark.parametrize("turns", [1, 2, 3, -1])
    @pytest.mark.parametrize("side", [7, 28])
    def test_quarter_turns_are_counter_clockwise_about_the_centre(self, turns, side):
        images = np.random.default_rng(0).integers(0, 256, (3, side, side), np.uint8)
        expected = np.rot90(images, turns, axes=(1, 2))
        np.testing.assert_array_equal(transformed(images, rotation=90 * turns), expected)

    def test_half_turn_of_an_oblong_image(self):
        images = np.random.default_rng(0).integers(0, 256, (3, 5, 8), np.uint8)
        np.testing.assert_array_equal(transformed(images, rotation=180), images[:, ::-1, ::-1])

    def test_thirty_degrees_carry_a_disc_where_trigonometry_says(self):
        moved = transformed(disc(20, 30, 4)[None], rotation=30)
        expected = disc(20 - 10 * np.sin(np.pi / 6), 20 + 10 * np.cos(np.pi / 6), 4)
        assert np.abs(moved[0].astype(int) - expected).max() < 70  # the edge is interpolated
        np.testing.assert_allclose(
            *(centre_and_area(each)[0] for each in (moved, expected[None])), atol=0.02
        )

    def test_zoom_of_two_shows_the_middle_twice_as_large(self):
        images = np.random.default_rng(0).integers(0, 256, (3, 9, 9), np.uint8)
        zoomed = transformed(images, zoom=2)
        np.testing.assert_array_equal(zoomed[:, ::2, ::2], images[:, 2:7, 2:7])

    def test_zoom_below_one_shrinks_and_frames_in_black(self):
        zoomed = transformed(np.full((1, 9, 9), 255, np.uint8), zoom=0.5)
        assert zoomed[0, 4].tolist() == [0, 0, 255, 255, 255, 255, 255, 0, 0]

    def test_zoom_and_rotation_come_before_the_shift(self):
        moved = transformed(disc(20, 25, 3)[None], shift=(4, -6), rotation=90, zoom=1.5)
        centres, areas = centre_and_area(moved)
        np.testing.assert_allclose(centres, [[20 - 5 * 1.5 + 4, 20 - 6]], atol=0.02)
        np.testing.assert_allclose(areas, np.pi * 4.5**2, rtol=0.02)

    def test_each_image_has_its_own_transform(self, digits):
        moved = transform(digits[:2], [[0, 0], [1, 0]], [0, 0], [1, 1]).numpy()
        np.testing.assert_array_equal(moved[0], digits[0])
        np.testing.assert_array_equal(moved[1, 1:], digits[1, :-1])

    def test_colours_move_together(self, digits):
        colours = np.stack([digits, digits // 2, 255 - digits], axis=-1)
        together = transformed(colours, (1.5, 0), 20, 1.1)
        assert together.shape == colours.shape
        for number in range(3):
            alone = transformed(np.ascontiguousarray(colours[..., number]), (1.5, 0), 20, 1.1)
            np.testing.assert_array_equal(together[..., number], alone)


class TestAugment:
    def test_without_bounds_it_is_the_very_same_tensor(self, digits):
        tensor = tf.constant(digits)
        assert augment(tensor, 0, 0) is tensor
        assert augment(tensor, 0, 0, max_shift=0.0, max_rotation=0, max_zoom=0) is tensor

    def test_shape_and_dtype_stay(self, digits):
        for images in (digits, digits[..., None], np.stack([digits] * 3, axis=-1)):
            augmented = augment(images, 0, 0, **BOUNDS)
            assert (augmented.shape, augmented.dtype) == (images.shape, tf.uint8)

    def test_images_of_a_batch_differ_and_so_do_steps_and_seeds(self, digits):
        copies = np.repeat(digits[:1], 8, axis=0)
        batches = [
            augment(copies, seed, step, **BOUNDS).numpy()
            for seed, step in ((0, 0), (0, 1), (1, 0), (2**40, 0), (0, 2**40))
        ]
        images = {image.tobytes() for batch in batches for image in batch}
        assert len(images) == 5 * 8
        assert digits[0].tobytes() not in images

    @pytest.mark.parametrize("name", BOUNDS)
    def test_bounds_hold_and_are_reached(self, name):
        count, most = 400, {"max_shift": 3, "max_rotation": 30.0, "max_zoom": 0.2}[name]
        batch = np.repeat(disc(20, 28, 5)[None], count, axis=0)
        centres, areas = centre_and_area(augment(batch, 0, 0, **{name: most}).numpy())
        down, right = centres[:, 0] - 20, centres[:, 1] - 20
        drawn = {
            "max_shift": np.concatenate([down, right - 8]),
            "max_rotation": np.degrees(np.arctan2(-down, right)),
            "max_zoom": np.hypot(down, right) / 8 - 1,
        }[name]
        # The centre of mass of a moved disc is off by a few hundredths of a pixel.
        assert most * 0.97 < drawn.max() < most * 1.01 + 0.01
        assert most * 0.97 < -drawn.min() < most * 1.01 + 0.01
        # Evenly drawn: a quarter of them in each quarter, give or take four standard errors.
        quarters = np.histogram(drawn, np.linspace(-1.02, 1.02, 5) * most)[0] / len(drawn)
        np.testing.assert_allclose(quarters, 0.25, atol=4 * np.sqrt(0.25 * 0.75 / count))
        assert np.ptp(areas) / areas.mean() < (0.03 if name != "max_zoom" else 1)

    def test_the_four_amounts_are_drawn_apart(self, monkeypatch):
        asked = []
        monkeypatch.setattr(
            augmentation, "transform", lambda images, **amounts: asked.append(amounts) or images
        )
        augment(np.zeros((400, 4, 4), np.uint8), 0, 0, **BOUNDS)
        (amounts,) = asked
        down, right = np.transpose(amounts["shifts"])
        correlations = np.corrcoef([down, right, amounts["rotations"], amounts["zooms"]])
        np.testing.assert_allclose(correlations, np.eye(4), atol=0.2)

    def test_same_seed_and_step_give_the_same_images_however_they_are_computed(self, digits):
        steps = 12
        eager = [augment(digits, 7, step, **BOUNDS).numpy() for step in range(steps)]
        graph = tf.function(lambda images, step: augment(images, 7, step, **BOUNDS))
        dataset = tf.data.Dataset.from_tensors(digits).repeat(steps).enumerate()
        for calls in (1, 4):
            mapped = dataset.map(
                lambda step, images: augment(images, 7, step, **BOUNDS), num_parallel_calls=calls
            )
            for step, images in enumerate(mapped):
                np.testing.assert_array_equal(images, eager[step])
        resumed = dataset.skip(5).map(lambda step, images: augment(images, 7, step, **BOUNDS))
        np.testing.assert_array_equal(next(iter(resumed)), eager[5])
        for step in (0, 11):
            np.testing.assert_array_equal(graph(digits, tf.constant(step)), eager[step])
            np.testing.assert_array_equal(
                augment(digits, np.int64(7), np.int32(step), **BOUNDS), eager[step]
            )

    def test_global_seeds_neither_matter_nor_move(self, digits):
        tf.random.set_seed(1)
        first = augment(digits, 0, 0, **BOUNDS).numpy()
        after = tf.random.uniform(())
        tf.random.set_seed(1)
        assert tf.random.uniform(()) == after
        tf.random.set_seed(2)
        np.testing.assert_array_equal(augment(digits, 0, 0, **BOUNDS), first)

    def test_batches_of_unknown_size(self, digits):
        dataset = tf.data.Dataset.from_tensor_slices(digits).batch(20)
        sizes = [len(augment(images, 0, 0, **BOUNDS)) for images in dataset]
        mapped = dataset.map(lambda images: augment(images, 0, 0, **BOUNDS))
        assert [len(images) for images in mapped] == sizes == [20, 12]


@pytest.mark.parametrize(
    ("bounds", "error", "message"),
    [
        ((-1, 0, 0), ValueError, r"max_shift must be at least 0 \(pixels\), got -1"),
        ((float("nan"), 0, 0), ValueError, "max_shift must be at least 0 .*got nan"),
        ((float("inf"), 0, 0), ValueError, "max_shift must be at least 0 .*got inf"),
        ((0, 181, 0), ValueError, r"max_rotation must be from 0 to 180 \(degrees\), got 181"),
        ((0, -5.0, 0), ValueError, "max_rotation must be from 0 to 180 .*got -5.0"),
        ((0, 0, 1), ValueError, "max_zoom must be from 0 to below 1, got 1"),
        ((0, 0, -0.1), ValueError, "max_zoom must be from 0 to below 1, got -0.1"),
        (("2", 0, 0), TypeError, "max_shift must be a number .*got '2'"),
        ((0, True, 0), TypeError, "max_rotation must be a number .*got True"),
        ((0, 0, None), TypeError, "max_zoom must be a number .*got None"),
    ],
)
def test_bad_bounds_are_named(bounds, error, message):
    with pytest.raises(error, match=message):
        check_bounds(*bounds)
    with pytest.raises(error, match=message):
        augment(np.zeros((1, 4, 4), np.uint8), 0, 0, **dict(zip(BOUNDS, bounds, strict=True)))


@pytest.mark.parametrize(
    ("images", "error", "message"),
    [
        (np.zeros((1, 4, 4), np.float32), TypeError, "images must be uint8, got float32"),
        (np.zeros((4, 4), np.uint8), ValueError, r"images must have shape .*got \(4, 4\)"),
    ],
)
def test_bad_images_are_named(images, error, message):
    with pytest.raises(error, match=message):
        augment(images, 0, 0)
    with pytest.raises(error, match=message):
        transform(images, [[0, 0]], [0], [1])


@pytest.mark.parametrize(
    ("seed", "step", "error", "message"),
    [
        (-1, 0, ValueError, "seed must be at least 0, got -1"),
        (0.5, 0, TypeError, "seed must be an integer, got 0.5"),
        (0, -1, ValueError, "step must be at least 0, got -1"),
        (0, 0.5, TypeError, "step must be an integer, got 0.5"),
    ],
)
def test_bad_seeds_and_steps_are_named(seed, step, error, message):
    with pytest.raises(error, match=message):
        augment(np.zeros((1, 4, 4), np.uint8), seed, step, **BOUNDS)
