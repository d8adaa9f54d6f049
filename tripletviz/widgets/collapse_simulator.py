"""The collapse simulator: trainings that end in one point, and what saves them."""

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields

import numpy as np
import traitlets

from ._trainable import TrainableWidget, json_numbers
from ._triplets import STRATEGIES
from ._widget import check_labels, describe_classes, load_script

SNAPSHOTS = 31
"""Pictures of the probe in a run: untrained, and 30 more at equal distances in steps."""

COLLAPSED_SPREAD = 0.05
"""Collapsed means: a mean pairwise distance below this share of the loss's level, and ..."""

COLLAPSED_LOSS = 0.02
"""... a loss (mean of the last `LAST_STEPS` batches) no farther from its level than this share."""

LAST_STEPS = 10

_OWN = "own"


@dataclass(frozen=True)
class CollapseSettings:
    """What a reader can choose about a training.

    Attributes:
        strategy: one of `STRATEGIES`.
        learning_rate: of Adam, above 0 and at most 10.
        margin: above 0 and at most 100. With the soft margin it is not used.
        soft_margin: `log(1 + exp(d(a,p) - d(a,n)))` in place of the hinge; not for batch all.
        normalize: whether embeddings are scaled to length 1, so that they lie on a circle.
        classes_per_batch: P, at least 2.
        images_per_class: K, at least 2.
        warm_up: so many first steps are trained with batch all, whatever the strategy.
        steps: updates in all, from 30 to 2,000.
        seed: of the first weights and of the batches, at least 0.

    Raises:
        ValueError: if a value is out of its range, or two do not go together.
    """

    strategy: str = "batch_hard"
    learning_rate: float = 0.03
    margin: float = 0.5
    soft_margin: bool = False
    normalize: bool = False
    classes_per_batch: int = 5
    images_per_class: int = 6
    warm_up: int = 0
    steps: int = 150
    seed: int = 0

    def __post_init__(self):
        if self.strategy not in STRATEGIES:
            allowed = ", ".join(f'"{name}"' for name in STRATEGIES)
            raise ValueError(f"`strategy` must be one of {allowed}, got {self.strategy!r}.")
        ranges = {
            "learning_rate": (0, 10),
            "margin": (0, 100),
            "classes_per_batch": (2, 1000),
            "images_per_class": (2, 1000),
            "warm_up": (0, 2000),
            "steps": (30, 2000),
            "seed": (0, 2**31 - 1),
        }
        for name, (low, high) in ranges.items():
            value = getattr(self, name)
            if not low <= value <= high or (name in ("learning_rate", "margin") and value <= 0):
                raise ValueError(f"`{name}` must be from {low} to {high}, got {value}.")
        if self.soft_margin and (self.strategy == "batch_all" or self.warm_up):
            raise ValueError(
                "Batch all has no soft margin, whose triplets all have a loss above 0: "
                "choose another strategy and no warm-up, or the plain margin."
            )

    @property
    def level(self) -> float:
        """The loss of a batch whose points all lie in one place: the margin, or ln 2."""
        return math.log(2) if self.soft_margin else self.margin


@dataclass(frozen=True)
class Recipe:
    """A named choice of settings.

    Attributes:
        name: shown in the menu.
        group: heading in the menu under which it stands.
        settings: `CollapseSettings`.
        words: a sentence or two about what it changes, and why.
    """

    name: str
    group: str
    settings: CollapseSettings
    words: str = ""


@dataclass(frozen=True)
class CollapseRun:
    """What happened in one training: a probe's embedding at `S` snapshots, and curves.

    Attributes:
        settings: `CollapseSettings` of the training.
        steps: int array `(S,)`: updates before each snapshot; the first is 0, untrained.
        points: float32 array `(S, N, 2)`: the probe's embedding.
        loss: float array `(T,)`: of each training batch, before its update.
        gradient: float array `(T,)`: norm of the gradient of that loss by all weights.
        curves: name -> float array `(S,)`, measured on the probe: `"fraction positive"` (share of
            the probe's valid triplets whose loss is above 0; with the soft margin, above ln 2,
            which are the hard ones), `"norm"` (mean length), `"spread"` (mean distance of two
            points), `"diameter"` (largest distance of two points), `"R@1"` (each point a query,
            the others the gallery).
        diverged: whether training ended early because loss or embedding was no longer finite.
    """

    settings: CollapseSettings
    steps: np.ndarray
    points: np.ndarray
    loss: np.ndarray
    gradient: np.ndarray
    curves: dict = field(default_factory=dict)
    diverged: bool = False

    @property
    def verdict(self) -> str:
        """`"collapsed"`, `"healthy"`, `"undecided"` or `"diverged"`.

        - Collapsed: at the end the mean distance of two points is below 5 % of the level (the
          margin, or ln 2 with the soft margin), and the mean loss of the last ten batches is
          within 2 % of it.
        - Healthy: the mean distance is at least half the level, and R@1 has come at least half of
          the way from the untrained network's to 1.
        - Undecided: neither. Diverged: see `diverged`.
        """
        if self.diverged:
            return "diverged"
        level, spread, recall = self.settings.level, self.curves["spread"], self.curves["R@1"]
        last_loss = float(np.mean(self.loss[-LAST_STEPS:]))
        if spread[-1] < COLLAPSED_SPREAD * level:
            near = abs(last_loss - level) <= COLLAPSED_LOSS * level
            return "collapsed" if near else "undecided"
        learned = 1 - recall[-1] <= (1 - recall[0]) / 2
        return "healthy" if learned and spread[-1] >= level / 2 else "undecided"

    @property
    def collapse_step(self) -> int | None:
        """Step of the first snapshot from which on the spread stays below 5 % of the level."""
        wide = np.flatnonzero(self.curves["spread"] >= COLLAPSED_SPREAD * self.settings.level)
        first = 0 if wide.size == 0 else wide[-1] + 1
        return int(self.steps[first]) if first < len(self.steps) else None

    @property
    def is_exact(self) -> bool:
        """Whether all points coincide and the gradient of the last ten batches was exactly 0."""
        return not self.curves["diameter"][-1] and not np.any(self.gradient[-LAST_STEPS:])

    @property
    def words(self) -> str:
        """The verdict in plain words."""
        describe = {
            "collapsed": self._say_collapsed,
            "healthy": self._say_healthy,
            "undecided": self._say_undecided,
            "diverged": self._say_diverged,
        }
        return describe[self.verdict]()

    def _say_collapsed(self) -> str:
        count, level = self.points.shape[1], self.settings.level
        name = "ln 2 = 0.693" if self.settings.soft_margin else f"the margin {level:.3g}"
        start = f"Collapsed at step {self.collapse_step}: all {count} points lie "
        if self.is_exact:
            return start + (
                f"in one place. The loss stays at {name}, and the gradient is exactly 0: "
                f"no learning rate gets the network out. {self._say_recall()}."
            )
        return start + (
            f"within {self.curves['diameter'][-1]:.2g} of each other. The loss stays near {name}, "
            f"and the gradient has shrunk from {self.gradient[0]:.2g} to "
            f"{np.mean(self.gradient[-LAST_STEPS:]):.2g}. {self._say_recall()}."
        )

    def _say_healthy(self) -> str:
        fraction, spread = self.curves["fraction positive"], self.curves["spread"]
        kind = "hard" if self.settings.soft_margin else "positive"
        return (
            f"Healthy: {self._say_recall()}. Two points lie {spread[-1]:.2g} apart on average, and "
            f"the share of {kind} triplets went from {fraction[0]:.2f} to {fraction[-1]:.2f}."
        )

    def _say_undecided(self) -> str:
        spread = self.curves["spread"]
        return (
            f"Undecided after {int(self.steps[-1])} steps: neither collapsed nor healthy. "
            f"{self._say_recall()}, and the mean distance of two points went from "
            f"{spread[0]:.2g} to {spread[-1]:.2g}."
        )

    def _say_diverged(self) -> str:
        return (
            f"Diverged at step {len(self.loss)}: the loss is no longer a finite number. "
            "Lower the learning rate."
        )

    def _say_recall(self) -> str:
        recall = self.curves["R@1"]
        return f"R@1 went from {recall[0]:.2f} (untrained) to {recall[-1]:.2f}"


class CollapseSimulator(TrainableWidget):
    """Shows trainings whose embedding collapses to a point, and those that some change saves.

    A run is drawn as it was: 2-D embeddings, so that no projection stands between. The widget does
    not train; `tripletviz.lessons.collapse_simulator` makes one whose *train* button does. Recorded
    runs play without a kernel; the button then says that it needs one.

    Keys: space plays and pauses, left and right step, Home and End jump, "z" zooms to the points.

    Args:
        labels: class of each point of the probe, integer array of shape `(N,)`.
        recipes: sequence of `Recipe`, for the menu. Their names must differ.
        runs: mapping from a recipe's name to its recorded `CollapseRun`, of the same probe.
        class_names: name of class `label` at `class_names[label]`; the labels themselves if None.
        title: heading; if None it says what the run that is drawn shows.
        **traits: starting values of the traits below, or of ipywidgets' own (`layout`, ...).

    Attributes:
        recipe: name of the recipe whose run is drawn, or `"own"` for the run that the reader
            trained. To set it also sets the settings below to those of the run.
        strategy, learning_rate, margin, soft_margin, normalize, classes_per_batch,
        images_per_class, warm_up, steps, seed: the settings of the next training, as in
            `CollapseSettings`. Each is checked when it is set; whether they go together is checked
            when training begins.
        position: where the player stands, from 0 (untrained) to the last snapshot; clipped.
        playing: whether the position advances.
        fit_each: whether each snapshot is zoomed to the plot; if not, one scale holds for a run.
        state: `"idle"`, `"importing"`, `"training"`, `"done"` or `"failed"`.
        message: what the training has to say, one line.
        progress: share of the training that is done, from 0 to 1.
        title: heading above the widget; empty for one that the run on display makes.

    Raises:
        ValueError: if arrays do not fit, a recipe's name is used twice, or a run has no recipe.

    Example:
        >>> widget = CollapseSimulator(labels, recipes=recipes, runs=runs)
        >>> widget.recipe = recipes[1].name
    """

    _esm = load_script("collapse_simulator")
    _form = tuple(field.name for field in fields(CollapseSettings))
    _settings_class = CollapseSettings

    recipe = traitlets.Unicode(_OWN).tag(sync=True)
    strategy = traitlets.Enum(STRATEGIES, "batch_hard").tag(sync=True)
    learning_rate = traitlets.Float(0.03).tag(sync=True)
    margin = traitlets.Float(0.5).tag(sync=True)
    soft_margin = traitlets.Bool(False).tag(sync=True)
    normalize = traitlets.Bool(False).tag(sync=True)
    classes_per_batch = traitlets.Int(5).tag(sync=True)
    images_per_class = traitlets.Int(6).tag(sync=True)
    warm_up = traitlets.Int(0).tag(sync=True)
    steps = traitlets.Int(150).tag(sync=True)
    seed = traitlets.Int(0).tag(sync=True)
    # An echo would take a playing view back to where it was when the message left.
    position = traitlets.Float(0.0).tag(sync=True, echo_update=False)
    playing = traitlets.Bool(False).tag(sync=True)
    fit_each = traitlets.Bool(False).tag(sync=True)
    title = traitlets.Unicode("").tag(sync=True)

    _class_of = traitlets.Bytes().tag(sync=True)
    _classes = traitlets.List().tag(sync=True)
    _recipes = traitlets.List().tag(sync=True)
    _points = traitlets.Bytes().tag(sync=True)
    # JSON throughout: buffers that change after the display would spoil an exported page.
    _own = traitlets.Dict().tag(sync=True)

    def __init__(
        self,
        labels,
        *,
        recipes: Sequence[Recipe] = (),
        runs: Mapping[str, CollapseRun] | None = None,
        class_names: Sequence[str] | None = None,
        title: str | None = None,
        **traits,
    ):
        labels = check_labels(labels, len(np.atleast_1d(labels)), "point of the probe")
        present, class_of = np.unique(labels, return_inverse=True)
        described, points = _describe_recipes(recipes, runs or {}, len(labels))
        self._settings_of = {recipe.name: recipe.settings for recipe in recipes}
        recipe = traits.get("recipe", recipes[0].name if recipes else _OWN)
        # Traits that are given win over what the recipe says.
        start = {
            "recipe": recipe,
            "position": float(SNAPSHOTS),  # clipped to the end
            **asdict(self._settings_of.get(recipe, CollapseSettings())),
        }
        super().__init__(
            _class_of=class_of.astype("<i4").tobytes(),
            _classes=describe_classes(present.tolist(), class_names),
            _recipes=described,
            _points=points,
            title="" if title is None else title,
            **(start | traits),
        )
        self.observe(self._follow_recipe, "recipe")

    @property
    def settings(self) -> CollapseSettings:
        """The settings of the next training.

        Raises:
            ValueError: if they do not go together.
        """
        return CollapseSettings(**{name: getattr(self, name) for name in self._form})

    def show_run(self, run: CollapseRun, *, complete: bool = True) -> None:
        """Draws a run as the reader's own.

        Args:
            run: `CollapseRun` of the same probe, complete or as far as it has come.
            complete: whether the training has ended; only then there is a verdict.

        Raises:
            ValueError: if the run is of another number of points.
        """
        described = _describe_run(run, len(self._class_of) // 4, complete)
        described["points"] = base64.b64encode(_floats(run.points)).decode("ascii")
        with self.hold_sync():
            self._own = described
            self.recipe = _OWN
            self.playing = False
            self.position = float(len(run.steps) - 1)

    @traitlets.validate(*_form)
    def _check_setting(self, proposal):
        return self._checked_setting(proposal)

    @traitlets.validate("position")
    def _clip_position(self, proposal):
        if not math.isfinite(proposal.value):
            raise traitlets.TraitError(f"`position` must be finite, got {proposal.value}.")
        run = self._shown_run()
        return min(max(proposal.value, 0.0), max(len(run["steps"]) - 1.0, 0.0) if run else 0.0)

    @traitlets.validate("recipe")
    def _check_recipe(self, proposal):
        known = [*(recipe["name"] for recipe in self._recipes), _OWN]
        if proposal.value not in known:
            raise traitlets.TraitError(f"`recipe` must be one of {known}, got {proposal.value!r}.")
        return proposal.value

    def _follow_recipe(self, change):
        settings = self._settings_of.get(change["new"])
        with self.hold_sync():
            for name, value in asdict(settings).items() if settings else ():
                setattr(self, name, value)
            self.position = self.position  # clipped to the run that is drawn now

    def _shown_run(self) -> dict | None:
        if self.recipe == _OWN:
            return self._own or None
        return next((r["run"] for r in self._recipes if r["name"] == self.recipe), None)

    def __repr__(self) -> str:
        points = len(self._class_of) // 4
        return f"CollapseSimulator({points} points, {len(self._recipes)} recipes)"


def _describe_recipes(recipes, runs, count: int) -> tuple[list[dict], bytes]:
    names = [recipe.name for recipe in recipes]
    if len(set(names)) < len(names) or _OWN in names:
        raise ValueError(f"`recipes` must have different names, none of them 'own', got {names}.")
    unknown = [name for name in runs if name not in names]
    if unknown:
        raise ValueError(f"`runs` must be named as the recipes, got {unknown}.")
    described, parts, offset = [], [], 0
    for recipe in recipes:
        entry = {
            "name": recipe.name,
            "group": recipe.group,
            "words": recipe.words,
            "settings": asdict(recipe.settings),
            "run": None,
        }
        if recipe.name in runs:
            run = runs[recipe.name]
            entry["run"] = {**_describe_run(run, count, True), "offset": offset}
            parts.append(_floats(run.points))
            offset += run.points.size
        described.append(entry)
    return described, b"".join(parts)


def _describe_run(run: CollapseRun, count: int, complete: bool) -> dict:
    if run.points.ndim != 3 or run.points.shape[1:] != (count, 2):
        raise ValueError(
            f"a run must have points of shape (snapshots, {count}, 2), one for every label, "
            f"got shape {run.points.shape}."
        )
    if len(run.steps) != len(run.points):
        raise ValueError(
            f"a run must have one step for every snapshot, got {len(run.steps)} steps for "
            f"{len(run.points)} snapshots."
        )
    return {
        "settings": asdict(run.settings),
        "level": run.settings.level,
        "steps": np.asarray(run.steps).tolist(),
        "loss": json_numbers(run.loss),
        "gradient": json_numbers(run.gradient),
        "curves": {name: json_numbers(values) for name, values in run.curves.items()},
        "verdict": run.verdict if complete else "",
        "words": run.words if complete else "",
    }


def _floats(points) -> bytes:
    return np.asarray(points).astype("<f4").tobytes()
