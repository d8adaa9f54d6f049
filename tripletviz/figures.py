"""Plotly figures: arrays in, `go.Figure` out.

Each figure takes the width of its place, from 320 pixels on. It tells classes apart by marker or
label as well as by colour, has a title that is a question or a finding computed from the data, and
carries a text alternative for readers who do not see it (`alt_text`).
"""

import base64
import io
import math
import numbers
import textwrap

import numpy as np
import plotly.graph_objects as go
from PIL import Image
from plotly.subplots import make_subplots

from ._validation import class_labels, positive_integer
from .evaluation import recall_at_k
from .palette import CATEGORY_COLORS, CLASS_COLORS, ROLE_COLORS

CLASS_SYMBOLS = (
    "circle",
    "square",
    "diamond",
    "cross",
    "x",
    "triangle-up",
    "triangle-down",
    "star",
    "hourglass",
    "bowtie",
)
"""Plotly's marker symbols for the ten classes."""

_SIGNS = "●■◆✚✖▲▼★⧗⋈"  # the same shapes within text
RIGHT_COLOR, WRONG_COLOR = "#0072b2", "#d55e00"
_INK_COLOR, _EDGE_COLOR = "#222222", "#cccccc"

# As JupyterLab's own text, and the widgets'.
_FONT_FAMILY = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
_FONT, _SMALL_FONT = 14, 13
_AXIS_FONTS = {"title_font": {"size": 14}, "tickfont": {"size": 12}}
_SMALL_LINE = 17  # height of a line of small text
# In a line of a title: so many fit in JupyterLab 700 pixels wide, its sidebar shut, in any font.
# Pages and slides break titles anew, as their width allows (publishing/templates/parts/figures.js).
_TITLE_LETTERS = 50
_NAMES_ABOVE = 12  # pixels between the title and what stands above a plot

# Plotly fits a figure's width to its place, but not its height. So the height of a grid of images
# is what it needs at a middling width: wider, it does not grow; narrower, it leaves room beneath.
_NARROWEST = 320  # width of a figure, in pixels on the screen
_SIDE = 10  # margin left and right of a grid of images
_LARGEST_TILE = 72  # on the screen
_WIDEST_SHEET, _WIDEST_TALL_SHEET, _TALL = 640, 400, 400
_MOST_IMAGES = 300  # more would make a figure of more than 100 kB that nobody can read
_MOST_SAID = 20  # images in a text alternative
_MOST_NEIGHBOURS = 10  # more would not leave their captions room
_PANEL = 140  # height of a panel of curves
# From here on points are drawn by WebGL. With 10,000 of them SVG is as fast as WebGL in software,
# and it is seen where the browser has no WebGL.
_MANY_POINTS = 20_000

_ZONE = 0.22  # opacity of what lies behind points

_CLASS_LEGEND = {"title": {"text": "class", "font": {"size": _FONT}}, "itemsizing": "constant"}

# Parallel coordinates.
_RUNS_HEIGHT = 300
_LABELS_HEIGHT = 40  # two lines, and what Plotly leaves beneath them
_COLOR_BAR_WIDTH = 90  # with its ticks and the space left of it
_TICK_FONT = 12
_TICK_LETTERS = 15
_FEW_VALUES = 6

# A sheet of images is stored with a palette: values below 252 are shades of ink, white being 0.
_FRAMES = {_EDGE_COLOR: 252, _INK_COLOR: 253, RIGHT_COLOR: 254, WRONG_COLOR: 255}
_FRAME_PIXELS, _GAP_PIXELS = 1, 3


def digit_grid(images, labels=None, columns=10, title=None):
    """Images side by side in rows, with their labels beneath.

    Args:
        images: uint8 of shape `(N, height, width)` or `(N, height, width, 1)`, 255 being full ink,
            or floats from 0 to 1. At most 300.
        labels: integers of shape `(N,)`, or `None` for no captions.
        columns: images in a row.
        title: the finding, or a question; `None` for a plain one.

    Returns:
        A `plotly.graph_objects.Figure`, below 100 kB as JSON for handwritten digits.

    Raises:
        ValueError: images of another shape, range or number, or labels that do not fit them.

    Example:

    ```python
    digit_grid(*load_mnist_sample()[:20])
    ```
    """
    tiles = _checked_images(images, "images")
    columns = min(positive_integer(columns, "columns"), len(tiles))
    if labels is None:
        captions, said = None, ""
        question = f"What do {_count(len(tiles), 'image')} show?"
    else:
        labels = class_labels(labels, len(tiles), of="images")
        captions = [str(label) for label in labels]
        said = f" {_labels_in_words(labels, columns)}"
        classes = _count(len(np.unique(labels)), "class", "classes")
        question = f"{_count(len(tiles), 'image')} from {classes}"
    rows = math.ceil(len(tiles) / columns)
    alt = (
        f"Grid of {_count(len(tiles), 'image')}, {columns} in each of {_count(rows, 'row')}.{said}"
    )
    frames = [_EDGE_COLOR] * len(tiles)
    return _sheet_figure(tiles, frames, captions, columns, title or question, alt)


def neighbour_grid(
    query_images,
    query_labels,
    gallery_images,
    gallery_labels,
    indices,
    distances=None,
    title=None,
):
    """In each row a query and its nearest neighbours in the gallery, marked right or wrong.

    A neighbour of the query's class has a blue frame and a ✓, another one an orange frame and a ✗;
    beneath stand its label and, if given, its distance.

    Args:
        query_images: uint8 of shape `(Q, height, width)`, or as in `digit_grid`.
        query_labels: integers of shape `(Q,)`.
        gallery_images: like `query_images`, N of them.
        gallery_labels: integers of shape `(N,)`.
        indices: integers of shape `(Q, k)`, positions in the gallery, nearest first; k up to 10.
        distances: floats of shape `(Q, k)`, or `None`.
        title: the finding; `None` for how many nearest neighbours are of the query's class.

    Returns:
        A `plotly.graph_objects.Figure`.

    Raises:
        ValueError: shapes that do not fit together, or indices outside the gallery.

    Example:

    ```python
    neighbour_grid(x_test[:5], y_test[:5], x_test, y_test, indices, distances)
    ```
    """
    queries = _checked_images(query_images, "query_images")
    query_labels = class_labels(query_labels, len(queries), "query_labels", "query_images")
    # The gallery may be large: only what is shown is looked at.
    gallery_labels = class_labels(
        gallery_labels, len(gallery_images), "gallery_labels", "gallery_images"
    )
    indices = _checked_indices(indices, len(queries), len(gallery_labels))
    count, k = indices.shape
    shown = _checked_images(np.asarray(gallery_images)[indices.ravel()], "gallery_images")
    if shown.shape[1:] != queries.shape[1:]:
        raise ValueError(
            "query_images and gallery_images must have the same size, got "
            f"{queries.shape[1:]} and {shown.shape[1:]}."
        )
    found = gallery_labels[indices]
    right = found == query_labels[:, None]
    beneath = _distance_texts(distances, indices.shape)

    tiles = np.concatenate([queries[:, None], shown.reshape(count, k, *shown.shape[1:])], axis=1)
    frames, captions = [], []
    for row in range(count):
        frames += [_INK_COLOR, *np.where(right[row], RIGHT_COLOR, WRONG_COLOR)]
        marks = np.where(right[row], "✓", "✗")
        captions.append(str(query_labels[row]))
        captions += [
            f"{mark} {label}" + (f"<br>{distance}" if distance else "")
            for mark, label, distance in zip(marks, found[row], beneath[row], strict=True)
        ]
    finding = (
        f"The nearest neighbour of {right[:, 0].sum()} of {_count(count, 'query', 'queries')} "
        "has the query's class"
    )
    alt = _neighbours_in_words(query_labels, found, right)
    if distances is not None:
        alt += f" Distances are from {_three_digits(np.min(distances))} to "
        alt += f"{_three_digits(np.max(distances))}."
    headings = ["query", *(_ordinal(rank) for rank in range(1, k + 1))]
    return _sheet_figure(
        tiles.reshape(-1, *queries.shape[1:]),
        frames,
        captions,
        k + 1,
        title or finding,
        alt,
        headings=headings,
    )


def triplet_grid(images, labels, triplets, distances, kinds, title=None):
    """In each row a triplet: anchor, positive and negative, with its kind and its two distances.

    The positive has a blue frame, the negative an orange one.

    Args:
        images: uint8 of shape `(N, height, width)`, or as in `digit_grid`.
        labels: integers of shape `(N,)`.
        triplets: integers of shape `(T, 3)`: positions of anchor, positive and negative.
        distances: floats of shape `(T, 2)`: d(a, p) and d(a, n).
        kinds: T texts, such as `"hard"`.
        title: the finding, or a question; `None` for a plain one.

    Returns:
        A `plotly.graph_objects.Figure`.

    Raises:
        ValueError: shapes that do not fit together, or positions outside the images.

    Example:

    ```python
    triplet_grid(images, labels, [[0, 14, 3]], [[2.5, 2.2]], ["hard"])
    ```
    """
    labels = class_labels(labels, len(images), of="images")
    triplets = np.asarray(triplets)
    if triplets.ndim != 2 or triplets.shape[1] != 3 or not len(triplets) == len(kinds) > 0:
        raise ValueError(
            "triplets must have shape (T, 3), with a kind for each, "
            f"got {triplets.shape} and {len(kinds)} kinds."
        )
    if triplets.min() < 0 or triplets.max() >= len(labels):
        raise ValueError(f"triplets must be positions among the {len(labels)} images.")
    beneath = _distance_texts(distances, (len(triplets), 2))
    captions, said = [], []
    for triplet, (near, far), kind in zip(triplets, beneath, kinds, strict=True):
        a, p, n = labels[triplet]
        captions += [f"{a}<br>{kind}", f"{p}<br>d(a,p) {near}", f"{n}<br>d(a,n) {far}"]
        said.append(
            f"{kind}: anchor {a}, positive {p} at distance {near}, negative {n} at distance {far}"
        )
    return _sheet_figure(
        _checked_images(np.asarray(images)[triplets.ravel()], "images"),
        [_INK_COLOR, RIGHT_COLOR, WRONG_COLOR] * len(triplets),
        captions,
        3,
        title or "How hard is each triplet?",
        f"{_count(len(triplets), 'triplet')}. {'; '.join(said)}.",
        headings=["anchor", "positive", "negative"],
    )


def hinge_curve(positive_distance, margin, title=None):
    """The loss of a triplet against the distance of its negative, with the three kinds' zones.

    Args:
        positive_distance: d(a, p), above 0.
        margin: number, above 0.
        title: the finding, or a question; `None` for a plain one.

    Returns:
        A `plotly.graph_objects.Figure`.

    Raises:
        ValueError: a number that is not above 0.

    Example:

    ```python
    hinge_curve(positive_distance=1.0, margin=0.5)
    ```
    """
    if not (0 < positive_distance < math.inf and 0 < margin < math.inf):
        raise ValueError(
            "positive_distance and margin must be above 0, "
            f"got {positive_distance!r} and {margin!r}."
        )
    edge = positive_distance + margin
    end = edge + max(margin, positive_distance / 2)
    places = np.linspace(0, end, 61)
    losses = np.maximum(positive_distance - places + margin, 0)
    figure = go.Figure(
        go.Scatter(
            x=[0, edge, end],
            y=[edge, 0, 0],
            mode="lines",
            line={"color": _INK_COLOR, "width": 3},
            hoverinfo="skip",
        )
    )
    # Invisible, so that pointing anywhere along the line says its values.
    figure.add_scatter(
        x=places,
        y=losses,
        mode="markers",
        marker={"opacity": 0, "size": 12},
        hovertemplate="d(a, n) = %{x:.2f}<br>loss %{y:.2f}<extra></extra>",
    )
    zones = {"hard": (0, positive_distance), "semi-hard": (positive_distance, edge)}
    for kind, (left, right) in (zones | {"easy": (edge, end)}).items():
        color = CATEGORY_COLORS[kind]
        figure.add_vrect(x0=left, x1=right, fillcolor=color, opacity=0.18, line_width=0)
        figure.add_annotation(
            x=(left + right) / 2,
            y=1,
            yref="paper",
            text=f"<b>{kind}</b>",
            showarrow=False,
            yanchor="bottom",
            font={"size": _SMALL_FONT},
        )
    # On the line, where a zone ends: the loss is the margin there, and zero.
    figure.add_scatter(
        x=[positive_distance, edge],
        y=[margin, 0],
        mode="markers",
        marker={"color": _INK_COLOR, "size": 9},
        hoverinfo="skip",
    )
    figure.update_xaxes(
        title_text="d(a, n), distance from anchor to negative",
        range=[0, end],
        tickvals=[0, positive_distance, edge],
        ticktext=["0", f"d(a, p)<br>= {positive_distance:g}", f"d(a, p) + m<br>= {edge:g}"],
        zeroline=False,
        automargin=True,
        **_AXIS_FONTS,
    )
    figure.update_yaxes(
        title_text="loss",
        range=[-0.03 * edge, 1.05 * edge],
        tickvals=[0, margin, edge],
        ticktext=["0", f"m = {margin:g}", f"{edge:g}"],
        zeroline=False,
        automargin=True,
        **_AXIS_FONTS,
    )
    alt = (
        f"The loss falls in a straight line from {edge:g}, where the negative lies on the anchor, "
        f"to the margin {margin:g} where it is as far as the positive, at {positive_distance:g}: "
        f"up to there the triplet is hard. It falls on to 0 at {edge:g}: up to there it is "
        "semi-hard. Beyond, it is easy, and the loss stays 0."
    )
    return _finished(
        figure,
        title or "How does the loss depend on the negative?",
        alt,
        plot_height=270,
        margin={"l": 20, "r": 20, "b": 60, "t": _NAMES_ABOVE},
        showlegend=False,
    )


def training_curves(steps, curves, title=None, step_title="training step", scale="log"):
    """Curves of a training, one panel beneath the other on a shared axis of steps.

    Args:
        steps: integers of shape `(S,)`, increasing, 0 or more; 0 is before the first update.
        curves: what each panel shows: a dict from the label of its vertical axis (with its unit, if
            it has one) to values of shape `(S,)`, or to a dict from line names to such values. NaN
            leaves a gap.
        title: the finding, or a question; `None` for a plain one.
        step_title: label of the shared axis; that it is logarithmic is added.
        scale: `"log"`, where `step + 1` grows by equal factors, so that 0 has its place; or
            `"linear"`.

    Returns:
        A `plotly.graph_objects.Figure`.

    Raises:
        ValueError: steps that do not increase, values that do not fit them or are infinite, an
            unknown scale, or nothing to draw.

    Example:

    ```python
    training_curves(steps, {"loss": loss, "fraction of positive triplets": fraction})
    ```
    """
    steps = _checked_steps(steps)
    if scale not in ("log", "linear"):
        raise ValueError(f"scale must be 'log' or 'linear', got {scale!r}.")
    panels = _checked_curves(curves, len(steps))
    figure = make_subplots(rows=len(panels), shared_xaxes=True, vertical_spacing=0.06)
    positions = np.log10(steps + 1.0) if scale == "log" else steps
    for row, (panel, lines) in enumerate(panels.items(), start=1):
        for number, (name, values) in enumerate(lines.items()):
            trace = _line(positions, steps, values, name, number, step_title)
            figure.add_trace(trace, row=row, col=1)
        low, high = _value_range(lines.values())
        figure.update_yaxes(title_text=_wrapped(panel, 18), range=[low, high], row=row, col=1)
        if len(lines) > 1:
            _name_lines_at_end(figure, positions, lines, _PANEL / (high - low), row)
    if scale == "log":
        ticks = _log_ticks(steps[-1])
        figure.update_xaxes(
            tickvals=np.log10(ticks + 1.0), ticktext=[f"{tick:,}" for tick in ticks]
        )
    spacing = " (logarithmic)" if scale == "log" else ""
    figure.update_xaxes(title_text=step_title + spacing, row=len(panels), col=1)
    # Else the axis makes room for the lines' names, which stand in the margin.
    margin = 0.04 * (positions[-1] - positions[0] or 1)
    figure.update_xaxes(range=[positions[0] - margin, positions[-1] + margin], **_AXIS_FONTS)
    figure.update_yaxes(automargin=True, **_AXIS_FONTS)
    change = {1: "does {} change", 2: "do {} and {} change"}.get(len(panels), "do these change")
    alt = f"Curves over {len(steps)} moments, {step_title} {steps[0]} to {steps[-1]}. " + " ".join(
        _curve_in_words(panel, name, values)
        for panel, lines in panels.items()
        for name, values in lines.items()
    )
    named = [_wrapped(name, 14) for lines in panels.values() if len(lines) > 1 for name in lines]
    letters = max((len(line) for name in named for line in name.split("<br>")), default=0)
    return _finished(
        figure,
        title or f"How {change.format(*panels)} in training?",
        alt,
        plot_height=(_PANEL + 30) * len(panels),
        margin={"l": 20, "r": 32 + 8 * letters if named else 20, "b": 60},
        showlegend=False,
    )


def curve_grid(runs, panels, title=None, step_title="step"):
    """Curves of several trainings side by side: a column a training, a row what was measured.

    All of a row share one vertical axis, so that its trainings can be compared.

    Args:
        runs: a dict from the name of each training to a dict from panel names to a pair `(steps,
            values)` of shape `(S,)`; NaN leaves a gap.
        panels: a dict from panel names to options: `range`, the ends of the vertical axis; `log`,
            whether it is logarithmic; `level`, a value at which a dashed line is drawn; `height`,
            how high the panel is, other panels being 1.
        title: the finding, or a question; `None` for a plain one.
        step_title: label of the horizontal axes.

    Returns:
        A `plotly.graph_objects.Figure`.

    Raises:
        ValueError: if there is nothing to draw, or steps and values do not fit.

    Example:

    ```python
    runs = {"A": {"loss": ([0, 1, 2], [0.9, 0.7, 0.6])}, "B": {"loss": ([0, 1], [0.9, 0.5])}}
    curve_grid(runs, {"loss": {"range": (0, 1)}})
    ```
    """
    if not runs or not panels:
        raise ValueError("there must be at least one training and one panel.")
    figure = make_subplots(
        rows=len(panels),
        cols=len(runs),
        shared_xaxes="all",
        shared_yaxes="rows",
        vertical_spacing=0.06,
        horizontal_spacing=0.03,
        row_heights=[options.get("height", 1.0) for options in panels.values()],
        column_titles=list(runs),
    )
    said = []
    for column, (run, curves) in enumerate(runs.items(), start=1):
        for row, (panel, options) in enumerate(panels.items(), start=1):
            steps = _checked_steps(curves[panel][0])
            (values,) = _checked_curves({panel: curves[panel][1]}, len(steps))[panel].values()
            trace = _line(steps, steps, values, run, column - 1, step_title)
            trace.update(mode="lines", line={"dash": "solid", "width": 2.5}, customdata=None)
            trace.update(y=[float(f"{value:.4g}") for value in values], marker=None)
            trace.update(hovertemplate=f"%{{y:.4g}}<br>{step_title} %{{x:,}}<extra></extra>")
            if "range" in options and not options.get("log"):
                _keep_near(trace, *options["range"])
            figure.add_trace(trace, row=row, col=column)
            if "level" in options:
                line = {"color": _INK_COLOR, "dash": "dash", "width": 1}
                figure.add_hline(options["level"], row=row, col=column, line=line)
            said.append(f"Training {run}, {_curve_in_words(panel, panel, values)}")
    for row, (panel, options) in enumerate(panels.items(), start=1):
        axis = {"type": "log", "dtick": 3, "exponentformat": "power"} if options.get("log") else {}
        ends = options.get("range")
        if ends is not None:
            axis["range"] = np.log10(ends).tolist() if options.get("log") else list(ends)
        figure.update_yaxes(row=row, **axis)
        figure.update_yaxes(title_text=_wrapped(panel, 16), row=row, col=1)
    figure.update_xaxes(title_text=step_title, row=len(panels), **_AXIS_FONTS)
    figure.update_yaxes(automargin=True, **_AXIS_FONTS)
    # The names of the trainings stand above their columns.
    figure.update_annotations(font={"size": 14, "weight": 600})
    return _finished(
        figure,
        title or f"What happened in {_count(len(runs), 'training')}?",
        " ".join(said),
        plot_height=86 * len(panels) + 24,
        margin={"l": 20, "r": 10, "b": 50, "t": _NAMES_ABOVE},
        showlegend=False,
    )


def _keep_near(trace, low, high):
    """Draw what lies outside a panel just outside it; the true values appear where one points."""
    room = 0.1 * (high - low)
    drawn = np.clip(trace.y, low - room, high + room)
    if (drawn < trace.y).any() or (drawn > trace.y).any():
        trace.update(y=drawn, customdata=trace.y)
        where = trace.hovertemplate.partition("<br>")[2]
        trace.update(hovertemplate="%{customdata:.4g}<br>" + where)


def growth_chart(sizes, panels, title=None, size_title="batch size B"):
    """How costs grow with a size: one panel beneath the other, both axes logarithmic.

    On such axes a power of the size is a straight line, and a steeper line is a higher power.

    Args:
        sizes: positive integers of shape `(S,)`, increasing.
        panels: a dict from the label of a panel's vertical axis, with its unit, to a dict from line
            names to positive values of shape `(S,)`. NaN leaves a gap.
        title: the finding, or a question; `None` for a plain one.
        size_title: label of the horizontal axis; that it is logarithmic is added.

    Returns:
        A `plotly.graph_objects.Figure`.

    Raises:
        ValueError: sizes that do not increase, values that do not fit them or are not above 0, or
            nothing to draw.

    Example:

    ```python
    growth_chart([64, 256], {"memory (bytes)": {"cube": [2.6e5, 1.7e7], "sorted": [4e3, 6.6e4]}})
    ```
    """
    sizes = _checked_steps(sizes)
    panels = _checked_curves(panels, len(sizes))
    for panel, lines in panels.items():
        if sizes[0] < 1 or any((values <= 0).any() for values in lines.values()):
            raise ValueError(f"{panel!r}: a logarithmic axis has no place for 0 and less.")
    figure = make_subplots(rows=len(panels), shared_xaxes=True, vertical_spacing=0.06)
    positions = np.log10(sizes)
    for row, (panel, lines) in enumerate(panels.items(), start=1):
        logarithms = {name: np.log10(values) for name, values in lines.items()}
        for number, (name, values) in enumerate(logarithms.items()):
            trace = _line(positions, sizes, values, name, number, size_title)
            trace.text = [_three_digits(value) for value in lines[name]]
            trace.hovertemplate = f"{name}: %{{text}}<br>size %{{customdata:,}}<extra></extra>"
            figure.add_trace(trace, row=row, col=1)
        ends = np.concatenate(list(logarithms.values()))
        low, high = np.nanmin(ends) - 0.3, np.nanmax(ends) + 0.3
        powers = range(math.ceil(low), math.floor(high) + 1)
        powers = [power for power in powers if power % math.ceil((high - low) / 6) == 0]
        figure.update_yaxes(
            title_text=_wrapped(panel, 18),
            range=[low, high],
            tickvals=powers,
            ticktext=[f"{10.0**power:,.{max(-power, 0)}f}" for power in powers],
            row=row,
            col=1,
        )
        _name_lines_at_end(figure, positions, logarithms, _PANEL / (high - low), row)
    figure.update_xaxes(tickvals=positions, ticktext=[f"{size:,}" for size in sizes], **_AXIS_FONTS)
    figure.update_xaxes(title_text=f"{size_title} (logarithmic)", row=len(panels), col=1)
    margin = 0.04 * (positions[-1] - positions[0] or 1)
    figure.update_xaxes(range=[positions[0] - margin, positions[-1] + margin])
    figure.update_yaxes(automargin=True, **_AXIS_FONTS)
    words = (_curve_in_words(panel, *line) for panel in panels for line in panels[panel].items())
    alt = f"Lines over {size_title} from {sizes[0]:,} to {sizes[-1]:,}, both axes logarithmic. "
    named = [_wrapped(name, 14) for lines in panels.values() for name in lines]
    letters = max(len(line) for name in named for line in name.split("<br>"))
    return _finished(
        figure,
        title or "How do the costs grow?",
        alt + " ".join(words),
        plot_height=(_PANEL + 30) * len(panels),
        margin={"l": 20, "r": 32 + 8 * letters, "b": 60},
        showlegend=False,
    )


def dot_chart(rows, title=None, value_title="value", digits=3):
    """Numbers to compare: a group of lines for each row, and in it a marker for each series.

    Args:
        rows: a dict from the name of a row to a dict from names of series to a number, or to three
            numbers: the lower end of an interval, the value, and the upper end.
        title: the finding, or a question; `None` for a plain one.
        value_title: label of the axis, with its unit if it has one.
        digits: digits after the point of the numbers beside the markers.

    Returns:
        A `plotly.graph_objects.Figure`. Its axis contains 0.

    Raises:
        ValueError: nothing to draw, or what is no finite number and no interval around one.

    Example:

    ```python
    dot_chart({"untrained": {"R@1": 0.93, "MAP@R": 0.3}, "trained": {"R@1": 0.98, "MAP@R": 0.9}})
    ```
    """
    rows = {name: _checked_intervals(name, series) for name, series in rows.items()}
    names = list(dict.fromkeys(name for series in rows.values() for name in series))
    if not names:
        raise ValueError("rows must hold at least one number, got none.")
    given = [number for series in rows.values() for each in series.values() for number in each]
    low, high = min(0.0, *given), max(0.0, *given)
    room = (high - low) or 1.0
    pitch, middle, figure = len(names) + 0.8, (len(names) - 1) / 2, go.Figure()
    for number, name in enumerate(names):
        there = [(row, *rows[key][name]) for row, key in enumerate(rows) if name in rows[key]]
        row, lower, value, upper = np.array(there, float).T
        color, symbol = _class_style(number)
        level = -(row * pitch + number)
        figure.add_scatter(
            x=np.stack([0 * value, value, value * np.nan], axis=1).ravel(),
            y=np.repeat(level, 3),
            mode="lines",
            line={"color": color, "width": 2},
            opacity=0.35,
            hoverinfo="skip",
            showlegend=False,
        )
        ends = {"array": upper - value, "arrayminus": value - lower, "thickness": 2, "width": 6}
        ends |= {"type": "data", "symmetric": False, "visible": bool((upper > lower).any())}
        figure.add_scatter(
            x=value,
            y=level,
            name=name,
            mode="markers",
            marker={"color": color, "symbol": symbol, "size": 12},
            error_x=ends,
            hovertemplate=f"{name}: %{{x:.{digits}f}}<extra></extra>",
        )
        for height, end, shown in zip(level, np.maximum(upper, 0), value, strict=True):
            place = {"xanchor": "left", "xshift": 10, "showarrow": False}
            text = f"{shown:.{digits}f}"
            figure.add_annotation(x=end, y=height, text=text, font={"size": _SMALL_FONT}, **place)
    figure.update_xaxes(
        title_text=_wrapped(value_title, 40),
        range=[low - 0.03 * room, high + 0.2 * room],
        zeroline=True,
        zerolinecolor=_EDGE_COLOR,
        **_AXIS_FONTS,
    )
    figure.update_yaxes(
        tickvals=[-(row * pitch + middle) for row in range(len(rows))],
        ticktext=[_wrapped(name, 18) for name in rows],
        range=[-(len(rows) * pitch - 0.8 - 0.2), 0.8],
        showgrid=False,
        zeroline=False,
        automargin=True,
        fixedrange=True,
        tickfont={"size": _SMALL_FONT},
    )
    words = (
        f"{row}: {', '.join(_interval_in_words(name, *series[name], digits) for name in series)}."
        for row, series in rows.items()
    )
    return _finished(
        figure,
        title or "How do these compare?",
        f"Dots on lines, by {value_title}. {' '.join(words)}",
        # Two lines of a row's name need as much.
        plot_height=24 * len(rows) * max(pitch, 2),
        margin={"l": 20, "r": 20, "b": 100 if len(names) > 1 else 60},
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
        showlegend=len(names) > 1,
    )


def histograms(rows, title=None, value_title="value", value_range=None, of="values", bins=60):
    """How numbers are distributed: one histogram beneath the other, on a shared axis.

    Args:
        rows: a dict from the name of a panel to numbers of shape `(N,)`, or to a dict from names of
            series to such numbers. The heights of a series add up to 100 %.
        title: the finding, or a question; `None` for a plain one.
        value_title: label of the shared axis, with its unit if it has one.
        value_range: ends of that axis, a pair; `None`: smallest and largest number.
        of: what is counted, such as "pairs".
        bins: number of bars along the axis.

    Returns:
        A `plotly.graph_objects.Figure`.

    Raises:
        ValueError: nothing to draw, numbers that are not finite or lie outside `value_range`.

    Example:

    ```python
    histograms({"plane": lengths_2d, "space": lengths_3d}, value_title="distance", of="pairs")
    ```
    """
    panels = {
        name: {
            key: np.asarray(values, float).ravel()
            for key, values in (series if isinstance(series, dict) else {name: series}).items()
        }
        for name, series in rows.items()
    }
    given = [values for series in panels.values() for values in series.values()]
    if not given or any(not (values.size and np.isfinite(values).all()) for values in given):
        raise ValueError("rows must hold finite numbers, and at least one in each series.")
    low, high = value_range or (min(map(np.min, given)), max(map(np.max, given)))
    if any(values.min() < low or values.max() > high for values in given):
        raise ValueError(f"all numbers must lie between {low:g} and {high:g}.")
    high = high if high > low else low + 1.0
    edges = np.linspace(low, high, positive_integer(bins, "bins") + 1)
    names = list(dict.fromkeys(key for series in panels.values() for key in series))
    several = any(len(series) > 1 for series in panels.values())
    height, between = 120 * len(panels), 26
    figure = make_subplots(rows=len(panels), shared_xaxes=True, vertical_spacing=between / height)
    for row, (panel, series) in enumerate(panels.items(), start=1):
        for key, values in series.items():
            number = names.index(key) if several else 0
            heights = 100 * np.histogram(values, edges)[0] / len(values)
            color, _ = _class_style(number)
            figure.add_trace(
                go.Scatter(
                    # A step over each bar, and down to the axis at both ends.
                    x=np.repeat(edges, 2),
                    y=np.concatenate([[0], np.repeat(heights, 2), [0]]),
                    mode="lines",
                    name=key,
                    line={"color": color, "dash": ("solid", "dash", "dot")[number % 3]},
                    fill="tozeroy",
                    showlegend=several and key not in {trace.name for trace in figure.data},
                    hovertemplate=f"{key}: %{{y:.1f}} % at %{{x:.2f}}<extra></extra>",
                ),
                row=row,
                col=1,
            )
        figure.add_annotation(
            text=f"<b>{panel}</b>",
            **{"x": 0, "xref": "x domain", "xanchor": "left", "showarrow": False},
            **{"y": 1, "yref": "y domain", "yanchor": "bottom"},
            font={"size": _SMALL_FONT},
            row=row,
            col=1,
        )
    figure.update_xaxes(range=[low, high], zeroline=False, **_AXIS_FONTS)
    figure.update_xaxes(title_text=_wrapped(value_title, 40), row=len(panels), col=1)
    figure.update_yaxes(rangemode="tozero", ticksuffix=" %", nticks=4, **_AXIS_FONTS)
    figure.update_yaxes(automargin=True)
    figure.update_yaxes(title_text=f"share of {of}", row=(len(panels) + 1) // 2, col=1)
    words = (
        f"{panel if key == panel else f'{panel}, {key}'}: half of the {of} lie between "
        f"{' and '.join(_three_digits(end) for end in np.quantile(values, [0.25, 0.75]))}."
        for panel, series in panels.items()
        for key, values in series.items()
    )
    return _finished(
        figure,
        title or "How are these distributed?",
        f"Histograms over {value_title}, from {low:g} to {high:g}. {' '.join(words)}",
        plot_height=height,
        margin={"l": 20, "r": 20, "b": 90 if several else 60},
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
        showlegend=several,
    )


def anchor_line(
    positives, negatives, rows, title=None, picked="active negative", unit="distance to the anchor"
):
    """One anchor's positives and negatives on a line, by their distance to it; a row a question.

    The anchor is a diamond at 0, positives are circles, negatives squares. What a row is about is
    filled, the rest hollow.

    Args:
        positives: distances of the positives, floats of shape `(P,)`.
        negatives: distances of the negatives, floats of shape `(N,)`.
        rows: a dict from what stands above a row to a dict with `positive`, the index of the
            positive it is about; `picked`, the indices of the negatives that it picks; and, to
            shade where a negative is hard and where it is semi-hard, `until`, the distance at which
            the semi-hard ones end.
        title: the finding, or a question; `None` for a plain one.
        picked: what a filled negative is called.
        unit: label of the axis.

    Returns:
        A `plotly.graph_objects.Figure`.

    Raises:
        ValueError: distances that are no flat list of numbers at least 0, or no rows.

    Example:

    ```python
    row = {"positive": 0, "picked": [1], "until": 1.5}
    anchor_line([1.0], [2.0, 1.2], {"Below 1.5 lies one negative": row})
    ```
    """
    distances = {"positives": positives, "negatives": negatives}
    for name, values in distances.items():
        values = distances[name] = np.asarray(values, float)
        if values.ndim != 1 or not (values >= 0).all() or np.isinf(values).any():
            raise ValueError(f"{name} must be distances, a flat list of numbers at least 0.")
    if not rows:
        raise ValueError("rows must hold at least one row, got none.")
    positives, negatives = distances.values()
    reach = 1.04 * max(positives.max(initial=0), negatives.max(initial=0)) or 1.0
    figure = go.Figure()
    zones = set()
    for level, row in enumerate(rows.values()):
        positive = positives[row["positive"]]
        for kind, since, until in (
            ("hard", 0.0, positive),
            ("semi-hard", positive, row.get("until", positive)),
        ):
            if "until" in row:
                zones.add(kind)
                place = {"x0": since, "x1": until, "y0": level - 0.22, "y1": level + 0.22}
                color = {"fillcolor": CATEGORY_COLORS[kind], "opacity": _ZONE, "line_width": 0}
                figure.add_shape(layer="below", **place, **color)
    taken = [(level, row["positive"]) for level, row in enumerate(rows.values())]
    chosen = [(level, index) for level, row in enumerate(rows.values()) for index in row["picked"]]
    groups = {
        "anchor": ("diamond", _INK_COLOR, [(level, 0) for level in range(len(rows))], [0.0]),
        "positive of the row": ("circle", ROLE_COLORS["positive"], taken, positives),
        "other positive": ("circle-open", ROLE_COLORS["positive"], taken, positives),
        picked: ("square", ROLE_COLORS["negative"], chosen, negatives),
        "other negative": ("square-open", ROLE_COLORS["negative"], chosen, negatives),
    }
    for name, (symbol, color, places, values) in groups.items():
        if symbol.endswith("open"):
            every = [(level, index) for level in range(len(rows)) for index in range(len(values))]
            places = [place for place in every if place not in places]
        figure.add_scatter(
            x=[values[index] for _, index in places],
            y=[level for level, _ in places],
            mode="markers",
            name=name,
            marker={"symbol": symbol, "color": color, "size": 12, "line_width": 1.5},
            hovertemplate=f"{name}: %{{x:.3f}}<extra></extra>",
        )
    for kind in sorted(zones):  # shapes have no entry in a legend
        marker = {"symbol": "square", "color": CATEGORY_COLORS[kind], "size": 14, "opacity": _ZONE}
        figure.add_scatter(x=[None], y=[None], mode="markers", name=kind, marker=marker)
    for level, text in enumerate(rows):
        place = {"x": 0, "y": level, "xref": "paper", "xanchor": "left", "yshift": 24}
        figure.add_annotation(
            text=text, showarrow=False, font={"size": _SMALL_FONT}, align="left", **place
        )
    figure.update_xaxes(title_text=unit, range=[-0.02 * reach, reach], **_AXIS_FONTS)
    figure.update_xaxes(zeroline=False)
    figure.update_yaxes(
        range=[len(rows) - 0.6, -0.75], tickvals=list(range(len(rows))), showticklabels=False
    )
    alt = (
        f"Distances to the anchor. Positives: {_numbers_in_words(positives)}. "
        f"Negatives: {_numbers_in_words(negatives)}. "
    )
    alt += " ".join(
        f"{text}: {picked} at {_numbers_in_words(negatives[row['picked']])}."
        if len(row["picked"])
        else f"{text}: none."
        for text, row in rows.items()
    )
    return _finished(
        figure,
        title or "Which negatives belong to which positive?",
        alt,
        plot_height=68 * len(rows) + 20,
        margin={"l": 10, "r": 10, "b": 110},
        legend={"orientation": "h", "yref": "container", "y": 0, "yanchor": "bottom", "x": 0},
        showlegend=True,
    )


def embedding_scatter(
    points, labels, title=None, axis_titles=("first axis", "second axis"), class_names=None
):
    """Points of a two-dimensional embedding or projection, with a colour and a marker per class.

    The name of each class also stands at the median of its points. Both axes have the same scale.

    Args:
        points: floats of shape `(N, 2)`.
        labels: integers of shape `(N,)`.
        title: the finding, or a question; `None` for a plain one.
        axis_titles: labels of the two axes, with their units if they have any.
        class_names: a dict from label to name, or `None` to show the labels themselves.

    Returns:
        A `plotly.graph_objects.Figure`.

    Raises:
        ValueError: points of another shape, not finite, or labels that do not fit them.

    Example:

    ```python
    embedding_scatter(pca_frames(snapshots)[-1], labels)
    ```
    """
    figure, alt = _class_points(points, labels, class_names, size=7)
    for trace in figure.data:
        trace.hovertemplate = f"class {trace.name}<br>%{{x:.3g}}, %{{y:.3g}}<extra></extra>"
    common = {"zeroline": False, "automargin": True} | _AXIS_FONTS
    figure.update_xaxes(title_text=axis_titles[0], **common)
    # Where there is little width, the plot becomes less high instead of showing emptiness.
    figure.update_yaxes(
        title_text=axis_titles[1],
        scaleanchor="x",
        constrain="domain",
        constraintoward="top",
        **common,
    )
    return _finished(
        figure,
        title or "Do the classes lie apart?",
        alt,
        plot_height=420,
        margin={"l": 20, "r": 10, "b": 60},
        legend=_CLASS_LEGEND,
        showlegend=True,
    )


def parallel_coordinates(
    rows, parameters, metrics, title=None, logarithmic=(), lower_is_better=False, baseline=None
):
    """One line a run, through an upright axis for each parameter and each metric.

    A line's colour is its run's last metric; the darker, the better. The reader can drag along an
    axis to keep only the lines that cross it there, and drag an axis by its label.

    Args:
        rows: dicts, one a run, from names to values. A parameter whose values are all numbers has
            an axis of numbers; any other (words, booleans, `None`) has a place for each value.
        parameters: names of what was varied, in the order of their axes.
        metrics: a dict from names to labels, with units if they have any. Their axes follow; their
            values are finite. The last one gives colours and title.
        title: the finding, or a question; `None` for the best run and its parameters.
        logarithmic: names of parameters, all their values above 0, whose axis is logarithmic.
        lower_is_better: whether the best run is the one with the lowest last metric.
        baseline: last metric of the best run before its training, or `None` if there is no such.

    Returns:
        A `plotly.graph_objects.Figure`. Axes stand too close together for their ticks where it has
        less than `layout.meta["least_width"]` pixels.

    Raises:
        ValueError: no rows or no metrics, a name that a row lacks, a metric that is not finite, or
            a logarithmic axis for what is not above 0.

    Example:

    ```python
    rows = [{"margin": 0.2, "recall": 0.981}, {"margin": 0.5, "recall": 0.988}]
    parallel_coordinates(rows, ["margin"], {"recall": "R@1"})
    ```
    """
    _check_runs(rows, parameters, metrics, logarithmic)
    axes = [_parameter_axis(name, [row[name] for row in rows], logarithmic) for name in parameters]
    axes += [_metric_axis(metrics[name], [row[name] for row in rows]) for name in metrics]
    name, label = list(metrics.items())[-1]
    values = np.array([row[name] for row in rows], float)
    best = int(values.argmin() if lower_is_better else values.argmax())
    settings = [f"{_spoken(key)} {_spoken(rows[best][key])}" for key in parameters]
    finding = f"Best {label} {values[best]:#.4g}"
    finding += "" if baseline is None else f" (untrained {baseline:#.4g})"
    finding += f" with {', '.join(settings)}" if settings else ""
    alt = (
        f"Parallel coordinates: {_count(len(rows), 'line')}, one a run, through "
        f"{_count(len(axes), 'axis', 'axes')}: {'; '.join(_axis_in_words(axis) for axis in axes)}."
    )
    figure = go.Figure(
        go.Parcoords(
            dimensions=axes,
            line=_colors_of_runs(values, label, lower_is_better),
            labelfont={"size": _SMALL_FONT},
            tickfont={"size": _TICK_FONT},
            # Plotly would write the ends of each axis across its label; the ticks say enough.
            rangefont={"size": _TICK_FONT, "color": "rgba(0,0,0,0)"},
        )
    )
    margin = {"l": max(_ticks_width(axes[0]), _label_width(axes[0]) // 2) + _SIDE, "r": 20, "b": 20}
    # Between two axes stand the ticks of the right one; they may end across the left one.
    needed = [_label_width(axis) + 8 for axis in axes]
    needed += [0.85 * _ticks_width(axis) for axis in axes[1:]]
    least = math.ceil(margin["l"] + max(needed) * (len(axes) - 1)) + _COLOR_BAR_WIDTH
    figure = _finished(figure, title or finding, alt, plot_height=_RUNS_HEIGHT, margin=margin)
    # The labels of the axes stand above the plot, in its margin.
    return figure.update_layout(
        height=figure.layout.height + _LABELS_HEIGHT,
        margin_t=figure.layout.margin.t + _LABELS_HEIGHT,
        meta=figure.layout.meta | {"least_width": least},
    )


def tsne_scatter(points, labels, embeddings=None, title=None, class_names=None):
    """A t-SNE picture: as `embedding_scatter`, without axes, since those have no meaning.

    Args:
        points: floats of shape `(N, 2)`, as from `projection.tsne`, N at least 2.
        labels: integers of shape `(N,)`.
        embeddings: floats of shape `(N, dimensions)` that the points stand for, to compare the
            neighbours there with those in the picture; or `None`.
        title: the finding; `None` for the share of points whose nearest neighbour in the picture
            is of their class (recall@1), and that in the embedding.
        class_names: a dict from label to name, or `None` to show the labels themselves.

    Returns:
        A `plotly.graph_objects.Figure`. The `customdata` of each class are its points' indices.

    Raises:
        ValueError: arrays of another shape, not finite, or that do not fit together.

    Example:

    ```python
    tsne_scatter(tsne(embeddings), labels, embeddings)
    ```

    Reference:
        van der Maaten, Hinton, *Visualizing data using t-SNE*, JMLR 9, 2008.
    """
    figure, alt = _class_points(points, labels, class_names, size=5)
    labels = class_labels(labels)
    for trace, label in zip(figure.data, np.unique(labels), strict=True):
        trace.customdata = np.flatnonzero(labels == label)
        trace.hovertemplate = f"class {trace.name}<br>index %{{customdata}}<extra></extra>"
    if title is None:
        share = recall_at_k(points, labels, k=1)
        title = (
            f"{share:.1%} of {_count(len(labels), 'point')} have a nearest neighbour of their class"
        )
        if embeddings is not None:
            title += f" here, {recall_at_k(embeddings, labels, k=1):.1%} in the embedding itself"
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False, scaleanchor="x", constrain="domain", constraintoward="top")
    return _finished(
        figure,
        title,
        f"Each point is a query, all others are the gallery. {alt} Distances between classes mean "
        "little, and axes nothing.",
        plot_height=420,
        margin={"l": 10, "r": 10, "b": 10},
        legend=_CLASS_LEGEND,
        showlegend=True,
    )


def number_with_prediction(
    measured, predicted, name="measured", low=None, high=None, unit="", title=None
):
    """A measured number and the one that was predicted, on one line.

    Args:
        measured: finite number.
        predicted: finite number.
        name: what was measured.
        low: start of the line; `None`: left of both numbers, or 0.
        high: its end; `None`: right of both numbers.
        unit: unit of the numbers, for the axis.
        title: the finding; `None` for a plain one.

    Returns:
        A `plotly.graph_objects.Figure`.

    Raises:
        ValueError: if a number is not finite.

    Example:

    ```python
    number_with_prediction(0.94, 0.5, "R@1 of random weights", low=0, high=1)
    ```
    """
    if not (math.isfinite(measured) and math.isfinite(predicted)):
        raise ValueError(f"both numbers must be finite, got {measured} and {predicted}.")
    both = (measured, predicted)
    ends = [min(*both, 0 if low is None else low), max(*both, 0 if high is None else high)]
    margin = 0.05 * ((ends[1] - ends[0]) or 1)
    figure = go.Figure()
    line = {"color": WRONG_COLOR, "width": 3, "dash": "dash"}
    between = {"x": [predicted, measured], "y": [0, 0], "mode": "lines", "line": line}
    figure.add_trace(go.Scatter(**between, hoverinfo="skip"))
    for x, word, symbol, color, above in (
        (predicted, "predicted", "diamond-open", WRONG_COLOR, False),
        (measured, "measured", "circle", RIGHT_COLOR, True),
    ):
        text = f"{word} {plain_number(x)}"
        marker = {"symbol": symbol, "size": 15, "color": color, "line": {"width": 3}}
        figure.add_trace(
            go.Scatter(
                x=[x], y=[0], mode="markers", marker=marker, hovertemplate=f"{text}<extra></extra>"
            )
        )
        part = (x - ends[0]) / ((ends[1] - ends[0]) or 1)
        figure.add_annotation(
            x=x,
            y=0,
            text=f"<b>{text}</b>" if above else text,
            showarrow=False,
            yshift=24 if above else -24,
            # A word at the edge reaches inwards.
            xanchor="left" if part < 0.12 else "right" if part > 0.88 else "center",
            xshift=-8 if part < 0.12 else 8 if part > 0.88 else 0,
            font={"size": _FONT},
        )
    figure.update_yaxes(visible=False, range=[-1, 1], fixedrange=True)
    figure.update_xaxes(
        title_text=_wrapped(f"{name} ({unit})" if unit else name, 40),
        range=[ends[0] - margin, ends[1] + margin],
        zeroline=False,
        **_AXIS_FONTS,
    )
    alt = (
        f"One line from {ends[0]:g} to {ends[1]:g}: {name} measured "
        f"{plain_number(measured)}, predicted {plain_number(predicted)}."
    )
    return _finished(
        figure,
        title or f"How near is the prediction of {name}?",
        alt,
        plot_height=110,
        margin={"l": 20, "r": 20, "b": 60},
        showlegend=False,
    )


def curve_with_prediction(values, shape, name, shape_name, steps=None, title=None):
    """A measured curve, and dashed over it the shape that was predicted for it.

    The shape starts where the curve starts, and spans as much as the curve does; below zero it
    does not go where the curve never is.

    Args:
        values: floats of shape `(S,)`, NaN where there is none.
        shape: heights at equal distances along the axis, of shape `(H,)`, 0 first, the highest and
            the lowest 1 apart.
        name: what was measured, for its axis.
        shape_name: the shape in words.
        steps: integers of shape `(S,)` that increase, 0 or more; `None`: numbered from 1. From 0
            to 100 or more the axis is logarithmic.
        title: the finding, or a question; `None` for a plain one.

    Returns:
        A `plotly.graph_objects.Figure`.

    Raises:
        ValueError: values without a number, or steps that do not fit or do not increase.

    Example:

    ```python
    curve_with_prediction([3, 2, 1.5, 1.4], [0, -0.5, -1], "loss", "falls", steps=[0, 5, 9, 20])
    ```
    """
    values, shape = np.asarray(values, float), np.asarray(shape, float)
    there = values[~np.isnan(values)]
    if not there.size:
        raise ValueError("values must hold at least one number, got none.")
    given = _checked_steps(np.arange(1, len(values) + 1) if steps is None else steps)
    scale = "log" if given[0] == 0 and given[-1] >= 100 else "linear"
    start, span = there[0], float(np.ptp(there)) or abs(there[0]) / 2 or 1.0
    if there.min() >= 0 < start and start + span * shape.min() < 0:
        span = start / -shape.min()
    heights, dense = start + span * shape, np.linspace(0, 1, len(shape))
    # First at the steps alone, since lines of one panel share them; then as smooth as it is.
    places = np.log10(given + 1.0) if scale == "log" else given
    places = (places - places[0]) / ((places[-1] - places[0]) or 1)
    figure = training_curves(
        given,
        {name: {"measured": values, "predicted": np.interp(places, dense, heights)}},
        title=title or f"Does {name} go as predicted?",
        step_title="measurement" if steps is None else "training step",
        scale=scale,
    )
    measured, predicted = figure.data
    predicted.update(
        x=measured.x[0] + dense * (measured.x[-1] - measured.x[0]),
        y=heights,
        customdata=None,
        mode="lines",
        line={"dash": "dash", "width": 3},
        hovertemplate=f"predicted: {shape_name}<extra></extra>",
    )
    for words in figure.layout.annotations:
        words.text = words.text.replace(_SIGNS[1], "┅")  # a dashed line without marks
    return figure


def plain_number(value):
    """A number as a person says it: four digits, or all of them before the point.

    Args:
        value: finite number.

    Returns:
        A string, for example `"0.9381"` or `"20,480"`.
    """
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def alt_text(figure):
    """The text alternative of a figure: what it shows, in words.

    Args:
        figure: a figure made here.

    Returns:
        A string.

    Raises:
        ValueError: the figure has none.

    Example:

    ```python
    print(alt_text(digit_grid(images, labels)))
    ```
    """
    meta = figure.layout.meta
    if not isinstance(meta, dict) or not meta.get("alt"):
        raise ValueError("The figure has no text alternative in layout.meta['alt'].")
    return meta["alt"]


# Sheets of images --------------------------------------------------------------------------------


def _sheet_figure(tiles, frames, captions, columns, title, alt, headings=None):
    """A figure of one picture that holds all tiles, and the captions under them."""
    height, width = (size + 2 * _FRAME_PIXELS for size in tiles.shape[1:])
    cell = width + _GAP_PIXELS
    rows = math.ceil(len(tiles) / columns)
    lines = max(caption.count("<br>") + 1 for caption in captions) if captions else 0
    # Letters do not shrink with the images: they get the room they need where those are smallest.
    smallest = min(_LARGEST_TILE / width, (_NARROWEST - 2 * _SIDE) / (columns * cell))
    pitch = height + _GAP_PIXELS + (math.ceil((lines * _SMALL_LINE + 4) / smallest) if lines else 0)
    top = math.ceil((_SMALL_LINE + 6) / smallest) if headings else 0
    zoom = _sheet_zoom(width, columns * cell, top + rows * pitch)

    sheet = np.zeros((top + rows * pitch, columns * cell), "uint8")
    framed = np.empty((len(tiles), height, width), "uint8")
    framed[:] = np.array([_FRAMES[frame] for frame in frames], "uint8")[:, None, None]
    inner = slice(_FRAME_PIXELS, -_FRAME_PIXELS)
    framed[:, inner, inner] = np.minimum(tiles, min(_FRAMES.values()) - 1)
    corners = [
        (top + pitch * (number // columns), cell * (number % columns))
        for number in range(len(tiles))
    ]
    for tile, (y, x) in zip(framed, corners, strict=True):
        sheet[y : y + height, x : x + width] = tile

    # Pixels stay square and sharp, unless they are about as small as the screen's.
    smoothing = "fast" if zoom < 1.6 else False
    figure = go.Figure(go.Image(source=_png(sheet), zsmooth=smoothing, hoverinfo="skip"))
    centre = width / 2 - 0.5
    if captions:
        _add_texts(figure, [(x + centre, y + height + 2 / smallest) for y, x in corners], captions)
    if headings:
        _add_texts(figure, [(cell * c + centre, -0.5) for c in range(columns)], headings)
    fixed = {"visible": False, "fixedrange": True, "constrain": "domain"}
    figure.update_xaxes(range=[-0.5, sheet.shape[1] - 0.5], constraintoward="left", **fixed)
    figure.update_yaxes(
        range=[sheet.shape[0] - 0.5, -0.5], constraintoward="top", scaleanchor="x", **fixed
    )
    return _finished(
        figure,
        title,
        alt,
        plot_height=zoom * sheet.shape[0],
        margin={"l": _SIDE, "r": _SIDE, "b": 10},
        dragmode=False,
        showlegend=False,
    )


def _sheet_zoom(tile_width, width, height):
    """Largest number of pixels on the screen for one of the sheet; sizes are the sheet's."""
    zoom = min(_LARGEST_TILE / tile_width, _WIDEST_SHEET / width)
    if zoom * height > _TALL:
        zoom = min(zoom, max(_TALL / height, _WIDEST_TALL_SHEET / width))
    return zoom


def _add_texts(figure, places, texts):
    figure.add_trace(
        go.Scatter(
            x=[x for x, _ in places],
            y=[y for _, y in places],
            text=texts,
            mode="text",
            textposition="bottom center",
            textfont={"size": _SMALL_FONT, "color": _INK_COLOR},
            hoverinfo="skip",
            cliponaxis=False,
        )
    )


def _labels_in_words(labels, columns):
    rows = [set(labels[start : start + columns]) for start in range(0, len(labels), columns)]
    if columns > 1 and len(rows) > 1 and all(len(row) == 1 for row in rows):
        firsts = labels[::columns]
        if len(firsts) > 2 and (np.diff(firsts) == 1).all():
            return f"One row a label, {firsts[0]} to {firsts[-1]}."
        return f"One label a row: {', '.join(map(str, firsts))}."
    if len(labels) <= _MOST_SAID:
        return f"Labels, row by row: {', '.join(map(str, labels))}."
    classes, counts = np.unique(labels, return_counts=True)
    said = [f"{count} of {label}" for label, count in zip(classes, counts, strict=True)]
    return f"Labels: {_some(said)}."


def _neighbours_in_words(query_labels, found, right):
    count, k = found.shape
    nearest = [
        f"{query}→{label} {'right' if good else 'wrong'}"
        for query, label, good in zip(query_labels, found[:, 0], right[:, 0], strict=True)
    ]
    return (
        f"{_count(count, 'query', 'queries')}, each followed by its "
        f"{'nearest neighbour' if k == 1 else f'{k} nearest neighbours'}; of the "
        f"{_count(count * k, 'neighbour')} {right.sum()} "
        f"{'has' if right.sum() == 1 else 'have'} the query's class. "
        f"Nearest neighbours by row: {_some(nearest)}."
    )


def _some(said):
    """A list in words that does not grow too long to be listened to."""
    rest = len(said) - _MOST_SAID
    return ", ".join(said[:_MOST_SAID]) + (f" and {rest} more" if rest > 0 else "")


def _png(sheet):
    """A sheet of palette values as a PNG in a data URI."""
    shades = np.repeat(255 - np.arange(256, dtype="uint8")[:, None], 3, axis=1)
    for color, value in _FRAMES.items():
        shades[value] = [int(color[start : start + 2], 16) for start in (1, 3, 5)]
    picture = Image.frombytes("P", sheet.shape[::-1], sheet.tobytes())
    picture.putpalette(shades.tobytes())
    file = io.BytesIO()
    picture.save(file, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode()


# Curves ------------------------------------------------------------------------------------------


def _line(positions, steps, values, name, number, step_title):
    color, symbol = _class_style(number)
    return go.Scatter(
        x=positions,
        y=values,
        customdata=steps,
        mode="lines+markers",
        name=name,
        line={"color": color, "dash": ("solid", "dash", "dot", "dashdot")[number % 4]},
        marker={"color": color, "symbol": symbol, "size": 7},
        hovertemplate=f"{name}: %{{y:.4g}}<br>{step_title} %{{customdata:,}}<extra></extra>",
    )


def _value_range(lines):
    """Ends of a vertical axis: with zero, unless the values lie far from it."""
    values = np.concatenate(list(lines))
    values = values[~np.isnan(values)]
    low, high = (values.min(), values.max()) if values.size else (0.0, 1.0)
    if 0 < low < high / 2:
        low = 0.0
    margin = 0.08 * ((high - low) or abs(high) or 1)
    return float(low - margin if low else -margin / 4), float(high + margin)


def _name_lines_at_end(figure, positions, lines, pixels, row):
    """The names of lines at their last points, where a legend would be far away.

    `pixels` is the height of one unit; names that would overlap are moved apart.
    """
    ends = []
    for number, (name, values) in enumerate(lines.items()):
        there = np.flatnonzero(~np.isnan(values))
        if there.size:
            ends.append((float(values[there[-1]]), number, name, float(positions[there[-1]])))
    ends.sort()
    below = -math.inf
    for value, number, name, position in ends:
        name = _wrapped(name, 14)
        half = 8 * (name.count("<br>") + 1)
        height = max(value * pixels, below + half)
        below = height + half
        color, _ = _class_style(number)
        sign = _SIGNS[number % len(_SIGNS)]
        figure.add_annotation(
            x=position,
            y=value,
            text=f'<span style="color:{color}">{sign}</span> {name}',
            xanchor="left",
            xshift=8,
            yshift=height - value * pixels,
            showarrow=False,
            align="left",
            font={"size": _SMALL_FONT},
            row=row,
            col=1,
        )


def _log_ticks(last):
    """0, then 1 and 3 times the powers of ten, up to `last`; 1 alone where they would crowd."""
    factors = (1, 3) if last < 10_000 else (1,)
    ticks = [factor * 10**power for power in range(19) for factor in factors]
    return np.array([0, *(tick for tick in ticks if tick <= max(last, 1))])


def _curve_in_words(panel, name, values):
    named = panel if name == panel else f"{panel}, {name}"
    there = values[~np.isnan(values)]
    if not there.size:
        return f"{named}: no values."
    return (
        f"{named}: from {_three_digits(there[0])} to {_three_digits(there[-1])}, "
        f"lowest {_three_digits(there.min())}, highest {_three_digits(there.max())}."
    )


def _checked_intervals(row, series):
    """Each number, or interval around a number, as (lower end, value, upper end)."""
    checked = {}
    for name, given in series.items():
        values = np.asarray(given, float)
        low, value, high = np.repeat(values, 3) if values.ndim == 0 else values
        if not -math.inf < low <= value <= high < math.inf:
            raise ValueError(
                f"{row!r}, {name!r}: wanted is a finite number, or (low, value, high) in this "
                f"order, got {given!r}."
            )
        checked[name] = (float(low), float(value), float(high))
    return checked


def _interval_in_words(name, low, value, high, digits):
    interval = f" ({low:.{digits}f} to {high:.{digits}f})" if low < high else ""
    return f"{name} {value:.{digits}f}{interval}"


def _numbers_in_words(values):
    return ", ".join(f"{value:.2f}" for value in np.sort(values)) or "none"


# Runs --------------------------------------------------------------------------------------------


def _check_runs(rows, parameters, metrics, logarithmic):
    if not len(rows) or not metrics:
        raise ValueError(f"rows and metrics must not be empty, got {len(rows)} and {len(metrics)}.")
    for row in rows:
        missing = [name for name in (*parameters, *metrics) if name not in row]
        if missing:
            raise ValueError(f"every row must have {missing[0]!r}, got one with {list(row)}.")
        for name in metrics:
            if not _is_number(row[name]) or not math.isfinite(row[name]):
                raise ValueError(f"{name!r} must hold finite numbers, got {row[name]!r}.")
        for name in set(logarithmic) & set(parameters):
            if not _is_number(row[name]) or not row[name] > 0:
                raise ValueError(
                    f"{name!r} must be above 0 for a logarithmic axis, got {row[name]!r}."
                )


def _parameter_axis(name, values, logarithmic):
    """A dimension of Plotly's: ticks at the values themselves where they are few."""
    if not all(map(_is_number, values)):
        # Numbers first, in their order, then words.
        order = sorted(values, key=lambda value: (not _is_number(value), _sortable(value)))
        words = list(dict.fromkeys(map(_spoken, order)))
        return {
            "label": _in_two_lines(_spoken(name)),
            "values": [words.index(_spoken(value)) for value in values],
            "range": [-0.4, len(words) - 0.6],
            "tickvals": list(range(len(words))),
            "ticktext": [_cut(word) for word in words],
        }
    axis = {"label": _in_two_lines(_spoken(name)), "values": values}
    distinct = sorted(set(values))
    scale = math.log10 if name in logarithmic else float
    if name in logarithmic and len(distinct) > _FEW_VALUES:
        distinct = _round_numbers(distinct[0], distinct[-1])
    elif len(distinct) > _FEW_VALUES:
        return axis
    ticks = _far_enough_apart([scale(value) for value in distinct])
    return axis | {
        "values": [scale(value) for value in values],
        "range": _ends([scale(value) for value in values]),
        "tickvals": ticks,
        "ticktext": [_spoken(value) for value in distinct if scale(value) in ticks],
    }


def _metric_axis(label, values):
    return {"label": _in_two_lines(label), "values": values, "range": _ends(values)}


def _ends(values):
    low, high = min(values), max(values)
    room = 0 if low < high else abs(low) / 20 or 1
    return [low - room, high + room]


def _round_numbers(low, high):
    """1, 2 and 5 times the powers of ten from `low` to `high`; at least the two themselves."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    # As text, so that 1e-05 is exactly what a person would write.
    there = [float(f"{factor}e{power}") for power in powers for factor in (1, 2, 5)]
    there = [number for number in there if low <= number <= high]
    return there if len(there) > 1 else [low, high]


def _far_enough_apart(places):
    """Those of increasing places whose ticks do not run into each other."""
    kept = places[:1]
    for place in places[1:]:
        if place - kept[-1] >= 0.055 * (places[-1] - places[0]):
            kept.append(place)
    return kept


def _colors_of_runs(values, label, lower_is_better):
    low, high = _ends(values.tolist())
    return {
        "color": values,
        "cmin": low,
        "cmax": high,
        "colorscale": "Cividis",
        # Its light end is faint on white: that is for the runs nobody looks for.
        "reversescale": not lower_is_better,
        "showscale": True,
        "colorbar": {
            "title": {"text": _in_two_lines(label), "font": {"size": _SMALL_FONT}},
            "tickfont": {"size": _TICK_FONT},
            "thickness": 14,
            "len": 1,
            "outlinewidth": 0,
        },
    }


def _axis_in_words(axis):
    label = axis["label"].replace("<br>", " ")
    if "ticktext" in axis:
        return f"{label} {', '.join(axis['ticktext'])}"
    return f"{label} from {min(axis['values']):.4g} to {max(axis['values']):.4g}"


def _spoken(value):
    """A name or a value as a person says it."""
    if _is_number(value):
        return f"{value:g}"
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return str(value).replace("_", " ")


def _sortable(value):
    return value if _is_number(value) else _spoken(value)


def _is_number(value):
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _cut(text):
    """A long text without its middle: what tells two of them apart is often at the end."""
    half = _TICK_LETTERS // 2
    return text if len(text) <= _TICK_LETTERS else f"{text[:half]}…{text[-half:]}"


def _in_two_lines(text):
    """The narrowest way to set words in at most two lines."""
    for width in range(1, len(text)):
        lines = textwrap.wrap(text, width, break_long_words=False)
        if len(lines) <= 2:
            return "<br>".join(lines)
    return text


def _ticks_width(axis):
    # Plotly's own ticks of a metric have about five digits.
    letters = max(map(len, axis.get("ticktext") or ["0.9876"]), default=0)
    return round(0.56 * _TICK_FONT * letters) + 10


def _label_width(axis):
    return round(0.56 * _SMALL_FONT * max(map(len, axis["label"].split("<br>"))))


# Points ------------------------------------------------------------------------------------------


def _class_points(points, labels, class_names, size):
    """A figure of points with a trace and a name for each class; and what it shows, in words."""
    points = np.asarray(points, dtype="float32")
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise ValueError(f"points must have shape (N, 2), N above 0, got {points.shape}.")
    if not np.isfinite(points).all():
        raise ValueError("points must be finite, got NaN or infinite values.")
    labels = class_labels(labels, len(points), of="points")
    classes = np.unique(labels)
    names = [str((class_names or {}).get(int(label), label)) for label in classes]
    # A digit keeps its colour where only some digits are shown; other labels are numbered anew.
    digits = classes[0] >= 0 and classes[-1] < len(CLASS_COLORS)

    figure, said = go.Figure(), []
    kind = go.Scattergl if len(points) > _MANY_POINTS else go.Scatter
    for rank, (label, name) in enumerate(zip(classes, names, strict=True)):
        members = points[labels == label]
        color, symbol = _class_style(int(label) if digits else rank)
        marker = {"color": color, "symbol": symbol, "size": size, "opacity": 0.75}
        x, y = members.T
        figure.add_trace(kind(x=x, y=y, mode="markers", name=name, marker=marker))
        x, y = (float(value) for value in np.median(members, axis=0))
        figure.add_annotation(
            x=x,
            y=y,
            text=f"<b>{name}</b>",
            showarrow=False,
            font={"size": 15, "color": _INK_COLOR},
            bgcolor="rgba(255,255,255,0.85)",
            bordercolor=color,
            borderwidth=2,
            borderpad=2,
        )
        said.append(f"{name}: {len(members)} points around ({x:.3g}, {y:.3g})")
    alt = (
        f"Scatter plot of {_count(len(points), 'point')} in "
        f"{_count(len(classes), 'class', 'classes')}. Median of each class: {'; '.join(said)}."
    )
    return figure, alt


# What all share ----------------------------------------------------------------------------------


def _finished(figure, title, alt, plot_height, margin, **layout):
    lines = _evenly_wrapped(title, _TITLE_LETTERS)
    more = lines.count("<br>")
    top = 49 + 21 * more + margin.get("t", 0)
    # Plotly sets a title of several lines half a line higher than one of a single line.
    figure.update_layout(
        template="plotly_white",
        font={"family": _FONT_FAMILY, "size": _FONT, "color": _INK_COLOR},
        title={"text": lines, "font": {"size": 16, "weight": 600}, "x": 0, "y": 1}
        | {"xref": "container", "yref": "container", "xanchor": "left", "yanchor": "top"}
        | {"pad": {"t": 25 if more else 14, "l": _SIDE}},
        autosize=True,
        height=math.ceil(plot_height + top + margin["b"]),
        margin=margin | {"t": top},
        meta={"alt": f"{title.replace('<br>', ' ')}. {alt}".replace("?.", "?")},
        **layout,
    )
    return figure


def _class_style(number):
    """Colour and symbol, no pair of them twice among a hundred classes."""
    count = len(CLASS_COLORS)
    return CLASS_COLORS[number % count], CLASS_SYMBOLS[(number + number // count) % count]


def _wrapped(text, width):
    return "<br>".join(
        line for part in text.split("<br>") for line in textwrap.wrap(part, width) or [""]
    )


def _evenly_wrapped(text, width):
    """As few lines as `width` allows, and no word left alone on the last one."""
    needed = _wrapped(text, width)
    for narrower in range(1, width):
        lines = _wrapped(text, narrower)
        fits = max(map(len, lines.split("<br>"))) <= narrower
        if fits and lines.count("<br>") == needed.count("<br>"):
            return lines
    return needed


def _count(number, singular, plural=None):
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"


def _ordinal(rank):
    return f"{rank}{('st', 'nd', 'rd')[rank - 1] if rank <= 3 else 'th'}"


def _three_digits(value):
    """Three digits, the zeros among them too, so that what stands in a row lines up."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:#.3g}".rstrip(".")


def _distance_texts(distances, shape):
    if distances is None:
        return np.full(shape, "")
    distances = np.asarray(distances, dtype="float64")
    if distances.shape != shape:
        raise ValueError(
            f"distances must have the shape of indices, {shape}, got {distances.shape}."
        )
    if not np.isfinite(distances).all():
        raise ValueError("distances must be finite, got NaN or infinite values.")
    return np.array([[_three_digits(distance) for distance in row] for row in distances])


def _checked_images(images, name):
    array = np.asarray(images)
    if array.ndim == 4 and array.shape[-1] == 1:
        array = array[..., 0]
    if array.ndim != 3 or 0 in array.shape:
        raise ValueError(
            f"{name} must have shape (N, height, width), none of them zero, got {np.shape(images)}."
        )
    if len(array) > _MOST_IMAGES:
        raise ValueError(f"At most {_MOST_IMAGES} images fit a figure, got {len(array)}.")
    if array.dtype == np.uint8:
        return array
    if array.dtype.kind != "f" or not ((array >= 0) & (array <= 1)).all():
        raise ValueError(
            f"{name} must be uint8, or floats from 0 to 1, got {array.dtype} from "
            f"{array.min()} to {array.max()}."
        )
    return np.round(array * 255).astype("uint8")


def _checked_indices(indices, queries, gallery):
    indices = np.asarray(indices)
    if indices.ndim != 2 or len(indices) != queries or not indices.shape[1]:
        raise ValueError(
            f"indices must have shape (queries, k), here ({queries}, k), got {indices.shape}."
        )
    if indices.shape[1] > _MOST_NEIGHBOURS:
        raise ValueError(
            f"At most {_MOST_NEIGHBOURS} neighbours fit a row, got {indices.shape[1]}: "
            f"pass indices[:, :{_MOST_NEIGHBOURS}]."
        )
    if indices.dtype.kind not in "iu":
        raise ValueError(f"indices must be integers, got dtype {indices.dtype}.")
    if indices.min() < 0 or indices.max() >= gallery:
        raise ValueError(
            f"indices must be from 0 to {gallery - 1}, positions in the gallery, got "
            f"{indices.min()} to {indices.max()}."
        )
    if indices.size + queries > _MOST_IMAGES:
        raise ValueError(
            f"At most {_MOST_IMAGES} images fit a figure, got {indices.size + queries}."
        )
    return indices


def _checked_steps(steps):
    steps = np.asarray(steps)
    if steps.ndim != 1 or not steps.size:
        raise ValueError(f"steps must have shape (S,), S above 0, got {steps.shape}.")
    if steps.dtype.kind not in "iu":
        raise ValueError(f"steps must be integers, got dtype {steps.dtype}.")
    steps = steps.astype("int64")
    if steps[0] < 0 or (np.diff(steps) <= 0).any():
        raise ValueError("steps must be 0 or more and increase.")
    return steps


def _checked_curves(curves, count):
    """Every panel as a dict of lines, each an array of `count` floats."""
    if not curves:
        raise ValueError("curves must hold at least one curve, got none.")
    panels = {}
    for panel, lines in curves.items():
        lines = lines if isinstance(lines, dict) else {panel: lines}
        if not lines:
            raise ValueError(f"the panel {panel!r} must hold at least one line, got none.")
        panels[panel] = {name: np.asarray(values, float) for name, values in lines.items()}
        for name, values in panels[panel].items():
            if values.shape != (count,):
                raise ValueError(
                    f"{name!r} must have one value for each of {count} steps, got shape "
                    f"{values.shape}."
                )
            if np.isinf(values).any():
                raise ValueError(f"{name!r} must not hold infinite values.")
    return panels
