import numpy as np
import oracles
import pytest
import strategies
from hypothesis import given

from tripletviz._tensorflow import tf
from tripletviz.distances import METRICS, pairwise_distances


@given(strategies.batches(), strategies.metrics)
def test_equals_the_definition(batch, metric):
    _, embeddings = batch
    expected = oracles.distances(embeddings, metric)
    actual = pairwise_distances(embeddings, metric, dtype="float64").numpy()
    np.testing.assert_allclose(actual, expected, rtol=1e-6, atol=0 if metric != "cosine" else 1e-15)
    np.testing.assert_array_equal(np.diag(actual), 0.0)
    np.testing.assert_allclose(actual, actual.T, rtol=1e-6)


@pytest.mark.parametrize("spread", [1e-2, 1e-4, 1e-6, 1e-7])
@pytest.mark.parametrize("shift", [0.0, 1.0, 30.0])
@pytest.mark.parametrize("metric", ["euclidean", "squared_euclidean"])
def test_relative_error_stays_small_down_to_float32_resolution(metric, spread, shift, rng):
    centres = np.repeat(rng.normal(size=(4, 16)), 8, axis=0)
    embeddings = (shift + centres + spread * rng.normal(size=(32, 16))).astype(np.float32)
    expected = oracles.distances(embeddings, metric)
    actual = pairwise_distances(embeddings, metric).numpy()
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


def test_one_last_digit_apart_in_one_of_64_dimensions():
    embeddings = np.ones((3, 64), np.float32)
    embeddings[1, 5] = np.nextafter(np.float32(1), np.float32(2))
    embeddings[2] = 100.0
    expected = oracles.distances(embeddings, "euclidean")
    actual = pairwise_distances(embeddings).numpy()
    assert expected[0, 1] > 0
    np.testing.assert_allclose(actual, expected, rtol=1e-6)


def test_one_cluster_far_away_does_not_blur_another():
    embeddings = np.array([[1e10, 0], [1e10, 1e5], [1e-6, 0], [2e-6, 1e-6]], np.float32)
    expected = oracles.distances(embeddings, "euclidean")
    np.testing.assert_allclose(pairwise_distances(embeddings), expected, rtol=1e-6)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("kind", ["spread out", "nearly coincident"])
def test_gradient_equals_finite_differences(metric, kind, rng):
    points = rng.normal(size=(6, 3))
    if kind == "nearly coincident":  # takes the branch that works from differences
        points[1] = points[0] + 1e-5 * rng.normal(size=3)
    weights = rng.normal(size=(6, 6))

    def value(points):
        return tf.reduce_sum(weights * pairwise_distances(points, metric, dtype="float64"))

    variable = tf.Variable(points)
    with tf.GradientTape() as tape:
        total = value(variable)
    gradient = tape.gradient(total, variable).numpy()
    step = 1e-9 if kind == "nearly coincident" else 1e-6
    for index in np.ndindex(*points.shape):
        moved = np.zeros_like(points)
        moved[index] = step
        slope = (value(points + moved) - value(points - moved)) / (2 * step)
        np.testing.assert_allclose(gradient[index], slope, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("metric", METRICS)
def test_gradient_is_zero_between_coincident_points_and_finite_everywhere(metric):
    variable = tf.Variable([[1.0, 2.0], [1.0, 2.0], [0.0, 0.0], [0.0, 0.0]])
    with tf.GradientTape(persistent=True) as tape:
        distances = pairwise_distances(variable, metric)
        pair = distances[0, 1]
        total = tf.reduce_sum(distances)
    np.testing.assert_array_equal(tape.gradient(pair, variable), np.zeros((4, 2)))
    assert np.isfinite(tape.gradient(total, variable)).all()


def test_exact_ties_stay_ties():
    corners = np.array([[0, 0], [3, 4], [4, 3], [-5, 0], [0, 5]], np.float32) + 1000
    distances = pairwise_distances(corners, dtype="float64").numpy()
    np.testing.assert_array_equal(distances[0, 1:], 5.0)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_graph_and_xla_agree_with_eager(jit_compile, rng):
    graph = tf.function(pairwise_distances, jit_compile=jit_compile)
    for points in (rng.normal(size=(5, 3)), np.ones((5, 3)) + 1e-6 * rng.normal(size=(5, 3))):
        for metric in METRICS:
            embeddings = tf.constant(points, tf.float32)
            np.testing.assert_allclose(
                graph(embeddings, metric), pairwise_distances(embeddings, metric), rtol=1e-6
            )


@pytest.mark.parametrize(
    ("given", "expected"),
    [("float16", "float32"), ("bfloat16", "float32"), ("int32", "float32"), ("float64", "float64")],
)
def test_dtype_of_the_result(given, expected):
    distances = pairwise_distances(tf.cast([[0, 0], [3, 4]], given))
    assert distances.dtype == expected
    assert distances.numpy().tolist() == [[0, 5], [5, 0]]


def test_scikit_learn_agrees_on_cosine_with_a_zero_vector(rng):
    from sklearn.metrics.pairwise import cosine_distances

    embeddings = rng.normal(size=(6, 4))
    embeddings[2] = 0.0
    np.testing.assert_allclose(
        pairwise_distances(embeddings, "cosine"), cosine_distances(embeddings), atol=1e-12
    )


def test_bad_input_is_named():
    with pytest.raises(
        ValueError, match=r"\"euclidean\", \"squared_euclidean\", \"cosine\"; got 'l2'"
    ):
        pairwise_distances([[0.0]], "l2")
    with pytest.raises(ValueError, match=r"shape \(B, D\); got \(3,\)"):
        pairwise_distances([0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match="got dtype string"):
        pairwise_distances([["a"]])


def test_empty_and_single():
    assert pairwise_distances(np.zeros((0, 4), np.float32)).shape == (0, 0)
    assert pairwise_distances([[1.0, 2.0]]).numpy().tolist() == [[0.0]]
