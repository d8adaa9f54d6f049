"""Model dirs: from `params.json` to a trained, evaluated, visualised network, and back.

A model dir holds `params.json`. `train` adds, whole or not at all,

- `model.keras`: the embedding network; with the objective "classification" also `classifier.keras`,
- `recording.npz`: what the probe set did (`callbacks.Recording`),
- `metrics.json`: parameters and evaluation; nothing in it depends on when or how fast it ran,
- `run.json`: how long it took, and on what,
- `tensorboard/`: event files,
- `checkpoint.npz` while it is not finished: all that is needed to go on;

and `visualize` adds the projector to `tensorboard/`, and `tsne.html`.
"""

import json
import platform
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from . import __version__, datasets
from ._files import only_one, whole
from ._tensorflow import describe_device, keras, tf
from .callbacks import probe_indices
from .checkpoints import Checkpoint
from .evaluation import evaluate_embeddings
from .networks import CountedDropout
from .params import ExperimentError, Params, changed_params, load_params
from .projection import tsne
from .recordings import Recording
from .summaries import write_projector, write_tsne_page
from .training import Training, build_network, embed, seen_classes, untrained_network

LOADERS = {"mnist": datasets.load_mnist, "fashion_mnist": datasets.load_fashion_mnist}

# What a training writes, and `restart` removes.
_WRITTEN = (
    "checkpoint.npz",
    "model.keras",
    "classifier.keras",
    "recording.npz",
    "metrics.json",
    "run.json",
    "tsne.html",
)


@dataclass(frozen=True)
class Experiment:
    """A trained network with what was recorded and measured on the way.

    Attributes:
        params: the `Params` it was trained with.
        network: the `keras.Model` from images to embeddings.
        recording: the `Recording` of its probe set.
        metrics: what `metrics.json` holds: `"params"`, `"steps"`, `"finished"`, and what
            `evaluate_network` found: `"untrained"` (random weights), `"pretrained"` (before this
            training, if it started from another's weights) and `"trained"` (which is missing if
            the training diverged).
        finished: whether training ran to its end, neither interrupted nor diverged.
    """

    params: Params
    network: keras.Model
    recording: Recording
    metrics: dict
    finished: bool


def evaluate_network(network, data, *, held_out_classes=(), classifier=None):
    """How good a network's embeddings are on test images it has not seen.

    Test images are queries. Their gallery is the other test images, for k-NN accuracy the training
    images.

    Args:
        network: `keras.Model` from images to embeddings.
        data: `(x_train, y_train), (x_test, y_test)`.
        held_out_classes: classes that training did not see; they are also evaluated apart.
        classifier: `keras.Model` from images to logits, whose accuracy is measured too.

    Returns:
        Dictionary as of `evaluation.evaluate_embeddings`, and `"accuracy"` if there is a
        classifier; ready for JSON.
    """
    (x_train, y_train), (x_test, y_test) = data
    found = evaluate_embeddings(
        embed(network, x_test),
        y_test,
        embed(network, x_train),
        y_train,
        held_out_classes=held_out_classes,
    )
    if classifier is not None:
        # Where classes were held out it cannot know them: it is asked about the others.
        known = ~np.isin(y_test, list(held_out_classes))
        predicted = embed(classifier, x_test[known]).argmax(axis=1)
        found["accuracy"] = float((predicted == y_test[known]).mean())
    return found


def train(model_dir, *, restart=False, progress=True, say=print):
    """Train the experiment of a model dir, evaluate it, and write its files.

    A training that was interrupted or killed goes on where its last checkpoint is, and ends equal
    to one that was not (bit for bit on a CPU; a GPU adds numbers up in no fixed order). One that is
    finished is left as it is.

    Args:
        model_dir: path of a folder with `params.json`.
        restart: whether to begin anew, and throw away what an earlier training has left, as soon
            as it is sure that the new one can begin.
        progress: whether to show how far training is.
        say: function that is given each line worth telling.

    Returns:
        `Experiment`. If training was interrupted, the files hold what was reached.

    Raises:
        ExperimentError: if the model dir or its parameters are not usable, another training runs
            in it, or it holds the training of other parameters.
        OSError: if the folder cannot be written to, or the disk is full; files are as they were.
    """
    model_dir = Path(model_dir)
    params = load_params(model_dir)
    with only_one(model_dir):
        if not restart and _is_finished(model_dir, params):
            (model_dir / "checkpoint.npz").unlink(missing_ok=True)
            say(f"{model_dir} is trained already; --restart trains it anew")
            experiment = load_experiment(model_dir)
            say(_summary("Trained", experiment.metrics["trained"]))
            return experiment
        checkpoint = None if restart else _checkpoint(model_dir, params)
        return _train(model_dir, params, checkpoint, progress, say)


def _train(model_dir, params, checkpoint, progress, say):
    data = LOADERS[params.dataset](params.profile)
    (x_train, y_train), (x_test, y_test) = data
    seen, _ = seen_classes(params, x_train, y_train)
    network = untrained_network(params, seen)
    chosen = probe_indices(y_test)
    training = Training(
        network,
        params,
        x_train,
        y_train,
        probe=(x_test[chosen], y_test[chosen]),
        checkpoint=checkpoint,
    )
    source = _source(model_dir, params, network, x_test)
    say(f"{len(x_train):,} training and {len(x_test):,} test images of {params.dataset}")
    if params.held_out_classes:
        say(f"Held out of training: classes {', '.join(map(str, params.held_out_classes))}")
    if checkpoint is None:
        # Only now, when nothing speaks against the new training any more.
        _remove_results(model_dir)
        baselines = _baselines(training, network, source, data, say)
    else:
        baselines = {key: value for key, value in checkpoint.notes.items() if key != "params"}
        say(_summary("Untrained", baselines["untrained"]))
        say(f"Going on at step {checkpoint.step:,} of {training.total_steps:,}")
    finished = training.run(
        progress=progress,
        checkpoint_path=model_dir / "checkpoint.npz",
        notes={"params": params.model_dump(mode="json"), **baselines},
        log_dir=model_dir / "tensorboard",
    )
    return _keep(model_dir, training, network, baselines, data, finished, say)


def _source(model_dir, params, network, images):
    """The network whose weights the training starts from, or `None`; it must fit."""
    if params.pretrained_from is None:
        return None
    folder = (model_dir / params.pretrained_from).resolve()
    if folder == model_dir.resolve():
        raise ExperimentError(f"{model_dir}: pretrained_from must name another model dir")
    source = load_network(folder)
    _pair_weights(network, source, folder)
    if not np.isfinite(embed(source, images)).all():
        raise ExperimentError(f"{folder}: its network is of no use: embeddings are not finite")
    return source


def _baselines(training, network, source, data, say):
    """Evaluate the network before training; give it the weights it is to start from."""
    options = {
        "held_out_classes": training.params.held_out_classes,
        "classifier": _classifier(training),
    }
    baselines = {"untrained": evaluate_network(network, data, **options)}
    say(_summary("Untrained", baselines["untrained"]))
    if source is not None:
        for weight, value in _pair_weights(network, source, "its source"):
            weight.assign(value)
        baselines["pretrained"] = evaluate_network(network, data, **options)
        say(_summary("Pretrained", baselines["pretrained"]))
    return baselines


def _classifier(training):
    return training.model if training.params.objective == "classification" else None


def _keep(model_dir, training, network, baselines, data, finished, say):
    """Write what a training has reached, evaluate it, and write that."""
    params, recorder = training.params, training.recorder
    recording = recorder.recording()
    usable = bool(np.isfinite(recording.embeddings[-1]).all())
    done = "Trained" if finished else "Interrupted; what was learnt is kept"
    done = done if usable else "Diverged; what was recorded is kept"
    seconds = training.seconds
    say(f"{done}: {recorder.step:,} steps in {seconds:.0f} s")
    metrics = {
        "params": params.model_dump(mode="json"),
        "steps": recorder.step,
        "finished": finished,
        **baselines,
    }
    classifier = _classifier(training)
    # Written before the evaluation, so that nobody loses a training by being impatient with that.
    _write_model(model_dir / "model.keras", network)
    if classifier is not None:
        _write_model(model_dir / "classifier.keras", _uncompiled(classifier))
    recording.save(model_dir / "recording.npz")
    _write_json(model_dir / "run.json", _run(seconds))
    _write_json(model_dir / "metrics.json", metrics)
    if usable:
        try:
            metrics["trained"] = evaluate_network(
                network, data, held_out_classes=params.held_out_classes, classifier=classifier
            )
            say(_summary("Trained", metrics["trained"]))
        except ValueError as error:  # finite for the probe set, and not for every image
            usable = metrics["finished"] = False
            say(f"Diverged; what was recorded is kept: {error}")
        _write_json(model_dir / "metrics.json", metrics)
    if finished or not usable:
        (model_dir / "checkpoint.npz").unlink(missing_ok=True)
    return Experiment(params, network, recording, metrics, metrics["finished"])


def _is_finished(model_dir, params):
    """Whether all that a training leaves is there."""
    metrics = _read_json(model_dir / "metrics.json") or {}
    if metrics:
        _refuse_other_params(model_dir, params, metrics.get("params"))
    names = ["model.keras", "recording.npz"]
    names += ["classifier.keras"] * (params.objective == "classification")
    there = all((model_dir / name).exists() for name in names)
    return there and metrics.get("finished", False) and "trained" in metrics


def _checkpoint(model_dir, params):
    """The checkpoint to go on from, or `None`."""
    path = model_dir / "checkpoint.npz"
    if path.exists():
        checkpoint = Checkpoint.load(path)
        _refuse_other_params(model_dir, params, checkpoint.notes.get("params"))
        return checkpoint
    if (model_dir / "model.keras").exists() and not (model_dir / "metrics.json").exists():
        raise ExperimentError(
            f"{model_dir} has a model.keras whose training is unknown; --restart replaces it"
        )
    # A training that diverged would do so again from any checkpoint: it has none.
    return None


def _refuse_other_params(model_dir, params, before):
    changed = changed_params(params, before)
    if changed:
        raise ExperimentError(
            f"{model_dir} holds a training with other parameters ({changed}); --restart throws "
            "it away and trains anew"
        )


def evaluate(model_dir, *, say=print):
    """Evaluate the trained network of a model dir on all test images.

    Args:
        model_dir: path of a folder in which `train` has run.
        say: function that is given each line worth telling.

    Returns:
        Dictionary as of `evaluate_network`.

    Raises:
        ExperimentError: if the model dir or its parameters are not usable, nothing is trained, its
            weights do not fit the parameters, or the training diverged.
    """
    model_dir = Path(model_dir)
    params = load_params(model_dir)
    network = _trained_network(model_dir, params, say)
    classifier = None
    if params.objective == "classification" and (model_dir / "classifier.keras").exists():
        classifier = load_network(model_dir, "classifier.keras")
    data = LOADERS[params.dataset](params.profile)
    seen_classes(params, *data[0])
    try:
        metrics = evaluate_network(
            network, data, held_out_classes=params.held_out_classes, classifier=classifier
        )
    except ValueError as error:  # a training that diverged leaves a network of NaN
        raise ExperimentError(f"{model_dir}: its network is of no use: {error}") from None
    before = (_read_json(model_dir / "metrics.json") or {}).get("untrained", {})
    for line in _table(metrics, before):
        say(line)
    say(_summary("Trained", metrics))
    return metrics


def visualize(model_dir, *, perplexity=25, say=print):
    """Show where the trained network of a model dir puts the test images.

    Writes TensorBoard's projector into `tensorboard/`, and a picture by t-SNE as `tsne.html`, one
    page that needs no network.

    Args:
        model_dir: path of a folder in which `train` has run.
        perplexity: t-SNE's perplexity: roughly, how many neighbours count as near.
        say: function that is given each line worth telling.

    Returns:
        Path of the page.

    Raises:
        ExperimentError: as `evaluate`.
        OSError: if the folder cannot be written to, or the disk is full.
    """
    model_dir = Path(model_dir)
    params = load_params(model_dir)
    network = _trained_network(model_dir, params, say)
    _, (images, labels) = LOADERS[params.dataset](params.profile)
    if perplexity >= len(images):
        raise ExperimentError(
            f"perplexity must be less than the number of test images, {len(images):,}; got "
            f"{perplexity:g}"
        )
    embeddings = embed(network, images)
    if not np.isfinite(embeddings).all():
        raise ExperimentError(f"{model_dir}: its network is of no use: embeddings are not finite")
    metrics = _read_json(model_dir / "metrics.json")
    log_dir, page = model_dir / "tensorboard", model_dir / "tsne.html"
    with only_one(model_dir):
        log_dir.mkdir(exist_ok=True)
        write_projector(log_dir, embeddings, labels, images)
        say(f"Projector of {len(images):,} test images: tensorboard --logdir {log_dir}")
        points = tsne(embeddings, perplexity=perplexity, seed=params.seed)
        caption = _caption(model_dir.resolve().name, params, len(images), perplexity, metrics)
        write_tsne_page(page, points, labels, images, embeddings=embeddings, caption=caption)
    say(f"t-SNE, perplexity {perplexity:g}: {page}")
    return page


def _caption(name, params, count, perplexity, metrics):
    caption = (
        f"{name}: t-SNE, perplexity {perplexity:g}, of the {params.embedding_size}-dimensional "
        f"embeddings of {count:,} test images of {params.dataset}. Who is whose neighbour means "
        "something here, distances between groups do not."
    )
    if metrics and "untrained" in metrics:
        baseline = metrics["untrained"]["recall_at_k"]["1"]
        caption += f" In the untrained network's embedding {baseline:.1%} have such a neighbour."
    return caption


def load_experiment(model_dir):
    """What a finished training has left in a model dir, as an `Experiment`.

    Raises:
        ExperimentError: if something is missing or cannot be read.
    """
    model_dir = Path(model_dir)
    params = load_params(model_dir)
    metrics = _read_json(model_dir / "metrics.json")
    path = model_dir / "recording.npz"
    if metrics is None or not path.exists():
        raise ExperimentError(f"{model_dir} has no finished training; train it first")
    try:
        recording = Recording.load(path)
    except (KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error):
        raise ExperimentError(f"{path} is damaged; train it again with --restart") from None
    return Experiment(params, load_network(model_dir), recording, metrics, metrics["finished"])


def load_network(model_dir, name="model.keras"):
    """The trained network of a model dir.

    Args:
        model_dir: path of the folder.
        name: which of its networks.

    Raises:
        ExperimentError: if there is none, or its file cannot be read.
    """
    path = Path(model_dir) / name
    if not path.exists():
        raise ExperimentError(f"{model_dir} has no {name} yet; train it first")
    if not zipfile.is_zipfile(path):
        raise ExperimentError(f"{path} is damaged, or no model that Keras saved; train it again")
    try:
        return keras.models.load_model(path)
    except (
        KeyError,
        ValueError,
        OSError,
        TypeError,
        EOFError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ExperimentError(f"{path} cannot be read: {reason}") from None


def _trained_network(model_dir, params, say):
    """The network of a model dir, if it is the one that `params` describe."""
    saved = load_network(model_dir)
    network = build_network(params)
    for weight, value in _pair_weights(network, saved, model_dir / "model.keras"):
        weight.assign(value)
    metrics = _read_json(model_dir / "metrics.json") or {}
    changed = changed_params(params, metrics.get("params", params.model_dump()))
    if changed:
        say(f"Note: params.json has changed since this network was trained ({changed})")
    return network


def _pair_weights(network, source, where):
    """Pairs of a network's weights and those of another of the same architecture."""
    own, others = _learnt_weights(network), _learnt_weights(source)
    for name in {**own, **others}:
        wanted, found = (
            tuple(weights[name].shape) if name in weights else "none" for weights in (own, others)
        )
        if wanted != found:
            raise ExperimentError(
                f"the weights of {where} do not fit the parameters: {name} has shape {found} "
                f"there, {wanted} here"
            )
    return [(weight, others[name]) for name, weight in own.items()]


def _learnt_weights(network):
    """Name -> weight, but for the counters of dropout, which decide nothing in use."""
    layers = [layer for layer in network.layers if not isinstance(layer, CountedDropout)]
    return {f"{layer.name}/{weight.name}": weight for layer in layers for weight in layer.weights}


def _uncompiled(model):
    """The same layers without optimizer and loss, for a file that holds the network only."""
    return keras.Model(model.input, model.output, name=model.name)


def _write_model(path, network):
    with whole(path) as partial:
        network.save(partial)


def _write_json(path, values):
    with whole(path) as partial:
        partial.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _read_json(path):
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        values = None
    if not isinstance(values, dict):
        raise ExperimentError(f"{path} is damaged; --restart trains anew")
    return values


def _remove_results(model_dir):
    for name in _WRITTEN:
        (model_dir / name).unlink(missing_ok=True)
    for partial in model_dir.glob(".part-*"):
        partial.unlink()
    shutil.rmtree(model_dir / "tensorboard", ignore_errors=True)


def _run(seconds):
    return {
        "seconds": round(seconds, 1),
        "device": describe_device(),
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "tripletviz": __version__,
    }


def _summary(name, metrics):
    queries, gallery = metrics["queries"], metrics["training_gallery"]
    return (
        f"{name}: test R@1 {metrics['recall_at_k']['1']:.4f} ({queries:,} queries, the other "
        f"{queries - 1:,} as gallery), 1-NN accuracy {metrics['knn_accuracy']['1']:.4f} "
        f"(gallery: {gallery:,} training images)"
    )


def _table(metrics, before):
    """The evaluation as aligned lines: for each set of classes a column, and its baseline."""
    parts = {}
    for key, name in ((None, "all classes"), ("seen", "seen"), ("held_out", "held out")):
        for found, when in ((metrics, ""), (before, ", untrained")):
            part = found if key is None else found.get(key)
            if part:
                parts[name + when] = part
    rows = {}
    for part, found in parts.items():
        verification = found["verification"]
        rate = verification["false_accept_rate"]
        values = {f"recall@{k}": value for k, value in found["recall_at_k"].items()}
        values |= {
            "precision@1": found["precision_at_1"],
            "R-precision": found["r_precision"],
            "MAP@R": found["map_at_r"],
            "NMI": found["nmi"],
            "ROC AUC": verification["roc_auc"],
            "equal error rate": verification["equal_error_rate"],
            f"true accept rate at false accept rate {rate:g}": verification["true_accept_rate"],
            "  its threshold, a distance": verification["threshold"],
        }
        values |= {f"{k}-NN accuracy": value for k, value in found["knn_accuracy"].items()}
        if "accuracy" in found:
            values["accuracy of the softmax layer"] = found["accuracy"]
        for name, value in values.items():
            rows.setdefault(name, {})[part] = value
    width = max(map(len, rows))
    heads = [part.split(", ") for part in parts]
    for line in range(max(map(len, heads))):
        yield "".join([" " * width, *(f"{''.join(head[line : line + 1]):>12}" for head in heads)])
    for name, values in rows.items():
        cells = [f"{values[part]:12.4f}" if part in values else " " * 12 for part in parts]
        yield "".join([f"{name:<{width}}", *cells])
