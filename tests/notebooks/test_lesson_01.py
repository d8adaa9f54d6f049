"""Lesson 01: what its prose says of the numbers holds for the numbers that it records."""

import nbformat
import numpy as np
import pytest

from tripletviz._tensorflow import tf
from tripletviz.lessons import read_records

pytestmark = pytest.mark.notebooks


@pytest.fixture(scope="module")
def records(executed):
    path = executed("01-embeddings-and-distances")
    return read_records(nbformat.read(path, as_version=4))


def test_raw_pixels_put_like_digits_near(records):
    assert (records["images"], records["numbers for each image"]) == (1000, 16)
    assert records["R@1 raw pixels"] == pytest.approx(0.87, abs=0.01)
    assert records["R@1 untrained"] == pytest.approx(0.62, abs=0.01)
    assert records["R@1 trained"] == pytest.approx(0.98, abs=0.01)


def test_distances_by_hand(records):
    assert records["Euclidean distance"] == 5
    assert records["squared Euclidean distance"] == 25
    assert records["cosine distance"] == pytest.approx(1 - 16 / np.sqrt(5 * 52), abs=1e-6)
    twice = records["twice the cosine distance"]
    assert records["squared distance on the sphere"] == pytest.approx(twice, abs=1e-6)
    assert records["|a|^2 - 2ab + |b|^2"] == records["|a - b|^2"] == 25


def test_the_identity_is_faster_than_the_loop(records):
    assert records["largest difference"] < 1e-3
    # On a machine that does other things at the same time the gap is not what it should be.
    assert records["milliseconds, loop"] > records["milliseconds, identity"]
    assert records["milliseconds, TensorFlow"] > 0


def test_float32_loses_two_digits_for_each_factor_of_ten(records):
    assert records["digits lost"] == pytest.approx(2, abs=0.4)
    assert records["right digits, 0 away"] > 7
    assert 0.5 < records["right digits, 100 away"] < 2.5
    assert records["right digits, 1000 away"] < 0.5
    assert records["digits, float64"] == 8
    # "about a third of the squared distances are even negative"
    assert 0.2 < records["negative share, 1000 away"] < 0.45
    for name in ("raw pixels", "trained"):
        assert 0.001 < records[f"to itself, {name}"] < 0.1
        assert records[f"error, {name}"] < 1e-4  # "four digits and more are right"


def test_gradients(records):
    assert records["gradient of different points"] == "[0.6 0.8]"
    assert records["gradient of identical points"] == "[nan nan]"
    assert records["gradient of tf.where with s ** 0.5"] == "nan"
    assert records["gradient of tf.where with tf.sqrt"] == "0.0"
    assert records["root of zero with an epsilon"] == pytest.approx(0.001)
    assert records["distance of the near points"] == 0.125
    assert records["gradient of the sum"] == [[0, -2], [0, -2], [0, 4]]


def test_compiled_by_xla_a_root_behind_where_gives_nan():
    """Which the lesson says, and does not show."""

    def slope(s):
        with tf.GradientTape() as tape:
            tape.watch(s)
            d = tf.where(s > 0, tf.sqrt(s), 0.0)
        return tape.gradient(d, s)

    zero = tf.constant(0.0)
    assert slope(zero) == 0
    assert np.isnan(tf.function(slope, jit_compile=True)(zero))
