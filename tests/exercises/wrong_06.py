"""Known wrong answers to the exercises of lesson 06."""

import textwrap

from wrong_answers import WrongAnswer


def _function(name, arguments, body):
    return f"def {name}({arguments}):\n{textwrap.indent(textwrap.dedent(body).strip(), '    ')}\n"


_NEAREST = "np.argsort(distances, axis=1, kind='stable')[:, :k]"


def _recall(mistake, says, *, alone="np.fill_diagonal(distances, np.inf)", nearest=None, end=None):
    body = "\n".join(
        [
            "distances = cdist(embeddings, embeddings)",
            alone,
            f"nearest = {nearest or _NEAREST}",
            "hits = labels[nearest] == labels[:, np.newaxis]",
            end or "return hits.any(axis=1).mean()",
        ]
    )
    code = _function("recall_at_k", "embeddings, labels, k", body)
    return WrongAnswer("recall_at_k", mistake, code, says)


def _map(
    mistake,
    says,
    *,
    alone="distances[q] = np.inf",
    order="np.argsort(distances, kind='stable')",
    r="np.sum(labels == labels[q]) - 1",
    hits="labels[order[:R]] == labels[q]",
    average="np.sum(precision * hits) / R if R else 0.0",
    end="return np.mean(averages)",
):
    body = f"""
        averages = []
        for q in range(len(labels)):
            distances = np.linalg.norm(embeddings - embeddings[q], axis=1)
            {alone}
            order = {order}
            R = {r}
            hits = {hits}
            precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
            averages.append({average})
        {end}
    """
    return WrongAnswer("map_at_r", mistake, _function("map_at_r", "embeddings, labels", body), says)


def _rates(mistake, says, body):
    code = _function("false_rates", "genuine, impostor, threshold", body)
    return WrongAnswer("false_rates", mistake, code, says)


WRONG = [
    _recall("the query finds itself", "The query finds itself", alone=""),
    _recall(
        "k - 1 neighbours",
        "k - 1 neighbours",
        alone="",
        nearest="np.argsort(distances, axis=1, kind='stable')[:, 1:k]",
    ),
    _recall("precision at k", "called precision@k", end="return hits.mean()"),
    _recall("the k-th neighbour only", "k-th neighbour alone", end="return hits[:, -1].mean()"),
    _recall("all k must be right", "One of them is enough", end="return hits.all(axis=1).mean()"),
    _recall(
        "recall of information retrieval",
        "recall in information retrieval",
        end=(
            "R = (labels == labels[:, np.newaxis]).sum(axis=1) - 1\n"
            "return (hits.sum(axis=1) / np.maximum(R, 1)).mean()"
        ),
    ),
    _recall(
        "the farthest",
        "the farthest items",
        alone="np.fill_diagonal(distances, -np.inf)",
        nearest="np.argsort(-distances, axis=1, kind='stable')[:, :k]",
    ),
    _recall("a count", "the number of hits", end="return hits.any(axis=1).sum()"),
    _recall(
        "lone classes dropped",
        "counts as a miss",
        end=(
            "lone = (labels == labels[:, np.newaxis]).sum(axis=1) == 1\n"
            "return hits[~lone].any(axis=1).mean()"
        ),
    ),
    _recall(
        "the first taken for the query",
        "leave out the first",
        alone="",
        nearest="np.argsort(distances, axis=1, kind='stable')[:, 1 : k + 1]",
    ),
    _recall(
        "coincident items left out",
        "everything at distance 0",
        alone="distances[distances == 0] = np.inf",
    ),
    _recall("one value a query", "gives shape `(6,)`", end="return hits.any(axis=1)"),
    _map("the query finds itself", "at rank 1", alone=""),
    _map(
        "the query finds itself and is counted",
        "and is counted in R. Both",
        alone="",
        r="np.sum(labels == labels[q])",
    ),
    _map(
        "the query is counted in R",
        "The query is counted in R.",
        r="np.sum(labels == labels[q])",
        order="np.argsort(distances, kind='stable')[:-1]",
    ),
    _map(
        "divides by the hits found",
        "divide by the number of hits",
        average="np.sum(precision * hits) / max(hits.sum(), 1)",
    ),
    _map("R-precision", "That is the R-precision", average="hits.sum() / R if R else 0.0"),
    _map(
        "precision among the hits only",
        "does not see in which order",
        hits="np.ones(np.sum(labels[order[: max(R, 0)]] == labels[q]))",
    ),
    _map(
        "the whole ranking",
        "through the whole ranking",
        hits="labels[order[:-1]] == labels[q]",
    ),
    _map(
        "precision at every rank",
        "at each of the first R ranks",
        average="np.sum(precision) / R if R else 0.0",
    ),
    _map(
        "the farthest",
        "the farthest items",
        alone="distances[q] = -np.inf",
        order="np.argsort(-distances, kind='stable')",
    ),
    _map(
        "all queries pooled",
        "divide the sum over all queries",
        average="np.sum(precision * hits)",
        end="return np.sum(averages) / sum(np.sum(labels == c) - 1 for c in labels)",
    ),
    _map(
        "lone classes dropped",
        "It counts as 0, and stays",
        average="np.sum(precision * hits) / R if R else None",
        end="return np.mean([each for each in averages if each is not None])",
    ),
    _map(
        "0 / 0 for lone classes",
        "instead of 0 / 0",
        average="np.sum(precision * hits) / R if R else np.nan",
    ),
    _map(
        "the first taken for the query",
        "leave out the first",
        alone="",
        order="np.argsort(distances, kind='stable')[1:]",
    ),
    _map(
        "coincident items left out",
        "everything at distance 0",
        alone="distances[distances == 0] = np.inf",
    ),
    _rates(
        "swapped",
        "The two are swapped",
        "return np.mean(genuine > threshold), np.mean(impostor <= threshold)",
    ),
    _rates(
        "shares of all pairs",
        "by the number of all pairs",
        """
        pairs = len(genuine) + len(impostor)
        return np.sum(impostor <= threshold) / pairs, np.sum(genuine > threshold) / pairs
        """,
    ),
    _rates(
        "shares of the decisions",
        "by the number of accepted pairs",
        """
        false_accepts, false_rejects = np.sum(impostor <= threshold), np.sum(genuine > threshold)
        accepted = np.sum(genuine <= threshold) + false_accepts
        rejected = np.sum(impostor > threshold) + false_rejects
        return false_accepts / max(accepted, 1), false_rejects / max(rejected, 1)
        """,
    ),
    _rates(
        "accepts what is far",
        "accept pairs that are *far* apart",
        "return np.mean(impostor > threshold), np.mean(genuine <= threshold)",
    ),
    _rates(
        "true accepts",
        "share of genuine pairs that are *accepted*",
        "return np.mean(impostor <= threshold), np.mean(genuine <= threshold)",
    ),
    _rates(
        "counts",
        "Those are counts",
        "return np.sum(impostor <= threshold), np.sum(genuine > threshold)",
    ),
    _rates(
        "ties rejected",
        "you reject it",
        "return np.mean(impostor < threshold), np.mean(genuine >= threshold)",
    ),
    _rates(
        "genuine ties rejected",
        "it is no false reject",
        "return np.mean(impostor <= threshold), np.mean(genuine >= threshold)",
    ),
    _rates(
        "impostor ties rejected",
        "it is a false accept",
        "return np.mean(impostor < threshold), np.mean(genuine > threshold)",
    ),
    _rates(
        "one number",
        "gives shape `()`",
        "return np.mean(impostor <= threshold)",
    ),
]
