"""Checkpoints: all of a training's state in one file, so that it can go on as if undisturbed.

Batches, augmentation and learning rate are functions of the seed and the step, so the state is
what is in variables (weights, moving averages, the optimizer's moments and step, the state of
dropout's random numbers) and what has been recorded.
"""

import json
import time
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ._files import whole
from ._tensorflow import keras
from .params import ExperimentError
from .recordings import Recording


@dataclass(frozen=True)
class Checkpoint:
    """The state of a training between two steps.

    Attributes:
        step: updates made.
        seconds: time spent training by then, in all runs together.
        variables: list of arrays: the model's variables, then the optimizer's, in their order.
        recording: `Recording` up to here.
        notes: dictionary of JSON values that the caller wants back.
    """

    step: int
    seconds: float
    variables: list
    recording: Recording
    notes: dict

    def save(self, path):
        """Write it as one `.npz`, whole or not at all."""
        arrays = self.recording.to_arrays()
        arrays |= {f"variable {number}": each for number, each in enumerate(self.variables)}
        state = {"step": self.step, "seconds": self.seconds, "notes": self.notes}
        arrays["state"] = np.array(json.dumps(state))
        with whole(path) as partial, partial.open("wb") as file:
            np.savez(file, **arrays)

    @classmethod
    def load(cls, path):
        """Read a checkpoint.

        Raises:
            ExperimentError: if the file is no checkpoint.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
            state = json.loads(str(arrays["state"]))
            count = sum(name.startswith("variable ") for name in arrays)
            return cls(
                recording=Recording.from_arrays(arrays),
                variables=[arrays[f"variable {number}"] for number in range(count)],
                **state,
            )
        except (KeyError, TypeError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
            raise ExperimentError(
                f"{path} is damaged, or no checkpoint; start again with --restart"
            ) from None

    def restore(self, model, recorder):
        """Put the state into a compiled model and the `EmbeddingRecorder` of its training.

        Raises:
            ExperimentError: if the variables are not those of the model.
        """
        model.optimizer.build(model.trainable_variables)
        variables = _variables(model)
        shapes = [tuple(each.shape) for each in variables]
        found = [each.shape for each in self.variables]
        if shapes != found:
            raise ExperimentError(
                "the checkpoint belongs to another network or optimizer; start again with --restart"
            )
        for variable, value in zip(variables, self.variables, strict=True):
            variable.assign(value)
        recorder.restore(self.recording, self.step)


class Checkpointer(keras.callbacks.Callback):
    """Writes a checkpoint of the training from time to time, and at its end.

    Args:
        path: file to write.
        recorder: the training's `EmbeddingRecorder`; it must come before in the callbacks.
        every_seconds: least time between two checkpoints. When they are written changes nothing in
            how the training ends.
        notes: dictionary of JSON values to keep with the checkpoint.
        seconds: time spent training before.
    """

    def __init__(self, path, recorder, *, every_seconds=15.0, notes=None, seconds=0.0):
        super().__init__()
        self.path, self.recorder, self.notes = Path(path), recorder, notes or {}
        self.every_seconds, self.seconds_before = every_seconds, seconds

    @property
    def seconds(self):
        """Time spent training so far, earlier runs included."""
        return self.seconds_before + time.monotonic() - self.began

    def on_train_begin(self, logs=None):
        self.began = self.written = time.monotonic()
        # Otherwise Keras makes the optimizer's moments at the first step, after this checkpoint.
        self.model.optimizer.build(self.model.trainable_variables)
        self.save()

    def on_train_batch_end(self, batch, logs=None):
        if time.monotonic() - self.written >= self.every_seconds:
            self.save()

    def on_train_end(self, logs=None):
        self.save()

    def save(self):
        """Write a checkpoint now, unless an interrupt fell between an update and its record."""
        step = int(self.model.optimizer.iterations.numpy())
        if step != self.recorder.step or self.recorder.diverged:
            return
        Checkpoint(
            step=step,
            seconds=round(self.seconds, 1),
            variables=[variable.numpy() for variable in _variables(self.model)],
            recording=self.recorder.recording(planned=True),
            notes=self.notes,
        ).save(self.path)
        self.written = time.monotonic()


def _variables(model):
    return [*model.variables, *model.optimizer.variables]
