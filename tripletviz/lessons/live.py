"""Training that shows itself: feeds the widget `LiveTraining`, or leaves a line where none can be.

Importing it does not import TensorFlow.
"""

import array
import signal
import sys
import threading
import time

import numpy as np
from IPython import get_ipython
from IPython.display import display

from ..widgets.live_training import LiveTraining, summarise

SECONDS_BETWEEN_UPDATES = 0.2
FACES = ("widget", "line", "bar")

# What a batch's logs call a curve, and what a reader calls it. The logs of Keras are running means,
# unless an `EmbeddingRecorder` resets them before every step.
_CURVES = {
    "loss": "loss",
    "fraction_positive": "fraction of positive triplets",
    "accuracy": "accuracy",
}
_RUNNING_MEANS = {
    "loss": "loss, mean of the epoch so far",
    "fraction_positive": "positive triplets, mean so far",
    "accuracy": "accuracy, mean of the epoch so far",
}


def live_training(*, title=None, face=None):
    """Something to give to `tripletviz.training.fit` as `progress`: its training shows itself.

    In a notebook with a reader in front of it, a `LiveTraining` appears under the cell and follows
    the training. Executed by papermill or nbclient, where nobody looks, the training leaves one
    line of text and nothing else. In a plain Python it has the bar of `ProgressBar`.

    Args:
        title: heading of the widget; a question if None.
        face: `"widget"`, `"line"` or `"bar"` to say how it shows itself; `None`: as above.

    Returns:
        `LiveProgress`.

    Example:

    >>> live = live_training()
    >>> recording, finished = fit(network, params, images, labels, progress=live)
    >>> live.widget
    """
    return LiveProgress(title=title, face=face)


def live_callback(recorder=None, *, total_steps=None, title=None, face=None):
    """The same for any training with Keras: a callback for `model.fit`, with `verbose=0`.

    In a notebook an interrupt then ends `fit` after its step, without an error.

    Args:
        recorder: `EmbeddingRecorder` among the callbacks of the same training, for R@1 and for
            curves of single batches. Without it Keras's logs are means of the epoch so far.
        total_steps: updates that the training will make; `None`: as many as Keras says.
        title, face: as for `live_training`.

    Returns:
        `keras.callbacks.Callback`, with the attribute `widget` as of `LiveProgress`.

    Example:

    >>> model.fit(batches, epochs=2, callbacks=[live_callback()], verbose=0)
    """
    return LiveProgress(title=title, face=face)(total_steps, recorder=recorder)


class LiveProgress:
    """Makes the callbacks that let trainings show themselves; see `live_training`.

    Args:
        title: heading of the widget; a question if None.
        face: `"widget"`, `"line"`, `"bar"` or `None`.

    Raises:
        ValueError: if there is no such face.
    """

    def __init__(self, *, title=None, face=None):
        if face is not None and face not in FACES:
            raise ValueError(f"face must be one of {', '.join(FACES)}, or None; got {face!r}")
        self.title, self.face = title, face
        self._follower = None

    def __call__(self, total_steps=None, *, recorder=None, steps_per_epoch=None, first_step=0):
        """The callback for one training.

        Args:
            total_steps: updates that the training will make; `None`: as many as Keras says.
            recorder: `EmbeddingRecorder` of the same training, or `None`.
            steps_per_epoch: updates that make an epoch; only the bar tells epochs.
            first_step: updates made before, by a training that goes on.

        Returns:
            `keras.callbacks.Callback`.
        """
        self._follower = Follower(
            total_steps, recorder, first_step, self.title, self.face or fitting_face()
        )
        return _as_callback(self._follower, steps_per_epoch)

    @property
    def widget(self):
        """The `LiveTraining` of the latest training: its last picture.

        Raises:
            RuntimeError: if no training has begun.
        """
        return _widget_of(self._follower)


def _widget_of(follower):
    if follower is None or follower.state == "waiting":
        raise RuntimeError("no training has begun yet: there is nothing to show")
    return follower.show()


def _as_callback(follower, steps_per_epoch):
    """A Keras callback that tells a follower, or a text bar, how the training goes."""
    from .._tensorflow import keras
    from ..callbacks import ProgressBar

    bar = ProgressBar(
        follower.total_steps,
        recorder=follower.recorder,
        steps_per_epoch=steps_per_epoch,
        first_step=follower.first_step,
    )

    class LiveCallback(keras.callbacks.Callback):
        @property
        def widget(self):
            return _widget_of(follower)

        def tell_bar(self, event, *arguments):
            if follower.face == "bar":
                getattr(bar, event)(*arguments)

        def on_train_begin(self, logs=None):
            follower.begin(self.model, self.params or {})
            bar.total_steps = follower.total_steps
            self.tell_bar("on_train_begin", logs)

        def on_epoch_begin(self, epoch, logs=None):
            follower.begin_epoch(epoch)
            self.tell_bar("on_epoch_begin", epoch, logs)

        def on_train_batch_end(self, batch, logs=None):
            follower.make_step(batch, logs or {})
            self.tell_bar("on_train_batch_end", batch, logs)

        def on_epoch_end(self, epoch, logs=None):
            self.tell_bar("on_epoch_end", epoch, logs)

        def on_train_end(self, logs=None):
            follower.end()
            self.tell_bar("on_train_end", logs)

    return LiveCallback()


def fitting_face():
    """How a training best shows itself here: `"widget"`, `"line"` or `"bar"`.

    A notebook's front end (JupyterLab, Notebook 7, VS Code) says with each request to execute a
    cell which cell it is: `cellId` in the metadata of the message, which IPython knows as
    `cell_id`. papermill and nbclient name none, and nobody sees what they show.
    """
    shell = _kernel_shell()
    if shell is None:
        return "bar"
    parent = getattr(shell.kernel, "get_parent", lambda channel: None)("shell")
    return "widget" if (parent or {}).get("metadata", {}).get("cellId") else "line"


def _kernel_shell():
    """The shell of a notebook's kernel, or `None` in a plain Python."""
    shell = get_ipython()
    return shell if hasattr(shell, "kernel") else None


class Follower:
    """What is known of one training, and how it is shown.

    Args:
        total_steps: updates that the training will make, or `None`.
        recorder: `EmbeddingRecorder`, or `None`.
        first_step: updates made before.
        title: heading of the widget, or `None`.
        face: one of `FACES`.
    """

    def __init__(self, total_steps, recorder, first_step, title, face):
        self.given, self.made_before, self.recorder = total_steps, first_step, recorder
        self.total_steps, self.first_step = total_steps, first_step
        self.title, self.face = title, face
        self.widget, self.state = None, "waiting"

    # ---- what Keras tells

    def begin(self, model, params):
        """Training begins."""
        self.model = model
        self.steps_per_epoch = params.get("steps")
        known = self.steps_per_epoch and self.steps_per_epoch * params.get("epochs", 1)
        self.total_steps = self.given or known or 0
        if self.face == "bar" and not self.total_steps:
            self.face = "line"  # there is no bar of unknown length
        self.state, self.error, self.widget = "running", "", None
        self.step = self.base = self.first_step = self.made_before
        self.at, self.values, self.step_names = array.array("q"), {}, None
        self.interrupted = False
        self.began = self.told = time.monotonic()
        self.paced = None
        self._watch()
        if self.face == "widget":
            display(self.show())

    def begin_epoch(self, epoch):
        """An epoch begins, counted from 0 by Keras."""
        # A training may begin in a later epoch than the first.
        if epoch and not self.given and self.steps_per_epoch and self.step == self.first_step:
            self.first_step = self.step = epoch * self.steps_per_epoch
        self.base = self.step

    def make_step(self, batch, logs):
        """An update was made: number `batch` of its epoch, counted from 0."""
        self.step = self.base + batch + 1
        self._note(logs)
        now = time.monotonic()
        if self.paced is None:  # the first step takes longest, and tells nothing about the others
            self.paced = (now, self.step)
        if self.face == "widget" and now - self.told >= SECONDS_BETWEEN_UPDATES:
            self.told = now
            self.widget.update(**self.picture())

    def end(self):
        """Training ended, by itself or by an interrupt; nothing the second time."""
        if self.state != "running":
            return
        # `Interruptible` ends the callbacks' work while it handles the interrupt.
        if isinstance(sys.exc_info()[1], KeyboardInterrupt):
            self.interrupted = True
        if self.recorder is not None:
            self.recorder.finish()
        if self.interrupted:
            self.state = "interrupted"
        elif self.recorder is not None and self.recorder.diverged:
            self.state, self.error = "failed", "the embeddings are no longer finite"
        else:
            self.state = "finished"
        self._end()

    # ---- showing

    def show(self):
        """The widget, made when it is first wanted."""
        if self.widget is None:
            self.widget = LiveTraining(self.total_steps, title=self.title)
            self.widget.update(**self.picture())
        return self.widget

    def picture(self):
        """The arguments for `LiveTraining.update`."""
        now = time.monotonic()
        # An interrupt that does not wait may leave one of the curves a step behind.
        known = min(map(len, self.values.values()), default=0)
        steps = np.array(self.at)[:known]
        return {
            "state": self.state,
            "step": self.step,
            "total_steps": self.total_steps,
            "first_step": self.first_step,
            "curves": {name: (steps, np.array(v)[:known]) for name, v in self.values.items()},
            "snapshots": self._snapshots(),
            "seconds": (now if self.state == "running" else self.ended) - self.began,
            "seconds_left": self._seconds_left(now),
            "error": self.error,
        }

    def _snapshots(self):
        if self.recorder is None:
            return [], []
        looks = list(self.recorder.looks)
        return [look[0] for look in looks], [look[2].get("R@1", np.nan) for look in looks]

    def _seconds_left(self, now):
        if not self.total_steps or self.paced is None or self.step == self.paced[1]:
            return None
        pace = (now - self.paced[0]) / (self.step - self.paced[1])
        return max(0.0, pace * (self.total_steps - self.step))

    def _note(self, logs):
        if self.step_names is None:
            self._begin_curves(logs)
        self.at.append(self.step)
        for key, values in zip(self.step_names, self.values.values(), strict=True):
            values.append(float(logs.get(key, np.nan)))

    def _begin_curves(self, logs):
        """The first logs say which curves there are; a recorder knows those of steps before."""
        second = [key for key in ("fraction_positive", "accuracy") if key in logs][:1]
        self.step_names = ["loss", *second]
        if self.recorder is None:
            self.values = {_RUNNING_MEANS[key]: array.array("d") for key in self.step_names}
            return
        known = self.recorder.step_curves
        before = {name: known.get(name, [])[: self.first_step] for name in _CURVES.values()}
        self.values = {_CURVES[key]: array.array("d") for key in self.step_names}
        if all(len(before[name]) == self.first_step for name in self.values):
            self.at.extend(range(1, self.first_step + 1))
            for name, values in self.values.items():
                values.extend(before[name])

    # ---- interrupts, and the end of the cell

    def _watch(self):
        """Notice interrupts, and the end of the cell if training does not get to its own."""
        self.watching, self.before = False, None
        shell = _kernel_shell()
        if threading.current_thread() is not threading.main_thread():
            return
        before = signal.getsignal(signal.SIGINT)
        # A kernel undoes this after each cell. Elsewhere, outside of `Interruptible`, a training
        # that fails would leave it behind, and an interrupt stays what it is.
        if callable(before) and (shell or before is not signal.default_int_handler):
            self.before = before
            signal.signal(signal.SIGINT, self._interrupt)
            self.watching = True
        if shell is not None:
            self.shell = shell
            shell.events.register("post_run_cell", self._cell_ended)

    def _interrupt(self, number, frame):
        if self.interrupted and self.before is signal.default_int_handler:
            raise KeyboardInterrupt  # a second one does not wait for the step
        if self.before is not signal.default_int_handler:
            self.before(number, frame)
        self.interrupted = self.model.stop_training = True

    def _cell_ended(self, result):
        if threading.current_thread() is not threading.main_thread():
            return  # of a cell in another subshell
        error = getattr(result, "error_in_exec", None)
        if self.state == "running":
            self.state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            text = "it did not come to its end" if error is None else str(error)
            name = "" if error is None else f"{type(error).__name__}: "
            self.error = "" if self.state == "interrupted" else (name + text).splitlines()[0]
            self._end()
        self.shell.events.unregister("post_run_cell", self._cell_ended)

    def _end(self):
        self.ended = time.monotonic()
        if self.watching and signal.getsignal(signal.SIGINT) == self._interrupt:
            signal.signal(signal.SIGINT, self.before)
        self.watching = False
        if self.face == "widget":
            self.widget.update(**self.picture())
        elif self.face == "line":
            print(self._line())

    def _line(self):
        return summarise(
            self.state,
            self.step,
            self.total_steps,
            first_step=self.first_step,
            seconds=self.ended - self.began,
            recalls=self._snapshots()[1],
            error=self.error,
        )
