"""Live comparison: several trainings side by side, and a form to add one."""

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np
import traitlets

from ._question import as_markdown
from ._trainable import TrainableWidget, json_number, json_numbers
from ._triplets import METRICS, STRATEGIES
from ._widget import load_script

SWITCHED = "all_then_hard"
FORM_STRATEGIES = (*STRATEGIES, SWITCHED)

SHORT_METRICS = {
    "euclidean": "Euclidean",
    "squared_euclidean": "squared Euclidean",
    "cosine": "cosine",
}
STRATEGY_WORDS = {
    "batch_all": "batch all",
    "batch_hard": "batch hard",
    "batch_semi_hard": "semi-hard",
}

COLLAPSED = 0.05
"""Collapsed means: a mean distance below this share both of the loss's level and of the start."""

_MOST_RUNS = 8  # more lines nobody can tell apart
_QUESTION = "Which training does best?"


@dataclass(frozen=True)
class ComparisonSettings:
    """What makes a training.

    Attributes:
        metric: `"euclidean"`, `"squared_euclidean"` or `"cosine"`.
        normalize: whether embeddings are scaled to length 1.
        strategy: `"batch_all"`, `"batch_hard"`, `"batch_semi_hard"`; or several, one after the
            other: pairs of a strategy and the step until which it holds, the last with `None`.
            A step below 1 is a share of all steps.
        margin: above 0 and at most 100; or `"soft"`, for `log(1 + exp(d(a,p) - d(a,n)))` in place
            of the hinge, which batch all does not have.
        learning_rate: of Adam, constant, above 0 and at most 10.
        embedding_size: dimensions of the embedding.
        classes_per_batch: P, at least 2.
        images_per_class: K, at least 2.
        seed: of the first weights and of the batches, at least 0.

    Raises:
        ValueError: if a value is out of its range, or two do not go together.
    """

    metric: str = "euclidean"
    normalize: bool = False
    strategy: str | tuple = "batch_all"
    margin: float | str = 0.5
    learning_rate: float = 0.001
    embedding_size: int = 32
    classes_per_batch: int = 8
    images_per_class: int = 8
    seed: int = 0

    def __post_init__(self):
        if self.metric not in METRICS:
            raise ValueError(f"`metric` must be one of {_listed(METRICS)}, got {self.metric!r}.")
        if not isinstance(self.strategy, str):
            object.__setattr__(self, "strategy", _checked_stages(self.strategy))
        names = [name for name, _ in self.stages]
        for name in names:
            if name not in STRATEGIES:
                raise ValueError(f"`strategy` must be one of {_listed(STRATEGIES)}, got {name!r}.")
        if isinstance(self.margin, str):
            if self.margin != "soft":
                raise ValueError(f'`margin` must be a number or "soft", got {self.margin!r}.')
            if "batch_all" in names:
                raise ValueError(
                    "Batch all has no soft margin, whose triplets all have a loss above 0: "
                    "choose another strategy, or a margin that is a number."
                )
        elif not 0 < self.margin <= 100:
            raise ValueError(f"`margin` must be above 0 and at most 100, got {self.margin}.")
        if not 0 < self.learning_rate <= 10:
            raise ValueError(
                f"`learning_rate` must be above 0 and at most 10, got {self.learning_rate}."
            )
        least = {"embedding_size": 1, "classes_per_batch": 2, "images_per_class": 2, "seed": 0}
        for name, low in least.items():
            value = getattr(self, name)
            if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < low:
                raise ValueError(f"`{name}` must be an integer of at least {low}, got {value!r}.")

    @property
    def stages(self) -> tuple:
        """The strategies in order, as pairs `(strategy, until)`; the last with `None`."""
        return ((self.strategy, None),) if isinstance(self.strategy, str) else self.strategy

    @property
    def level(self) -> float:
        """The loss of a batch whose embeddings all coincide: the margin, or ln 2."""
        return math.log(2) if self.margin == "soft" else float(self.margin)

    def describe(self, name: str) -> str:
        """One setting in words, such as `"margin 0.5"`."""
        value = getattr(self, name)
        if name == "metric":
            return f"{SHORT_METRICS[value]} distance"
        if name == "normalize":
            return "L2 normalisation" if value else "no L2 normalisation"
        if name == "strategy":
            words, begin = [], None
            for strategy, until in self.stages:
                after = "" if begin is None else f" from {_step_words(begin)}"
                words.append(STRATEGY_WORDS[strategy] + after)
                begin = until
            return ", ".join(words)
        if name == "margin" and value == "soft":
            return "soft margin"
        shown = f"{value:.3g}" if isinstance(value, float) else str(value)
        return f"{_WORDS.get(name, name.replace('_', ' '))} {shown}"


_WORDS = {"classes_per_batch": "P =", "images_per_class": "K ="}


def _step_words(step):
    return f"{step:.0%} of the steps" if step < 1 else f"step {step}"


def _listed(names):
    return ", ".join(f'"{name}"' for name in names)


def _checked_stages(stages) -> tuple:
    """Stages as pairs of strategy and end, in order."""
    try:
        stages = tuple((str(name), until) for name, until in stages)
    except (TypeError, ValueError):
        raise ValueError(
            f"`strategy` must be a name, or a list of pairs, got {stages!r}."
        ) from None
    *ends, last = [until for _, until in stages] or [0]
    is_end = [isinstance(e, int | float) and not isinstance(e, bool) and e > 0 for e in ends]
    whole = [e >= 1 for e in ends] if all(is_end) else []
    if last is not None or not all(is_end) or len(set(whole)) > 1 or ends != sorted(set(ends)):
        raise ValueError(
            "the stages of a `strategy` must be pairs (strategy, until) with increasing ends, all "
            f"steps or all shares below 1, the last one None, got {stages!r}."
        )
    return stages


@dataclass(frozen=True)
class ComparisonRun:
    """What was measured in one training.

    Attributes:
        settings: `ComparisonSettings`.
        steps: int array `(S,)`: updates made before each look; the first is 0, untrained.
        curves: name -> float array `(S,)`:
            `"loss"` and `"fraction of positive triplets"` (share of the batch's valid triplets
            with a loss above 0; with the soft margin, of the hard ones) are means over the training
            batches since the look before, each measured before its update; at step 0 of the first
            batch alone.
            `"R@1"`, `"mean embedding norm"` and `"mean distance"` (of two images, in the run's own
            metric) are measured on the probe: held-out images, each of them a query, the others the
            gallery.
        untrained, trained: `"R@1"` and `"MAP@R"` of the probe before and after, with the run's own
            metric; NaN where an embedding was not finite.
        seconds: how long the updates and the looks took.
        queries: number of images in the probe.
        diverged: whether it ended early because loss or embedding was no longer finite.
        stopped: whether it was ended early by the reader.
    """

    settings: ComparisonSettings
    steps: np.ndarray
    curves: Mapping
    untrained: Mapping
    trained: Mapping
    seconds: float = 0.0
    queries: int = 0
    diverged: bool = False
    stopped: bool = False

    @property
    def verdict(self) -> str:
        """What came of it, the first that fits.

        - `"diverged"`: see `diverged`.
        - `"collapsed"`: at the end the mean distance is below 5 % of the loss's level (the margin,
          or ln 2) and below 5 % of what it was before training.
        - `"better than untrained"`, `"worse than untrained"`: R@1 has changed by more than the
          `doubt` of two such shares.
        - `"no better than untrained"`: it has not; a difference as small may be chance.
        """
        if self.diverged:
            return "diverged"
        distance = self.curves["mean distance"]
        if distance[-1] < COLLAPSED * min(self.settings.level, distance[0]):
            return "collapsed"
        before, after = self.untrained["R@1"], self.trained["R@1"]
        if abs(after - before) <= doubt(before, after, self.queries):
            return "no better than untrained"
        return "better than untrained" if after > before else "worse than untrained"


def doubt(share: float, other: float, count: int) -> float:
    """How far apart two shares among `count` items each may lie by chance.

    Two standard errors of the difference of two independent shares. It knows nothing of seeds:
    another one may move a result farther.
    """
    mean = (share + other) / 2
    return 2 * math.sqrt(max(2 * mean * (1 - mean), 0.0) / max(count, 1))


def settings_that_differ(settings: Mapping) -> dict[str, str]:
    """For each of several trainings, in words, the settings that are not the same for all.

    Args:
        settings: mapping from name to `ComparisonSettings`.
    """
    names = [f.name for f in fields(ComparisonSettings)]
    different = [n for n in names if len({getattr(each, n) for each in settings.values()}) > 1]
    return {name: ", ".join(each.describe(n) for n in different) for name, each in settings.items()}


class LiveComparison(TrainableWidget):
    """Several trainings side by side: their curves over the same steps, and a table of results.

    The widget does not train: `tripletviz.lessons.live_comparison` makes one whose *train* button
    does. Without a kernel the runs there are stay, to be read and to be hidden.

    Keys: left and right read the curves at a step, Home and End go to the first and to the last.

    Args:
        runs: mapping from name to `ComparisonRun`.
        total_steps: updates of each training; the last step of the runs if None.
        title: heading; None for the finding, or a question.
        probe: what the probe is, in words.
        **traits: starting values of the traits below, or of ipywidgets' own (`layout`, ...).

    Attributes:
        metric, normalize, margin, learning_rate, seed: settings of the next training, as in
            `ComparisonSettings`.
        strategy: the same; or `"all_then_hard"`, batch all until `switch_step`, then batch hard.
        switch_step: step of that switch.
        total_steps: updates of each training.
        cursor: step at which the curves are read, or -1 for the end.
        extra: curve in the last chart: `"mean embedding norm"`, `"mean distance"` or `""` for none.
        hidden: names of the runs that are not drawn.
        state: `"idle"`, `"importing"`, `"training"`, `"done"` or `"failed"`.
        message: what the training has to say, one line.
        progress: share of the training that is done, from 0 to 1.
        title: heading above the charts; empty for one that the runs make.

    Example:
        >>> widget = LiveComparison({"batch all": run, "batch hard": other})
        >>> widget.hidden = ["batch hard"]
    """

    _esm = load_script("live_comparison")
    _form = ("metric", "normalize", "strategy", "switch_step", "margin", "learning_rate", "seed")
    _settings_class = ComparisonSettings

    metric = traitlets.Enum(METRICS, "euclidean").tag(sync=True)
    normalize = traitlets.Bool(False).tag(sync=True)
    strategy = traitlets.Enum(FORM_STRATEGIES, "batch_all").tag(sync=True)
    switch_step = traitlets.Int(1, min=1).tag(sync=True)
    margin = traitlets.Float(0.5).tag(sync=True)
    learning_rate = traitlets.Float(0.001).tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)
    total_steps = traitlets.Int(1, min=1).tag(sync=True)
    cursor = traitlets.Int(-1, min=-1).tag(sync=True, echo_update=False)
    extra = traitlets.Enum(("", "mean embedding norm", "mean distance"), "").tag(sync=True)
    hidden = traitlets.List(traitlets.Unicode()).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)

    # JSON throughout: buffers that change after the display would spoil an exported page.
    _runs = traitlets.List().tag(sync=True)
    _finding = traitlets.Unicode(_QUESTION).tag(sync=True)
    _note = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        runs: Mapping[str, ComparisonRun] | None = None,
        *,
        total_steps: int | None = None,
        title: str | None = None,
        probe: str = "",
        **traits,
    ):
        runs = dict(runs or {})
        if total_steps is None:
            total_steps = max((int(run.steps[-1]) for run in runs.values()), default=1)
        self._probe = probe
        self._known: dict[str, tuple[ComparisonRun, bool, bool]] = {}
        self._lock, self._busy, self._stop = threading.Lock(), threading.Lock(), threading.Event()
        start = {"total_steps": total_steps, "switch_step": max(total_steps // 2, 1)}
        super().__init__(title=title or "", **(start | traits))
        for name, run in runs.items():
            self._known[self._checked_name(name)] = (run, True, False)
        self._send_runs()

    @property
    def runs(self) -> dict[str, ComparisonRun]:
        """The runs there are, by name."""
        with self._lock:
            return {name: run for name, (run, _, _) in self._known.items()}

    @property
    def settings(self) -> ComparisonSettings:
        """The settings of the next training.

        Raises:
            ValueError: if they do not go together.
        """
        strategy = self.strategy
        if strategy == SWITCHED:
            strategy = (("batch_all", self.switch_step), ("batch_hard", None))
        names = "metric", "normalize", "margin", "learning_rate", "seed"
        return ComparisonSettings(strategy=strategy, **{n: getattr(self, n) for n in names})

    # ---- what whoever trains calls

    def train(self) -> None:
        """Does what the *train* button does, which has a thread for it; returns at the end.

        Raises:
            RuntimeError: if nobody trains, see `on_train`, or a training is under way.
        """
        if not self._busy.acquire(blocking=False):
            raise RuntimeError("a training of this widget is under way")
        try:
            self.allow()
            super().train()
        finally:
            self._busy.release()

    def stop(self) -> None:
        """Asks the training under way to end after its step: what the *stop* button does."""
        self._stop.set()

    @property
    def stop_requested(self) -> bool:
        """Whether the training under way was asked to end: then whoever trains should end it."""
        return self._stop.is_set()

    def allow(self) -> None:
        """Takes back an earlier `stop`, before a training begins."""
        self._stop.clear()

    def show_run(
        self, name: str, run: ComparisonRun, *, complete: bool = True, own: bool = False
    ) -> None:
        """Draws a run, a new one or, under a name that is there, what it has come to.

        Args:
            name: its name.
            run: `ComparisonRun`, complete or as far as it has come.
            complete: whether the training has ended.
            own: whether the reader trained it, and may remove it.

        Raises:
            ValueError: if the name is empty, or there are too many runs.
        """
        with self._lock:
            if name not in self._known:
                self._checked_name(name)
            self._known[name] = (run, complete, own)
        self._send_runs()

    def remove_run(self, name: str) -> None:
        """Takes a run out of the picture.

        Raises:
            KeyError: if there is none of that name.
        """
        with self._lock:
            del self._known[name]
        self.hidden = [each for each in self.hidden if each != name]
        self._send_runs()

    # ---- in words

    def table(self) -> list[dict]:
        """A row for each run that has ended, with what was measured.

        Returns:
            Dictionaries with the keys `"run"`, `"settings"` (those that differ, in words), `"R@1
            untrained"`, `"R@1"`, `"MAP@R untrained"`, `"MAP@R"`, `"seconds"`, `"verdict"`.
        """
        with self._lock:
            ended = {name: run for name, (run, complete, _) in self._known.items() if complete}
        words = settings_that_differ({name: run.settings for name, run in ended.items()})
        return [
            {
                "run": name,
                "settings": words[name],
                "R@1 untrained": run.untrained["R@1"],
                "R@1": run.trained["R@1"],
                "MAP@R untrained": run.untrained["MAP@R"],
                "MAP@R": run.trained["MAP@R"],
                "seconds": run.seconds,
                "verdict": run.verdict,
            }
            for name, run in ended.items()
        ]

    def to_markdown(self) -> str:
        """Title and results as Markdown, for where no widget is shown."""
        lines = [f"**{as_markdown(self.title or self._finding)}**", ""]
        rows = self.table()
        if rows:
            lines += [
                "| run | settings that differ | R@1 untrained | R@1 | MAP@R untrained | MAP@R | "
                "seconds | |",
                "| --- | --- | ---: | ---: | ---: | ---: | ---: | --- |",
            ]
        for row in rows:
            cells = [as_markdown(row["run"]), as_markdown(row["settings"])]
            cells += [_three(row[n]) for n in ("R@1 untrained", "R@1", "MAP@R untrained", "MAP@R")]
            cells += [f"{row['seconds']:.1f}", row["verdict"]]
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join([*lines, "", as_markdown(self._note)])

    def _repr_mimebundle_(self, **options):
        data, metadata = super()._repr_mimebundle_(**options)
        return data | {"text/markdown": self.to_markdown()}, metadata

    # ---- inside

    def _checked_name(self, name):
        if not isinstance(name, str) or not name.strip():
            raise ValueError(f"a run must have a name, got {name!r}.")
        if len(self._known) >= _MOST_RUNS:
            raise ValueError(
                f"there may be {_MOST_RUNS} runs at most: remove one of your own, "
                "or make a comparison of its own."
            )
        return name

    def _send_runs(self):
        with self._lock:
            known = dict(self._known)
        words = settings_that_differ({name: run.settings for name, (run, _, _) in known.items()})
        ended = {name: run for name, (run, complete, _) in known.items() if complete}
        with self.hold_sync():
            self._runs = [
                _describe(name, run, complete, own, words[name])
                for name, (run, complete, own) in known.items()
            ]
            self._finding = _finding(ended)
            self._note = self._make_note(known)

    def _make_note(self, known):
        runs = [run for run, _, _ in known.values()]
        if not runs:
            return self._probe
        seeds = {run.settings.seed for run in runs}
        each = "one short run of each, so small differences may be chance"
        start = "the same first weights and batches; " if len(seeds) == 1 and len(runs) > 1 else ""
        note = f"{self.total_steps:,} steps each, {start}{each}. {self._probe}"
        scales = {(r.settings.metric, r.settings.margin, r.settings.strategy) for r in runs}
        if len(scales) > 1:
            note += (
                " Losses of different distances, margins or strategies are numbers of different "
                "kinds: compare how they move, not how high they are."
            )
        return note.strip()

    def _hear(self, _, content, __) -> None:
        """Answers a view's messages: is somebody here who trains; train, stop, remove a run."""
        kind = content.get("type")
        if kind == "stop":
            self.stop()
            self.send({"type": "stopping"})
        if kind == "remove" and self._known.get(content.get("name"), (None, 0, False))[2]:
            self.remove_run(content["name"])
        super()._hear(_, content, __)

    def _begin(self, settings) -> None:
        if not self._busy.locked():
            super()._begin(settings)

    def _start(self) -> None:
        # In a thread, so that the kernel hears the stop button.
        threading.Thread(target=self.train, daemon=True).start()

    @traitlets.validate("metric", "normalize", "margin", "learning_rate", "seed")
    def _check_setting(self, proposal):
        return self._checked_setting(proposal)

    def __repr__(self) -> str:
        return f"LiveComparison({', '.join(self._known) or 'no runs'})"


def _finding(ended: Mapping) -> str:
    """The finding as a heading, computed from the runs that have ended."""
    scores = {name: run.trained["R@1"] for name, run in ended.items()}
    scores = {name: value for name, value in scores.items() if math.isfinite(value)}
    if not scores:
        return _QUESTION
    best = max(scores, key=scores.get)
    top, before = scores[best], ended[best].untrained["R@1"]
    if len(scores) == 1:
        return f"{best}: R@1 {_three(before)} untrained, {_three(top)} trained"
    close = [n for n, value in scores.items() if top - value <= doubt(top, value, ended[n].queries)]
    others = [name for name in close if name != best]
    if len(close) == len(scores):
        return (
            f"R@1 ends between {_three(min(scores.values()))} and {_three(top)}: too close to tell "
            "apart in one short run of each"
        )
    found = f"Highest R@1 in one short run of each: {best}, {_three(top)}"
    if others:
        them = others[0] if len(others) == 1 else f"{len(others)} others"
        return f"{found}, too close to tell from {them}"
    return f"{found} (untrained {_three(before)})"


def _describe(name, run: ComparisonRun, complete, own, differ) -> dict:
    count = len(run.steps)
    for curve, values in run.curves.items():
        if np.shape(values) != (count,):
            raise ValueError(
                f"a run must have one value for every step, got {np.shape(values)} of {curve!r} "
                f"for {count} steps."
            )
    return {
        "name": name,
        "own": own,
        "complete": complete,
        "differ": differ,
        "steps": np.asarray(run.steps).tolist(),
        "curves": {key: json_numbers(values) for key, values in run.curves.items()},
        "untrained": {key: json_number(value) for key, value in run.untrained.items()},
        "trained": {key: json_number(value) for key, value in run.trained.items()},
        "seconds": round(float(run.seconds), 2),
        "verdict": run.verdict if complete else "",
        "stopped": run.stopped,
        "soft": run.settings.margin == "soft",
    }


def _three(value) -> str:
    return f"{value:.3f}" if math.isfinite(value) else "\N{EN DASH}"
