"""Live training: how far a training is, and its curves as they come."""

import math
import time
from collections.abc import Mapping

import numpy as np
import traitlets

from ._widget import CURVE_WORDS, Widget, load_script

MOST_POINTS = 300
"""A curve of more steps is thinned to at most this many points, each the mean of several steps."""

STATES = ("waiting", "running", "finished", "interrupted", "failed")

_QUESTION = "How is the training going?"
_SECOND_CURVES = ("fraction of positive triplets", "accuracy")


class LiveTraining(Widget):
    """A bar with the time left, and the curves of one training, drawn while it runs.

    The widget does not train: whoever trains calls `update` as often as there is news, and
    `tripletviz.lessons.live_training` does so for a training of this package. A view that hears
    nothing any more, because the kernel is gone or the page was exported, shows the last picture
    and says so.

    Keys: left and right read the curves at a step, Home and End go to the first and to the latest.

    Args:
        total_steps: updates that the training will make; None if that is not known.
        title: heading above the bar; a question if None.
        **traits: starting values of the traits below, or of ipywidgets' own (`layout`, ...).

    Attributes:
        state: `"waiting"`, `"running"`, `"finished"`, `"interrupted"` or `"failed"`.
        step: updates made so far.
        total_steps: updates that the training will make, 0 if that is not known.
        first_step: updates made before, by a training that goes on.
        seconds: how long the training has run, or None if that is not known.
        seconds_left: how long it may still take, or None if that is not known.
        error: what made the training fail, one line.
        summary: the state in one sentence; made by `update`.
        updated: time of the last `update`, in seconds since 1970.
        cursor: training step at which the curves are read, or -1 for the latest. What a reader
            points at is reported once the training has ended.
        title: heading above the bar.

    Example:
        >>> widget = LiveTraining(total_steps=937)
        >>> widget.update(state="running", step=2, curves={"loss": ([1, 2], [0.52, 0.49])})
        >>> LiveTraining.from_recording(Recording.load("data/mnist-recording.npz"))
    """

    _esm = load_script("live_training")

    state = traitlets.Enum(STATES, "waiting").tag(sync=True)
    step = traitlets.Int(0, min=0).tag(sync=True)
    total_steps = traitlets.Int(0, min=0).tag(sync=True)
    first_step = traitlets.Int(0, min=0).tag(sync=True)
    seconds = traitlets.Float(None, allow_none=True).tag(sync=True)
    seconds_left = traitlets.Float(None, allow_none=True).tag(sync=True)
    error = traitlets.Unicode("").tag(sync=True)
    summary = traitlets.Unicode("Training has not begun.").tag(sync=True)
    updated = traitlets.Float(0.0).tag(sync=True)
    cursor = traitlets.Int(-1, min=-1).tag(sync=True, echo_update=False)
    title = traitlets.Unicode(_QUESTION).tag(sync=True)

    # Plain lists: buffers that change after the display would spoil an exported page.
    _curves = traitlets.List().tag(sync=True)
    _snapshots = traitlets.Dict({"steps": [], "values": []}).tag(sync=True)
    _steps_per_point = traitlets.Int(1).tag(sync=True)

    def __init__(self, total_steps: int | None = None, *, title: str | None = None, **traits):
        super().__init__(
            total_steps=total_steps or 0,
            title=_QUESTION if title is None else title,
            **{"updated": time.time(), **traits},
        )

    @classmethod
    def from_recording(cls, recording, *, title: str | None = None, **traits):
        """The last picture of a training that was recorded.

        Args:
            recording: `tripletviz.recordings.Recording`.
            title: heading above the bar; a question if None.
            **traits: as for the class.
        """
        curves = {
            name: (np.arange(1, len(values) + 1), values)
            for name, values in recording.step_curves.items()
        }
        # A recording without a value for every step has those of its snapshots.
        curves = curves or {name: (recording.steps, v) for name, v in recording.curves.items()}
        shown = ["loss", *[name for name in _SECOND_CURVES if name in curves][:1]]
        recalls = recording.curves.get("R@1", np.full(len(recording.steps), np.nan))
        total = int(recording.steps[-1])
        widget = cls(total, title=title, **traits)
        widget.update(
            state="finished",
            step=total,
            curves={name: curves[name] for name in shown if name in curves},
            snapshots=(recording.steps, recalls),
        )
        return widget

    def update(
        self,
        *,
        state: str | None = None,
        step: int | None = None,
        total_steps: int | None = None,
        first_step: int | None = None,
        curves: Mapping | None = None,
        snapshots: tuple | None = None,
        seconds: float | None = None,
        seconds_left: float | None = None,
        error: str | None = None,
    ) -> None:
        """Tells what is new, in one message to the browser. What is None stays as it is.

        Args:
            state, step, total_steps, first_step, seconds, seconds_left, error: as the traits.
            curves: mapping from name to `(steps, values)`: the whole curve so far, `n` increasing
                integers and `n` floats. A value that is not finite leaves a gap. Above
                `MOST_POINTS` steps it is thinned: each point is then the mean of several steps.
            snapshots: `(steps, values)`: R@1 at each snapshot. A value at step 0 is the baseline.

        Raises:
            ValueError: if steps and values do not go together.
            traitlets.TraitError: if a value is not one of its trait's.
        """
        changes = {
            "state": state,
            "step": step,
            "total_steps": total_steps,
            "first_step": first_step,
            "seconds": seconds,
            "seconds_left": seconds_left,
            "error": error,
        }
        changes = {name: value for name, value in changes.items() if value is not None}
        if curves is not None:
            most = max((len(np.atleast_1d(steps)) for steps, _ in curves.values()), default=0)
            size = steps_per_point(most)
            changes["_steps_per_point"] = size
            named = [(CURVE_WORDS.get(name, str(name)), curve) for name, curve in curves.items()]
            changes["_curves"] = [_curve(name, *curve, size) for name, curve in named]
        if snapshots is not None:
            curve = _curve("R@1", *snapshots, 1)
            changes["_snapshots"] = {"steps": curve["steps"], "values": curve["values"]}
        with self.hold_sync():
            for name, value in changes.items():
                setattr(self, name, value)
            self.summary = summarise(
                self.state,
                self.step,
                self.total_steps,
                first_step=self.first_step,
                seconds=self.seconds,
                recalls=self._snapshots["values"],
                error=self.error,
            )
            self.updated = time.time()

    def __repr__(self) -> str:
        of = f" of {self.total_steps}" if self.total_steps else ""
        return f"LiveTraining({self.state}, step {self.step}{of})"


def summarise(state, step, total_steps=0, *, first_step=0, seconds=None, recalls=(), error=""):
    """The state of a training in one sentence.

    Args:
        state, step, total_steps, first_step, seconds, error: as the traits of `LiveTraining`.
        recalls: R@1 at the snapshots; None or NaN where it was not measured.

    Example:
        >>> summarise("finished", 937, 937, seconds=48.2, recalls=[0.933, 0.984])
        'Finished: 937 steps in 48 s, R@1 0.933 → 0.984.'
    """
    where = f"step {step:,}" + (f" of {total_steps:,}" if total_steps else "")
    if state == "waiting":
        return "Training has not begun."
    if state == "running":
        return f"Training: {where}."
    if state == "failed":
        return f"Failed at {where}" + (f": {error.rstrip('.')}." if error else ".")
    known = [value for value in recalls if value is not None and math.isfinite(value)]
    ends = " → ".join(f"{value:.3f}" for value in known[:1] + known[1:][-1:])
    found = f", R@1 {ends}" if ends else ""
    if state == "interrupted":
        return f"Interrupted at {where}; the model keeps what it learned until then{found}."
    took = "" if seconds is None else f" in {duration_text(seconds)}"
    if step < total_steps:
        return f"Finished early at {where}{took}{found}."
    if first_step:
        made = f"{step - first_step:,} more steps{took}, {step:,} in all"
    else:
        made = f"{step:,} steps{took}"
    return f"Finished: {made}{found}."


def steps_per_point(count: int, most: int = MOST_POINTS) -> int:
    """How many of `count` steps make a point, so that there are at most `most`: a power of two.

    A curve that grows then keeps its points until they are halved in number.
    """
    return 2 ** math.ceil(math.log2(max(1.0, count / most)))


def duration_text(seconds: float) -> str:
    """A duration for a reader: `"8.4 s"`, `"48 s"`, `"3 min 20 s"`, `"1 h 05 min"`."""
    tenths = math.floor(10 * seconds + 0.5)
    if tenths < 100:
        return f"{tenths / 10:.1f} s"
    whole = math.floor(seconds + 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = math.floor(seconds / 60 + 0.5)
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _curve(name: str, steps, values, size: int) -> dict:
    """A curve as JSON can hold it, each point at the last of its `size` steps."""
    steps, values = np.asarray(steps), np.asarray(values, dtype=float)
    if steps.ndim != 1 or values.shape != steps.shape:
        raise ValueError(
            f"a curve must have one value for every step, got shapes {values.shape} and "
            f"{steps.shape} for {name!r}."
        )
    if len(steps) and not np.issubdtype(steps.dtype, np.integer):
        raise ValueError(f"steps must be integers, got dtype {steps.dtype} for {name!r}.")
    if (np.diff(steps) <= 0).any():
        raise ValueError(f"steps must increase; those of {name!r} do not.")
    if not len(steps):
        return {"name": name, "steps": [], "values": []}
    starts = np.arange(0, len(steps), size)
    ends = np.minimum(starts + size, len(steps)) - 1
    finite = np.isfinite(values)
    counts = np.add.reduceat(finite.astype(float), starts)
    with np.errstate(invalid="ignore"):  # a point without any value is a gap
        means = np.add.reduceat(np.where(finite, values, 0.0), starts) / counts
    shown = [float(f"{mean:.4g}") if math.isfinite(mean) else None for mean in means.tolist()]
    return {"name": name, "steps": steps[ends].tolist(), "values": shown}
