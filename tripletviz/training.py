"""From parameters to a trained network: what `Params` say, built and run."""

import time

import numpy as np

from . import networks
from ._tensorflow import keras, tf
from .augmentation import augment
from .callbacks import EmbeddingRecorder, Interruptible, ProgressBar, probe_indices
from .checkpoints import Checkpointer
from .losses import (
    LOSS_CLASSES,
    FractionOfPositiveTriplets,
    HardestNegativeDistance,
    HardestPositiveDistance,
    MeanEmbeddingNorm,
    StagedTripletLoss,
)
from .params import ExperimentError
from .sampling import pk_batches, random_batches
from .schedules import learning_rate_schedule
from .summaries import TensorBoardSummaries


def build_network(params):
    """The embedding network that `params` describes, its weights random."""
    options = {
        "embedding_size": params.embedding_size,
        "channels": params.channels,
        "dropout": params.dropout,
        "normalize": params.normalize,
        "seed": params.seed,
    }
    try:
        if params.network == "alexnet":
            return networks.alexnet(**options)
        return networks.conv_net(
            blocks=params.blocks,
            convolutions=params.convolutions,
            batch_norm=params.batch_norm,
            **options,
        )
    except ValueError as error:
        raise ExperimentError(f"these parameters make no network: {error}") from None


def untrained_network(params, images):
    """The network that `params` describe, its batch normalisation settled, its weights random.

    Args:
        params: `Params`.
        images: uint8 array `(N, H, W)`: the training images; a few thousand are shown to it.
    """
    network = build_network(params)
    if params.network == "conv_net" and params.batch_norm:
        networks.settle_batch_norm(network, images, batch_size=min(64, len(images)))
    return network


def seen_classes(params, images, labels):
    """The images whose class is not held out of training, and their labels.

    Args:
        params: `Params`.
        images: uint8 array `(N, H, W)`.
        labels: int array `(N,)`.

    Raises:
        ExperimentError: if a class to hold out is not there, or fewer than two are left.
    """
    held_out = params.held_out_classes
    if not held_out:
        return images, labels
    classes = np.unique(labels)
    unknown = sorted(set(held_out) - set(classes.tolist()))
    if unknown:
        raise ExperimentError(f"held_out_classes names {unknown}, which the data does not have")
    if len(classes) - len(held_out) < 2:
        raise ExperimentError("held_out_classes must leave at least two classes to train on")
    seen = ~np.isin(labels, held_out)
    return images[seen], labels[seen]


def make_batches(params, images, labels, *, first_step=0):
    """The batches that `params` describe, and how many of them make an epoch.

    Args:
        params: `Params`.
        images: uint8 array `(N, H, W)`.
        labels: int array `(N,)`.
        first_step: step of the whole training at which to begin, counted from 0.

    Returns:
        `(dataset, steps_per_epoch)`; the dataset runs to the end of the last epoch.

    Raises:
        ExperimentError: if the data has too few images or classes for these batches.
    """
    images, labels = seen_classes(params, images, labels)

    def batches(**place):
        options = {"seed": params.seed, "epochs": params.epochs, **place}
        if params.classes_per_batch is None:
            return random_batches(images, labels, params.batch_size, **options)
        pair = params.classes_per_batch, params.images_per_class
        return pk_batches(images, labels, *pair, **options)

    try:
        dataset = batches()
        steps = int(dataset.cardinality()) // params.epochs
        if first_step:
            epoch, step = divmod(first_step, steps)
            dataset = batches(first_epoch=epoch, first_step=step)
    except ValueError as error:
        raise ExperimentError(f"these parameters do not fit the data: {error}") from None
    return _augmented(params, dataset, first_step, steps), steps


def _augmented(params, dataset, first_step, steps_per_epoch):
    bounds = {key: getattr(params, key) for key in ("max_shift", "max_rotation", "max_zoom")}
    if not any(bounds.values()):
        return dataset

    last = steps_per_epoch * (params.augmented_epochs or params.epochs)

    def change(step, batch):
        images, labels = batch
        changed = tf.cond(
            step < last, lambda: augment(images, params.seed, step, **bounds), lambda: images
        )
        return changed, labels

    numbered = dataset.enumerate(start=first_step)
    return numbered.map(change, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


class Training:
    """One training of a network, as `params` say, from its first step or from a checkpoint.

    Args:
        network: `keras.Model` from images to embeddings; trained in place, never compiled.
        params: `Params`.
        images: uint8 array `(N, H, W)`: the training images; classes held out are left out.
        labels: int array `(N,)`.
        probe: `(images, labels)` of the probe set to record, by default the first 100 training
            images of each class.
        checkpoint: `Checkpoint` to go on from, or `None`.

    Attributes:
        model: the compiled `keras.Model`: the network, for the objective "classification" with a
            softmax layer on it (`networks.classifier`).
        recorder: the `EmbeddingRecorder`.
        total_steps, steps_per_epoch: updates of the whole training, and of an epoch.
        learning_rate: number, or `keras.optimizers.schedules.LearningRateSchedule`.
        first_step: updates made before this run.
        seconds: time spent training, in all runs together.

    Raises:
        ExperimentError: if the data does not fit the parameters, or the checkpoint the network.
    """

    def __init__(self, network, params, images, labels, *, probe=None, checkpoint=None):
        self.params, self.images, self.labels = params, images, labels
        _, self.steps_per_epoch = make_batches(params, images, labels)
        self.total_steps = self.steps_per_epoch * params.epochs
        self.learning_rate = self._learning_rate()
        optimizer = keras.optimizers.Adam(self.learning_rate)
        self._refuse_unreached_stages()
        loss = triplet_loss(params, optimizer.iterations)
        self.recorder = self._recorder(network, loss, probe)
        if params.objective == "classification":
            self.model = networks.classifier(network, int(labels.max()) + 1, seed=params.seed)
            loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
            metrics = [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]
        else:
            self.model = keras.Model(network.input, network.output, name="training")
            metrics = _batch_metrics(params)
        self.model.compile(optimizer=optimizer, loss=loss, metrics=metrics)
        # Else the first step would make the variables, and be traced a second time.
        optimizer.build(self.model.trainable_variables)
        if checkpoint is not None:
            checkpoint.restore(self.model, self.recorder)
        self.first_step = self.recorder.step
        self.seconds = 0.0 if checkpoint is None else checkpoint.seconds

    def run(self, *, progress=True, checkpoint_path=None, notes=None, log_dir=None):
        """Train to the end.

        A `KeyboardInterrupt` (Ctrl-C, or the stop button of a notebook) ends training cleanly: the
        network keeps what it has learnt so far, and what was recorded is there.

        Args:
            progress: whether to show how far training is, or what makes a callback that does so:
                it is called with the arguments of `ProgressBar`
                (`tripletviz.lessons.live_training()` is such a thing).
            checkpoint_path: file to keep the state in, from which a killed training goes on.
            notes: dictionary of JSON values to keep with it.
            log_dir: folder for TensorBoard's event files, or `None` for none.

        Returns:
            Whether training ran to its end: one that is interrupted, or diverges, did not.
        """
        callbacks = self._callbacks(progress, checkpoint_path, notes, log_dir)
        if self.first_step == self.total_steps:
            # Killed after the last step: what goes to files at the end may not have got there.
            for callback in callbacks:
                callback.set_model(self.model)
                callback.on_train_begin()
                callback.on_train_end()
            return True
        began = time.monotonic()
        dataset, _ = make_batches(self.params, self.images, self.labels, first_step=self.first_step)
        # For Keras all steps are one epoch: it could not begin in the middle of one.
        with Interruptible(*callbacks) as training:
            self.model.fit(
                dataset,
                steps_per_epoch=self.total_steps - self.first_step,
                shuffle=False,
                callbacks=callbacks,
                verbose=0,
            )
        self.seconds += time.monotonic() - began
        return training.finished and not self.recorder.diverged

    def _callbacks(self, progress, checkpoint_path, notes, log_dir):
        callbacks = [self.recorder]
        if log_dir is not None:
            batches, _ = make_batches(self.params, self.images, self.labels)
            images, labels = next(batches.as_numpy_iterator())
            callbacks.append(
                TensorBoardSummaries(
                    log_dir,
                    self.recorder,
                    images=images,
                    labels=labels,
                    learning_rate=self.learning_rate,
                )
            )
        if checkpoint_path is not None:
            callbacks.append(
                Checkpointer(checkpoint_path, self.recorder, notes=notes, seconds=self.seconds)
            )
        if progress:
            shown = progress if callable(progress) else ProgressBar
            callbacks.append(
                shown(
                    self.total_steps,
                    recorder=self.recorder,
                    steps_per_epoch=self.steps_per_epoch,
                    first_step=self.first_step,
                )
            )
        return callbacks

    def _refuse_unreached_stages(self):
        begins = [until for until, _ in self.params.stages[:-1]]
        if begins and begins[-1] >= self.total_steps:
            raise ExperimentError(
                "these parameters do not fit the data: the last stage of the strategy begins at "
                f"step {begins[-1]:,}, the training has {self.total_steps:,}"
            )

    def _learning_rate(self):
        params = self.params
        try:
            return learning_rate_schedule(
                params.learning_rate_schedule,
                params.learning_rate,
                self.total_steps,
                final=params.final_learning_rate,
                warmup_steps=params.warmup_steps,
            )
        except ValueError as error:
            raise ExperimentError(f"these parameters do not fit the data: {error}") from None

    def _recorder(self, network, loss, probe):
        if probe is None:
            chosen = probe_indices(self.labels)
            probe = self.images[chosen], self.labels[chosen]
        params = self.params
        return EmbeddingRecorder(
            *probe,
            total_steps=self.total_steps,
            strategy=params.stages[0][1],
            margin=params.margin,
            squared=params.squared,
            snapshots=params.snapshots,
            network=network,
            loss=loss,
        )


def triplet_loss(params, iterations):
    """The Keras loss that `params` describe.

    Args:
        params: `Params`.
        iterations: variable that counts the updates, for a strategy of several stages.
    """
    if len(params.stages) > 1:
        return StagedTripletLoss(params.stages, params.margin, params.squared, step=iterations)
    return LOSS_CLASSES[params.stages[0][1]](params.margin, params.squared)


def _batch_metrics(params):
    kinds = (MeanEmbeddingNorm, HardestPositiveDistance, HardestNegativeDistance)
    metrics = [kind(params.squared) for kind in kinds]
    if params.margin != "soft":
        metrics.append(FractionOfPositiveTriplets(params.margin, params.squared))
    return metrics


def fit(network, params, images, labels, *, probe=None, progress=True):
    """Train a network in place, as `params` say; `Training` in one call.

    Args:
        network, params, images, labels, probe: as for `Training`.
        progress: whether, or by what, to show how far training is, as for `Training.run`.

    Returns:
        `(recording, finished)`: a `Recording`, and whether training ran to its end. One that is
        interrupted, or diverges, did not.

    Raises:
        ExperimentError: if the data does not fit the parameters.
    """
    training = Training(network, params, images, labels, probe=probe)
    finished = training.run(progress=progress)
    return training.recorder.recording(), finished


def embed(network, images, batch_size=1000):
    """Embeddings of images, as a float32 array `(N, D)`.

    Args:
        network: `keras.Model` from images to embeddings.
        images: uint8 array `(N, H, W)`.
        batch_size: images at a time.
    """
    return np.asarray(network.predict(images, batch_size=batch_size, verbose=0), np.float32)
