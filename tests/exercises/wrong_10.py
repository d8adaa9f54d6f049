"""Known wrong answers to the exercises of lesson 10."""

import textwrap

from wrong_answers import WrongAnswer


def _answer(name, arguments, mistake, says, body):
    body = textwrap.indent(textwrap.dedent(body).strip(), "    ")
    return WrongAnswer(name, mistake, f"def {name}({arguments}):\n{body}\n", says)


def _prototypes(
    mistake,
    says,
    *,
    classes="np.unique(support_labels)",
    prototype="support[support_labels == c].mean(axis=0)",
    distances="cdist(queries, prototypes)",
    end="return classes[distances.argmin(axis=1)]",
):
    body = f"""
        classes = {classes}
        prototypes = np.stack([{prototype} for c in classes])
        distances = {distances}
        {end}
    """
    arguments = "support, support_labels, queries"
    return _answer("prototype_predict", arguments, mistake, says, body)


def _probe(
    mistake,
    says,
    *,
    first="",
    with_ones="lambda x: np.column_stack([x, np.ones(len(x))])",
    Y="np.eye(len(classes))[number]",  # noqa: N803 - the lesson's letters
    W="np.linalg.lstsq(A, Y, rcond=None)[0]",  # noqa: N803
    end="return classes[scores.argmax(axis=1)]",
):
    body = "\n".join(
        [
            first or "pass",
            "classes, number = np.unique(labels, return_inverse=True)",
            f"with_ones = {with_ones}",
            "A = with_ones(embeddings)",
            f"Y = {Y}",
            f"W = {W}",
            "scores = with_ones(new_embeddings) @ W",
            end,
        ]
    )
    arguments = "embeddings, labels, new_embeddings"
    return _answer("linear_probe", arguments, mistake, says, body)


_OWN = """\
embeddings = {0}(embeddings)
new_embeddings = {0}(new_embeddings)"""
# As `mean` does it, but without its warning where there is nothing.
_SUM_OVER_COUNT = "support[support_labels == c].sum(axis=0) / np.sum(support_labels == c)"
_RIDGE = "np.linalg.solve(A.T @ A + {}, A.T @ Y)"
_SKLEARN = """\
from sklearn.linear_model import {0}
return {0}(max_iter=1000).fit(embeddings, labels).predict(new_embeddings)"""

WRONG = [
    _prototypes(
        "the number of the class, not its label",
        "which class it is in order",
        end="return distances.argmin(axis=1)",
    ),
    _prototypes(
        "a prototype for every number up to the largest label",
        "for every number from 0 on",
        prototype=_SUM_OVER_COUNT,
        classes="np.arange(support_labels.max() + 1)",
    ),
    _prototypes(
        "labels taken to be 0 to C - 1",
        "has no mean",
        prototype=_SUM_OVER_COUNT,
        classes="np.arange(len(np.unique(support_labels)))",
    ),
    _prototypes(
        "the nearest example",
        "which is 1-NN",
        distances="cdist(queries, support)",
        end="return support_labels[distances.argmin(axis=1)]",
    ),
    _prototypes(
        "mean of the distances",
        "You average the distances",
        distances=(
            "np.stack([cdist(queries, support[support_labels == c]).mean(axis=1)"
            " for c in classes], axis=1)"
        ),
    ),
    _prototypes(
        "mean of the squared distances",
        "You average the distances to the examples of a class.",
        distances=(
            "np.stack([(cdist(queries, support[support_labels == c]) ** 2).mean(axis=1)"
            " for c in classes], axis=1)"
        ),
    ),
    _prototypes(
        "sum of the distances",
        "a large class seems far away",
        distances=(
            "np.stack([cdist(queries, support[support_labels == c]).sum(axis=1)"
            " for c in classes], axis=1)"
        ),
    ),
    _prototypes(
        "the median",
        "You take the median",
        prototype="np.median(support[support_labels == c], axis=0)",
    ),
    _prototypes(
        "the sum",
        "the sum of a class as its prototype",
        prototype="support[support_labels == c].sum(axis=0)",
    ),
    _prototypes(
        "divided by all examples",
        "number of *all* examples",
        prototype="support[support_labels == c].sum(axis=0) / len(support)",
    ),
    _prototypes(
        "the farthest",
        "the farthest prototype",
        end="return classes[distances.argmax(axis=1)]",
    ),
    _prototypes(
        "the dot product",
        "by the dot product",
        distances="-(queries @ prototypes.T)",
    ),
    _prototypes(
        "the cosine",
        "by the cosine",
        distances=(
            "-(queries @ prototypes.T) / np.linalg.norm(prototypes, axis=1)"
            " / np.linalg.norm(queries, axis=1, keepdims=True)"
        ),
    ),
    _prototypes(
        "city blocks",
        "absolute differences",
        distances="np.abs(queries[:, np.newaxis] - prototypes).sum(axis=2)",
    ),
    _prototypes(
        "prototypes in another order than labels",
        "in different orders",
        prototype="support[support_labels == c].mean(axis=0)",
        classes="np.array(list(dict.fromkeys(support_labels.tolist())))",
        end="return np.unique(support_labels)[distances.argmin(axis=1)]",
    ),
    _prototypes(
        "over the wrong axis",
        "wanted is `(3,)`",
        end="return classes[distances.argmin(axis=0) % len(classes)]",
    ),
    _probe(
        "the number of the class, not its label",
        "which class it is in order",
        end="return scores.argmax(axis=1)",
    ),
    _probe("no bias", "There is no bias", with_ones="lambda x: x"),
    _probe(
        "each set centred by its own mean",
        "by their *own* mean or spread",
        first=_OWN.format("(lambda x: x - x.mean(axis=0))"),
    ),
    _probe(
        "each set standardised by itself",
        "a single new image has no spread",
        first=_OWN.format("(lambda x: (x - x.mean(axis=0)) / x.std(axis=0))"),
    ),
    _probe(
        "each set standardised by itself, without a bias",
        "is measured on the labelled embeddings",
        first=_OWN.format("(lambda x: (x - x.mean(axis=0)) / x.std(axis=0))"),
        with_ones="lambda x: x",
    ),
    _probe(
        "the label as a quantity",
        "as if it were a quantity",
        Y="labels.astype(float)",
        end="return np.rint(scores).astype(int)",
    ),
    _probe(
        "the label as a quantity, nearest class",
        "so that class 2 lies between",
        Y="labels.astype(float)",
        end="return classes[np.abs(scores[:, np.newaxis] - classes).argmin(axis=1)]",
    ),
    _probe(
        "the smallest score",
        "with the *smallest* score",
        end="return classes[scores.argmin(axis=1)]",
    ),
    _probe(
        "the score farthest from 0",
        "farthest from 0",
        end="return classes[np.abs(scores).argmax(axis=1)]",
    ),
    _probe(
        "the score nearest to 1",
        "nearest to 1",
        end="return classes[np.abs(scores - 1).argmin(axis=1)]",
    ),
    _probe(
        "over the wrong axis",
        "wanted is `(5,)`",
        end="return scores.argmax(axis=0)",
    ),
    _probe(
        "the scores",
        "gives shape `(5, 2)`",
        end="return scores",
    ),
    _probe(
        "the nearest mean",
        "the class with the nearest mean",
        first="return prototype_predict(embeddings, labels, new_embeddings)",
    ),
    _probe(
        "logistic regression",
        "That is logistic regression",
        first=_SKLEARN.format("LogisticRegression"),
    ),
    _probe(
        "ridge regression",
        "You add a penalty",
        first=_SKLEARN.format("RidgeClassifier"),
    ),
    _probe(
        "a penalty on the bias as well",
        "which is ridge regression",
        W=_RIDGE.format("np.eye(A.shape[1])"),
    ),
    _probe(
        "embeddings of length 1",
        "to length 1 first",
        first=_OWN.format("(lambda x: x / np.linalg.norm(x, axis=1, keepdims=True))"),
    ),
]
