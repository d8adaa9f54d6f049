"""Embeddings to two or three dimensions, over time: every frame lies as the one before it does.

A projection of each snapshot on its own turns, flips and jumps although the embedding hardly moved.
Here either one fixed view serves all snapshots (`pca_frames`), or each frame begins where the one
before it ended (`tsne_frames`), and what is left of turning is taken out (`align`). A picture of
one moment alone is `tsne`. How far a picture can be believed: `trustworthiness`, and point by point
`neighborhoods`.

scikit-learn takes a second to import, so that only t-SNE does it: a widget has to show at once.
"""

import operator
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from ._validation import finite_embeddings, non_negative_integer, positive_integer

_SKLEARN_LEAST_ITERATIONS = 250
_ITERATIONS = 1000  # of a t-SNE that begins afresh
_POINTS_FOR_TWO_THREADS = 2000
_BLOCK = 64  # rows of a distance matrix worked on at once: they stay in the processor's cache


def pca_frames(snapshots, *, fit_on="last", dimensions=2):
    """Snapshots of an embedding as frames, by principal component analysis.

    With `fit_on="last"` or `"all"` one linear view is fixed and all snapshots are seen through it:
    a point that did not move in the embedding does not move in the frames, and lengths are true,
    but for what lies along the directions that the view leaves out. With `"each"` every snapshot
    gets its own best view, turned to agree with the next one, the last being the reference: more
    of each snapshot is seen, but points may move because the view does.

    Args:
        snapshots: embeddings of the same points at successive moments, floats of shape `(S, N, D)`.
        fit_on: the snapshot or snapshots whose principal components make the view: `"last"`,
            `"all"` (stacked), or `"each"`.
        dimensions: of the frames, 2 or 3.

    Returns:
        float32 of shape `(S, N, dimensions)`. The origin is the mean of what the view was fitted
        on; units are those of the embedding.

    Raises:
        ValueError: another shape, NaN or infinite values, fewer embedding dimensions or points
            than `dimensions`, or an unknown `fit_on`.

    Example:

    ```python
    frames = pca_frames(snapshots)  # (20, 1000, 64) -> (20, 1000, 2)
    ```

    Reference:
        Jolliffe, *Principal Component Analysis*, 2nd edition, Springer, 2002.
    """
    dimensions = _frame_dimensions(dimensions)
    snapshots = _checked_snapshots(snapshots, dimensions)
    if fit_on not in ("last", "all", "each"):
        raise ValueError(f"fit_on must be 'last', 'all' or 'each', got {fit_on!r}.")
    if fit_on == "each":
        views = [_fit_view(snapshot, dimensions) for snapshot in snapshots]
        frames = [_seen_through(*pair) for pair in zip(views, snapshots, strict=True)]
        for moment in range(len(frames) - 2, -1, -1):
            frames[moment] = align(frames[moment], frames[moment + 1])
    else:
        seen = snapshots[-1] if fit_on == "last" else np.concatenate(snapshots)
        view = _fit_view(seen, dimensions)
        frames = [_seen_through(view, snapshot) for snapshot in snapshots]
    return np.asarray(frames, dtype="float32")


def tsne_frames(
    snapshots,
    *,
    perplexity=25.0,
    seed=0,
    first_iterations=_ITERATIONS,
    iterations=_SKLEARN_LEAST_ITERATIONS,
    dimensions=2,
    progress=None,
):
    """Snapshots of an embedding as frames, by t-SNE, each frame continued from the one before.

    The first frame is an ordinary t-SNE, begun from the principal components. Each later one begins
    at the coordinates of the frame before it, without the early exaggeration that would tear those
    apart, so that neighbours are arranged anew only as far as they changed. A snapshot equal to the
    one before it is not computed again: what stands still in the embedding stands still.

    On a real training (1,000 points, 20 snapshots) the typical point moved 7 % of the frame's
    radius from frame to frame, against 37 % where each frame began afresh, at about equal
    trustworthiness (0.96 to 0.99, against 0.97 to 0.99).

    As in every t-SNE, the sizes of clusters and the distances between them mean little.

    Args:
        snapshots: embeddings of the same points at successive moments, floats of shape `(S, N, D)`.
        perplexity: the number of neighbours that t-SNE cares for, above 0 and below N.
        seed: of the random numbers; same seed, same machine, same frames.
        first_iterations: gradient steps for the first frame, 250 or more.
        iterations: gradient steps for each later frame, 250 or more.
        dimensions: of the frames, 2 or 3.
        progress: called as `progress(done, total)` after each frame, or `None`.

    Returns:
        float32 of shape `(S, N, dimensions)`, centred, in t-SNE's own units.

    Raises:
        ValueError: another shape, NaN or infinite values, fewer embedding dimensions or points
            than `dimensions`, a perplexity out of range, or too few iterations.

    Example:

    ```python
    frames = tsne_frames(snapshots, progress=lambda done, total: print(f"{done} of {total}"))
    ```

    Reference:
        van der Maaten, Hinton, *Visualizing data using t-SNE*, JMLR 9, 2008. Beginning from the
        principal components: Kobak, Berens, *The art of using t-SNE for single-cell
        transcriptomics*, Nature Communications 10, 2019.
    """
    dimensions = _frame_dimensions(dimensions)
    snapshots = _checked_snapshots(snapshots, dimensions)
    perplexity = _checked_perplexity(perplexity, snapshots.shape[1])
    seed = non_negative_integer(seed, "seed")
    first_iterations = _enough_iterations(first_iterations, "first_iterations")
    iterations = _enough_iterations(iterations, "iterations")

    frames = []
    # One thread: with several, sums depend on their number, and threads that wait for each other on
    # a busy machine are many times slower than one alone.
    with threadpool_limits(limits=1):
        for moment, snapshot in enumerate(snapshots):
            if moment == 0:
                frame = _first_tsne(snapshot, perplexity, seed, first_iterations, dimensions)
            elif np.array_equal(snapshot, snapshots[moment - 1]):
                frame = frames[-1]
            else:
                frame = _continued_tsne(snapshot, frames[-1], perplexity, seed, iterations)
            frames.append(frame)
            if progress is not None:
                progress(moment + 1, len(snapshots))
    return np.asarray(frames, dtype="float32")


def tsne(embeddings, *, perplexity=25.0, seed=0):
    """One still picture of an embedding, by t-SNE from its principal components.

    This is scikit-learn's Barnes-Hut t-SNE, on two threads if the points are many. On 10,000 MNIST
    embeddings of 64 numbers and two idle cores it took 30 s, against 28 s of openTSNE's
    interpolation-based one (FIt-SNE), and was as faithful (trustworthiness 0.987 on 2,000 of them).

    As in every t-SNE, the sizes of clusters and the distances between them mean little.

    Args:
        embeddings: floats of shape `(N, D)`, N and D at least 2.
        perplexity: the number of neighbours that t-SNE cares for, above 0 and below N.
        seed: of the random numbers; same seed, same machine, same picture.

    Returns:
        float32 of shape `(N, 2)`, centred, in t-SNE's own units.

    Raises:
        ValueError: another shape, NaN or infinite values, or a perplexity out of range.

    Example:

    ```python
    points = tsne(embed(network, x_test))
    ```

    Reference:
        van der Maaten, *Accelerating t-SNE using tree-based algorithms*, JMLR 15, 2014.
    """
    embeddings = finite_embeddings(embeddings)
    if min(embeddings.shape) < 2:
        raise ValueError(
            "embeddings must be at least two, of at least two dimensions, got shape "
            f"{embeddings.shape}."
        )
    perplexity = _checked_perplexity(perplexity, len(embeddings))
    seed = non_negative_integer(seed, "seed")
    # The sums of two threads come out the same whichever is ready first; those of more need not.
    # With few points a second one would do little but wait, for long if the machine is busy.
    with threadpool_limits(limits=2 if len(embeddings) >= _POINTS_FOR_TWO_THREADS else 1):
        points = _first_tsne(embeddings, perplexity, seed, _ITERATIONS, dimensions=2)
    return points.astype("float32")


def align(frame, reference):
    """Turn, mirror and shift a frame so that it lies as well as it can on a reference.

    Distances within the frame stay as they are: this is the orthogonal Procrustes problem, without
    scaling.

    Args:
        frame: points, floats of shape `(N, dimensions)`.
        reference: where the same points should lie, of the same shape.

    Returns:
        The moved points, float64 of the same shape, with the reference's mean.

    Raises:
        ValueError: different shapes, or NaN or infinite values.

    Example:

    ```python
    turned = frame @ np.array([[0.0, 1.0], [-1.0, 0.0]])
    np.testing.assert_allclose(align(turned, frame), frame, atol=1e-6)
    ```

    Reference:
        Schönemann, *A generalized solution of the orthogonal Procrustes problem*, Psychometrika
        31, 1966; Gower, Dijksterhuis, *Procrustes Problems*, Oxford, 2004.
    """
    frame = np.asarray(frame, dtype="float64")
    reference = np.asarray(reference, dtype="float64")
    if frame.ndim != 2 or frame.shape != reference.shape:
        raise ValueError(
            "frame and reference must both have shape (N, dimensions), got "
            f"{frame.shape} and {reference.shape}."
        )
    for name, points in (("frame", frame), ("reference", reference)):
        if not np.isfinite(points).all():
            raise ValueError(f"{name} must be finite, got NaN or infinite values.")
    centred, target = frame - frame.mean(axis=0), reference - reference.mean(axis=0)
    left, _, right = np.linalg.svd(centred.T @ target)
    return centred @ (left @ right) + reference.mean(axis=0)


@dataclass(frozen=True)
class Neighborhoods:
    """Each point's nearest others, in the embedding and in a picture of it (`neighborhoods`).

    Nearest come first, and of equally near ones the first in the data. No point is its own
    neighbour.

    Attributes:
        true: int array `(N, k)`: the k nearest in the embedding.
        true_distances: float64 array `(N, k)`: how far they are, in the embedding.
        drawn: int array `(N, k)`: the k nearest in the picture.
        drawn_true_distances: float64 array `(N, k)`: how far those are *in the embedding*.
        drawn_ranks: int array `(N, k)`: their ranks in the embedding; 1 is the nearest of all.
    """

    true: np.ndarray
    true_distances: np.ndarray
    drawn: np.ndarray
    drawn_true_distances: np.ndarray
    drawn_ranks: np.ndarray

    @property
    def trustworthiness(self):
        """What `trustworthiness` says of the whole picture, a float from 0 to 1."""
        points, k = self.drawn_ranks.shape
        excess = np.maximum(self.drawn_ranks - k, 0).sum()
        return float(1 - 2 * excess / (points * k * (2 * points - 3 * k - 1)))


def neighborhoods(embeddings, frame, k=10):
    """For each point its nearest others, in the embedding and in a picture of it.

    Distances are Euclidean, and compared in float64.

    Args:
        embeddings: the true places, floats of shape `(N, D)`.
        frame: where the same points are drawn, floats of shape `(N, dimensions)`.
        k: the number of neighbours, at least 1 and below N / 2.

    Returns:
        A `Neighborhoods`.

    Raises:
        ValueError: different numbers of points, NaN or infinite values, or k out of range.
        TypeError: k is not an integer.

    Example:

    ```python
    near = neighborhoods(embeddings, frame)
    torn_away = [i for i in near.true[0] if i not in near.drawn[0]]
    ```
    """
    embeddings = finite_embeddings(embeddings)
    frame = finite_embeddings(frame, "frame")
    points = len(embeddings)
    if len(frame) != points:
        raise ValueError(
            f"frame must hold the points of embeddings, got {len(frame)} points for {points}."
        )
    k = positive_integer(k, "k")
    if 2 * k >= points:
        raise ValueError(f"k must be below half the number of points, {points}, got {k}.")
    centred = embeddings - embeddings.mean(axis=0)  # small numbers lose less in the identity below
    squares = (centred**2).sum(axis=1)
    blocks = []
    with threadpool_limits(limits=1):  # see `tsne_frames`
        for start in range(0, points, _BLOCK):
            rows = np.arange(start, min(start + _BLOCK, points))
            true = squares - 2 * (centred[rows] @ centred.T) + squares[rows, None]
            drawn = _squared_differences(frame[rows], frame)
            for squared in (true, drawn):
                squared[np.arange(len(rows)), rows] = np.inf
            nearest, nearest_drawn = _smallest(true, k), _smallest(drawn, k)
            of_drawn = np.take_along_axis(true, nearest_drawn, axis=1)
            ranks = [np.count_nonzero(true < one[:, None], axis=1) + 1 for one in of_drawn.T]
            blocks.append((nearest, nearest_drawn, np.stack(ranks, axis=1)))
    true, drawn, ranks = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return Neighborhoods(
        true=true,
        true_distances=_distances_to(embeddings, true),
        drawn=drawn,
        drawn_true_distances=_distances_to(embeddings, drawn),
        drawn_ranks=ranks,
    )


def trustworthiness(embeddings, frame, k=10):
    """How far the neighbours that a picture shows can be believed, one number for the whole of it.

    Among each point's k nearest in the picture, those are false that are not among its k nearest in
    the embedding; each costs as much as its rank there exceeds k. 1 means that there is no false
    neighbour, about 0.5 that chance would do as well.

    It equals `sklearn.manifold.trustworthiness`, and needs no scikit-learn.

    Args:
        embeddings: the true places, floats of shape `(N, D)`.
        frame: where the same points are drawn, floats of shape `(N, dimensions)`.
        k: the number of neighbours, at least 1 and below N / 2.

    Returns:
        A float from 0 to 1.

    Raises:
        ValueError: different numbers of points, NaN or infinite values, or k out of range.
        TypeError: k is not an integer.

    Example:

    ```python
    trustworthiness(embeddings, pca_frames(embeddings[None])[0])
    ```

    Reference:
        Venna, Kaski, *Neighborhood preservation in nonlinear projection methods: an experimental
        study*, ICANN 2001.
    """
    return neighborhoods(embeddings, frame, k).trustworthiness


def _squared_differences(points, others):
    """Squared distances by differences, coordinate after coordinate: few, and none is lost."""
    total = np.zeros((len(points), len(others)))
    for one, other in zip(points.T, others.T, strict=True):
        difference = one[:, None] - other
        difference *= difference
        total += difference
    return total


def _smallest(values, k):
    """Columns of the k smallest values in each row, increasing; of equal ones the first.

    The k-th smallest of the minima of some groups of columns is a bound that at least k values of
    the row keep, and few others: those alone are sorted.
    """
    size = max(values.shape[1] // (8 * k), 1)
    groups = values.shape[1] // size
    minima = values[:, : groups * size].reshape(-1, size, groups).min(axis=1)
    bounds = np.partition(minima, k - 1, axis=1)[:, k - 1]
    rows, columns = np.nonzero(values <= bounds[:, None])
    counts = np.bincount(rows)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    candidates = np.full((len(values), counts.max()), np.inf)
    candidates[rows, places] = values[rows, columns]
    column_of = np.zeros(candidates.shape, dtype=int)
    column_of[rows, places] = columns
    order = np.argsort(candidates, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(column_of, order, axis=1)


def _distances_to(points, neighbors):
    return np.sqrt(((points[:, None] - points[neighbors]) ** 2).sum(axis=-1))


def _fit_view(points, dimensions):
    """The mean, and the principal axes as columns, each pointing where its largest entry does."""
    mean = points.mean(axis=0)
    centred = points - mean
    _, vectors = np.linalg.eigh(centred.T @ centred)  # eigenvalues increase
    axes = vectors[:, : -dimensions - 1 : -1]
    largest = axes[np.abs(axes).argmax(axis=0), np.arange(dimensions)]
    return mean, axes * np.sign(largest)


def _seen_through(view, points):
    mean, axes = view
    return (points - mean) @ axes


def _first_tsne(snapshot, perplexity, seed, iterations, dimensions):
    from sklearn.manifold import TSNE

    # The principal components of a collapsed embedding are all zero, and so no place to begin.
    collapsed = np.ptp(snapshot, axis=0).max() == 0
    tsne = TSNE(
        dimensions,
        perplexity=perplexity,
        init="random" if collapsed else "pca",
        max_iter=iterations,
        random_state=seed,
    )
    frame = tsne.fit_transform(snapshot)
    return frame - frame.mean(axis=0)


def _continued_tsne(snapshot, before, perplexity, seed, iterations):
    from sklearn.manifold import TSNE

    tsne = TSNE(
        before.shape[1],
        perplexity=perplexity,
        init=before.astype("float32"),
        early_exaggeration=1.0,
        max_iter=iterations,
        random_state=seed,
    )
    return align(tsne.fit_transform(snapshot), before)


def _frame_dimensions(dimensions):
    if dimensions not in (2, 3):
        raise ValueError(f"dimensions must be 2 or 3, got {dimensions!r}.")
    return int(dimensions)


def _checked_snapshots(snapshots, dimensions):
    array = np.asarray(snapshots)
    if array.ndim != 3 or 0 in array.shape:
        raise ValueError(
            "snapshots must have shape (snapshots, points, embedding dimensions), none of them "
            f"zero, got shape {array.shape}."
        )
    if array.dtype.kind not in "fiu":
        raise ValueError(f"snapshots must be real numbers, got dtype {array.dtype}.")
    array = array.astype("float64")
    broken = ~np.isfinite(array).all(axis=(1, 2))
    if broken.any():
        raise ValueError(
            f"snapshots must be finite, got NaN or infinite values in {broken.sum()} of "
            f"{len(array)}, the first at position {np.argmax(broken)}."
        )
    if min(array.shape[1:]) < dimensions:
        raise ValueError(
            f"{dimensions} dimensions need as many points and as many embedding dimensions, got "
            f"{array.shape[1]} points in {array.shape[2]} dimensions."
        )
    return array


def _checked_perplexity(perplexity, points):
    perplexity = float(perplexity)
    if not 0 < perplexity < points:
        raise ValueError(
            f"perplexity must be above 0 and below the number of points, {points}, "
            f"got {perplexity:g}."
        )
    return perplexity


def _enough_iterations(iterations, name):
    iterations = operator.index(iterations)
    if iterations < _SKLEARN_LEAST_ITERATIONS:
        raise ValueError(f"{name} must be at least {_SKLEARN_LEAST_ITERATIONS}, got {iterations}.")
    return iterations
