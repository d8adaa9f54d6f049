"""What a training records: snapshots of the embedding, and curves that go with them."""

import math
import signal
import sys
import threading
import time

import numpy as np
from tqdm.auto import tqdm

from ._tensorflow import keras, tf
from ._validation import class_labels
from .distances import pairwise_distances
from .evaluation import recall_at_k
from .losses import LOSS_CLASSES
from .recordings import Recording
from .triplets import check_strategy, count_triplets


def snapshot_steps(total_steps, count):
    """Steps at which to look: 0, the last, and between them evenly on a logarithmic scale.

    Most happens early in a training, so the early looks lie close together.

    Args:
        total_steps: updates of the whole training, at least 1.
        count: wanted number of snapshots, at least 2. Steps are whole, so a short training may
            give fewer.

    Returns:
        Increasing list of integers from 0 to `total_steps`.

    Raises:
        ValueError: if a number is too small.
    """
    if total_steps < 1 or count < 2:
        raise ValueError(
            "total_steps must be at least 1 and count at least 2; "
            f"got total_steps={total_steps}, count={count}"
        )
    spaced = np.geomspace(1, total_steps, count - 1)
    return sorted({0, total_steps, *np.rint(spaced).astype(int).tolist()})


def probe_indices(labels, per_class=100):
    """Indices of a fixed probe set: the first `per_class` members of each class, in order.

    Raises:
        ValueError: if a class has fewer members; it is named.
    """
    chosen = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        if len(members) < per_class:
            raise ValueError(f"class {label} has {len(members)} members; wanted {per_class}")
        chosen.append(members[:per_class])
    return np.sort(np.concatenate(chosen))


# What a batch's logs call a curve, and what a reader calls it.
_STEP_CURVES = {
    "loss": "loss",
    "fraction_positive": "fraction of positive triplets",
    "embedding_norm": "mean embedding norm",
    "hardest_positive": "hardest positive distance",
    "hardest_negative": "hardest negative distance",
    "accuracy": "accuracy",
}


class EmbeddingRecorder(keras.callbacks.Callback):
    """Records the probe set's embeddings before the first update and at log-spaced steps after it.

    While it records, Keras's metrics are reset before every batch, so that the logs of a batch are
    that batch's own and not a running mean; it is they that make the step curves.

    Args:
        images: uint8 array `(N, H, W)`: the probe set.
        labels: int array `(N,)`.
        total_steps: updates that the training will make.
        strategy: strategy of `tripletviz.triplets.STRATEGIES` whose loss is measured.
        margin: the training's margin. With `"soft"`, which has no ring, a triplet counts as
            positive if it is hard.
        squared: whether the training's distances are squared.
        snapshots: number of snapshots, as in `snapshot_steps`.
        network: `keras.Model` from images to embeddings; `None`: the model that is trained.
        loss: `keras.losses.Loss` to measure on the probe set; `None`: that of the strategy.

    Example:

    >>> recorder = EmbeddingRecorder(x, y, total_steps=200, strategy="batch_all", margin=0.5)
    >>> network.fit(batches, callbacks=[recorder])
    >>> recorder.recording().embeddings.shape
    (24, 1000, 64)
    """

    def __init__(
        self,
        images,
        labels,
        *,
        total_steps,
        strategy,
        margin,
        squared=False,
        snapshots=24,
        network=None,
        loss=None,
    ):
        super().__init__()
        check_strategy(strategy)
        self.images = np.asarray(images)
        self.labels = class_labels(labels, len(self.images), of="probe images").astype(np.int64)
        members = np.unique(self.labels, return_counts=True)[1]
        if len(members) < 2 or members.max() < 2:
            raise ValueError(
                "the probe set must hold a triplet: two classes, one of them with two images; got "
                f"classes of {members.tolist()} images"
            )
        self.wanted = set(snapshot_steps(total_steps, snapshots))
        self.margin, self.squared = margin, squared
        self.loss = LOSS_CLASSES[strategy](margin, squared) if loss is None else loss
        self.network = network
        self._restored = False
        self._forget()

    def _forget(self):
        # Each look is appended as a whole, so that an interrupt cannot leave half of one.
        self.looks, self.step_curves = [], {}
        self.step, self.diverged, self.begun = 0, False, False

    def restore(self, recording, step):
        """Go on from a recording made up to a step; the next training does not start anew.

        Args:
            recording: `Recording` of the same probe set.
            step: updates made by then.
        """
        curves = {name: values.tolist() for name, values in recording.curves.items()}
        columns = zip(*curves.values(), strict=True)
        measured = [dict(zip(curves, values, strict=True)) for values in columns]
        self.looks = list(
            zip(recording.steps.tolist(), recording.embeddings, measured, strict=True)
        )
        self.step_curves = {name: each.tolist() for name, each in recording.step_curves.items()}
        self.step, self.diverged, self.begun = int(step), False, False
        self._restored = True

    def on_train_begin(self, logs=None):
        if getattr(self.model, "steps_per_execution", 1) != 1:
            raise ValueError("the recorder looks after single steps; set steps_per_execution=1")
        network = self.model if self.network is None else self.network
        self._embed = tf.function(lambda images: network(images, training=False))
        if self._restored:
            self._restored = False
        else:
            self._forget()
            self._look()
        self.begun = True

    def on_train_batch_begin(self, batch, logs=None):
        self.model.reset_metrics()

    def on_train_batch_end(self, batch, logs=None):
        for key, name in _STEP_CURVES.items():
            if logs and key in logs:
                self.step_curves.setdefault(name, []).append(float(logs[key]))
        self.step += 1
        if self.step in self.wanted:
            self._look()

    def on_train_end(self, logs=None):
        self.finish()

    def finish(self):
        """Take a last snapshot if the training ended between two; safe to call again."""
        if self.looks and self.looks[-1][0] != self.step:
            self._look()

    def latest(self, name):
        """The latest value of a curve of the probe set."""
        return self.looks[-1][2][name]

    def recording(self, *, planned=False):
        """What has been recorded so far, as a `Recording`.

        Args:
            planned: whether to leave out a look that an interrupt brought about.

        Raises:
            RuntimeError: if no training has begun.
        """
        if not self.looks:
            raise RuntimeError("nothing is recorded yet: pass the recorder to fit(callbacks=[…])")
        looks = [look for look in self.looks if look[0] in self.wanted or not planned]
        steps, embeddings, measured = zip(*looks, strict=True)
        return Recording(
            steps=np.array(steps, np.int64),
            embeddings=np.stack(embeddings),
            labels=self.labels,
            images=self.images,
            curves={name: np.array([each[name] for each in measured]) for name in measured[0]},
            step_curves={name: np.array(values) for name, values in self.step_curves.items()},
        )

    def _look(self):
        embeddings = self._embed(tf.convert_to_tensor(self.images)).numpy()
        self.looks.append((self.step, embeddings, self._measure(embeddings)))
        if not np.isfinite(embeddings).all() and not self.diverged:
            self.diverged = self.model.stop_training = True
            print(f"Training diverged: at step {self.step} embeddings are no longer finite.")

    def _measure(self, embeddings):
        if not np.isfinite(embeddings).all():
            return dict.fromkeys(self.looks[0][2] if self.looks else ["loss"], np.nan)
        ring = 0.0 if self.margin == "soft" else self.margin
        counts = count_triplets(self.labels, embeddings, ring, self.squared)
        return {
            "loss": float(self.loss(self.labels, embeddings)),
            "fraction of positive triplets": (counts.semi_hard + counts.hard) / counts.valid,
            "R@1": recall_at_k(embeddings, self.labels, k=1),
            "easy": counts.easy / counts.valid,
            "semi-hard": counts.semi_hard / counts.valid,
            "hard": counts.hard / counts.valid,
            **self._sizes(embeddings),
        }

    def _sizes(self, embeddings):
        metric = "squared_euclidean" if self.squared else "euclidean"
        distances = pairwise_distances(embeddings, metric=metric).numpy()
        same = self.labels[:, None] == self.labels
        farthest = np.where(same, distances, 0.0).max(axis=1)
        nearest = np.where(same, np.inf, distances).min(axis=1)
        members = same.sum(axis=1)
        return {
            "mean embedding norm": float(np.linalg.norm(embeddings, axis=1).mean()),
            "hardest positive distance": float(farthest[members > 1].mean()),
            "hardest negative distance": float(nearest.mean()),
        }


_SECONDS_PER_LINE = 10.0
_BAR = "{desc}: {percentage:3.0f}%{bar}{n_fmt}/{total_fmt}, {remaining} left{postfix}"


class ProgressBar(keras.callbacks.Callback):
    """A bar with the time left, the loss and the fraction of positive triplets.

    In a notebook and on a terminal it is a bar that moves; elsewhere a plain line after each epoch
    and every ten seconds.

    Args:
        total_steps: updates that the training will make.
        description: what stands before the bar.
        recorder: an `EmbeddingRecorder` of the same training, to show its latest R@1.
        steps_per_epoch: updates that make an epoch; `None`: what Keras calls one.
        first_step: updates made before, by a training that goes on.
    """

    def __init__(
        self,
        total_steps,
        description="Training",
        recorder=None,
        *,
        steps_per_epoch=None,
        first_step=0,
    ):
        super().__init__()
        self.total_steps, self.description, self.recorder = total_steps, description, recorder
        self.steps_per_epoch, self.first_step = steps_per_epoch, first_step
        self.bar, self.done, self.latest = None, first_step, {}

    def on_train_begin(self, logs=None):
        self.done, self.latest, self.epoch = self.first_step, {}, 1
        self.began = self.said = time.monotonic()
        if _shows_bars():
            self.bar = tqdm(
                total=self.total_steps,
                initial=self.first_step,
                desc=self.description,
                bar_format=_BAR,
            )

    def on_train_batch_end(self, batch, logs=None):
        self.done += 1
        self.latest = dict(logs or {})
        if self.bar is not None:
            self.bar.update(1)
            if self.done % 10 == 0 or self.done == self.total_steps:
                self.bar.set_postfix_str(self._state(), refresh=False)
            return
        if self.steps_per_epoch:
            self.epoch = math.ceil(self.done / self.steps_per_epoch)
        epoch_ends = self.steps_per_epoch and self.done % self.steps_per_epoch == 0
        if epoch_ends or time.monotonic() - self.said > _SECONDS_PER_LINE:
            self._line()

    def on_epoch_begin(self, epoch, logs=None):
        if not self.steps_per_epoch:
            self.epoch = epoch + 1

    def on_epoch_end(self, epoch, logs=None):
        if self.bar is None and not self.steps_per_epoch:
            self._line()

    def _line(self):
        self.said = time.monotonic()
        steps_left = self.total_steps - self.done
        pace = (time.monotonic() - self.began) / max(1, self.done - self.first_step)
        left = tqdm.format_interval(steps_left * pace)
        line = f"{self.description}: epoch {self.epoch}, step {self.done:,} of {self.total_steps:,}"
        print(f"{line}, {left} left, {self._state()}", flush=True)

    def on_train_end(self, logs=None):
        self.close()

    def close(self):
        """Leave the bar as it stands; for a training that was interrupted."""
        if self.bar is not None:
            self.bar.set_postfix_str(self._state(), refresh=True)
            self.bar.close()

    def _state(self):
        parts = []
        if "loss" in self.latest:
            parts.append(f"loss {self.latest['loss']:.3f}")
        if "fraction_positive" in self.latest:
            parts.append(f"positive {self.latest['fraction_positive']:.1%}")
        if self.recorder is not None and self.recorder.looks:
            parts.append(f"R@1 {self.recorder.latest('R@1'):.3f}")
        return ", ".join(parts)


class Interruptible:
    """Lets an interrupt end a training cleanly: the network keeps what it has learnt so far.

    Ctrl-C in a terminal and the stop button of a notebook raise `KeyboardInterrupt` in the middle
    of `fit`, as a rule between an update and its record. Inside this context they end the training
    after the step that is being made, and nothing else: the callbacks finish their work and the
    code after it goes on. A second interrupt does not wait for the step. Before the training has
    begun there is nothing to keep, and an interrupt is what it is elsewhere.

    Args:
        *callbacks: the callbacks of the training.

    Attributes:
        finished: whether the training ran to its end.

    Example:

    >>> with Interruptible(recorder, bar) as training:
    ...     network.fit(batches, callbacks=[recorder, bar], verbose=0)
    """

    def __init__(self, *callbacks):
        self.callbacks = callbacks
        self.finished = False

    def __enter__(self):
        self._asked, self._before = False, None
        # Python lets the main thread alone say what an interrupt does.
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._interrupt)
        return self

    def _interrupt(self, number, frame):
        models = [callback.model for callback in self.callbacks if callback.model is not None]
        if self._asked or not models or not self._begun():
            raise KeyboardInterrupt
        self._asked = True
        for model in models:
            model.stop_training = True

    def _begun(self):
        return all(getattr(callback, "begun", True) for callback in self.callbacks)

    def __exit__(self, kind, error, traceback):
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
        self.finished = kind is None and not self._asked
        interrupted = kind is not None and issubclass(kind, KeyboardInterrupt) and self._begun()
        if interrupted:
            for callback in self.callbacks:
                callback.on_train_end()
        if interrupted or (kind is None and self._asked):
            print("Training was interrupted. The network keeps what it has learnt so far.")
        return interrupted


def _shows_bars():
    # A notebook has a shell with a kernel; if IPython is not even imported, this is none.
    ipython = sys.modules.get("IPython")
    in_notebook = ipython is not None and hasattr(ipython.get_ipython(), "kernel")
    return in_notebook or sys.stderr.isatty()
