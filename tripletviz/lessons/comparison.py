"""Trains what a live comparison compares, at once and at the press of its button.

All runs of one seed start from the same weights and see the same batches, so that what differs
between two runs is what was changed. Importing it does not import TensorFlow.
"""

import functools
import threading
import time
from dataclasses import fields, replace

import numpy as np
from IPython import get_ipython
from IPython.display import display

from ..widgets._triplets import distances
from ..widgets.live_comparison import ComparisonRun, ComparisonSettings, LiveComparison
from .live import fitting_face
from .telling import Pace, import_tensorflow
from .updates import compiled_update, fraction_positive

_SIZES = {
    # steps, looks, images in the probe, filters of the first block
    "ci": (120, 8, 500, 8),
    "laptop": (300, 20, 1000, 16),
    "full": (2000, 40, 2000, 32),
}
_TRAINING = threading.Lock()  # the networks are shared, and one training uses them at a time


def live_comparison(
    runs, *, profile, seed=0, title=None, common=None, steps=None, face=None
) -> "Comparison":
    """Trainings side by side: they run now, and a form under their curves adds more.

    Each trains a small `conv_net` on MNIST's training images, for a few hundred steps of Adam. The
    probe are test images, the same number of each digit, the first ones: each of them is a query,
    the others are the gallery. Distances are measured in the run's own metric.

    In a notebook with a reader in front of it the curves grow in the widget under the cell. An
    interrupt of the kernel ends the training that runs and leaves out those to come; trainings of
    the *train* button, which run beside the cells, have a *stop* button. Executed by papermill or
    nbclient, nothing is shown until the comparison itself is.

    Args:
        runs: dictionary from a name to a dictionary of settings: fields of `ComparisonSettings`.
            What is not given is its default.
        profile: `Profile`, which decides on images, steps and the size of the network.
        seed: of the first weights and of the batches.
        title: heading; `None` for the finding.
        common: settings for all runs, which their own go before.
        steps: updates of each training; `None`: the profile decides.
        face: `"widget"`, `"line"` or `"bar"` to say how training shows itself; `None`: as above.

    Returns:
        `Comparison`.

    Raises:
        ValueError: if a setting is unknown, out of its range, or does not fit the data.

    Example:

    >>> comparison = live_comparison(
    ...     {"batch all": {}, "batch hard": {"strategy": "batch_hard"}}, profile=profile
    ... )
    >>> comparison.results["batch hard"].trained["R@1"]
    """
    comparison = Comparison(runs, profile, seed, title, common, steps)
    comparison._train_given(face or fitting_face())
    return comparison


class MissingRunError(KeyError):
    """A run is read that is not there; its words say why, and what to do."""

    def __str__(self):
        return self.args[0]  # a `KeyError` shows its words as a string in quotes


class _StoppedBeforeItBegan(KeyboardInterrupt):
    """An interrupt while a run got ready: of the run there is nothing yet."""


class _Results(dict):
    """Runs by name; who reads one that is missing hears what to do.

    Args:
        given: names of the runs that are to come.
    """

    def __init__(self, given):
        super().__init__()
        self._given = list(given)

    def __missing__(self, name):
        there = ", ".join(map(repr, self)) or "none"
        if name in self._given:
            raise MissingRunError(
                f"The run {name!r} is missing: training was stopped before it began. The runs that "
                f"are there: {there}. Run the cell with `live_comparison` again and let it come to "
                "its end, then this one."
            )
        raise MissingRunError(
            f"There is no run {name!r} in this comparison. The runs that are there: {there}."
        )


class Comparison:
    """What `live_comparison` gives: results, and the widget to show as a cell's last line.

    Attributes:
        results: dictionary from a run's name to its `ComparisonRun`. After an interrupt, runs that
            had not begun are missing; to read one of them raises `MissingRunError`.
        widget: the `LiveComparison`.
    """

    def __init__(self, runs, profile, seed=0, title=None, common=None, steps=None):
        self._profile, self._seed = profile, seed
        default_steps, _, probe, _ = _SIZES[profile.name]
        self._steps = default_steps if steps is None else int(steps)
        if self._steps < 1:
            raise ValueError(f"`steps` must be at least 1, got {steps}.")
        self._given = {
            name: self._checked(name, {"seed": seed, **(common or {}), **dict(own)})
            for name, own in dict(runs).items()
        }
        self.results: dict[str, ComparisonRun] = _Results(self._given)
        self.widget = LiveComparison(
            total_steps=self._steps,
            title=title,
            seed=seed,
            probe=(
                f"R@1 is of {probe:,} test images: each is a query, the other {probe - 1:,} are "
                "the gallery."
            ),
        )
        self.widget.on_train(self._train_own)
        self._shown_in = None

    def table(self) -> list[dict]:
        """The results, a dictionary for each run: as `LiveComparison.table`."""
        return self.widget.table()

    def _checked(self, name, own) -> ComparisonSettings:
        known = [f.name for f in fields(ComparisonSettings)]
        unknown = [key for key in own if key not in known]
        if unknown:
            raise ValueError(
                f"unknown settings {', '.join(unknown)} of the run {name!r}; "
                f"there are {', '.join(known)}."
            )
        return self._with_whole_steps(ComparisonSettings(**own), name)

    def _with_whole_steps(self, settings, name):
        """Shares of the steps as steps; refuses a stage that would never begin."""
        if len(settings.stages) == 1:
            return settings
        stages = tuple(
            (each, max(round(until * self._steps), 1) if until and until < 1 else until)
            for each, until in settings.stages
        )
        settings = replace(settings, strategy=stages)
        last = stages[-2][1]
        if last >= self._steps:
            raise ValueError(
                f"the last stage of the run {name!r} begins at step {last}, the training has "
                f"{self._steps}: say so with a share of the steps, such as 0.5, or give `steps`."
            )
        return settings

    # ---- training

    def _train_given(self, face):
        """All runs that were given, one after the other."""
        widget = self.widget
        handle = self._show_live() if face == "widget" else None
        widget.allow()
        try:
            for number, (name, settings) in enumerate(self._given.items(), 1):
                run = self._train(name, settings, f"{number} of {len(self._given)}")
                if face == "bar":
                    print(f"{name}: {run.verdict}, {run.seconds:.1f} s")
                if run.stopped:
                    break
        except _StoppedBeforeItBegan as stopped:
            print(stopped)
        except BaseException as error:
            widget.report("failed", f"Not trained. {type(error).__name__}: {error}".strip(": "))
            raise
        self._report_end(len(self._given) - len(self.results))
        if handle is not None:
            handle.update(widget)  # the text that goes with it knows the results now

    def _train_own(self, widget):
        """What the *train* button does: trains with the widget's settings."""
        settings = self._with_whole_steps(widget.settings, "yours")
        used = set(widget.runs)
        name = next(n for k in range(1, 1000) if (n := f"yours {k}") not in used)
        self._train(name, settings, "", own=True)
        self._report_end(0)

    def _report_end(self, missing):
        if not self.results:
            if missing:
                self.widget.report(
                    "done", f"Stopped before the first step. Not trained: {missing}."
                )
            return
        name, run = list(self.results.items())[-1]
        words = f"{name}: {run.steps[-1]} steps in {run.seconds:.1f} s, {run.verdict}."
        if run.stopped or missing > 0:
            words = f"Stopped. {words}"
        if missing > 0:
            words += f" Not trained: {missing} more."
        self.widget.report("done", words, progress=1.0)

    def _train(self, name, settings, place, own=False) -> ComparisonRun:
        widget = self.widget
        import_tensorflow(widget)
        place = f" ({place})" if place else ""
        widget.report("training", f"{name}{place}: getting ready ...")
        pace = Pace()

        def show(done, run):
            if run is not None:
                widget.show_run(name, run, complete=False, own=own)
            if pace.is_due():
                words = f"{name}{place}: step {done} of {self._steps}"
                widget.report("training", words, done / self._steps)

        try:
            with _TRAINING:
                bench = _bench(self._profile.name)
                run = bench.train(settings, self._steps, show, lambda: widget.stop_requested)
        except KeyboardInterrupt:  # while it got ready; later ones end the run by themselves
            raise _StoppedBeforeItBegan(
                f"{name}: stopped before its first step. Run the cell again to train."
            ) from None
        self.results[name] = run
        widget.show_run(name, run, own=own)
        return run

    # ---- showing

    def _show_live(self):
        self._shown_in = _cell_number()
        return display(self.widget, display_id=True)

    def _ipython_display_(self):
        # In the cell that trained, the widget stands already.
        if self._shown_in is None or self._shown_in != _cell_number():
            display(self.widget)

    def __repr__(self):
        return f"Comparison({', '.join(self.results)})"


def _cell_number():
    shell = get_ipython()
    return None if shell is None else shell.execution_count


@functools.lru_cache(maxsize=1)
def _bench(profile_name):
    return _Bench(profile_name)


class _Bench:
    """Images, and the networks that trainings share, since to build and compile them takes long.

    Each training starts from the weights of its seed, with an optimizer that knows nothing.
    """

    def __init__(self, profile_name):
        from ..datasets import load_mnist

        _, self.looks, probe, self.channels = _SIZES[profile_name]
        (images, labels), (test_images, test_labels) = load_mnist(profile_name)
        self.images, self.labels = images, labels.astype(np.int64)
        chosen = np.concatenate(
            [np.flatnonzero(test_labels == digit)[: probe // 10] for digit in range(10)]
        )
        self.probe_images = test_images[chosen]
        self.probe_labels = test_labels[chosen].astype(np.int64)
        self._networks, self._updates, self._starts = {}, {}, {}

    def train(self, settings, steps, on_progress=None, is_stopped=lambda: False) -> ComparisonRun:
        """Train once from the start; an interrupt ends it as `is_stopped` does.

        One that comes before the first update is raised again.

        Args:
            settings: `ComparisonSettings`, its stages in steps.
            steps: updates.
            on_progress: called after every step but the last with the steps done, and with the run
                so far at a look, else `None`.
            is_stopped: called before each update: whether to end.
        """
        try:
            return _Training(self, settings, steps).run(on_progress, is_stopped)
        except KeyboardInterrupt:  # before the first update
            self.forget()
            raise

    def forget(self):
        """Give up all that was compiled; an interrupt may have left it half made."""
        self._networks, self._updates = {}, {}

    def network(self, settings):
        """The network, its embedding function and its optimizer, with the weights of the start."""
        from .._tensorflow import keras, tf
        from ..networks import conv_net, settle_batch_norm

        size, key = settings.embedding_size, (settings.embedding_size, settings.normalize)
        seed = settings.seed
        if (size, seed) not in self._starts:
            fresh = conv_net(embedding_size=size, channels=self.channels, seed=seed)
            settle_batch_norm(fresh, self.images[:2500], batch_size=50, batches=50)
            self._starts[size, seed] = fresh.get_weights()
        if key not in self._networks:
            network = conv_net(
                embedding_size=size, channels=self.channels, normalize=settings.normalize
            )
            optimizer = keras.optimizers.Adam()
            optimizer.build(network.trainable_variables)
            embed = tf.function(lambda images: network(images, training=False))
            self._networks[key] = network, embed, optimizer
        network, embed, optimizer = self._networks[key]
        network.set_weights(self._starts[size, seed])
        for variable in optimizer.variables:
            variable.assign(np.zeros(variable.shape))
        optimizer.learning_rate = settings.learning_rate
        return network, embed, optimizer

    def update(self, settings, strategy):
        """A compiled update with one strategy, which gives the loss and the batch's embeddings."""
        key = (
            *(settings.embedding_size, settings.normalize, settings.metric, settings.margin),
            *(strategy, settings.classes_per_batch * settings.images_per_class),
        )
        if key not in self._updates:
            network, _, optimizer = self._networks[settings.embedding_size, settings.normalize]
            loss = _loss(strategy, settings.margin, settings.metric)
            self._updates[key] = compiled_update(
                network, optimizer, loss, also=lambda embeddings, gradients: embeddings
            )
        return self._updates[key]


def _loss(strategy, margin, metric):
    from .. import losses

    if strategy == "batch_all":
        return lambda labels, points: losses.batch_all_triplet_loss(
            labels, points, margin, metric=metric
        )[0]
    function = getattr(losses, f"{strategy}_triplet_loss")
    return lambda labels, points: function(labels, points, margin, metric=metric)


class _Training:
    """One training, from its first look to its last."""

    def __init__(self, bench, settings, steps):
        from ..sampling import pk_plan

        self.bench, self.settings, self.steps = bench, settings, steps
        shape = settings.classes_per_batch, settings.images_per_class
        plans, count = [], 0
        while count < steps:
            epoch = pk_plan(bench.labels, *shape, seed=settings.seed, epoch=len(plans))
            plans.append(epoch)
            count += len(epoch)
        self.batches = np.concatenate(plans)[:steps]
        _, self.embed, _ = bench.network(settings)
        self.moments = np.unique(np.linspace(0, steps, bench.looks + 1).round().astype(int))
        self.looks, self.loss, self.fraction = [], [], []
        self.diverged = self.stopped = False

    def run(self, on_progress, is_stopped) -> ComparisonRun:
        for strategy, _ in self.settings.stages:  # compiled before the clock runs
            update = self.bench.update(self.settings, strategy)
            batch = self.batches[0]
            update.get_concrete_function(self.bench.images[batch], self.bench.labels[batch])
        points = self._embedded()
        start = time.perf_counter()
        self.untrained = self._measured(points)
        self._look(0, points)
        done = 0
        try:
            done = self._update_all(on_progress, is_stopped, start)
        except KeyboardInterrupt:
            self.stopped = True
            self.bench.forget()
            done = len(self.loss)
        if self.looks[-1][0] < done:
            self._look(done, self._embedded())
        return self._result(self._measured(self._embedded()), time.perf_counter() - start)

    def _update_all(self, on_progress, is_stopped, start):
        for done, batch in enumerate(self.batches, 1):
            if is_stopped():
                self.stopped = True
                return done - 1
            update = self.bench.update(self.settings, self._strategy(done - 1))
            labels = self.bench.labels[batch]
            loss, points = update(self.bench.images[batch], labels)
            self.loss.append(float(loss))
            self.fraction.append(self._fraction(points.numpy(), labels))
            if done in self.moments:
                self._look(done, self._embedded())
            # Before the first update both are known of the first batch alone.
            if done == 1:
                self.looks[0][1].update(self._means(0))
            if not np.isfinite(self.loss[-1]) or self.diverged:
                self.diverged = True
                return done
            if on_progress is not None and done < self.steps:
                seconds = time.perf_counter() - start
                on_progress(done, self._result({}, seconds) if done in self.moments else None)
        return self.steps

    def _strategy(self, step):
        return next(name for name, until in self.settings.stages if until is None or step < until)

    def _fraction(self, points, labels):
        if not np.isfinite(points).all():
            return np.nan
        margin = 0.0 if self.settings.margin == "soft" else self.settings.margin
        between = distances(points, metric=self.settings.metric)
        return fraction_positive(between, labels, margin)

    def _embedded(self):
        return self.embed(self.bench.probe_images).numpy()

    def _means(self, since):
        """Of the batches from `since` on."""
        loss, fraction = self.loss[since:], self.fraction[since:]
        known = [value for value in fraction if np.isfinite(value)]
        return {
            "loss": float(np.mean(loss)) if loss else np.nan,
            "fraction of positive triplets": float(np.mean(known)) if known else np.nan,
        }

    def _look(self, done, points):
        from ..evaluation import pair_distances, recall_at_k

        since = self.looks[-1][0] if self.looks else 0
        look = self._means(since)
        if np.isfinite(points).all():
            labels, metric = self.bench.probe_labels, self.settings.metric
            norms = np.linalg.norm(points.astype(np.float64), axis=1)
            look["R@1"] = recall_at_k(points, labels, k=1, metric=metric)
            look["mean embedding norm"] = norms.mean()
            look["mean distance"] = pair_distances(points, labels, metric)[0].mean()
        else:
            self.diverged = True
            look |= dict.fromkeys(("R@1", "mean embedding norm", "mean distance"), np.nan)
        self.looks.append((done, look))

    def _measured(self, points):
        from ..evaluation import map_at_r, recall_at_k

        if not np.isfinite(points).all():
            return {"R@1": np.nan, "MAP@R": np.nan}
        labels, metric = self.bench.probe_labels, self.settings.metric
        return {
            "R@1": recall_at_k(points, labels, k=1, metric=metric),
            "MAP@R": map_at_r(points, labels, metric=metric),
        }

    def _result(self, trained, seconds) -> ComparisonRun:
        return ComparisonRun(
            settings=self.settings,
            steps=np.array([done for done, _ in self.looks]),
            curves={
                name: np.array([look[name] for _, look in self.looks], float)
                for name in self.looks[0][1]
            },
            untrained=self.untrained,
            trained=trained,
            seconds=seconds,
            queries=len(self.bench.probe_labels),
            diverged=self.diverged,
            stopped=self.stopped,
        )
