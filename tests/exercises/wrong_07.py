"""Known wrong answers to the exercise of lesson 07."""

from wrong_answers import WrongAnswer

_FRAME = """\
def kept_neighbours(embeddings, picture, k):
    nearest = []
    for points in (embeddings, picture):
        distances = np.linalg.norm(points[:, None] - points, axis=-1)
        np.fill_diagonal(distances, np.inf)
        nearest.append(np.argsort(distances, axis=1)[:, :k])
    shared = [len(set(a) & set(b)) for a, b in zip(*nearest)]
    return np.mean(shared) / k
"""


def _changed(old, new):
    assert old in _FRAME
    return _FRAME.replace(old, new)


_DIAGONAL = "        np.fill_diagonal(distances, np.inf)\n"
_RESULT = "    return np.mean(shared) / k\n"

WRONG = [
    WrongAnswer(
        "kept_neighbours",
        "a point is its own neighbour",
        _changed(_DIAGONAL, ""),
        "counted as its own neighbour",
    ),
    WrongAnswer(
        "kept_neighbours",
        "k + 1 nearest with the point itself",
        _changed(_DIAGONAL, "").replace("[:, :k]", "[:, :k + 1]"),
        "You took `k + 1` nearest",
    ),
    WrongAnswer(
        "kept_neighbours",
        "lists compared place by place",
        _changed(_RESULT, "    return np.mean(nearest[0] == nearest[1])\n"),
        "place by place",
    ),
    WrongAnswer(
        "kept_neighbours",
        "number instead of share",
        _changed(_RESULT, "    return np.mean(shared)\n"),
        "how *many* neighbours are kept",
    ),
    WrongAnswer(
        "kept_neighbours",
        "sum over all points",
        _changed(_RESULT, "    return np.sum(shared)\n"),
        "all points together",
    ),
    WrongAnswer(
        "kept_neighbours",
        "share of the lost ones",
        _changed(_RESULT, "    return 1 - np.mean(shared) / k\n"),
        "neighbours that are *lost*",
    ),
    WrongAnswer(
        "kept_neighbours",
        "the picture is not looked at",
        _changed("(embeddings, picture)", "(embeddings, embeddings)"),
        "does not depend on the picture",
    ),
    WrongAnswer(
        "kept_neighbours",
        "the farthest points",
        _changed(_DIAGONAL, "").replace("np.argsort(distances", "np.argsort(-distances"),
        "`k` *farthest* points",
    ),
]
