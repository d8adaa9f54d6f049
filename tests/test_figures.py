"""Figures: they show what they were given, say it in words too, and stay small."""

import base64
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import plotly.graph_objects as go
import pytest
from PIL import Image

from tripletviz import figures
from tripletviz.datasets import load_mnist_sample
from tripletviz.figures import (
    alt_text,
    anchor_line,
    digit_grid,
    dot_chart,
    embedding_scatter,
    growth_chart,
    hinge_curve,
    histograms,
    neighbour_grid,
    parallel_coordinates,
    training_curves,
    triplet_grid,
    tsne_scatter,
)
from tripletviz.palette import CLASS_COLORS


@pytest.fixture(scope="module")
def sample():
    return load_mnist_sample()


RUNS = [
    {"margin": 0.5, "strategy": "batch_all", "learning_rate": 1e-4, "error": 0.4, "recall": 0.97},
    {"margin": 0.2, "strategy": "batch_hard", "learning_rate": 1e-2, "error": 0.1, "recall": 0.96},
    {"margin": 1.0, "strategy": "batch_all", "learning_rate": 1e-3, "error": 0.2, "recall": 0.99},
]
RESULTS = {"error": "equal error rate", "recall": "R@1"}


def sheet_of(figure):
    """The picture of a figure, as the browser gets it: (height, width, 3)."""
    source = figure.data[0].source
    head, _, content = source.partition(",")
    assert head == "data:image/png;base64"
    picture = Image.open(io.BytesIO(base64.b64decode(content)))
    return np.asarray(picture.convert("RGB"))


def tiles_of(figure, rows, columns, size=28):
    """Images and frame colours found again in the picture, by the place of their frames."""
    sheet = sheet_of(figure)
    framed = (sheet[:, 0] != 255).any(axis=1)
    pitch_x = sheet.shape[1] // columns
    starts = np.flatnonzero(framed & ~np.roll(framed, 1))
    assert len(starts) == rows
    images, frames = [], []
    for y in starts:
        for x in range(0, columns * pitch_x, pitch_x):
            frames.append("#" + bytes(sheet[y, x]).hex())
            images.append(255 - sheet[y + 1 : y + 1 + size, x + 1 : x + 1 + size, 0])
    return np.array(images), frames


def captions_of(figure):
    return list(figure.data[1].text)


def title_of(figure):
    return figure.layout.title.text.replace("<br>", " ")


def every_figure(sample):
    images, labels = sample
    points = np.random.default_rng(0).normal(size=(200, 2))
    curves = {"loss": [2.0, 1.0, 0.5], "share": {"easy": [0, 0.5, 1], "hard": [1, 0.5, 0]}}
    indices = np.arange(15).reshape(3, 5) + 20
    return [
        digit_grid(images[:20], labels[:20]),
        digit_grid(images[:7]),
        neighbour_grid(images[:3], labels[:3], images, labels, indices),
        neighbour_grid(images[:3], labels[:3], images, labels, indices, indices / 7.0),
        triplet_grid(images, labels, [[0, 5, 1]], [[2.5, 2.25]], ["hard"]),
        hinge_curve(1.0, 0.5),
        training_curves([0, 1, 10], curves),
        growth_chart([64, 256], {"memory (MB)": {"cube": [2.6, 168.0], "sorted": [0.01, 0.2]}}),
        anchor_line([1.0], [2.0, 1.2], {"below 1.5": {"positive": 0, "picked": [1], "until": 1.5}}),
        histograms({"one": points[:, 0], "two": {"near": points[:, 1], "far": points[:, 0]}}),
        dot_chart({"untrained": {"R@1": 0.93}, "trained": {"R@1": (0.97, 0.98, 0.99)}}),
        embedding_scatter(points, labels[:200]),
        tsne_scatter(points, labels[:200]),
        parallel_coordinates(RUNS, ["margin", "strategy"], RESULTS),
    ]


# What all figures have ---------------------------------------------------------------------------


def test_every_figure_can_be_read(sample):
    for figure in every_figure(sample):
        assert isinstance(figure, go.Figure)
        assert figure.layout.autosize
        assert figure.layout.width is None, "a figure takes the width of its place"
        assert 100 < figure.layout.height < 1200
        assert figure.layout.title.text
        assert title_of(figure) in alt_text(figure).replace(" .", ".")
        assert len(alt_text(figure)) > len(title_of(figure)) + 30
        sizes = [size for size in find_sizes(json.loads(figure.to_json())) if size is not None]
        assert min(sizes) >= 12


def find_sizes(node, key=""):
    """Every font size set in a figure, apart from the template's."""
    if isinstance(node, dict):
        if "font" in key.lower() and "size" in node:
            yield node["size"]
        for name, child in node.items():
            if name != "template":
                yield from find_sizes(child, name)
    elif isinstance(node, list):
        for child in node:
            yield from find_sizes(child, key)


def test_figures_without_data_of_their_own_are_small(sample):
    images, labels = sample
    for figure in [*every_figure(sample), digit_grid(images[:300], labels[:300], columns=20)]:
        assert len(figure.to_json()) < 100_000
    points = np.random.default_rng(0).normal(size=(1000, 2))
    assert len(embedding_scatter(points, labels[:1000]).to_json()) < 100_000


def test_figures_have_no_state(sample):
    first = [figure.to_json() for figure in every_figure(sample)]
    assert [figure.to_json() for figure in every_figure(sample)] == first


def test_a_title_can_be_given_and_is_wrapped(sample):
    images, labels = sample
    long = "R@1 rose from 0.938 before the first update to 0.991 after one epoch of training with X"
    points = np.zeros((5, 2))
    for figure in [
        digit_grid(images[:5], title=long),
        neighbour_grid(images[:1], labels[:1], images, labels, [[3]], title=long),
        training_curves([0, 1], {"loss": [1, 0]}, title=long),
        embedding_scatter(points, [0, 1, 2, 3, 4], title=long),
        parallel_coordinates(RUNS, ["margin"], RESULTS, title=long),
    ]:
        assert title_of(figure) == long
        lengths = [len(line) for line in figure.layout.title.text.split("<br>")]
        assert max(lengths) <= 50, "the line is cut in JupyterLab 700 pixels wide"
        assert len(lengths) == 2, "there was room for longer lines"
        assert min(lengths) >= 35, "a word is left alone"
        assert alt_text(figure).startswith(long + ".")


def test_a_figure_without_words_is_said_to_have_none():
    with pytest.raises(ValueError, match="no text alternative"):
        alt_text(go.Figure())


def test_importing_figures_does_not_import_tensorflow():
    program = "import sys, tripletviz.figures; sys.exit('tensorflow' in sys.modules)"
    environment = os.environ | {"PYTHONPATH": str(Path(figures.__file__).parents[1])}
    assert subprocess.run([sys.executable, "-c", program], env=environment).returncode == 0


# Digits ------------------------------------------------------------------------------------------


def test_a_grid_shows_every_image_with_its_label(sample):
    images, labels = sample
    figure = digit_grid(images[:12], labels[:12], columns=4)
    shown, _ = tiles_of(figure, rows=3, columns=4)
    np.testing.assert_allclose(shown.astype(int), images[:12].astype(int), atol=4)
    assert captions_of(figure) == [str(label) for label in labels[:12]]
    assert ", ".join(captions_of(figure)) in alt_text(figure)


def test_captions_stand_under_their_images(sample):
    images, labels = sample
    figure = digit_grid(images[:5], labels[:5], columns=3)
    pitch = sheet_of(figure).shape[1] / 3
    centres = [(np.floor(x / pitch), x % pitch) for x in figure.data[1].x]
    assert [column for column, _ in centres] == [0, 1, 2, 0, 1]
    assert all(within == pytest.approx(14.5) for _, within in centres)
    assert figure.data[1].y[0] < figure.data[1].y[3]


def test_the_last_row_may_be_short_and_there_need_be_no_labels(sample):
    figure = digit_grid(sample[0][:5], columns=3)
    shown, frames = tiles_of(figure, rows=2, columns=3)
    np.testing.assert_allclose(shown[:5].astype(int), sample[0][:5].astype(int), atol=4)
    assert frames[5] == "#ffffff"
    assert len(figure.data) == 1
    assert "Labels" not in alt_text(figure)


def test_pixels_are_square(sample):
    figure = digit_grid(*[part[:12] for part in sample], columns=4)
    height, width, _ = sheet_of(figure).shape
    across, down = figure.layout.xaxis, figure.layout.yaxis
    assert down.scaleanchor == "x"
    assert across.constrain == down.constrain == "domain"
    assert np.diff(across.range) == width
    assert np.diff(down.range) == -height


def test_captions_have_room_where_the_column_is_narrow(gallery):
    figure = neighbour_grid(*gallery, [[0, 5, 1]] * 3, np.ones((3, 3)))
    height, width, _ = sheet_of(figure).shape
    narrow = (320 - 2 * figure.layout.margin.l) / width
    between = (height / 3 - 30) * narrow
    assert between >= 2 * 13 * 1.3


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (np.repeat(range(10), 4), "One row a label, 0 to 9."),
        (np.repeat([3, 7, 8], 4), "One label a row: 3, 7, 8."),
        (np.arange(40) % 4, "Labels: 10 of 0, 10 of 1, 10 of 2, 10 of 3."),
        ([5, 1, 5], "Labels, row by row: 5, 1, 5."),
    ],
)
def test_words_about_labels_are_few(sample, labels, said):
    figure = digit_grid(sample[0][: len(labels)], labels, columns=4)
    assert alt_text(figure).endswith(said)


@pytest.mark.parametrize(
    "as_given",
    [
        lambda images: images[..., None],
        lambda images: images / 255,
        lambda images: (images / 255).astype("float32"),
    ],
)
def test_images_as_a_network_gets_them_look_the_same(sample, as_given):
    images = sample[0][:6]
    assert digit_grid(as_given(images)).data[0].source == digit_grid(images).data[0].source


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (np.zeros((28, 28), "uint8"), r"\(N, height, width\).*got \(28, 28\)"),
        (np.zeros((0, 28, 28), "uint8"), r"got \(0, 28, 28\)"),
        (np.zeros((2, 28, 28, 3), "uint8"), r"got \(2, 28, 28, 3\)"),
        (np.full((2, 28, 28), 255.0), "from 0 to 1, got float64 from 255.0 to 255.0"),
        (np.full((2, 28, 28), np.nan), "from 0 to 1"),
        (np.zeros((2, 28, 28), "int64"), "got int64"),
        (np.zeros((301, 28, 28), "uint8"), "At most 300 images fit a figure, got 301"),
    ],
)
def test_what_is_no_image_is_refused(images, said):
    with pytest.raises(ValueError, match=said):
        digit_grid(images)


def test_labels_that_do_not_fit_are_refused(sample):
    with pytest.raises(ValueError, match="labels"):
        digit_grid(sample[0][:4], sample[1][:3])
    with pytest.raises(ValueError, match="columns"):
        digit_grid(sample[0][:4], columns=0)


# Neighbours --------------------------------------------------------------------------------------


@pytest.fixture
def gallery(sample):
    """Five images of each of three digits, and a query of each."""
    images, labels = sample
    chosen = [np.flatnonzero(labels == digit)[:6] for digit in (3, 5, 8)]
    queries = np.array([places[0] for places in chosen])
    rest = np.concatenate([places[1:] for places in chosen])
    return images[queries], labels[queries], images[rest], labels[rest]


def test_neighbours_are_marked_right_or_wrong(gallery):
    indices = np.array([[0, 5, 1], [0, 6, 7], [14, 13, 12]])  # 3 5 3; 3 5 5; 8 8 8
    figure = neighbour_grid(*gallery, indices)
    assert captions_of(figure) == (
        ["3", "✓ 3", "✗ 5", "✓ 3", "5", "✗ 3", "✓ 5", "✓ 5", "8", "✓ 8", "✓ 8", "✓ 8"]
    )
    shown, frames = tiles_of(figure, rows=3, columns=4)
    ink, right, wrong = "#222222", figures.RIGHT_COLOR, figures.WRONG_COLOR
    assert frames == (
        [ink, right, wrong, right, ink, wrong, right, right, ink, right, right, right]
    )
    queries, _, images, _ = gallery
    for row in range(3):
        np.testing.assert_allclose(shown[4 * row].astype(int), queries[row], atol=4)
        for rank in range(3):
            expected = images[indices[row, rank]]
            np.testing.assert_allclose(shown[4 * row + 1 + rank].astype(int), expected, atol=4)
    assert list(figure.data[2].text) == ["query", "1st", "2nd", "3rd"]


def test_the_title_counts_right_first_neighbours(gallery):
    figure = neighbour_grid(*gallery, [[0, 5], [0, 6], [14, 13]])
    assert title_of(figure) == "The nearest neighbour of 2 of 3 queries has the query's class"
    assert alt_text(figure).endswith(
        "3 queries, each followed by its 2 nearest neighbours; of the 6 neighbours 4 have the "
        "query's class. Nearest neighbours by row: 3→3 right, 5→3 wrong, 8→8 right."
    )


def test_words_about_many_neighbours_stay_few(sample):
    images, labels = sample
    nearest = np.arange(50)[:, None]
    words = alt_text(neighbour_grid(images[:50], labels[:50], images, labels, nearest))
    assert words.endswith("right and 30 more.")
    assert len(words) < 500


def test_distances_stand_beneath(gallery):
    distances = [[0.11, 0.25], [1.5, 12.3456], [100, 0]]
    figure = neighbour_grid(*gallery, [[0, 5], [0, 6], [14, 13]], distances)
    texts = [caption.split("<br>") for caption in captions_of(figure)]
    assert texts[1:3] == [["✓ 3", "0.110"], ["✗ 5", "0.250"]]
    assert texts[4:6] == [["✗ 3", "1.50"], ["✓ 5", "12.3"]]
    assert texts[7][1] == "100"
    assert "Distances are from 0.00 to 100." in alt_text(figure)


def test_a_large_gallery_may_be_given(sample):
    images, labels = sample
    figure = neighbour_grid(images[:1], labels[:1], images, labels, [[1999, 3]])
    assert len(figure.to_json()) < 20_000


@pytest.mark.parametrize(
    ("indices", "said"),
    [
        ([[0], [1]], r"here \(3, k\), got \(2, 1\)"),
        ([0, 1, 2], r"got \(3,\)"),
        (np.zeros((3, 0), int), r"got \(3, 0\)"),
        (np.zeros((3, 11), int), "At most 10 neighbours"),
        ([[0], [1], [15]], "from 0 to 14"),
        ([[0], [1], [-1]], "from 0 to 14.*got -1"),
        ([[0.0], [1.0], [2.0]], "integers, got dtype float64"),
    ],
)
def test_indices_that_do_not_fit_are_refused(gallery, indices, said):
    with pytest.raises(ValueError, match=said):
        neighbour_grid(*gallery, indices)


def test_other_parts_that_do_not_fit_are_refused(gallery):
    queries, query_labels, images, labels = gallery
    indices = [[0], [1], [2]]
    with pytest.raises(ValueError, match="query_labels"):
        neighbour_grid(queries, query_labels[:2], images, labels, indices)
    with pytest.raises(ValueError, match="gallery_labels"):
        neighbour_grid(queries, query_labels, images, labels[:9], indices)
    with pytest.raises(ValueError, match=r"same size, got \(28, 28\) and \(14, 28\)"):
        neighbour_grid(queries, query_labels, images[:, ::2], labels, indices)
    with pytest.raises(ValueError, match=r"distances .* \(3, 1\), got \(3, 2\)"):
        neighbour_grid(*gallery, indices, np.zeros((3, 2)))
    with pytest.raises(ValueError, match="distances must be finite"):
        neighbour_grid(*gallery, indices, [[0], [1], [np.nan]])


# Triplets ----------------------------------------------------------------------------------------


def test_a_triplet_is_shown_in_its_roles(sample):
    images, labels = sample
    triplets = [[0, 5, 1], [9, 1, 3]]
    figure = triplet_grid(images, labels, triplets, [[2.5, 2.25], [1, 3]], ["hard", "easy"])
    shown, frames = tiles_of(figure, rows=2, columns=3)
    np.testing.assert_allclose(shown.astype(int), images[np.ravel(triplets)].astype(int), atol=4)
    assert frames[1:3] == frames[4:] == [figures.RIGHT_COLOR, figures.WRONG_COLOR]
    captions = captions_of(figure)
    assert captions[0] == f"{labels[0]}<br>hard"
    assert captions[1].endswith("d(a,p) 2.50")
    assert captions[5].endswith("d(a,n) 3.00")
    assert "hard: anchor" in alt_text(figure)
    assert "at distance 2.25" in alt_text(figure)
    assert list(figure.data[2].text) == ["anchor", "positive", "negative"]


def test_triplets_that_do_not_fit_are_refused(sample):
    with pytest.raises(ValueError, match=r"shape \(T, 3\)"):
        triplet_grid(*sample, [[0, 1]], [[1, 2]], ["hard"])
    with pytest.raises(ValueError, match=r"got .* and 2 kinds"):
        triplet_grid(*sample, [[0, 1, 2]], [[1, 2]], ["hard", "easy"])
    with pytest.raises(ValueError, match="among the 2000 images"):
        triplet_grid(*sample, [[0, 1, 2000]], [[1, 2]], ["hard"])
    with pytest.raises(ValueError, match="distances must"):
        triplet_grid(*sample, [[0, 1, 2]], [[1]], ["hard"])


def test_the_hinge_bends_where_a_triplet_becomes_easy():
    figure = hinge_curve(1.0, 0.5)
    assert list(zip(figure.data[0].x, figure.data[0].y, strict=True))[:2] == [(0, 1.5), (1.5, 0)]
    assert [(shape.x0, shape.x1) for shape in figure.layout.shapes][:2] == [(0, 1), (1, 1.5)]
    for words in ("margin 0.5", "at 1:", "0 at 1.5"):
        assert words in alt_text(figure)
    with pytest.raises(ValueError, match="above 0"):
        hinge_curve(0.0, 0.5)


# Dots --------------------------------------------------------------------------------------------


def test_every_number_has_its_dot_its_row_and_its_words():
    rows = {"untrained": {"R@1": 0.934, "MAP@R": 0.298}, "trained": {"MAP@R": (0.8, 0.849, 0.9)}}
    figure = dot_chart(rows, value_title="share", digits=3)
    dots = {trace.name: trace for trace in figure.data if trace.mode == "markers"}
    assert list(dots) == ["R@1", "MAP@R"]
    assert list(dots["R@1"].x) == [0.934]
    assert list(dots["MAP@R"].x) == [0.298, 0.849]
    assert dots["R@1"].marker.symbol != dots["MAP@R"].marker.symbol
    assert not dots["R@1"].error_x.visible
    np.testing.assert_allclose(dots["MAP@R"].error_x.array, [0, 0.051])
    np.testing.assert_allclose(dots["MAP@R"].error_x.arrayminus, [0, 0.049])
    assert [each.text for each in figure.layout.annotations] == ["0.934", "0.298", "0.849"]
    assert "trained: MAP@R 0.849 (0.800 to 0.900)." in alt_text(figure)
    assert figure.layout.showlegend
    low, high = figure.layout.xaxis.range
    assert low < 0 < 0.934 < high


def test_dots_below_zero_keep_zero_on_the_axis():
    figure = dot_chart({"difference": {"mean": (-0.003, -0.002, -0.001)}}, digits=4)
    low, high = figure.layout.xaxis.range
    assert low < -0.003
    assert high > 0
    assert not figure.layout.showlegend
    assert figure.layout.annotations[0].text == "-0.0020"


@pytest.mark.parametrize("given", [np.nan, np.inf, (1, 0, 2), (0, 1, np.inf)])
def test_what_is_no_number_or_interval_has_no_dot(given):
    with pytest.raises(ValueError, match="finite number"):
        dot_chart({"row": {"value": given}})
    with pytest.raises(ValueError, match="at least one number"):
        dot_chart({})


# Histograms --------------------------------------------------------------------------------------


def test_a_histogram_shows_shares_that_add_up_and_says_where_half_of_them_lie():
    rows = {"plane": [0.1, 0.2, 0.3, 1.9], "space": [1.0, 1.0, 1.0, 1.0]}
    figure = histograms(rows, value_title="distance", value_range=(0, 2), of="pairs", bins=4)
    first, second = figure.data
    # Each bar is two points, between a zero at either end.
    assert list(first.x) == [0, 0, 0.5, 0.5, 1, 1, 1.5, 1.5, 2, 2]
    assert list(first.y) == [0, 75, 75, 0, 0, 0, 0, 25, 25, 0]
    assert list(second.y) == [0, 0, 0, 0, 0, 100, 100, 0, 0, 0]
    assert "plane: half of the pairs lie between 0.175 and 0.700." in alt_text(figure)
    assert not figure.layout.showlegend


def test_series_of_one_histogram_differ_in_more_than_colour_and_are_named_once():
    series = {"same digit": [0.1, 0.2], "other digit": [0.8, 0.9]}
    figure = histograms({"before": series, "after": series})
    assert [trace.showlegend for trace in figure.data] == [True, True, False, False]
    assert figure.data[0].line.dash != figure.data[1].line.dash


@pytest.mark.parametrize("rows", [{}, {"a": []}, {"a": [np.nan]}, {"a": [3.0]}])
def test_what_has_no_histogram_is_refused(rows):
    with pytest.raises(ValueError, match="must"):
        histograms(rows, value_range=(0, 2))


# Curves ------------------------------------------------------------------------------------------


def test_every_curve_has_a_panel_with_the_values_given():
    steps = [0, 1, 3, 10, 100]
    curves = {"loss": [4, 3, 2, 1, 0.5], "fraction of positive triplets": [1, 0.9, 0.5, 0.2, 0.1]}
    figure = training_curves(steps, curves)
    assert len(figure.data) == 2
    assert "<br>training step %{customdata" in figure.data[0].hovertemplate
    for trace, values in zip(figure.data, curves.values(), strict=True):
        np.testing.assert_array_equal(trace.y, values)
        np.testing.assert_array_equal(trace.customdata, steps)
        np.testing.assert_allclose(trace.x, np.log10(np.array(steps) + 1))
    titles = [figure.layout.yaxis.title.text, figure.layout.yaxis2.title.text]
    assert [title.replace("<br>", " ") for title in titles] == list(curves)
    assert figure.layout.xaxis2.title.text == "training step (logarithmic)"
    assert figure.layout.xaxis.matches == "x2"
    assert title_of(figure) == ("How do loss and fraction of positive triplets change in training?")
    assert "loss: from 4.00 to 0.500, lowest 0.500, highest 4.00." in alt_text(figure)


def test_words_about_values_have_three_digits():
    words = alt_text(training_curves([0, 1], {"share": [0.9999, 0.02524], "count": [12345, 7]}))
    assert "share: from 1.00 to 0.0252" in words
    assert "count: from 12,345 to 7.00" in words


def test_ticks_of_the_step_axis_stand_at_their_steps():
    axis = training_curves([0, 1000], {"loss": [1, 0]}).layout.xaxis
    assert list(axis.ticktext) == ["0", "1", "3", "10", "30", "100", "300", "1,000"]
    np.testing.assert_allclose(
        axis.tickvals, [np.log10(int(text.replace(",", "")) + 1) for text in axis.ticktext]
    )


def test_a_linear_axis_shows_the_steps_themselves():
    figure = training_curves([0, 5, 9], {"loss": [3, 2, 1]}, scale="linear", step_title="epoch")
    np.testing.assert_array_equal(figure.data[0].x, [0, 5, 9])
    assert figure.layout.xaxis.tickvals is None
    assert figure.layout.xaxis.title.text == "epoch"


def test_lines_of_one_panel_differ_in_more_than_colour_and_are_named():
    shares = {"easy": [0.2, 0.9], "semi-hard": [0.4, 0.06], "hard": [0.4, 0.04]}
    figure = training_curves([0, 10], {"share of triplets": shares})
    for property_of in (
        lambda trace: trace.line.color,
        lambda trace: trace.line.dash,
        lambda trace: trace.marker.symbol,
    ):
        assert len({property_of(trace) for trace in figure.data}) == 3
    names = {note.text.rpartition(" ")[2]: note for note in figure.layout.annotations}
    assert set(names) == set(shares)
    for name, note in names.items():
        assert note.y == shares[name][-1]
    # Names of lines that end together are moved apart by at least a line of text.
    low, high = figure.layout.yaxis.range
    pixel = 140 / (high - low)
    heights = sorted(note.y * pixel + note.yshift for note in names.values())
    assert np.diff(heights).min() >= 15


@pytest.mark.parametrize(
    ("values", "zero_shown"), [([0.9, 0.95, 0.99], False), ([0.7, 0.5, 0.1], True), ([1, 1], False)]
)
def test_the_axis_begins_at_zero_only_where_zero_is_near(values, zero_shown):
    figure = training_curves(range(len(values)), {"value": values})
    low, high = figure.layout.yaxis.range
    assert (low <= 0) == zero_shown
    assert low < min(values) < max(values) + 1e-9 < high


def test_a_curve_may_have_gaps():
    figure = training_curves([0, 1, 2], {"loss": [1, np.nan, 3], "none": [np.nan] * 3})
    assert "loss: from 1.00 to 3.00" in alt_text(figure)
    assert "none: no values" in alt_text(figure)


@pytest.mark.parametrize(
    ("steps", "curves", "said"),
    [
        ([0, 2, 1], {"a": [1, 2, 3]}, "increase"),
        ([0, 0], {"a": [1, 2]}, "increase"),
        ([-1, 0], {"a": [1, 2]}, "0 or more"),
        ([0.5, 1], {"a": [1, 2]}, "integers, got dtype float64"),
        ([], {"a": []}, r"\(S,\)"),
        ([0, 1], {}, "at least one curve"),
        ([0, 1], {"a": {}}, "panel 'a' must hold at least one line"),
        (
            [0, 1],
            {"a": [1, 2, 3]},
            r"'a' must have one value for each of 2 steps, got shape \(3,\)",
        ),
        ([0, 1], {"a": {"b": [1, np.inf]}}, "'b' must not hold infinite"),
    ],
)
def test_bad_curves_are_refused(steps, curves, said):
    with pytest.raises(ValueError, match=said):
        training_curves(steps, curves)


def test_an_unknown_scale_is_refused():
    with pytest.raises(ValueError, match="'log' or 'linear', got 'sqrt'"):
        training_curves([0, 1], {"a": [1, 2]}, scale="sqrt")


# Scatter -----------------------------------------------------------------------------------------


def test_every_class_has_its_points_colour_marker_and_name():
    generator = np.random.default_rng(0)
    labels = np.arange(100) % 10
    points = generator.normal(size=(100, 2)).astype("float32")
    figure = embedding_scatter(points, labels)
    assert [trace.name for trace in figure.data] == [str(digit) for digit in range(10)]
    assert [trace.marker.color for trace in figure.data] == list(CLASS_COLORS)
    assert len({trace.marker.symbol for trace in figure.data}) == 10
    for digit, trace in enumerate(figure.data):
        np.testing.assert_array_equal(trace.x, points[labels == digit, 0])
        np.testing.assert_array_equal(trace.y, points[labels == digit, 1])
    for digit, note in enumerate(figure.layout.annotations):
        assert note.text == f"<b>{digit}</b>"
        middle = np.median(points[labels == digit], axis=0)
        np.testing.assert_allclose([note.x, note.y], middle, rtol=1e-6)
    assert figure.layout.yaxis.scaleanchor == "x"
    assert "4: 10 points around" in alt_text(figure)


def test_a_digit_keeps_its_colour_among_fewer():
    figure = embedding_scatter(np.zeros((4, 2)), [3, 7, 3, 7])
    assert [trace.marker.color for trace in figure.data] == [CLASS_COLORS[3], CLASS_COLORS[7]]


def test_many_classes_never_look_the_same():
    labels = np.arange(100) + 1_000_000_000
    figure = embedding_scatter(np.zeros((100, 2)), labels)
    looks = {(trace.marker.color, trace.marker.symbol) for trace in figure.data}
    assert len(looks) == 100


def test_classes_and_axes_can_be_named():
    figure = embedding_scatter(
        np.zeros((2, 2)), [0, 1], axis_titles=("t-SNE 1", "t-SNE 2"), class_names={0: "bag"}
    )
    assert [trace.name for trace in figure.data] == ["bag", "1"]
    assert figure.layout.xaxis.title.text == "t-SNE 1"
    assert figure.layout.yaxis.title.text == "t-SNE 2"


@pytest.mark.parametrize(
    ("points", "labels", "said"),
    [
        (np.zeros((4, 3)), [0] * 4, r"\(N, 2\).*got \(4, 3\)"),
        (np.zeros((0, 2)), [], r"got \(0, 2\)"),
        (np.full((4, 2), np.nan), [0] * 4, "points must be finite"),
        (np.zeros((4, 2)), [0] * 3, "labels and points must have the same length"),
        (np.zeros((4, 2)), np.eye(4), "one-hot"),
    ],
)
def test_bad_points_are_refused(points, labels, said):
    with pytest.raises(ValueError, match=said):
        embedding_scatter(points, labels)


def test_points_are_drawn_as_svg_up_to_the_size_of_a_test_set():
    points = np.zeros((10_000, 2))
    assert isinstance(embedding_scatter(points, np.arange(10_000) % 10).data[0], go.Scatter)


# t-SNE -------------------------------------------------------------------------------------------

# In the picture the third point lies nearest to one of the other class, in the embedding none does.
PICTURE = [[0, 0], [1, 0], [4, 0], [9, 0]]
EMBEDDING = [[0, 0], [1, 0], [9, 0], [9, 1]]


def test_the_title_compares_neighbours_in_the_picture_and_in_the_embedding():
    labels = [4, 4, 7, 7]
    alone = "75.0% of 4 points have a nearest neighbour of their class"
    figure = tsne_scatter(PICTURE, labels)
    assert title_of(figure) == alone
    both = tsne_scatter(PICTURE, labels, EMBEDDING)
    assert title_of(both) == f"{alone} here, 100.0% in the embedding itself"
    assert title_of(tsne_scatter(PICTURE, labels, title="Apart?")) == "Apart?"
    assert "Each point is a query, all others are the gallery." in alt_text(figure)


def test_a_tsne_picture_has_no_axes_and_knows_each_point():
    figure = tsne_scatter(PICTURE, [7, 4, 7, 4], class_names={4: "four"})
    assert [trace.name for trace in figure.data] == ["four", "7"]
    assert [list(trace.customdata) for trace in figure.data] == [[1, 3], [0, 2]]
    assert [list(trace.x) for trace in figure.data] == [[1, 9], [0, 4]]
    assert figure.data[0].marker.color == CLASS_COLORS[4]
    assert "class four<br>index %{customdata}" in figure.data[0].hovertemplate
    assert figure.layout.xaxis.visible is False
    assert figure.layout.yaxis.visible is False
    assert figure.layout.yaxis.scaleanchor == "x"


def test_a_tsne_picture_of_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="points must be finite"):
        tsne_scatter([[0, 0], [np.nan, 0]], [1, 1])
    with pytest.raises(ValueError, match="3 points"):
        tsne_scatter(PICTURE[:3], [4, 4])
    with pytest.raises(ValueError, match="must have the same length"):
        tsne_scatter(PICTURE, [4, 4, 7, 7], EMBEDDING[:3])


# Runs --------------------------------------------------------------------------------------------


def axes_of(figure):
    return {axis.label.replace("<br>", " "): axis for axis in figure.data[0].dimensions}


def test_every_run_is_a_line_through_its_values():
    axes = axes_of(parallel_coordinates(RUNS, ["margin", "strategy"], RESULTS))
    assert list(axes) == ["margin", "strategy", "equal error rate", "R@1"]
    assert list(axes["margin"]["values"]) == [0.5, 0.2, 1.0]
    assert list(axes["equal error rate"]["values"]) == [0.4, 0.1, 0.2]
    assert axes["equal error rate"].range == (0.1, 0.4)
    places = axes["strategy"]["values"]
    words = dict(zip(axes["strategy"].tickvals, axes["strategy"].ticktext, strict=True))
    assert [words[place] for place in places] == ["batch all", "batch hard", "batch all"]


def test_few_values_are_the_ticks_of_their_axis():
    axis = axes_of(parallel_coordinates(RUNS, ["margin"], RESULTS))["margin"]
    assert axis.tickvals == (0.2, 0.5, 1.0)
    assert axis.ticktext == ("0.2", "0.5", "1")
    crowded = [{"size": size, "recall": 0.9} for size in (1, 2, 3, 64, 128)]
    axis = axes_of(parallel_coordinates(crowded, ["size"], {"recall": "R@1"}))["size"]
    assert axis.ticktext == ("1", "64", "128"), "ticks run into each other"
    many = [{"size": size, "recall": 0.9} for size in range(20)]
    assert axes_of(parallel_coordinates(many, ["size"], {"recall": "R@1"}))["size"].tickvals is None


def test_a_logarithmic_axis_is_named_in_plain_numbers():
    rates = ["learning_rate"]
    axis = axes_of(parallel_coordinates(RUNS, rates, RESULTS, logarithmic=rates))["learning rate"]
    np.testing.assert_allclose(axis["values"], [-4, -2, -3])
    np.testing.assert_allclose(axis.tickvals, [-4, -3, -2])
    assert axis.ticktext == ("0.0001", "0.001", "0.01")
    many = [{"learning_rate": rate, "recall": 0.9} for rate in np.geomspace(3e-4, 4e-3, 9)]
    figure = parallel_coordinates(many, rates, {"recall": "R@1"}, logarithmic=rates)
    axis = axes_of(figure)["learning rate"]
    assert axis.ticktext == ("0.0005", "0.001", "0.002")
    np.testing.assert_allclose(10 ** np.array(axis.tickvals), [0.0005, 0.001, 0.002])
    assert axis.range[0] <= min(axis.tickvals) < max(axis.tickvals) <= axis.range[1]


def test_what_is_no_number_has_a_place_for_each_value():
    values = ["soft", 1.0, 0.2, None, True, "soft", "500 batch_all, batch_semi_hard"]
    rows = [{"setting": value, "recall": 0.9} for value in values]
    axis = axes_of(parallel_coordinates(rows, ["setting"], {"recall": "R@1"}))["setting"]
    assert axis.ticktext == ("0.2", "1", "500 bat…mi hard", "none", "soft", "true")
    assert [axis.ticktext[place] for place in axis["values"]][:2] == ["soft", "1"]
    assert axis.tickvals == (0, 1, 2, 3, 4, 5)
    assert axis.range[0] < 0
    assert axis.range[1] > 5


def test_the_title_names_the_best_run():
    names = ["margin", "strategy"]
    figure = parallel_coordinates(RUNS, names, RESULTS)
    assert title_of(figure) == "Best R@1 0.9900 with margin 1, strategy batch all"
    figure = parallel_coordinates(RUNS, names, RESULTS, baseline=0.938)
    assert title_of(figure).startswith("Best R@1 0.9900 (untrained 0.9380) with margin 1,")
    errors = {"recall": "R@1", "error": "equal error rate"}
    figure = parallel_coordinates(RUNS, names, errors, lower_is_better=True)
    assert title_of(figure) == "Best equal error rate 0.1000 with margin 0.2, strategy batch hard"
    assert "equal error rate from 0.1 to 0.4" in alt_text(figure)
    assert "3 lines, one a run, through 4 axes: margin 0.2, 0.5, 1; " in alt_text(figure)
    assert title_of(parallel_coordinates(RUNS, [], RESULTS)) == "Best R@1 0.9900"


@pytest.mark.parametrize("lower_is_better", [False, True])
def test_the_best_run_has_the_dark_end_of_the_colours(lower_is_better):
    line = parallel_coordinates(RUNS, [], RESULTS, lower_is_better=lower_is_better).data[0].line
    assert list(line.color) == [0.97, 0.96, 0.99]
    assert (line.cmin, line.cmax) == (0.96, 0.99)
    assert line.colorscale[0][1] == "#00224e", "Cividis begins with its dark end"
    assert line.reversescale is not lower_is_better
    assert line.colorbar.title.text == "R@1"
    assert line.showscale


def test_one_run_alone_can_be_drawn():
    figure = parallel_coordinates(RUNS[:1], ["margin"], RESULTS)
    for axis in figure.data[0].dimensions:
        assert axis.range[0] < axis["values"][0] < axis.range[1]


def test_labels_and_ticks_have_room():
    short = parallel_coordinates(RUNS, ["margin"], {"recall": "R@1"})
    rows = [*RUNS, RUNS[0] | {"strategy": "batch_semi_hard"}]
    long = parallel_coordinates(rows, ["margin", "strategy"], {"recall": "R@1"})
    first = parallel_coordinates(rows, ["strategy", "margin"], {"recall": "R@1"})
    assert short.layout.meta["least_width"] < 320
    assert long.layout.meta["least_width"] > short.layout.meta["least_width"] + 50
    # The ticks of the first axis stand in the margin, whatever the others need.
    assert first.layout.margin.l > long.layout.margin.l + 30
    between = [
        figure.layout.meta["least_width"] - figure.layout.margin.l for figure in (first, long)
    ]
    assert between[0] < between[1] - 30
    for label in axes_of(parallel_coordinates(RUNS, ["learning_rate"], RESULTS)):
        assert len(label.split("<br>")) <= 2
    assert short.data[0].rangefont.color == "rgba(0,0,0,0)", "ends are written across labels"


@pytest.mark.parametrize(
    ("rows", "names", "options", "said"),
    [
        ([], [], {}, "rows and metrics must not be empty, got 0 and 2"),
        (RUNS, ["seed"], {}, "every row must have 'seed', got one with"),
        ([RUNS[0] | {"recall": np.nan}], [], {}, "'recall' must hold finite numbers, got nan"),
        ([RUNS[0] | {"recall": None}], [], {}, "'recall' must hold finite numbers, got None"),
        ([RUNS[0] | {"margin": 0}], ["margin"], {"logarithmic": ["margin"]}, "'margin' must be ab"),
        (RUNS, ["strategy"], {"logarithmic": ["strategy"]}, "'strategy' must be above 0"),
    ],
)
def test_runs_that_cannot_be_drawn_are_refused(rows, names, options, said):
    with pytest.raises(ValueError, match=said):
        parallel_coordinates(rows, names, RESULTS, **options)


# Mining ------------------------------------------------------------------------------------------


def test_both_axes_of_growth_are_logarithmic_and_lines_may_have_gaps():
    lines = {"cube": [1.0, 1000.0, np.nan], "sorted": [0.5, 5.0, 50.0]}
    figure = growth_chart([1, 10, 100], {"memory (MB)": lines})
    cube, by_sorting = figure.data
    np.testing.assert_allclose(cube.y, [0, 3, np.nan])
    np.testing.assert_allclose(by_sorting.x, [0, 1, 2])
    assert list(by_sorting.text) == ["0.500", "5.00", "50.0"]
    assert dict(zip(figure.layout.yaxis.tickvals, figure.layout.yaxis.ticktext, strict=True)) == {
        0: "1",
        1: "10",
        2: "100",
        3: "1,000",
    }
    assert list(figure.layout.xaxis.ticktext) == ["1", "10", "100"]


@pytest.mark.parametrize(
    ("sizes", "values", "said"),
    [
        ([0, 1], [1.0, 2.0], "0 and less"),
        ([1, 2], [1.0, 0.0], "0 and less"),
        ([2, 1], [1.0, 1.0], "increase"),
    ],
)
def test_growth_that_has_no_logarithm_is_refused(sizes, values, said):
    with pytest.raises(ValueError, match=said):
        growth_chart(sizes, {"time (s)": {"sorted": values}})


def test_a_row_fills_what_it_is_about_and_shades_hard_and_semi_hard():
    rows = {
        "near": {"positive": 1, "picked": [0, 2], "until": 1.5},
        "no range": {"positive": 0, "picked": []},
    }
    figure = anchor_line([3.0, 1.0], [1.2, 4.0, 0.5], rows, picked="taken")
    points = {trace.name: list(zip(trace.x, trace.y, strict=True)) for trace in figure.data}
    assert points["anchor"] == [(0, 0), (0, 1)]
    assert points["positive of the row"] == [(1, 0), (3, 1)]
    assert points["other positive"] == [(3, 0), (1, 1)]
    assert points["taken"] == [(1.2, 0), (0.5, 0)]
    assert sorted(points["other negative"]) == [(0.5, 1), (1.2, 1), (4.0, 0), (4.0, 1)]
    assert [(shape.x0, shape.x1) for shape in figure.layout.shapes] == [(0, 1), (1, 1.5)]
    assert {"hard", "semi-hard"} <= points.keys()
    assert "near: taken at 0.50, 1.20. no range: none." in alt_text(figure)


@pytest.mark.parametrize("bad", [[-1.0], [np.nan], [np.inf], [[1.0]]])
def test_what_is_no_distance_is_refused(bad):
    with pytest.raises(ValueError, match="negatives must be distances"):
        anchor_line([1.0], bad, {"row": {"positive": 0, "picked": []}})


def test_a_line_without_rows_is_refused():
    with pytest.raises(ValueError, match="at least one row"):
        anchor_line([1.0], [2.0], {})
