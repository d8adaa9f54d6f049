"""Frames over time: aligned, still where the embedding is still, and the same every time."""

import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import sklearn.manifold
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_info, threadpool_limits

from tripletviz.projection import (
    align,
    neighborhoods,
    pca_frames,
    trustworthiness,
    tsne,
    tsne_frames,
)


def clusters(points=150, dimensions=16, seed=0):
    """Three clusters."""
    generator = np.random.default_rng(seed)
    centres = generator.normal(size=(3, dimensions)) * 3
    return centres[np.arange(points) % 3] + generator.normal(size=(points, dimensions))


def drifting(snapshots=4, **options):
    """An embedding that changes a little from snapshot to snapshot."""
    start, end = clusters(**options), clusters(**options | {"seed": 1})
    share = np.linspace(0, 0.3, snapshots)[:, None, None]
    return (start + share * (end - start)).astype("float32")


def rotation(dimensions, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(dimensions, dimensions)))[0]


def movement(frames):
    """Typical way of a point from frame to frame, in units of the frame's radius."""
    ways = np.linalg.norm(np.diff(frames, axis=0), axis=-1)
    return np.median(ways) / np.sqrt((frames**2).sum(-1).mean())


def both(snapshots, **options):
    return [pca_frames(snapshots, **options), tsne_frames(snapshots, first_iterations=250)]


# Alignment ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize("seed", [0, 1, 2, 3])
def test_alignment_takes_out_turning_mirroring_and_shifting(dimensions, seed):
    frame = clusters(dimensions=dimensions)
    moved = frame @ rotation(dimensions, seed) + 7
    np.testing.assert_allclose(align(moved, frame), frame, atol=1e-9)


def test_alignment_keeps_distances():
    frame, reference = clusters(dimensions=2), 5 * clusters(dimensions=2, seed=1)
    aligned = align(frame, reference)
    np.testing.assert_allclose(
        np.linalg.norm(aligned[1:] - aligned[0], axis=1),
        np.linalg.norm(frame[1:] - frame[0], axis=1),
    )
    np.testing.assert_allclose(aligned.mean(axis=0), reference.mean(axis=0))


def test_alignment_is_the_best_of_many_turns():
    frame, reference = clusters(dimensions=2), clusters(dimensions=2, seed=1)
    reference -= reference.mean(axis=0)
    centred = frame - frame.mean(axis=0)
    best = np.linalg.norm(align(frame, reference) - reference)
    for angle in np.linspace(0, 2 * np.pi, 73):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        for mirror in (np.eye(2), np.diag([1, -1])):
            assert best <= np.linalg.norm(centred @ turn @ mirror - reference) + 1e-9


def test_alignment_refuses_what_does_not_fit():
    with pytest.raises(ValueError, match=r"\(4, 2\) and \(5, 2\)"):
        align(np.zeros((4, 2)), np.zeros((5, 2)))
    with pytest.raises(ValueError, match="reference must be finite"):
        align(np.zeros((4, 2)), np.full((4, 2), np.nan))


# PCA ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fit_on", ["last", "all", "each"])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_pca_frames_have_the_promised_shape(fit_on, dimensions):
    frames = pca_frames(drifting(), fit_on=fit_on, dimensions=dimensions)
    assert frames.shape == (4, 150, dimensions)
    assert frames.dtype == np.float32


@pytest.mark.parametrize("fit_on", ["last", "all"])
def test_in_a_fixed_view_only_moving_points_move(fit_on):
    snapshots = np.repeat(clusters()[None], 3, axis=0)
    snapshots[1:, 0] += 5
    frames = pca_frames(snapshots, fit_on=fit_on)
    np.testing.assert_array_equal(frames[0, 1:], frames[1, 1:])
    assert np.linalg.norm(frames[1, 0] - frames[0, 0]) > 0.1
    np.testing.assert_array_equal(frames[1], frames[2])


def test_the_view_is_that_of_the_last_snapshot():
    snapshots = np.stack([clusters(seed=1), clusters(seed=0)])
    alone = pca_frames(snapshots[1:])
    np.testing.assert_allclose(pca_frames(snapshots)[1], alone[0], atol=1e-5)
    # The two principal components hold as much of the variance as any two directions can.
    centred = snapshots[1] - snapshots[1].mean(axis=0)
    largest = np.linalg.svd(centred, compute_uv=False)[:2]
    np.testing.assert_allclose((alone**2).sum(), (largest**2).sum(), rtol=1e-5)
    np.testing.assert_allclose(alone[0].mean(axis=0), 0, atol=1e-5)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_view_is_that_of_scikit_learn(dimensions):
    snapshots = drifting(2)
    expected = PCA(dimensions).fit(snapshots[1]).transform(snapshots[1])
    np.testing.assert_allclose(
        pca_frames(snapshots, dimensions=dimensions)[1], expected, rtol=1e-4, atol=1e-5
    )


def test_a_view_of_all_snapshots_sees_what_the_last_one_has_lost():
    early = np.zeros((60, 3))
    early[:, 0], early[:, 1] = 10 * np.sin(np.arange(60)), np.cos(np.arange(60))
    late = early[:, [2, 1, 0]] / 10
    seen = [np.ptp(pca_frames(np.stack([early, late]), fit_on=on)[0]) for on in ("last", "all")]
    assert seen[0] < 5 < seen[1]


@pytest.mark.parametrize("fit_on", ["last", "all", "each"])
def test_a_turned_embedding_gives_the_same_picture(fit_on):
    snapshots = drifting()
    frames = pca_frames(snapshots, fit_on=fit_on)
    turned = pca_frames(snapshots @ rotation(16), fit_on=fit_on)
    signs = np.sign((frames * turned).sum(axis=(0, 1)))  # an axis may point either way
    np.testing.assert_allclose(turned * signs, frames, atol=1e-3)


def test_views_of_each_snapshot_are_aligned():
    snapshots = drifting(6)
    turning = np.stack([snapshot @ rotation(16, seed) for seed, snapshot in enumerate(snapshots)])
    frames = pca_frames(turning, fit_on="each")
    assert movement(frames) < 0.1
    np.testing.assert_allclose(frames[-1], pca_frames(turning[-1:])[0], atol=1e-5)


# t-SNE -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def warm():
    return tsne_frames(drifting())


def test_tsne_frames_have_the_promised_shape(warm):
    assert warm.shape == (4, 150, 2)
    assert warm.dtype == np.float32
    np.testing.assert_allclose(warm.mean(axis=1), 0, atol=1e-3)


def test_each_frame_is_a_faithful_picture(warm):
    for snapshot, frame in zip(drifting(), warm, strict=True):
        assert trustworthiness(snapshot, frame) > 0.85


def test_frames_continued_move_less_than_frames_begun_afresh(warm):
    afresh = [tsne_frames(snapshot[None])[0] for snapshot in drifting()]
    for moment in range(1, len(afresh)):
        afresh[moment] = align(afresh[moment], afresh[moment - 1])
    assert movement(warm) < 0.5 * movement(np.stack(afresh))


def test_same_seed_same_frames(warm):
    np.testing.assert_array_equal(tsne_frames(drifting()), warm)


def test_same_seed_same_frames_where_the_beginning_is_random():
    collapsed = np.zeros((1, 40, 16))
    first, again, other = (
        tsne_frames(collapsed, perplexity=5, first_iterations=250, seed=seed) for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_tsne_runs_on_one_thread():
    seen = []
    tsne_frames(
        drifting(2, points=40),
        perplexity=5,
        first_iterations=250,
        progress=lambda done, total: seen.extend(threadpool_info()),
    )
    assert {pool["num_threads"] for pool in seen} == {1}


def test_a_frame_hardly_moves_where_the_embedding_hardly_moved():
    start = clusters()
    nearly = start + np.random.default_rng(2).normal(size=start.shape) * 1e-3
    frames = tsne_frames(np.stack([start, nearly]))
    assert movement(frames) < 0.1
    # Early exaggeration would tear clusters apart and put them together anew.
    members = frames.reshape(2, -1, 3, 2)
    spreads = np.linalg.norm(members - members.mean(axis=1, keepdims=True), axis=-1).mean(axis=1)
    np.testing.assert_allclose(spreads[1], spreads[0], rtol=0.15)


def test_other_perplexity_other_frames(warm):
    assert not np.allclose(tsne_frames(drifting(), perplexity=5), warm)


def test_progress_is_told_frame_by_frame():
    told = []
    tsne_frames(
        drifting(3, points=40),
        perplexity=5,
        first_iterations=250,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(1, 3), (2, 3), (3, 3)]


# One t-SNE picture -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def picture():
    return tsne(clusters())


def test_a_picture_has_the_promised_shape_and_is_faithful(picture):
    assert picture.shape == (150, 2)
    assert picture.dtype == np.float32
    np.testing.assert_allclose(picture.mean(axis=0), 0, atol=1e-3)
    assert trustworthiness(clusters(), picture) > 0.9


def test_same_seed_same_picture(picture):
    np.testing.assert_array_equal(tsne(clusters()), picture)
    assert not np.allclose(tsne(clusters(), perplexity=5), picture)


def test_the_seed_decides_where_the_beginning_is_random():
    collapsed = np.zeros((40, 16))
    first, again, other = (tsne(collapsed, perplexity=5, seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


@pytest.mark.parametrize(("points", "threads"), [(150, 1), (2000, 2)])
def test_a_picture_of_many_points_takes_two_threads(points, threads, monkeypatch):
    seen = []

    def fit(self, embeddings):
        seen.extend(pool["num_threads"] for pool in threadpool_info())
        return embeddings[:, :2]

    monkeypatch.setattr(sklearn.manifold.TSNE, "fit_transform", fit)
    with threadpool_limits(limits=4):
        tsne(clusters(points))
    assert set(seen) == {threads}


@pytest.mark.parametrize(
    ("embeddings", "options", "said"),
    [
        (np.zeros((3, 40, 16)), {}, r"shape \(N, dimensions\), got shape \(3, 40, 16\)"),
        (np.full((40, 4), np.nan), {}, "160 NaN"),
        (np.zeros((1, 16)), {}, r"at least two.*\(1, 16\)"),
        (np.zeros((40, 1)), {}, r"at least two dimensions.*\(40, 1\)"),
        (np.zeros((40, 4)), {"perplexity": 40}, "below the number of points, 40"),
        (np.zeros((40, 4)), {"seed": -1}, "seed must be at least 0"),
    ],
)
def test_a_picture_of_something_else_is_refused(embeddings, options, said):
    with pytest.raises(ValueError, match=said):
        tsne(embeddings, **options)


# Can the picture be believed? --------------------------------------------------------------------


def naive_neighbors(points, k):
    """A loop over all points: the k nearest others, of equally near ones the first."""
    rows = []
    for i, point in enumerate(points):
        squared = sum((points[:, d] - point[d]) ** 2 for d in range(points.shape[1]))
        others = [j for j in range(len(points)) if j != i]
        rows.append(sorted(others, key=lambda j: (squared[j], j))[:k])
    return np.array(rows)


@pytest.mark.parametrize("points", [25, 64, 150, 301])
@pytest.mark.parametrize("k", [1, 5, 10])
@pytest.mark.parametrize("dimensions", [2, 3])
def test_trustworthiness_is_that_of_scikit_learn(points, k, dimensions):
    embeddings = clusters(points).astype("float64")
    for seed in range(3):
        frame = embeddings @ rotation(16, seed)[:, :dimensions]
        expected = sklearn.manifold.trustworthiness(embeddings, frame, n_neighbors=k)
        assert trustworthiness(embeddings, frame, k) == pytest.approx(expected, abs=1e-9)


def test_trustworthiness_of_a_true_and_of_a_random_picture():
    embeddings = clusters(dimensions=3)
    assert trustworthiness(embeddings, 5 - 2 * embeddings @ rotation(3)) == 1.0
    random = np.random.default_rng(0).normal(size=(150, 2))
    assert 0.4 < trustworthiness(embeddings, random) < 0.6


def test_neighborhoods_are_those_of_a_loop():
    embeddings = clusters(70)
    frame = embeddings[:, :2].astype("float32")
    near = neighborhoods(embeddings, frame, 7)
    np.testing.assert_array_equal(near.true, naive_neighbors(embeddings, 7))
    np.testing.assert_array_equal(near.drawn, naive_neighbors(frame.astype("float64"), 7))
    distances = np.linalg.norm(embeddings[:, None] - embeddings, axis=-1)
    rows = np.arange(70)[:, None]
    np.testing.assert_allclose(near.true_distances, distances[rows, near.true])
    np.testing.assert_allclose(near.drawn_true_distances, distances[rows, near.drawn])
    ranks = distances.argsort(axis=1).argsort(axis=1)  # the point itself has rank 0
    np.testing.assert_array_equal(near.drawn_ranks, ranks[rows, near.drawn])


def test_of_equally_near_neighbors_the_first_come_first():
    frame = np.random.default_rng(0).integers(0, 4, size=(90, 2)).astype("float64")
    near = neighborhoods(clusters(90), frame)
    np.testing.assert_array_equal(near.drawn, naive_neighbors(frame, 10))


def test_distances_of_nearly_collapsed_points_are_exact():
    embeddings = 1000 + 1e-6 * clusters(40)
    near = neighborhoods(embeddings, embeddings[:, :2], 3)
    distances = np.linalg.norm(embeddings[:, None] - embeddings, axis=-1)
    rows = np.arange(40)[:, None]
    np.testing.assert_allclose(near.true_distances, distances[rows, near.true], rtol=1e-12)


def test_a_collapsed_embedding_has_neighborhoods_too():
    near = neighborhoods(np.ones((30, 4)), np.ones((30, 2)), 3)
    np.testing.assert_array_equal(near.true[0], [1, 2, 3])
    np.testing.assert_array_equal(near.true[5], [0, 1, 2])
    assert (near.true_distances == 0).all()
    assert 0 <= near.trustworthiness <= 1


@pytest.mark.parametrize(
    ("embeddings", "frame", "k", "said"),
    [
        (np.zeros((30, 4)), np.zeros((29, 2)), 5, "got 29 points for 30"),
        (np.zeros((30, 4)), np.zeros((30, 2)), 15, "below half the number of points, 30, got 15"),
        (np.zeros((30, 4)), np.zeros((30, 2)), 0, "k must be at least 1, got 0"),
        (np.full((30, 4), np.nan), np.zeros((30, 2)), 5, "embeddings must be finite"),
        (np.zeros((30, 4)), np.full((30, 2), np.inf), 5, "frame must be finite"),
        (np.zeros(30), np.zeros((30, 2)), 5, r"got shape \(30,\)"),
    ],
)
def test_neighborhoods_of_something_else_are_refused(embeddings, frame, k, said):
    with pytest.raises(ValueError, match=said):
        trustworthiness(embeddings, frame, k)


def test_only_tsne_imports_scikit_learn():
    program = (
        "import sys; import numpy as np; from tripletviz.projection import neighborhoods, "
        "pca_frames; "
        "snapshots = np.random.default_rng(0).normal(size=(2, 30, 4)); "
        "neighborhoods(snapshots[0], pca_frames(snapshots)[0]); sys.exit('sklearn' in sys.modules)"
    )
    root = Path(__file__).resolve().parents[1]
    subprocess.run([sys.executable, "-c", program], check=True, cwd=root)


# Both --------------------------------------------------------------------------------------------


def test_a_frozen_embedding_gives_frozen_frames():
    frozen = np.repeat(clusters(60)[None], 3, axis=0)
    for frames in [*both(frozen), pca_frames(frozen, fit_on="each")]:
        assert np.abs(np.diff(frames, axis=0)).max() < 1e-5
        assert np.ptp(frames[0]) > 1


@pytest.mark.parametrize("collapsed", [[0], [1], [0, 1, 2]])
def test_a_collapsed_embedding_gives_finite_frames(collapsed):
    snapshots = drifting(3, points=60)
    snapshots[collapsed] = 0.25
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for frames in both(snapshots):
            assert np.isfinite(frames).all()
        assert np.isfinite(pca_frames(snapshots, fit_on="each")).all()


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int32"])
def test_any_real_dtype_will_do(dtype):
    snapshots = drifting(2, points=40).astype(dtype)
    assert pca_frames(snapshots).dtype == np.float32
    assert tsne_frames(snapshots, perplexity=5, first_iterations=250).dtype == np.float32


def test_the_snapshots_are_left_as_they_are():
    snapshots = drifting(2, points=40)
    before = snapshots.copy()
    both(snapshots)
    np.testing.assert_array_equal(snapshots, before)


NAN = drifting(3, points=40)
NAN[1, 2, 3] = np.nan


@pytest.mark.parametrize("project", [pca_frames, tsne_frames])
@pytest.mark.parametrize(
    ("snapshots", "said"),
    [
        (np.zeros((40, 16)), r"shape \(snapshots, points.*got shape \(40, 16\)"),
        (np.zeros((0, 40, 16)), r"got shape \(0, 40, 16\)"),
        (NAN, "NaN or infinite values in 1 of 3, the first at position 1"),
        (np.full((2, 40, 4), np.inf), "in 2 of 2"),
        (np.zeros((2, 40, 1)), "40 points in 1 dimensions"),
        (np.zeros((2, 1, 16)), "1 points in 16 dimensions"),
        (np.zeros((2, 40, 4), complex), "complex128"),
    ],
)
def test_bad_snapshots_are_refused(project, snapshots, said):
    with pytest.raises(ValueError, match=said):
        project(snapshots)


@pytest.mark.parametrize("project", [pca_frames, tsne_frames])
@pytest.mark.parametrize("dimensions", [1, 4, "2"])
def test_only_two_or_three_dimensions(project, dimensions):
    with pytest.raises(ValueError, match="dimensions must be 2 or 3"):
        project(drifting(), dimensions=dimensions)


def test_an_unknown_fit_is_refused():
    with pytest.raises(ValueError, match="'last', 'all' or 'each', got 'first'"):
        pca_frames(drifting(), fit_on="first")


@pytest.mark.parametrize("perplexity", [0, -1, 40, np.nan])
def test_a_perplexity_out_of_range_is_refused(perplexity):
    with pytest.raises(ValueError, match="below the number of points, 40"):
        tsne_frames(drifting(points=40), perplexity=perplexity)


@pytest.mark.parametrize("name", ["iterations", "first_iterations"])
def test_too_few_iterations_are_refused(name):
    with pytest.raises(ValueError, match=f"^{name} must be at least 250, got 100"):
        tsne_frames(drifting(), **{name: 100})
