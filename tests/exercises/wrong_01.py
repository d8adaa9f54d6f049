"""Known wrong answers to the exercises of lesson 01."""

from wrong_answers import WrongAnswer


def distances(mistake, says, body):
    code = f"def pairwise_distances(x):\n{body}"
    return WrongAnswer("pairwise_distances", mistake, code, says)


def stable(mistake, says, body):
    code = f"def stable_pairwise_distances(x):\n{body}"
    return WrongAnswer("stable_pairwise_distances", mistake, code, says)


def gradient(mistake, says, body):
    code = f"def distance_gradient(a, b):\n{body}"
    return WrongAnswer("distance_gradient", mistake, code, says)


PARTS = """\
    squares = tf.reduce_sum(x**2, axis=1)
    products = tf.matmul(x, x, transpose_b=True)
"""
IN_FLOAT64 = """\
    x64 = tf.cast(x, tf.float64)
    squares = tf.reduce_sum(x64**2, axis=1)
    d2 = squares[:, None] - 2 * tf.matmul(x64, x64, transpose_b=True) + squares[None, :]
"""
ZERO_DIAGONAL = "    d2 = tf.linalg.set_diag(d2, tf.zeros_like(squares))\n"
CLAMPED = "    d2 = tf.maximum(d2, tf.zeros_like(d2))\n"
SAFE_ROOT = """\
    is_zero = d2 <= 0
    root = tf.sqrt(tf.where(is_zero, tf.ones_like(d2), d2))
    return tf.cast(tf.where(is_zero, tf.zeros_like(d2), root), x.dtype)
"""

WRONG = [
    distances(
        "missing square root",
        "the square root is missing",
        PARTS + "    return tf.maximum(squares[:, None] - 2 * products + squares[None, :], 0.0)",
    ),
    distances(
        "dot product not doubled",
        "The dot product must be doubled",
        PARTS + "    return tf.sqrt(tf.maximum(squares[:, None] - products + squares[None], 0.0))",
    ),
    distances(
        "dot product added",
        "The sign of the dot product is wrong",
        PARTS + "    return tf.sqrt(squares[:, None] + 2 * products + squares[None, :])",
    ),
    distances(
        "norms of the rows twice",
        "down the *rows*",
        PARTS
        + "    squares = squares[:, None]\n"
        + "    return tf.sqrt(tf.maximum(squares - 2 * products + squares, 0.0))",
    ),
    distances(
        "norms of the columns twice",
        "along the *columns*. One",
        PARTS + "    return tf.sqrt(tf.maximum(squares - 2 * products + squares, 0.0))",
    ),
    distances(
        "squares added over the points",
        "along the wrong axis",
        PARTS.replace("axis=1", "axis=0")
        + "    return tf.sqrt(tf.maximum(squares[:, None] - 2 * products + squares[None], 0.0))",
    ),
    distances(
        "one norm missing",
        "$|b|^2$ is missing",
        PARTS + "    return tf.sqrt(tf.maximum(squares[:, None] - 2 * products, 0.0))",
    ),
    distances(
        "missing clamp before the square root",
        "must be clamped at zero *before* the root",
        PARTS + "    return tf.sqrt(squares[:, None] - 2 * products + squares[None, :])",
    ),
    distances(
        "a loop over the points",
        "goes through the points one by one",
        "    rows = [tf.norm(x - x[i], axis=1) for i in range(x.shape[0])]\n"
        "    return tf.stack(rows)",
    ),
    distances(
        "a loop over the pairs, in NumPy",
        "goes through the points one by one: for 24",
        "    x = np.asarray(x)\n"
        "    d = np.zeros((len(x), len(x)))\n"
        "    for i in range(len(x)):\n"
        "        for j in range(len(x)):\n"
        "            d[i, j] = np.linalg.norm(x[i] - x[j])\n"
        "    return d",
    ),
    distances(
        "in NumPy",
        "no gradient comes back",
        "    x = np.asarray(x)\n"
        "    squares = (x**2).sum(axis=1)\n"
        "    return np.sqrt(np.maximum(squares[:, None] - 2 * x @ x.T + squares[None, :], 0))",
    ),
    distances(
        "all differences at once",
        "a block of",
        "    return tf.norm(x[:, None, :] - x[None, :, :], axis=2)",
    ),
    distances(
        "distances to the first point only",
        "gives shape",
        "    return tf.norm(x - x[0], axis=1)",
    ),
    distances(
        "another distance",
        "Two points are enough",
        "    return tf.reduce_sum(tf.abs(x[:, None] - x[None]), axis=2)",
    ),
    stable(
        "missing clamp",
        "must be clamped at zero *before* the root",
        IN_FLOAT64.replace("tf.float64", "tf.float32") + "    return tf.sqrt(d2)",
    ),
    stable(
        "missing square root",
        "the square root is missing",
        IN_FLOAT64 + ZERO_DIAGONAL + CLAMPED + "    return tf.cast(d2, x.dtype)",
    ),
    stable(
        "plain root: NaN gradient at identical points",
        "The root has the derivative",
        IN_FLOAT64 + ZERO_DIAGONAL + CLAMPED + "    return tf.cast(tf.sqrt(d2), x.dtype)",
    ),
    stable(
        "tf.where alone",
        "`tf.where` chooses between two *results*",
        IN_FLOAT64
        + ZERO_DIAGONAL
        + "    d = tf.where(d2 > 0, tf.sqrt(d2), tf.zeros_like(d2))\n"
        + "    return tf.cast(d, x.dtype)",
    ),
    stable(
        "an epsilon under the root",
        "shifts *all* distances",
        IN_FLOAT64
        + CLAMPED
        + "    d = tf.sqrt(d2 + 1e-6)\n"
        + "    return tf.cast(tf.linalg.set_diag(d, tf.zeros_like(squares)), x.dtype)",
    ),
    stable(
        "a floor under the root",
        "the floor is too high",
        IN_FLOAT64
        + "    d = tf.sqrt(tf.maximum(d2, tf.constant(1e-8, d2.dtype)))\n"
        + "    return tf.cast(tf.linalg.set_diag(d, tf.zeros_like(squares)), x.dtype)",
    ),
    stable(
        "a tiny floor, seen at identical points",
        "The two identical points",
        IN_FLOAT64
        + "    d = tf.sqrt(tf.maximum(d2, tf.constant(1e-14, d2.dtype)))\n"
        + "    return tf.cast(tf.linalg.set_diag(d, tf.zeros_like(squares)), x.dtype)",
    ),
    stable(
        "float32 identity",
        "In float32 the identity subtracts",
        IN_FLOAT64.replace("tf.float64", "tf.float32") + ZERO_DIAGONAL + SAFE_ROOT,
    ),
    stable(
        "float32 identity about the mean",
        "each stays far from the mean",
        "    x = x - tf.reduce_mean(x, axis=0)\n"
        + IN_FLOAT64.replace("tf.float64", "tf.float32")
        + ZERO_DIAGONAL
        + SAFE_ROOT,
    ),
    stable(
        "diagonal left to rounding",
        "not exactly zero on your diagonal",
        IN_FLOAT64 + SAFE_ROOT,
    ),
    stable(
        "gradient cut off",
        "is cut off from it",
        "    x = tf.stop_gradient(x)\n" + IN_FLOAT64 + ZERO_DIAGONAL + SAFE_ROOT,
    ),
    stable(
        "gradient cut off for one of the two points",
        "but their gradient is not",
        IN_FLOAT64.replace("tf.matmul(x64, x64", "tf.matmul(x64, tf.stop_gradient(x64)")
        + ZERO_DIAGONAL
        + SAFE_ROOT,
    ),
    gradient("sign", "The sign is wrong: this", "    return (b - a) / np.linalg.norm(a - b)"),
    gradient("missing division by d", "The division by $d$ is missing. The", "    return a - b"),
    gradient(
        "gradient of the squared distance", "the *squared* distance", "    return 2 * (a - b)"
    ),
    gradient(
        "factor one half of the root left over",
        "It is half of what it should be",
        "    return (a - b) / (2 * np.linalg.norm(a - b))",
    ),
    gradient(
        "factor 2 of the square left over",
        "It is twice what it should be",
        "    return 2 * (a - b) / np.linalg.norm(a - b)",
    ),
    gradient(
        "division by the squared distance",
        "You divide by $d^2$",
        "    return (a - b) / np.sum((a - b) ** 2)",
    ),
    gradient(
        "sign, and missing division",
        "wrong, and the division by $d$ is missing",
        "    return b - a",
    ),
    gradient(
        "zero divided by zero",
        "zero divided by zero",
        "    return (a - b) / np.linalg.norm(a - b)",
    ),
    gradient(
        "not zero at coincident points",
        "There the distance has a corner; give zeros",
        "    d = np.linalg.norm(a - b)\n    return (a - b) / d if d > 0 else np.ones_like(a)",
    ),
    gradient("a number in place of a vector", "gives shape", "    return np.linalg.norm(a - b)"),
]
