"""Known wrong answers to the exercises of lesson 08."""

import textwrap

from wrong_answers import WrongAnswer


def _function(name, arguments, body):
    return f"def {name}({arguments}):\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n"


def _cosine(
    mistake,
    says,
    *,
    lengths="np.linalg.norm(embeddings, axis=1, keepdims=True)",
    unit="embeddings / np.where(lengths > 0, lengths, 1.0)",
    cosines="u @ u.T",
    distances="np.maximum(1 - cosines, 0.0)",
    diagonal="np.fill_diagonal(distances, 0.0)",
):
    body = "\n".join(
        [
            f"lengths = {lengths}",
            f"u = {unit}",
            f"cosines = {cosines}",
            f"distances = {distances}",
            diagonal,
            "return distances",
        ]
    )
    code = _function("cosine_distances", "embeddings", body)
    return WrongAnswer("cosine_distances", mistake, code, says)


_CONVERTED = """
    there = {"euclidean": np.square, "squared_euclidean": lambda d: d, "cosine": lambda d: 2 * d}
    back = {"euclidean": np.sqrt, "squared_euclidean": lambda s: s, "cosine": lambda s: s / 2}

    def convert(d):
        return back[to_metric](there[from_metric](d))
"""


def _margin(mistake, says, end, converted=_CONVERTED):
    body = textwrap.dedent(converted) + textwrap.dedent(end)
    arguments = "margin, d_ap, from_metric, to_metric"
    code = _function("matching_margin", arguments, body)
    return WrongAnswer("matching_margin", mistake, code, says)


_FULL = "return convert(d_ap + margin) - convert(d_ap)"

WRONG = [
    _cosine("similarity", "Those are similarities", distances="cosines", diagonal=""),
    _cosine("similarity minus 1", "sign is turned round", distances="cosines - 1", diagonal=""),
    _cosine(
        "no normalisation",
        "the plain dot product",
        unit="embeddings",
        distances="1 - cosines",
        diagonal="",
    ),
    _cosine(
        "columns normalised",
        "each *column* by its length",
        lengths="np.linalg.norm(embeddings, axis=0)",
        distances="1 - cosines",
        diagonal="",
    ),
    _cosine(
        "one length for all",
        "all of the matrix by one number",
        lengths="np.linalg.norm(embeddings)",
        distances="1 - cosines",
        diagonal="",
    ),
    _cosine(
        "one side normalised",
        "Only one of the two",
        cosines="u @ embeddings.T",
        distances="1 - cosines",
        diagonal="",
    ),
    _cosine(
        "squared length",
        "a root is missing",
        lengths="np.sum(embeddings**2, axis=1, keepdims=True)",
        distances="1 - cosines",
        diagonal="",
    ),
    _cosine(
        "sum of absolute values",
        "by the sum of absolute values",
        lengths="np.sum(np.abs(embeddings), axis=1, keepdims=True)",
        distances="1 - cosines",
        diagonal="",
    ),
    _cosine(
        "squared Euclidean on the sphere",
        "squared Euclidean distance on the unit sphere",
        distances="np.sum((u[:, None] - u[None, :]) ** 2, axis=2)",
    ),
    _cosine(
        "Euclidean on the sphere",
        "is half of its square",
        distances="np.linalg.norm(u[:, None] - u[None, :], axis=2)",
    ),
    _cosine("the angle", "That is the angle. ", distances="np.arccos(np.clip(cosines, -1.0, 1.0))"),
    _cosine(
        "the angle by pi",
        "share of a half turn",
        distances="np.arccos(np.clip(cosines, -1.0, 1.0)) / np.pi",
    ),
    _cosine(
        "sign dropped",
        "opposite directions count as the same",
        distances="np.maximum(1 - np.abs(cosines), 0.0)",
    ),
    _cosine("halved", "so that it goes from 0 to 1", distances="(1 - cosines) / 2"),
    _cosine("cut at 1", "never let it be above 1", distances="np.clip(1 - cosines, 0.0, 1.0)"),
    _cosine("division by zero", "you divide by it", unit="embeddings / lengths"),
    _cosine(
        "zero vector the same as everything",
        "must not count as being the same",
        unit="embeddings / lengths",
        distances="np.nan_to_num(np.maximum(1 - cosines, 0.0))",
    ),
    _cosine(
        "zero vector far from itself",
        "mind the diagonal",
        diagonal="",
    ),
    _cosine(
        "zero vector opposite",
        "A zero vector has distance 1 to every other embedding.",
        unit="embeddings / lengths",
        distances="np.nan_to_num(np.maximum(1 - cosines, 0.0), nan=2.0)",
    ),
    _cosine(
        "a small number added to the length",
        "for a short embedding",
        unit="embeddings / (lengths + 1e-8)",
    ),
    _cosine("below zero", "smaller than 0", distances="1 - cosines"),
    _cosine("one row too few", "gives shape", diagonal="distances = distances[1:]"),
    _margin("margin converted alone", "as if it were a distance", "return convert(margin)"),
    _margin("the threshold", "how much farther that is", "return convert(d_ap + margin)"),
    _margin(
        "positive not converted",
        "as it was measured before",
        "return convert(d_ap + margin) - d_ap",
    ),
    _margin(
        "slope",
        "The slope changes on the way",
        """
        near = np.sqrt(there[from_metric](d_ap))
        slopes = {"euclidean": 1.0, "squared_euclidean": 2 * near, "cosine": near}
        return margin * slopes[to_metric] / slopes[from_metric]
        """,
    ),
    _margin(
        "positive taken for Euclidean",
        "It is measured by `from_metric`",
        """
        d_ap = back[from_metric](d_ap**2)
        return convert(d_ap + margin) - convert(d_ap)
        """,
    ),
    _margin(
        "swapped metrics",
        "The two metrics are swapped",
        _FULL,
        _CONVERTED.replace(
            "back[to_metric](there[from_metric](d))", "back[from_metric](there[to_metric](d))"
        ),
    ),
    _margin(
        "factor on the wrong side",
        "on the wrong side",
        _FULL,
        _CONVERTED.replace("2 * d", "d / 2").replace("s / 2", "2 * s"),
    ),
    _margin(
        "no factor",
        "cosine distance for the squared Euclidean one",
        _FULL,
        _CONVERTED.replace("2 * d", "d").replace("s / 2", "s"),
    ),
    _margin("sign", "a margin is above 0", "return convert(d_ap) - convert(d_ap + margin)"),
    _margin("unchanged", "give the margin back as it was", "return margin"),
    _margin(
        "an array",
        "gives shape `(2,)`",
        "return np.array([convert(d_ap), convert(d_ap + margin)])",
    ),
]
