import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tripletviz import experiments
from tripletviz.__main__ import main
from tripletviz.callbacks import Recording
from tripletviz.datasets import load_mnist_sample
from tripletviz.evaluation import knn_accuracy, recall_at_k
from tripletviz.params import ExperimentError, parse_params

ROOT = Path(__file__).parents[1]
BASE = json.loads((ROOT / "experiments/base_model/params.json").read_text())
SMALL = BASE | {"profile": "ci", "channels": 4, "embedding_size": 8, "snapshots": 4}


@pytest.fixture
def sample(monkeypatch):
    """A small data set of real digits in place of MNIST, with a probe set of its own size."""
    images, labels = load_mnist_sample()
    test = np.arange(len(labels)) % 4 == 0
    data = (images[~test], labels[~test]), (images[test], labels[test])
    monkeypatch.setitem(experiments.LOADERS, "mnist", lambda profile: data)
    probe = experiments.probe_indices
    monkeypatch.setattr(experiments, "probe_indices", lambda labels: probe(labels, 20))
    return data


@pytest.fixture
def model_dir(tmp_path):
    (tmp_path / "params.json").write_text(json.dumps(SMALL))
    return tmp_path


def test_train_writes_what_evaluate_reads(sample, model_dir, capsys):
    experiment = experiments.train(model_dir)
    written = {path.name for path in model_dir.iterdir()}
    assert written == {"params.json", "model.keras", "recording.npz", "metrics.json"}
    metrics = json.loads((model_dir / "metrics.json").read_text())
    assert metrics == json.loads(json.dumps(experiment.metrics))
    assert metrics["finished"] is True
    assert metrics["steps"] == 1500 // 64
    assert metrics["trained"]["recall_at_k"]["1"] > metrics["untrained"]["recall_at_k"]["1"]
    recording = Recording.load(model_dir / "recording.npz")
    assert recording.steps[-1] == metrics["steps"]
    assert experiments.evaluate(model_dir) == metrics["trained"]
    assert "(500 queries, the other 499 as gallery)" in capsys.readouterr().out


def test_evaluation_says_what_is_query_and_what_is_gallery(sample):
    network = experiments.build_network(parse_params(SMALL))
    (x_train, y_train), (x_test, y_test) = sample
    metrics = experiments.evaluate_network(network, sample)
    queries, gallery = experiments.embed(network, x_test), experiments.embed(network, x_train)
    assert metrics["queries"] == 500
    assert metrics["training_gallery"] == 1500
    assert metrics["recall_at_k"]["4"] == recall_at_k(queries, y_test, k=4)
    assert metrics["knn_accuracy"]["5"] == knn_accuracy(queries, y_test, gallery, y_train, k=5)


def test_the_same_seed_gives_the_same_training_and_another_seed_another(sample, model_dir):
    runs = []
    for seed in (1, 1, 2):
        (model_dir / "params.json").write_text(json.dumps(SMALL | {"seed": seed}))
        runs.append(experiments.train(model_dir, progress=False, say=lambda line: None))
    same, again, other = (run.network.get_weights() for run in runs)
    for one, two in zip(same, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert any(np.abs(one - two).max() > 1e-3 for one, two in zip(same, other, strict=True))
    np.testing.assert_array_equal(runs[0].recording.embeddings, runs[1].recording.embeddings)


@pytest.mark.parametrize(
    "changes",
    [
        {"strategy": "batch_hard", "margin": "soft", "learning_rate": 1e-4},
        {"strategy": "batch_semi_hard", "squared": True, "normalize": True, "margin": 0.2},
        {"classes_per_batch": 8, "images_per_class": 8, "batch_norm": False},
    ],
)
def test_every_kind_of_training_runs(sample, changes):
    params = parse_params(SMALL | changes)
    network = experiments.build_network(params)
    recording, finished = experiments.fit(
        network, params, *sample[0], probe=sample[1], progress=False
    )
    assert finished
    assert np.isfinite(recording.embeddings).all()
    losses = recording.curves["loss"]
    assert losses[-1] != losses[0]
    assert np.isfinite(losses).all()


def test_the_network_is_the_one_that_the_parameters_describe():
    changes = {"embedding_size": 7, "channels": 3, "batch_norm": False, "normalize": True}
    network = experiments.build_network(parse_params(SMALL | changes))
    assert network.output_shape == (None, 7)
    kinds = [type(layer).__name__ for layer in network.layers]
    assert "UnitNormalization" in kinds
    assert not [kind for kind in kinds if "BatchNormalization" in kind]
    filters = [layer.filters for layer in network.layers if hasattr(layer, "filters")]
    assert filters == [3, 6]
    plain = experiments.build_network(parse_params(SMALL))
    kinds = [type(layer).__name__ for layer in plain.layers]
    assert "UnitNormalization" not in kinds
    assert [kind for kind in kinds if "BatchNormalization" in kind]


def test_the_training_is_the_one_that_the_parameters_describe(sample):
    changes = {
        "strategy": "batch_hard",
        "squared": True,
        "margin": 0.25,
        "learning_rate": 3e-4,
        "epochs": 2,
        "batch_size": 500,
    }
    network = experiments.build_network(parse_params(SMALL | changes))
    recording, _ = experiments.fit(
        network, parse_params(SMALL | changes), *sample[0], probe=sample[1], progress=False
    )
    assert type(network.loss).__name__ == "BatchHardTripletLoss"
    assert (network.loss.margin, network.loss.metric) == (0.25, "squared_euclidean")
    assert float(network.optimizer.learning_rate.numpy()) == pytest.approx(3e-4)
    assert recording.steps[-1] == 2 * (1500 // 500)
    # Two epochs are two different orders of the same images.
    batches, steps = experiments.make_batches(parse_params(SMALL | changes), *sample[0])
    labels = [labels.numpy() for _, labels in batches]
    assert (len(labels), steps) == (6, 3)
    assert (np.concatenate(labels[:3]) != np.concatenate(labels[3:])).any()


def test_data_set_and_profile_are_those_of_the_parameters(sample, model_dir, monkeypatch):
    asked = []
    monkeypatch.setitem(
        experiments.LOADERS, "fashion_mnist", lambda profile: asked.append(profile) or sample
    )
    changes = {"dataset": "fashion_mnist", "profile": "laptop"}
    (model_dir / "params.json").write_text(json.dumps(SMALL | changes))
    experiment = experiments.train(model_dir, progress=False, say=lambda line: None)
    experiments.evaluate(model_dir, say=lambda line: None)
    assert asked == ["laptop", "laptop"]
    # What is recorded are test images.
    test_images = {image.tobytes() for image in sample[1][0]}
    assert all(image.tobytes() in test_images for image in experiment.recording.images)


def test_a_training_is_kept_before_it_is_evaluated(sample, model_dir, monkeypatch):
    evaluate, calls = experiments.evaluate_network, []

    def impatient(network, data):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return evaluate(network, data)

    monkeypatch.setattr(experiments, "evaluate_network", impatient)
    with pytest.raises(KeyboardInterrupt):
        experiments.train(model_dir, progress=False, say=lambda line: None)
    monkeypatch.setattr(experiments, "evaluate_network", evaluate)
    assert json.loads((model_dir / "metrics.json").read_text())["steps"] == 1500 // 64
    assert experiments.evaluate(model_dir, say=lambda line: None)["queries"] == 500


def test_a_training_that_diverges_leaves_its_files(sample, model_dir):
    (model_dir / "params.json").write_text(json.dumps(SMALL | {"learning_rate": 1e38}))
    said = []
    experiment = experiments.train(model_dir, progress=False, say=said.append)
    assert not experiment.finished
    assert "trained" not in experiment.metrics
    assert said[-1].startswith("Diverged; what was recorded is kept: ")
    assert (model_dir / "recording.npz").exists()
    metrics = json.loads((model_dir / "metrics.json").read_text())
    assert metrics["untrained"]
    assert metrics["finished"] is False
    with pytest.raises(ExperimentError, match=r"its network is of no use: .*finite"):
        experiments.evaluate(model_dir)


def test_a_model_dir_without_a_model(sample, model_dir):
    with pytest.raises(ExperimentError, match=r"no model\.keras yet; train it first"):
        experiments.evaluate(model_dir)
    (model_dir / "model.keras").write_text("not a model")
    with pytest.raises(ExperimentError, match="is damaged, or no model that Keras saved"):
        experiments.evaluate(model_dir)
    with zipfile.ZipFile(model_dir / "model.keras", "w") as archive:
        archive.writestr("config.json", "{}")
    with pytest.raises(ExperimentError, match="cannot be read"):
        experiments.evaluate(model_dir)


def test_parameters_that_do_not_fit_the_data(sample):
    for changes in (
        {"batch_size": 5000},
        {"classes_per_batch": 2, "images_per_class": 500, "batch_size": 1000},
        {"classes_per_batch": 32, "images_per_class": 2},
    ):
        with pytest.raises(ExperimentError, match="do not fit the data"):
            experiments.make_batches(parse_params(SMALL | changes), *sample[0])


def test_the_command_line_says_what_is_wrong_in_one_line(tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("")
    (tmp_path / "params.json").write_text("{")
    for model_dir, reason in ((file, "is a file"), (tmp_path, "is not JSON"), ("no", "not exist")):
        for command in ("train", "evaluate"):
            assert main([command, "--model-dir", str(model_dir)]) == 2
            said = capsys.readouterr().err
            assert said.startswith("tripletviz: ")
            assert said.count("\n") == 1
            assert reason in said


def test_an_error_without_a_number_is_told_too(monkeypatch, capsys):
    def fail(profile="full"):
        raise OSError("the disk is gone")

    monkeypatch.setattr("tripletviz.__main__.load_mnist", fail)
    assert main(["fetch"]) == 2
    assert capsys.readouterr().err == "tripletviz: the disk is gone\n"


def test_help_explains_every_key():
    shown = subprocess.run(
        [sys.executable, "-m", "tripletviz", "train", "--help"],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    ).stdout
    for key in SMALL:
        assert f"  {key}: " in shown


def test_the_command_line_trains_and_evaluates_without_log_noise(model_dir):
    """The real thing, on real MNIST: nothing but our own lines reaches the reader."""
    for command in ("train", "evaluate"):
        process = subprocess.run(
            [sys.executable, "-m", "tripletviz", command, "--model-dir", model_dir],
            check=True,
            capture_output=True,
            text=True,
            cwd=ROOT,
        )
        assert process.stderr == ""
        lines = process.stdout.splitlines()
        assert lines[0].startswith("Device: ")
        expected = r"Trained: test R@1 0\.\d{4} \(10,000 queries, the other 9,999 as gallery\), "
        assert re.match(expected, lines[-1])
