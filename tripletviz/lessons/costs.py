"""What one step of training costs: measured here, shown as a table that grows as its reader asks.

Importing it does not import TensorFlow.
"""

import html
import statistics
import time
from dataclasses import dataclass
from functools import cache, lru_cache

import ipywidgets
import numpy as np

from ..datasets import load_mnist_sample
from .updates import compiled_update

MARGIN = 0.5
CLASSES = 10
LARGEST_CUBE = 256
NETWORKS = {
    "conv_net_8": "conv net, 8 filters",
    "conv_net_32": "conv net, 32 filters",
    "conv_net_64": "conv net, 64 filters",
    "alexnet": "AlexNet",
    "alexnet_no_dropout": "AlexNet, no dropout",
}
STRATEGIES = {
    "batch_all": "batch all",
    "batch_hard": "batch hard",
    "batch_semi_hard": "semi-hard",
    "cube": "batch all by the cube",
    "softmax": "softmax classifier",
}
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
BATCH_SIZES = (16, 32, 64, 128, 256, 512, 1024)
_LONGEST = 2.0  # seconds that the repeated steps of one measurement may take, but for the first


@dataclass(frozen=True)
class Cost:
    """What was measured of one kind of step.

    Attributes:
        network: a name of `NETWORKS`.
        batch_size: images in the batch.
        strategy: a name of `STRATEGIES`.
        precision: a name of `PRECISIONS`.
        weights: number of trainable weights.
        first_seconds: the first step, with all that TensorFlow prepares for it.
        step_seconds: median of the steps after it.
        loss_seconds: median of the loss with its gradient alone, from finished embeddings.
        memory: bytes; `memory_is_measured` says whether the device told its peak, or the bytes
            are those of the tensors that must be there, as `memory_by_formula` adds them up.
        memory_is_measured: see `memory`.
        device: what it ran on, in words.
    """

    network: str
    batch_size: int
    strategy: str
    precision: str
    weights: int
    first_seconds: float
    step_seconds: float
    loss_seconds: float
    memory: int
    memory_is_measured: bool
    device: str

    @property
    def images_per_second(self) -> float:
        return self.batch_size / self.step_seconds

    @property
    def loss_share(self) -> float:
        """The loss's part of a step; both are measured on their own, so at most 1 is said."""
        return min(1.0, self.loss_seconds / self.step_seconds)


class Step:
    """One network with all that an update of its weights takes, prepared once; see `prepared`.

    Args:
        network: a name of `NETWORKS`.
        strategy: a name of `STRATEGIES`.
        precision: a name of `PRECISIONS`. The dtype policy holds for the layers that are made here,
            and is put back.

    Attributes:
        model: `keras.Model` from images `(B, 28, 28)` to embeddings `(B, 64)`, or to logits
            `(B, 10)` for the softmax classifier.
    """

    def __init__(self, network, strategy="batch_all", precision="float32"):
        from .._tensorflow import keras, tf

        model = self.model = _build(network, strategy, precision)
        optimizer = keras.optimizers.Adam()
        self._averages = optimizer
        if precision == "mixed_float16":
            optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
        loss = _loss_of(strategy)
        self.start_here()
        # For float16 the loss is scaled up, and Keras's optimizer scales the gradients down again.
        self.update = compiled_update(
            model, optimizer, lambda labels, outputs: optimizer.scale_loss(loss(labels, outputs))
        )
        self.embed = tf.function(lambda images: model(images, training=False))

    def start_here(self):
        """Let `reset` come back to the weights as they are now."""
        self._start = self.model.get_weights()

    def reset(self):
        """Give the network its first weights again, and Adam its empty memory."""
        self.model.set_weights(self._start)
        for variable in self._averages.variables:
            if "learning_rate" not in variable.path:
                variable.assign(np.zeros(variable.shape))


def prepared(network, strategy="batch_all", precision="float32"):
    """The `Step` of these names; the same one each time, for preparing takes a second and more."""
    return _prepared(network, strategy, precision)


_prepared = lru_cache(maxsize=16)(Step)


def measure_step(
    network="conv_net_32", batch_size=64, strategy="batch_all", precision="float32", *, repeats=5
):
    """Time one step of training: embed, loss, gradients, and Adam's update of the weights.

    The images are digits of the committed sample, repeated if the batch is larger.

    Args:
        network: a name of `NETWORKS`.
        batch_size: images in the batch, at least 2; at most 256 for the cube.
        strategy: a name of `STRATEGIES`.
        precision: a name of `PRECISIONS`.
        repeats: steps to take the median of, fewer if they last longer than two seconds together.

    Returns:
        `Cost`.

    Raises:
        ValueError: if a name is unknown, or the batch too small or too large.

    Example:

    >>> cost = measure_step("alexnet", 64)
    >>> print(f"{1e3 * cost.step_seconds:.0f} ms")
    """
    _check(network, batch_size, strategy, precision)
    from .._tensorflow import describe_device

    images, labels = _batch(batch_size)
    peak = _PeakOfGpu()
    step = prepared(network, strategy, precision)
    first, median = _first_and_median(lambda: step.update(images, labels), repeats)
    step.reset()
    outputs = step.model(images)
    _, loss_alone = _first_and_median(lambda: _loss_alone(strategy)(labels, outputs), repeats)
    measured = peak.bytes()
    by_formula = sum(memory_by_formula(step.model, batch_size, strategy).values())
    return Cost(
        network=network,
        batch_size=batch_size,
        strategy=strategy,
        precision=precision,
        weights=_trainable(step.model),
        first_seconds=first,
        step_seconds=median,
        loss_seconds=loss_alone,
        memory=by_formula if measured is None else measured,
        memory_is_measured=measured is not None,
        device=describe_device(),
    )


def measure_growth(network, batch_sizes, *, repeats=5):
    """Time the parts of a step by the size of the batch: the network, and two ways to the loss.

    Args:
        network: a name of `NETWORKS`.
        batch_sizes: numbers of images.
        repeats: as for `measure_step`.

    Returns:
        Dictionary of lists of seconds, one for each size: `"network"`, there and back without a
        loss; `"batch all, sorted"`, the package's loss with its gradient; `"batch all, cube"`, NaN
        above 256 images.
    """
    from .._tensorflow import tf

    model = prepared(network).model

    @tf.function
    def there_and_back(images):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(model(images, training=True))
        return tape.gradient(total, model.trainable_variables)

    flexible = there_and_back.get_concrete_function(tf.TensorSpec([None, 28, 28], tf.uint8))
    seconds = {"network": [], "batch all, sorted": [], "batch all, cube": []}
    for size in batch_sizes:
        images, labels = _batch(size)
        points = tf.constant(np.random.default_rng(0).normal(size=(size, 64)), tf.float32)
        calls = (
            lambda images=images: flexible(images)[0],
            lambda at=(labels, points): _loss_alone("batch_all")(*at),
            lambda at=(labels, points): _loss_alone("cube")(*at),
        )
        for name, call in zip(seconds, calls, strict=True):
            left_out = name.endswith("cube") and size > LARGEST_CUBE
            seconds[name].append(np.nan if left_out else _first_and_median(call, repeats)[1])
    prepared(network).reset()
    return seconds


def measure_convolution(precision, *, batch_size=16, filters=32, repeats=5):
    """Time one 3 x 3 convolution of feature maps, there and back, without a network around it.

    Args:
        precision: `"float32"`, `"bfloat16"` or `"float16"`.
        batch_size: number of maps, 14 x 14 pixels with `filters` channels.
        filters: of the convolution.
        repeats: as for `measure_step`.

    Returns:
        Median seconds.
    """
    from .._tensorflow import tf

    rng = np.random.default_rng(0)
    maps = tf.cast(rng.normal(size=(batch_size, 14, 14, filters)), precision)
    kernel = tf.cast(rng.normal(size=(3, 3, filters, filters)), precision)

    def there_and_back():
        with tf.GradientTape() as tape:
            tape.watch([maps, kernel])
            result = tf.nn.conv2d(maps, kernel, strides=1, padding="SAME")
        return tape.gradient(result, [maps, kernel])[1]

    return _first_and_median(there_and_back, repeats)[1]


def _build(network, strategy, precision):
    from .._tensorflow import keras
    from ..networks import alexnet, classifier, conv_net

    before = keras.mixed_precision.global_policy()
    keras.mixed_precision.set_global_policy(precision)
    try:
        if network.startswith("alexnet"):
            model = alexnet(dropout=0.5 if network == "alexnet" else 0.0)
        else:
            model = conv_net(channels=int(network.rpartition("_")[2]))
        return classifier(model, CLASSES) if strategy == "softmax" else model
    finally:
        keras.mixed_precision.set_global_policy(before)


def memory_by_formula(model, batch_size, strategy):
    """Bytes of the tensors that one step cannot do without; what a device uses is more.

    Args:
        model: `keras.Model`.
        batch_size: B.
        strategy: a name of `STRATEGIES`.

    Returns:
        Dictionary of bytes: `"weights"`, with the gradient and Adam's two averages of each, in
        float32; `"layers"`, what each layer gives out for B images, which the way back needs; and
        `"loss"`: the B x B distances in float64, for the cube B x B x B numbers in float32.
    """
    layers = 0
    for layer in model.layers:
        kind = type(layer).__name__
        if kind in ("InputLayer", "Flatten", "Reshape"):
            continue  # they pass on what is there
        numbers = batch_size * int(np.prod(layer.output.shape[1:]))
        layers += numbers * np.dtype(_as_numpy(layer.compute_dtype)).itemsize
    loss = {"cube": 4 * batch_size**3, "softmax": 4 * batch_size * CLASSES}
    return {
        "weights": 4 * 4 * _trainable(model),
        "layers": int(layers),
        "loss": loss.get(strategy, 8 * batch_size**2),
    }


def cube_loss(labels, embeddings, margin=MARGIN):
    """Batch all as it is written most often: one B x B x B tensor of all triplets, in float32."""
    from .._tensorflow import tf

    products = tf.matmul(embeddings, embeddings, transpose_b=True)
    norms = tf.linalg.diag_part(products)
    squared = tf.maximum(norms[:, None] - 2.0 * products + norms[None, :], 0.0)
    zero = tf.cast(tf.equal(squared, 0.0), tf.float32)
    distances = tf.sqrt(squared + zero) * (1.0 - zero)
    same = tf.equal(labels[:, None], labels[None, :])
    positive = same & ~tf.eye(tf.shape(labels)[0], dtype=tf.bool)
    valid = positive[:, :, None] & ~same[:, None, :]
    losses = tf.maximum(distances[:, :, None] - distances[:, None, :] + margin, 0.0)
    losses = tf.where(valid, losses, 0.0)
    active = tf.reduce_sum(tf.cast(losses > 0.0, tf.float32))
    return tf.math.divide_no_nan(tf.reduce_sum(losses), active)


def cost_table(profile, rows=None):
    """The live table: some rows are measured now, others when its reader presses *measure*.

    Args:
        profile: `Profile`; "ci" measures fewer rows and repeats.
        rows: list of dictionaries of arguments for `measure_step`; `None`: a default set.

    Returns:
        `CostTable`, to be the last line of its cell.

    Example:

    >>> table = cost_table(use_profile("laptop"))
    >>> table
    """
    repeats = profile.pick(ci=3, laptop=7, full=11)
    if rows is None:
        rows = [
            {"network": "conv_net_32"},
            {"network": "alexnet"},
        ]
        rows += profile.pick(
            ci=[],
            laptop=[
                {"network": "conv_net_32", "strategy": "softmax"},
                {"network": "conv_net_32", "batch_size": 256},
                {"network": "conv_net_32", "batch_size": 256, "strategy": "cube"},
            ],
            full=[
                {"network": "conv_net_32", "strategy": "softmax"},
                {"network": "conv_net_64"},
                {"network": "conv_net_32", "batch_size": 1024},
                {"network": "conv_net_64", "precision": "mixed_bfloat16"},
            ],
        )
    return CostTable([measure_step(**row, repeats=repeats) for row in rows], repeats=repeats)


class CostTable(ipywidgets.VBox):
    """Four choices, a button, and a table with a line for each measurement.

    Args:
        costs: list of `Cost` to begin with.
        repeats: as for `measure_step`.

    Attributes:
        costs: list of `Cost`, in the order they were measured.
    """

    def __init__(self, costs=(), *, repeats=5):
        self.costs, self._repeats = list(costs), repeats
        self._network = _choice("network", {said: name for name, said in NETWORKS.items()})
        self._network.value = "conv_net_32"
        self._batch_size = _choice("images a batch", {f"{b:,}": b for b in BATCH_SIZES})
        self._batch_size.value = 64
        self._strategy = _choice("loss", {said: name for name, said in STRATEGIES.items()})
        self._precision = _choice("precision", {name: name for name in PRECISIONS})
        self._button = ipywidgets.Button(
            description="Measure",
            button_style="primary",
            tooltip="Measure one step of this kind, and add a line to the table",
            layout={"height": "44px", "width": "140px", "margin": "4px 8px 4px 0"},
        )
        self._button.on_click(lambda _: self.measure())
        self._status = ipywidgets.HTML()
        self._table = ipywidgets.HTML()
        self._say("Choose, press Measure, and a line is added. It takes some seconds.")
        self._draw()
        # Which button of a row is pressed is shown by its colour, and said here in words.
        for choice in (self._network, self._batch_size, self._strategy, self._precision):
            choice.observe(lambda _: self._say(f"Chosen: {self._chosen_in_words()}."), "value")
        rows = (
            [self._network, self._batch_size],
            [self._strategy, self._precision],
            [self._button, self._status],
        )
        layout = {"flex_flow": "row wrap", "align_items": "center"}
        rows = [ipywidgets.HBox(row, layout=layout) for row in rows]
        super().__init__([*rows, self._table])
        self.add_class("tripletviz-cost-table")

    def measure(self):
        """Measure what is chosen, and add its line; what cannot be measured is said."""
        chosen = {
            "network": self._network.value,
            "batch_size": self._batch_size.value,
            "strategy": self._strategy.value,
            "precision": self._precision.value,
        }
        self._button.disabled = True
        self._say(f"Measuring {self._chosen_in_words()} …")
        try:
            cost = measure_step(**chosen, repeats=self._repeats)
        except Exception as error:  # whatever is chosen, the table stays
            self._say(f"Not measured: {error}")
        else:
            self.costs.append(cost)
            self._draw()
            milliseconds = _milliseconds(cost.step_seconds)
            self._say(f"{self._chosen_in_words()}: {milliseconds} ms a step.")
        finally:
            self._button.disabled = False

    def _chosen_in_words(self):
        network, strategy = NETWORKS[self._network.value], STRATEGIES[self._strategy.value]
        return f"{network}, {self._batch_size.value:,} images, {strategy}, {self._precision.value}"

    def to_markdown(self) -> str:
        """The table for where no widget is shown."""
        lines = ["| " + " | ".join(_HEADS) + " |", "| --- " * 4 + "| ---: " * 6 + "|"]
        lines += ["| " + " | ".join(_in_words(cost)) + " |" for cost in self.costs]
        return "\n".join([self._caption(), "", *lines])

    def _caption(self):
        if not self.costs:
            return "What does a step cost? Nothing is measured yet."
        how = "the device's peak" if self.costs[-1].memory_is_measured else "by formula, at least"
        return (
            f"What does a step cost? Measured here, on the {self.costs[-1].device}. Memory: {how}."
        )

    def _draw(self):
        heads = "".join(f'<th scope="col">{html.escape(head)}</th>' for head in _HEADS)
        lines = []
        for number, cost in enumerate(self.costs, 1):
            first, *others = map(html.escape, _in_words(cost))
            cells = "".join(f"<td>{each}</td>" for each in others)
            new = ' class="new"' if number == len(self.costs) else ""
            lines.append(f'<tr{new}><th scope="row">{first}</th>{cells}</tr>')
        self._table.value = (
            f'{_STYLE}<p class="tripletviz-costs-hint">{_HINT}</p>'
            # Without that attribute JupyterLab keeps the arrow keys for itself.
            '<div class="tripletviz-costs" tabindex="0" data-lm-suppress-shortcuts="true" '
            'role="region" aria-label="Table of costs"><table>'
            f"<caption>{html.escape(self._caption())}</caption>"
            f"<thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table></div>"
        )

    def _say(self, text):
        self._status.value = f'<div role="status" aria-live="polite">{html.escape(text)}</div>'

    def _repr_mimebundle_(self, **options):
        bundle = super()._repr_mimebundle_(**options)
        data, *metadata = bundle if isinstance(bundle, tuple) else (bundle,)
        data = data | {"text/markdown": self.to_markdown()}
        return (data, *metadata) if metadata else data


_HEADS = (
    "network",
    "images a batch",
    "loss",
    "precision",
    "weights",
    "first step (s)",
    "a step (ms)",
    "images a second",
    "loss's share",
    "memory (MB)",
)
_HINT = "Wider than its place: go to the table by Tab or a click, then scroll it with → and ←."
# Ipywidgets' own buttons are 28 pixels high, too low for a finger. And its box for HTML grows with
# a wide table, where something outside then cuts it off: it is held to its place here. In a narrow
# place the networks stay where they are, and the other columns are scrolled under them.
_STYLE = """<style>
.tripletviz-cost-table .widget-toggle-buttons
  { display: flex; flex-wrap: wrap; width: 100%; height: auto; margin: 2px 0; }
.tripletviz-cost-table .widget-toggle-buttons > .widget-label { flex: 0 0 8.5em; text-align: left; }
.tripletviz-cost-table .widget-toggle-buttons > div
  { flex: 1 1 300px; display: flex; flex-wrap: wrap; gap: 4px; }
.tripletviz-cost-table .widget-toggle-button
  { height: 44px; min-width: 44px; line-height: 44px; margin: 0; }
.tripletviz-cost-table > .widget-html { width: auto; container-type: inline-size; }
.tripletviz-cost-table > .widget-html > .widget-html-content { min-width: 0; max-width: 100%; }
.tripletviz-costs { overflow-x: auto; font-size: 13px; line-height: 1.3; }
.tripletviz-costs:focus-visible { outline: 2px solid var(--jp-brand-color1, #1976d2); }
.tripletviz-costs table { border-collapse: separate; border-spacing: 0; width: 100%; }
.tripletviz-costs caption { text-align: left; padding: 4px 0; font-weight: 600; }
.tripletviz-costs th, .tripletviz-costs td
  { padding: 4px; text-align: right; vertical-align: top; border-bottom: 1px solid #888; }
.tripletviz-costs thead th { vertical-align: bottom; }
.tripletviz-costs :is(th, td):is(:first-child, :nth-child(3), :nth-child(4)) { text-align: left; }
.tripletviz-costs :is(th, td):nth-child(3) { padding-left: 8px; }
.tripletviz-costs tbody th { font-weight: 600; }
.tripletviz-costs tr.new > * { border-bottom-width: 3px; }
.tripletviz-costs-hint { display: none; font-size: 13px; }
@container (max-width: 640px) {
  .tripletviz-costs { font-size: 12px; }
  .tripletviz-costs th, .tripletviz-costs td { padding: 4px 2px; }
}
@container (max-width: 559px) {
  .tripletviz-costs { border-right: 2px dashed #888; }
  .tripletviz-costs table { width: 560px; }
  .tripletviz-costs caption { position: sticky; left: 0; max-width: 100cqw; }
  .tripletviz-costs :is(th, td):first-child
    { position: sticky; left: 0; padding-right: 6px; background: var(--jp-layout-color0, Canvas); }
  .tripletviz-costs-hint { display: block; }
}
</style>"""


def _in_words(cost):
    return (
        NETWORKS[cost.network],
        f"{cost.batch_size:,}",
        STRATEGIES[cost.strategy],
        cost.precision.replace("mixed_", "mixed "),
        f"{cost.weights:,}",
        f"{cost.first_seconds:.1f}",
        _milliseconds(cost.step_seconds),
        f"{float(f'{cost.images_per_second:.2g}'):,.0f}",
        f"{cost.loss_share:.0%}",
        f"{cost.memory / 1e6:,.0f}",
    )


def _milliseconds(seconds):
    return f"{float(f'{1e3 * seconds:.2g}'):,g}"


def _choice(name, options):
    # Not a drop-down list: JupyterLab keeps the arrow keys from it, so that it takes a mouse.
    return ipywidgets.ToggleButtons(
        options=list(options.items()),
        description=name,
        style={"description_width": "8.5em", "button_width": "auto"},
    )


def _check(network, batch_size, strategy, precision):
    for value, known in (
        (network, NETWORKS),
        (strategy, STRATEGIES),
        (precision, PRECISIONS),
    ):
        if value not in known:
            raise ValueError(f"there is no {value!r}; there are {', '.join(known)}")
    if batch_size < 2:
        raise ValueError(f"a batch needs at least 2 images; got {batch_size}")
    if strategy == "cube" and batch_size > LARGEST_CUBE:
        size = 4e-6 * batch_size**3
        raise ValueError(
            f"one cube of {batch_size:,} images is {size:,.0f} MB, and a step holds several at "
            f"once; at most {LARGEST_CUBE} images are tried here."
        )


def _batch(batch_size):
    from .._tensorflow import tf

    images, labels = load_mnist_sample()
    chosen = np.random.default_rng(0).permutation(len(images))
    chosen = np.resize(chosen, batch_size)
    return tf.constant(images[chosen]), tf.constant(labels[chosen].astype(np.int64))


def _loss_of(strategy):
    from .._tensorflow import keras
    from ..losses import LOSS_CLASSES

    if strategy == "cube":
        return cube_loss
    if strategy == "softmax":
        return keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return LOSS_CLASSES[strategy](MARGIN)


@cache
def _loss_alone(strategy):
    """The loss with its gradient; kept, so that TensorFlow prepares it once for each batch size."""
    from .._tensorflow import tf

    loss = _loss_of(strategy)

    @tf.function
    def gradient(labels, outputs):
        with tf.GradientTape() as tape:
            tape.watch(outputs)
            value = loss(labels, outputs)
        return tape.gradient(value, outputs)

    return gradient


def _first_and_median(call, repeats):
    start = time.perf_counter()
    call().numpy()  # asking for the number waits until it is there, on a GPU too
    first = time.perf_counter() - start
    times = []
    while len(times) < repeats and (not times or sum(times) < _LONGEST):
        start = time.perf_counter()
        call().numpy()
        times.append(time.perf_counter() - start)
    return first, statistics.median(times)


def _trainable(model):
    return sum(int(np.prod(weight.shape)) for weight in model.trainable_variables)


class _PeakOfGpu:
    """The most memory that the first GPU had in use since this was made."""

    def __init__(self):
        from .._tensorflow import tf

        self._is_there = bool(tf.config.list_physical_devices("GPU"))
        if self._is_there:
            tf.config.experimental.reset_memory_stats("GPU:0")

    def bytes(self):
        if not self._is_there:
            return None
        from .._tensorflow import tf

        return int(tf.config.experimental.get_memory_info("GPU:0")["peak"])


def _as_numpy(dtype):
    return "float16" if dtype == "bfloat16" else dtype  # NumPy has none of its own, but its size
