"""Exercises of lesson 01: all pairwise distances, their gradient, and a version that is stable."""

import sys

import numpy as np

from ._exercise import Exercise, Wrong, as_array

_SMALL = np.array([[1.0, 2.0], [4.0, 6.0]])  # 5 apart; as many points as dimensions
_STEP = 1e-6  # of finite differences


def stable_pairwise_distances(x):
    """The package's version of the last exercise, under the exercise's name."""
    from ...distances import pairwise_distances

    return pairwise_distances(x)


def distance_gradient(a, b):
    """Gradient of the Euclidean distance of two vectors `(D,)` with respect to the first."""
    difference = np.asarray(a) - np.asarray(b)
    d = np.linalg.norm(difference)
    return difference / d if d > 0 else np.zeros_like(difference)


# ---------------------------------------------------------------- pairwise_distances


def _examine_pairwise_distances(asked, rng):
    from ..._tensorflow import tf

    # On a GPU TensorFlow multiplies float32 matrices with fewer digits.
    with tf.device("/CPU:0"):
        _name_slips(asked)
        for count, dimensions in ((1, 3), (2, 5), (6, 6), (12, 4)):
            _compare_loosely(asked, rng.normal(size=(count, dimensions)))
        _compare_loosely(asked, _far_cluster(rng, 64))
        _refuse_loops(asked, rng)
        if _gradient(asked, rng.normal(size=(2, 3)), [0, 1]) is None:
            raise Wrong(_NO_GRADIENT)
        if _holds_cube(asked):
            raise Wrong(
                "The numbers are right, and there is no loop. But on the way you build a block of "
                "$B \\times B \\times D$ numbers: for 1,000 images of 784 pixels that is 3 GB. The "
                "identity $|a|^2 - 2\\,a \\cdot b + |b|^2$ needs no more than $B \\times B$."
            )


def _examine_stable_pairwise_distances(asked, rng):
    from ..._tensorflow import tf

    with tf.device("/CPU:0"):
        _name_slips(asked)
        _refuse_nan(_ask(asked, _far_cluster(rng, 32)), "32 points far from the origin")
        _refuse_shifts(asked)
        for count, dimensions in ((1, 3), (6, 6), (12, 4)):
            points = 30 * rng.normal(size=(count, dimensions))
            _refuse_diagonal(_ask(asked, points))
            _compare(asked, points, "Random points")
        # With so many points and dimensions rounding is sure to leave a rest, in float64 too.
        _refuse_diagonal(_ask(asked, 1000 * rng.normal(size=(64, 784))))
        for distance in (100, 1000):
            _compare_far(asked, _far_cluster(rng, 32, distance))
        _compare_two_clusters(asked, rng)
        _refuse_loops(asked, rng)
        _examine_gradient_of_matrix(asked, rng)


def _far_cluster(rng, count, distance=1000):
    """Points about 0.1 apart, at a distance from the origin."""
    return (distance / 4 + 0.02 * rng.normal(size=(count, 16))).astype(np.float32)


def _ask(asked, points):
    """What the learner's function gives for points, as a float64 matrix."""
    from ..._tensorflow import tf

    count = len(points)
    found = as_array(asked(tf.constant(points, tf.float32)), (count, count))
    return found.astype(np.float64)


def _distances(points):
    """The definition, in float64, of points as float32 holds them."""
    points = np.asarray(points, np.float32).astype(np.float64)
    return np.array([[np.sqrt(np.sum((a - b) ** 2)) for b in points] for a in points])


def _name_slips(asked):
    """Recognise a formula that is nearly right by what it gives for two points."""
    found, right = _ask(asked, _SMALL), _distances(_SMALL)
    if np.allclose(found, right, atol=1e-3):
        return
    rows, products = np.sum(_SMALL**2, axis=1), _SMALL @ _SMALL.T
    columns = np.sum(_SMALL**2, axis=0)
    a, b = rows[:, None], rows[None, :]
    slips = (
        (b - products + a, "The dot product must be doubled: it is $-2\\,a \\cdot b$."),
        (b + 2 * products + a, "The sign of the dot product is wrong: it is *minus* $2\\,ab$."),
        (
            a - 2 * products + a,
            "$|a|^2$ stands twice: both times the squared norms run down the *rows*. One of them "
            "must run along the columns, so that it is $|b|^2$.",
        ),
        (
            b - 2 * products + b,
            "$|b|^2$ stands twice: both times the squared norms run along the *columns*. One of "
            "them must run down the rows, so that it is $|a|^2$.",
        ),
        (
            columns[:, None] - 2 * products + columns[None, :],
            "You add up the squares along the wrong axis: over the points (axis 0) instead of over "
            "the dimensions of each point (axis 1).",
        ),
        (a - 2 * products, "$|b|^2$ is missing."),
        (b - 2 * products, "$|a|^2$ is missing."),
    )
    where = _example(found, right)
    if np.allclose(found, right**2, atol=1e-3):
        raise Wrong(f"These are *squared* distances: the square root is missing. {where}")
    for squared, words in slips:
        if _is_made_from(found, squared):
            raise Wrong(f"{words} {where}")
    if np.isnan(found).any():
        raise Wrong(f"Something comes out as `nan`, that is, not a number. {where}")
    raise Wrong(f"Two points are enough to see that something is wrong. {where}")


def _is_made_from(found, squared):
    """Whether a matrix is a formula's value, or its root, clamped or not."""
    with np.errstate(invalid="ignore"):
        made = (squared, np.sqrt(squared), np.maximum(squared, 0), np.sqrt(np.maximum(squared, 0)))
    return any(np.allclose(found, each, atol=1e-2, equal_nan=True) for each in made)


def _example(found, right):
    return f"For the points `{_text(_SMALL)}` you give `{_text(found)}`; right is `{_text(right)}`."


def _text(numbers):
    """Numbers as a list, short."""
    if np.ndim(numbers):
        return f"[{', '.join(_text(each) for each in numbers)}]"
    return f"{numbers:.4g}"


def _refuse_nan(found, what):
    if np.isnan(found).any():
        raise Wrong(
            f"{what}: {np.isnan(found).sum()} of {found.size} entries are `nan`. Rounding made "
            "some squared distances slightly negative, and a negative number has no square root. "
            "They must be clamped at zero *before* the root."
        )


def _compare_loosely(asked, points):
    """To within what the identity can give in float32."""
    points = np.asarray(points, np.float32)
    found, right = _ask(asked, points), _distances(points)
    what = f"{len(points)} points in {points.shape[1]} dimensions"
    if np.abs(points).max() > 100:
        what += ", close together and far from the origin"
    _refuse_nan(found, what)
    norms = np.sum(points.astype(np.float64) ** 2, axis=1)
    allowed = 1e-5 * (norms[:, None] + norms[None, :])
    off = np.abs(found * np.abs(found) - right**2) > allowed
    if off.any():
        i, j = np.argwhere(off)[0]
        raise Wrong(
            f"{what}: for entry `[{i}, {j}]` you give {found[i, j]:.6g}; right is "
            f"{right[i, j]:.6g}."
        )


def _compare(asked, points, what, words=""):
    """To within a thousandth of each distance."""
    found, right = _ask(asked, points), _distances(points)
    _refuse_nan(found, what)
    relative = np.abs(found - right) / np.where(right > 0, right, 1)
    if relative.max() > 1e-3:
        i, j = np.unravel_index(relative.argmax(), relative.shape)
        raise Wrong(
            f"{what}: for entry `[{i}, {j}]` you give {found[i, j]:.4g}; right is "
            f"{right[i, j]:.4g}.{words}"
        )


def _compare_far(asked, cluster):
    distance = np.linalg.norm(cluster.astype(np.float64), axis=1).mean()
    _compare(
        asked,
        cluster,
        f"Points about 0.1 apart, {distance:,.0f} away from the origin",
        " In float32 the identity subtracts large numbers that nearly agree, and nothing of the "
        "small difference is left. Where could more digits come from?",
    )


def _compare_two_clusters(asked, rng):
    clusters = np.concatenate([_far_cluster(rng, 8), -_far_cluster(rng, 8)])
    _compare(
        asked,
        clusters,
        "Two tight clusters on either side of the origin",
        " Moving all points by their mean helps where there is one cluster, but here each stays "
        "far from the mean: the numbers themselves need more digits.",
    )


def _refuse_shifts(asked):
    """Distances near zero show what was added to keep the root away from zero."""
    scale = 1e-6
    points = scale * np.array([[0.0, 0.0], [3.0, 4.0], [6.0, 8.0]])
    found, right = _ask(asked, points), _distances(points)
    _refuse_nan(found, "Three points very close together")
    pairs = np.triu_indices(3, 1)
    found, right = found[pairs], right[pairs]
    if np.abs(found / right - 1).max() <= 1e-3:
        return
    says = f"Points {right[0]:.3g} apart: you give {found[0]:.3g}."
    # Points as far apart as what came out: a floor gives the same again, a shift gives more.
    again = 0.0
    if found[0] > right[0]:
        again = _ask(asked, np.array([[0.0, 0.0], [found[0], 0.0]]))[0, 1] / found[0]
    if abs(again - 1) <= 1e-3:
        raise Wrong(f"{says} No distance comes out smaller than that: the floor is too high.")
    if again > 1:
        raise Wrong(
            f"{says} A constant that is added to keep the root away from zero shifts *all* "
            "distances, and small ones most. Treat the zeros apart instead."
        )
    raise Wrong(says)


def _refuse_diagonal(found):
    _refuse_nan(found, f"{len(found)} random points")
    diagonal = np.abs(np.diag(found))
    if diagonal.max() > 0:
        i = diagonal.argmax()
        raise Wrong(
            f"The distance of a point to itself is not exactly zero on your diagonal: entry "
            f"`[{i}, {i}]` is {found[i, i]:.2g}. Rounding leaves a rest there, and the root makes "
            "it larger. You know these entries without computing them."
        )


# ---------------------------------------------------------------- without a loop, with a gradient

_NO_GRADIENT = (
    "The numbers are right, but no gradient comes back: somewhere the computation leaves "
    "TensorFlow (NumPy, `.numpy()`), or is cut off from it (`tf.stop_gradient`)."
)


def _refuse_loops(asked, rng):
    few, many = (_work(asked, rng.normal(size=(count, 3))) for count in (4, 24))
    if many > 1.5 * few:
        raise Wrong(
            "The numbers are right, but your code goes through the points one by one: for 24 "
            f"points Python had {many / few:.0f} times as much to do as for 4. Let TensorFlow "
            "compute all pairs in one go."
        )


def _work(asked, points):
    """How many instructions Python carries out in the learner's own code."""
    filename = getattr(getattr(asked.function, "__code__", None), "co_filename", None)
    count = 0

    def trace(frame, event, _):
        nonlocal count
        if frame.f_code.co_filename != filename:
            return None
        frame.f_trace_opcodes = True
        count += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        _ask(asked, points)
    finally:
        sys.settrace(before)
    return max(count, 1)


def _operations(asked, shape):
    """The operations of the learner's function as TensorFlow's graph; none if it has no such."""
    from ..._tensorflow import tf

    function = tf.function(asked.function, autograph=False)
    try:
        graph = function.get_concrete_function(tf.TensorSpec(shape, tf.float32)).graph
    except Exception:  # whatever it is: the numbers were right in eager mode
        return []
    return graph.get_operations()


def _holds_cube(asked):
    count, dimensions = 5, 7
    sizes = [
        output.shape.num_elements() or 0
        for operation in _operations(asked, (count, dimensions))
        for output in operation.outputs
    ]
    return max(sizes, default=0) >= count * count * dimensions


def _gradient(asked, points, entry=None):
    """Gradient of one entry, or of the sum of all, with respect to the points; None if cut off."""
    from ..._tensorflow import tf

    gradient = _differentiate(asked, tf.constant(points, tf.float32), entry)
    return None if gradient is None else tf.convert_to_tensor(gradient).numpy()


def _compiled_gradient(asked, points, entry):
    """The same, compiled by XLA; zeros where XLA is not to be had."""
    from ..._tensorflow import tf

    compiled = tf.function(_differentiate, jit_compile=True, autograph=False)
    try:
        return compiled(asked.function, tf.constant(points, tf.float32), entry).numpy()
    except Exception:  # whatever it is: the numbers were right in eager mode
        return np.zeros_like(points)


def _differentiate(function, points, entry):
    from ..._tensorflow import tf

    with tf.GradientTape() as tape:
        tape.watch(points)
        found = tf.convert_to_tensor(function(points))
        total = tf.reduce_sum(found) if entry is None else found[entry[0], entry[1]]
    return tape.gradient(total, points)


def _examine_gradient_of_matrix(asked, rng):
    points = rng.normal(size=(5, 3)).astype(np.float32)
    gradient = _gradient(asked, points)
    if gradient is None:
        raise Wrong(_NO_GRADIENT)
    twins = np.array([[1.0, 2.0], [1.0, 2.0], [4.0, 6.0]])
    found = _ask(asked, twins)
    if found[0, 1] != 0:
        raise Wrong(
            f"The two identical points of `{_text(twins)}` come out {found[0, 1]:.2g} apart; their "
            "distance is 0."
        )
    of_twins = _gradient(asked, twins, [0, 1])
    if not (np.isfinite(gradient).all() and np.isfinite(of_twins).all()):
        raise Wrong(
            "The distances are right, but where two points are identical the gradient is "
            f"`{_text(of_twins if not np.isfinite(of_twins).all() else gradient[0])}`. "
            "The root has the derivative $1 / (2 \\sqrt{s})$, which is infinite at $s = 0$, and "
            "infinity times zero is `nan`. The diagonal alone is enough to bring it about."
        )
    if not np.isfinite(_compiled_gradient(asked, twins, (0, 1))).all():
        raise Wrong(
            "The distances are right. The gradient of identical points is, too, but only as long "
            "as TensorFlow's own root helps out: compiled by XLA, as Keras does on a GPU, it is "
            "`nan`. `tf.where` chooses between two *results*; the gradient of the one not chosen "
            "is computed all the same. The root itself must never see a zero."
        )
    if np.abs(of_twins).max() > 0:
        raise Wrong(
            f"The gradient of the distance of two identical points is `{_text(of_twins)}` with "
            "your function. It should be zero: no direction is better than any other."
        )
    right = np.array([2 * sum(distance_gradient(a, b) for b in points) for a in points])
    if not np.allclose(gradient, right, rtol=1e-3, atol=1e-4):
        raise Wrong(
            "The distances are right, but their gradient is not. For random points the gradient of "
            f"the sum is `{_text(gradient[0])}` at the first point; right is `{_text(right[0])}`."
        )


# ---------------------------------------------------------------- distance_gradient


def _examine_distance_gradient(asked, rng):
    _compare_with_finite_differences(asked, np.array([3.0, 4.0]), np.array([0.0, 0.0]))
    _compare_with_finite_differences(asked, np.array([1.0, 2.0]), np.array([4.0, 6.0]))
    for dimensions in (1, 2, 16):
        _compare_with_finite_differences(asked, *rng.normal(size=(2, dimensions)))
    point = np.array([1.0, 2.0])
    gradient = as_array(asked(point, point), (2,))
    if not np.isfinite(gradient).all():
        raise Wrong(
            f"Right where the points differ. But for a = b = `{_text(point)}` you give "
            f"`{_text(gradient)}`: zero divided by zero. There the distance has a corner and no "
            "gradient. Give zeros, so that a training can go on."
        )
    if np.abs(gradient).max() > 0:
        raise Wrong(
            f"Right where the points differ. But for a = b = `{_text(point)}` you give "
            f"`{_text(gradient)}`. There the distance has a corner; give zeros."
        )


def _compare_with_finite_differences(asked, a, b):
    found = as_array(asked(a, b), a.shape).astype(np.float64)
    measured = _finite_differences(a, b)
    if np.allclose(found, measured, rtol=1e-4, atol=1e-5):
        return
    d = np.linalg.norm(a - b)
    slips = (
        (-1, "The sign is wrong: this is the gradient with respect to $b$. It must point from $b$ "
             "to $a$, for the distance grows when $a$ moves away from $b$."),
        (d, "The division by $d$ is missing. The derivative of the root has $d$ below the line."),
        (2 * d, "That is the gradient of the *squared* distance. The root brings another factor, "
                "by the chain rule."),
        (0.5, "It is half of what it should be. The inner derivative, that of the square, brings "
              "a factor 2."),
        (2, "It is twice what it should be. The derivative of the root brings a factor one half."),
        (1 / d, "You divide by $d^2$; it should be $d$."),
        (-d, "The sign is wrong, and the division by $d$ is missing."),
    )  # fmt: skip
    where = (
        f"For a = `{_text(a)}` and b = `{_text(b)}` you give `{_text(found)}`. Finite differences, "
        f"that is, moving each coordinate of a by $\\pm 10^{{-6}}$, measure `{_text(measured)}`."
    )
    for factor, words in slips:
        if np.allclose(found, factor * measured, rtol=1e-4, atol=1e-5):
            raise Wrong(f"{words} {where}")
    raise Wrong(where)


def _finite_differences(a, b):
    """Slope of the distance along each coordinate of `a`, from values of the distance alone."""
    slopes = []
    for step in _STEP * np.eye(len(a)):
        ahead, behind = np.linalg.norm(a + step - b), np.linalg.norm(a - step - b)
        slopes.append((ahead - behind) / (2 * _STEP))
    return np.array(slopes)


# ---------------------------------------------------------------- the exercises


def _package_distances():
    from ...distances import pairwise_distances

    return pairwise_distances


EXERCISES = (
    Exercise(
        name="pairwise_distances",
        lesson="01",
        title="All pairwise distances without a loop.",
        examine=_examine_pairwise_distances,
        hints=(
            "The three parts of the identity: squared norms down the rows, dot products, squared "
            "norms along the columns. Write down the shape of each.",
            "`tf.reduce_sum(x**2, axis=1)` gives all squared norms, shape `(B,)`. Indexing with "
            "`[:, None]` makes a column `(B, 1)` of them, `[None, :]` a row `(1, B)`.",
            "All dot products at once are `tf.matmul(x, x, transpose_b=True)`, shape `(B, B)`.",
            "Rounding can make a squared distance slightly negative. `tf.maximum(d2, 0.0)` clamps "
            "it. Only then take `tf.sqrt`.",
        ),
        reference=_package_distances,
    ),
    Exercise(
        name="distance_gradient",
        lesson="01",
        title="The gradient of a distance, by hand.",
        examine=_examine_distance_gradient,
        hints=(
            "Write $d = \\sqrt{s}$ with $s = \\sum_k (a_k - b_k)^2$, and use the chain rule.",
            "$\\partial d / \\partial s = 1 / (2 d)$, and $\\partial s / \\partial a_k = "
            "2 (a_k - b_k)$.",
            "The product is the vector from $b$ to $a$, divided by its length: an arrow of length "
            "1. Where $d = 0$, give `np.zeros_like(a)` before you divide.",
        ),
        reference=lambda: distance_gradient,
    ),
    Exercise(
        name="stable_pairwise_distances",
        lesson="01",
        title="Pairwise distances that stay right near zero, with finite gradients.",
        examine=_examine_stable_pairwise_distances,
        hints=(
            "Two problems, two cures. Too few digits: `tf.cast(x, tf.float64)` before anything "
            "else, and back to `x.dtype` at the very end. The gradient at zero: the root must "
            "never see a zero.",
            "You know the diagonal without computing it: `tf.linalg.set_diag(d2, zeros)` puts "
            "zeros there. Do it before the root.",
            "Mark the zeros: `is_zero = d2 <= 0.0`. Put ones in their place *before* the root: "
            "`tf.where(is_zero, 1.0, d2)`, with the 1.0 of the right dtype.",
            "After the root, a second `tf.where` puts zeros where `is_zero` is true. The gradient "
            "that goes back through the marked places is then zero times a finite number.",
        ),
        reference=lambda: stable_pairwise_distances,
    ),
)
