import ctypes
import json
import math
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import small_mnist

from tripletviz import experiments
from tripletviz.__main__ import main
from tripletviz.checkpoints import Checkpointer
from tripletviz.evaluation import knn_accuracy, recall_at_k
from tripletviz.params import ExperimentError, Params, load_params, parse_params
from tripletviz.recordings import Recording
from tripletviz.search import search
from tripletviz.training import Training, build_network, embed

ROOT = Path(__file__).parents[1]
BASE = json.loads((ROOT / "experiments/base_model/params.json").read_text())
SMALL = BASE | {"profile": "ci", "channels": 4, "embedding_size": 8, "snapshots": 4}
WRITTEN = {"model.keras", "recording.npz", "metrics.json", "run.json", "tensorboard"}


@pytest.fixture
def model_dir(tmp_path):
    return made(tmp_path / "model")


def made(folder, **changes):
    """A model dir of the small training, with some parameters changed."""
    folder.mkdir(exist_ok=True)
    (folder / "params.json").write_text(json.dumps(SMALL | changes))
    return folder


def train(model_dir, **options):
    return experiments.train(model_dir, progress=False, say=lambda line: None, **options)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Model dir and experiment of the small training, done once for all tests that only read it."""
    with pytest.MonkeyPatch.context() as patch:
        small_mnist.use(patch.setitem, patch.setattr)
        folder = made(tmp_path_factory.mktemp("trained") / "model")
        return folder, train(folder)


@pytest.fixture
def trained_dir(trained, tmp_path):
    """A copy of that model dir, for a test to change."""
    return shutil.copytree(trained[0], tmp_path / "model")


def files(model_dir):
    return {path.name for path in model_dir.iterdir()} - {"params.json", ".lock"}


def contents(model_dir):
    return {
        str(path.relative_to(model_dir)): path.read_bytes()
        for path in model_dir.rglob("*")
        if path.is_file()
    }


def test_train_writes_what_evaluate_reads(sample, model_dir, capsys):
    experiment = experiments.train(model_dir)
    assert files(model_dir) == WRITTEN
    metrics = json.loads((model_dir / "metrics.json").read_text())
    assert metrics == json.loads(json.dumps(experiment.metrics))
    assert metrics["finished"] is True
    assert metrics["steps"] == 1500 // 64
    assert metrics["trained"]["recall_at_k"]["1"] > metrics["untrained"]["recall_at_k"]["1"]
    assert parse_params(metrics["params"]) == load_params(model_dir)
    assert json.loads((model_dir / "run.json").read_text())["seconds"] > 0
    recording = Recording.load(model_dir / "recording.npz")
    assert recording.steps[-1] == metrics["steps"]
    assert experiments.evaluate(model_dir) == metrics["trained"]
    assert "(500 queries, the other 499 as gallery)" in capsys.readouterr().out


def test_evaluation_says_what_is_query_and_what_is_gallery(sample):
    network = build_network(parse_params(SMALL))
    (x_train, y_train), (x_test, y_test) = sample
    metrics = experiments.evaluate_network(network, sample)
    queries, gallery = embed(network, x_test), embed(network, x_train)
    assert metrics["queries"] == 500
    assert metrics["training_gallery"] == 1500
    assert metrics["recall_at_k"]["4"] == recall_at_k(queries, y_test, k=4)
    assert metrics["knn_accuracy"]["5"] == knn_accuracy(queries, y_test, gallery, y_train, k=5)


def test_the_same_seed_gives_the_same_training_and_another_seed_another(sample, tmp_path):
    runs = [
        train(made(tmp_path / name, seed=seed, dropout=0.1, max_rotation=5.0))
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    same, again, other = (run.network.get_weights() for run in runs)
    for one, two in zip(same, again, strict=True):
        np.testing.assert_array_equal(one, two)
    assert any(np.abs(one - two).max() > 1e-3 for one, two in zip(same, other, strict=True))
    np.testing.assert_array_equal(runs[0].recording.embeddings, runs[1].recording.embeddings)
    same, again = (tmp_path / name / "metrics.json" for name in "ab")
    assert same.read_bytes() == again.read_bytes()


def test_data_set_and_profile_are_those_of_the_parameters(sample, model_dir, monkeypatch):
    asked = []
    monkeypatch.setitem(
        experiments.LOADERS, "fashion_mnist", lambda profile: asked.append(profile) or sample
    )
    changes = {"dataset": "fashion_mnist", "profile": "laptop"}
    experiment = train(made(model_dir, **changes))
    experiments.evaluate(model_dir, say=lambda line: None)
    assert asked == ["laptop", "laptop"]
    # What is recorded are test images.
    test_images = {image.tobytes() for image in sample[1][0]}
    assert all(image.tobytes() in test_images for image in experiment.recording.images)


def test_a_training_is_kept_before_it_is_evaluated(sample, model_dir, monkeypatch):
    evaluate, calls = experiments.evaluate_network, []

    def impatient(network, data, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return evaluate(network, data, **options)

    monkeypatch.setattr(experiments, "evaluate_network", impatient)
    with pytest.raises(KeyboardInterrupt):
        train(model_dir)
    monkeypatch.setattr(experiments, "evaluate_network", evaluate)
    assert json.loads((model_dir / "metrics.json").read_text())["steps"] == 1500 // 64
    assert experiments.evaluate(model_dir, say=lambda line: None)["queries"] == 500
    # The next call has only the evaluation left to do.
    steps = []
    monkeypatch.setattr(Training, "run", lambda self, **options: steps.append(self.first_step))
    train(model_dir)
    assert steps == [1500 // 64]


def test_a_training_that_diverges_leaves_its_files(sample, model_dir):
    made(model_dir, learning_rate=1e38)
    said = []
    experiment = experiments.train(model_dir, progress=False, say=said.append)
    assert not experiment.finished
    assert "trained" not in experiment.metrics
    assert said[-1].startswith("Diverged; what was recorded is kept: ")
    assert (model_dir / "recording.npz").exists()
    metrics = json.loads((model_dir / "metrics.json").read_text())
    assert metrics["untrained"]
    assert metrics["finished"] is False
    for command in (experiments.evaluate, experiments.visualize):
        with pytest.raises(ExperimentError, match=r"its network is of no use: .*finite"):
            command(model_dir)
    # It would diverge again from any checkpoint: the next call begins anew.
    assert not (model_dir / "checkpoint.npz").exists()
    assert train(model_dir).metrics["steps"] == metrics["steps"]


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


def test_a_damaged_model_is_named(sample, trained_dir):
    content = bytearray((trained_dir / "model.keras").read_bytes())
    content[len(content) // 2] ^= 0xFF
    (trained_dir / "model.keras").write_bytes(content)
    with pytest.raises(ExperimentError, match=r"model\.keras cannot be read: ."):
        experiments.evaluate(trained_dir)


def test_the_command_line_says_what_is_wrong_in_one_line(tmp_path, capsys):
    file = tmp_path / "file"
    file.write_text("")
    (tmp_path / "params.json").write_text("{")
    for model_dir, reason in ((file, "is a file"), (tmp_path, "is not JSON"), ("no", "not exist")):
        for command in ("train", "evaluate", "visualize", "search"):
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


def test_help_explains_what_search_json_may_say(capsys):
    with pytest.raises(SystemExit):
        main(["search", "--help"])
    assert '{"grid": {"margin": [0.2, 0.5, 1.0]' in capsys.readouterr().out


@pytest.mark.parametrize("command", ["train", "search"])
def test_help_explains_every_key(command):
    shown = subprocess.run(
        [sys.executable, "-m", "tripletviz", command, "--help"],
        check=True,
        capture_output=True,
        text=True,
        cwd=ROOT,
    ).stdout
    shown = " ".join(shown.split())
    for key, field in Params.model_fields.items():
        default = "required" if field.is_required() else f"default: {json.dumps(field.default)}"
        assert re.search(
            rf" {key}: {re.escape(field.description)}.*? \[{re.escape(default)}\]", shown
        )


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


def test_a_finished_training_is_left_as_it_is(sample, trained_dir):
    before, said = contents(trained_dir), []
    again = experiments.train(trained_dir, say=said.append)
    assert contents(trained_dir) == before
    assert "is trained already; --restart trains it anew" in said[0]
    assert again.finished
    assert again.metrics == json.loads((trained_dir / "metrics.json").read_text())
    assert embed(again.network, sample[1][0]).shape == (500, 8)


def test_another_training_is_not_thrown_away_unless_asked(sample, trained_dir):
    made(trained_dir, margin=0.25)
    before = contents(trained_dir)
    with pytest.raises(ExperimentError, match=r"margin was 0\.5, is 0\.25\); --restart throws"):
        train(trained_dir)
    assert contents(trained_dir) == before
    said = []
    experiments.evaluate(trained_dir, say=said.append)
    assert "params.json has changed since this network was trained (margin was 0.5" in said[0]
    assert train(trained_dir, restart=True).metrics["params"]["margin"] == 0.25
    (trained_dir / "metrics.json").unlink()
    with pytest.raises(ExperimentError, match="whose training is unknown"):
        train(trained_dir)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"warmup_steps": 1000}, "warmup_steps"),
        ({"batch_size": 5000}, "do not fit the data"),
        ({"blocks": 9}, "make no network"),
        ({"held_out_classes": [3, 12]}, "does not have"),
        ({"pretrained_from": "../nowhere"}, "has no model"),
        ({"pretrained_from": "."}, "another model dir"),
    ],
)
def test_restart_throws_nothing_away_before_it_can_begin(sample, model_dir, changes, message):
    (model_dir / "model.keras").write_text("the result of many hours")
    (model_dir / "metrics.json").write_text("{}")
    before = contents(made(model_dir, **changes))
    with pytest.raises(ExperimentError, match=message):
        train(model_dir, restart=True)
    after = contents(model_dir)
    after.pop(".lock")
    assert after == before


@pytest.mark.parametrize("missing", ["model.keras", "recording.npz"])
def test_a_training_whose_files_are_gone_is_not_finished(sample, trained, trained_dir, missing):
    (trained_dir / missing).unlink()
    assert train(trained_dir).metrics == trained[1].metrics
    assert files(trained_dir) == WRITTEN


def test_a_training_that_did_not_finish_is_no_success(sample, model_dir, monkeypatch, capsys):
    made(model_dir, learning_rate=1e38)
    assert main(["train", "--model-dir", str(model_dir)]) == 2
    assert capsys.readouterr().err.endswith("training diverged; a lower learning rate may help\n")
    run = Training.run

    def interrupted(training, **options):
        run(training, **options)
        return False

    monkeypatch.setattr(Training, "run", interrupted)
    made(model_dir)
    assert main(["train", "--restart", "--model-dir", str(model_dir)]) == 2
    assert capsys.readouterr().err.endswith("was interrupted; the same command goes on\n")


def test_weights_that_do_not_fit_the_parameters(sample, trained_dir):
    made(trained_dir, embedding_size=5)
    for command in (experiments.evaluate, experiments.visualize):
        with pytest.raises(
            ExperimentError,
            match=r"do not fit the parameters: embedding/kernel has shape \(392, 8\) there, "
            r"\(392, 5\) here",
        ):
            command(trained_dir)
    made(trained_dir, blocks=1)
    with pytest.raises(ExperimentError, match="embedding/kernel has shape"):
        experiments.evaluate(trained_dir)


def test_an_interrupted_training_goes_on(sample, trained, model_dir, monkeypatch):
    """Ctrl-C between two looks: the extra look that it causes is none of the final recording's."""
    _, undisturbed = trained
    begin = experiments.Training

    def interrupted(*args, **options):
        training = begin(*args, **options)
        end = training.recorder.on_train_batch_end

        def interrupt(batch, logs=None):
            end(batch, logs)
            if training.recorder.step == 7:
                raise KeyboardInterrupt

        training.recorder.on_train_batch_end = interrupt
        return training

    monkeypatch.setattr(experiments, "Training", interrupted)
    first = train(model_dir)
    assert not first.finished
    assert first.metrics["steps"] == first.recording.steps[-1] == 7
    assert json.loads((model_dir / "metrics.json").read_text())["finished"] is False
    monkeypatch.setattr(experiments, "Training", begin)
    second = train(model_dir)
    assert second.finished
    assert second.metrics == undisturbed.metrics
    expected, found = undisturbed.recording.to_arrays(), second.recording.to_arrays()
    assert expected.keys() == found.keys()
    for name, values in expected.items():
        np.testing.assert_array_equal(values, found[name], err_msg=name)


class Killed(BaseException):
    """What a kill is to the process: nothing handles it."""


def test_killed_at_any_of_its_writes_it_ends_equal(sample, trained, tmp_path, monkeypatch):
    """Each file is put in its place by a rename, and the checkpoint removed at the end."""
    _, undisturbed = trained
    rename, remove, moments = Path.replace, Path.unlink, []

    def stop_at(number):
        moments.clear()

        def moment(path):
            if path.parent.name == "killed":
                moments.append(path.name)
                if len(moments) == number:
                    raise Killed

        def replace(self, target):
            moment(self)
            return rename(self, target)

        def unlink(self, missing_ok=False):
            if self.name == "checkpoint.npz" and self.exists():
                moment(self)
            return remove(self, missing_ok=missing_ok)

        monkeypatch.setattr(Path, "replace", replace)
        monkeypatch.setattr(Path, "unlink", unlink)

    # On a slow machine time alone would ask for one more checkpoint.
    monkeypatch.setitem(Checkpointer.__init__.__kwdefaults__, "every_seconds", math.inf)
    stop_at(0)
    killed = made(tmp_path / "killed")
    train(killed)
    count = len(moments)
    # Checkpoints at the start and the end, the model, the recording, two summaries, one of them
    # twice, and the end of the checkpoint.
    assert count == 8
    for number in range(1, count + 1):
        for path in killed.glob("*.*"):
            if path.is_file() and path.name != "params.json":
                remove(path)
        stop_at(number)
        with pytest.raises(Killed):
            train(killed)
        stop_at(0)
        again = train(killed)
        assert again.finished
        assert (killed / "metrics.json").read_bytes() == (trained[0] / "metrics.json").read_bytes()
        found, expected = again.recording.to_arrays(), undisturbed.recording.to_arrays()
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values, err_msg=f"{number} {name}")
        assert files(killed) - {".part-model.keras"} == WRITTEN


def test_held_out_classes_are_evaluated_apart(sample, model_dir):
    made(model_dir, held_out_classes=[6, 7, 8, 9])
    metrics = train(model_dir).metrics
    for stage in ("untrained", "trained"):
        seen, held_out = (metrics[stage][name] for name in ("seen", "held_out"))
        assert (seen["queries"], held_out["queries"]) == tuple(
            np.isin(sample[1][1], [6, 7, 8, 9], invert=invert).sum() for invert in (True, False)
        )
    recall = [metrics[stage]["seen"]["recall_at_k"]["1"] for stage in ("untrained", "trained")]
    assert recall[1] > recall[0]
    said = []
    assert experiments.evaluate(model_dir, say=said.append) == metrics["trained"]
    assert re.fullmatch(r"( +all classes){2}( +seen){2}( +held out){2}", said[0])
    assert re.fullmatch(r"( +untrained){3}", said[1])
    columns = re.fullmatch(r"recall@1" + r" +(0\.\d{4})" * 6, said[2]).groups()
    expected = [
        (metrics[stage] if part is None else metrics[stage][part])["recall_at_k"]["1"]
        for part in (None, "seen", "held_out")
        for stage in ("trained", "untrained")
    ]
    assert list(columns) == [f"{value:.4f}" for value in expected]


def test_a_classifier_is_evaluated_as_embedding_and_as_classifier(sample, model_dir):
    made(model_dir, objective="classification", epochs=3)
    experiment = train(model_dir)
    assert files(model_dir) == WRITTEN | {"classifier.keras"}
    (_, _), (x_test, y_test) = sample
    classifier = experiments.load_network(model_dir, "classifier.keras")
    predicted = embed(classifier, x_test).argmax(axis=1)
    trained = experiment.metrics["trained"]
    assert trained["accuracy"] == (predicted == y_test).mean()
    assert trained["accuracy"] > 0.3 > experiment.metrics["untrained"]["accuracy"]
    assert experiments.evaluate(model_dir, say=lambda line: None) == trained
    assert classifier.output_shape == (None, 10)
    assert experiment.network.output_shape == (None, 8)


@pytest.mark.parametrize("first", ["classification", "triplet_loss"])
def test_training_starts_from_the_weights_of_another(sample, tmp_path, first):
    second = "triplet_loss" if first == "classification" else "classification"
    source = train(made(tmp_path / "source", objective=first))
    # Dropout has a counter of its own, which is no weight to take.
    target = made(
        tmp_path / "target", objective=second, pretrained_from="../source", dropout=0.1, seed=3
    )
    experiment = train(target)
    start, goal = experiment.recording.embeddings[0], source.recording.embeddings[-1]
    np.testing.assert_allclose(start, goal, rtol=1e-5, atol=1e-5)
    found, expected, untrained = (
        {key: value for key, value in metrics.items() if key != "accuracy"}
        for metrics in (
            experiment.metrics["pretrained"],
            source.metrics["trained"],
            experiment.metrics["untrained"],
        )
    )
    assert found == expected != untrained
    assert np.abs(experiment.recording.embeddings[-1] - start).max() > 1e-2


def test_weights_to_start_from_that_are_not_there_or_do_not_fit(sample, tmp_path):
    target = made(tmp_path / "target", pretrained_from="../source")
    with pytest.raises(ExperimentError, match=r"source has no model\.keras yet"):
        train(target)
    train(made(tmp_path / "source", embedding_size=5))
    with pytest.raises(ExperimentError, match="source do not fit the parameters: embedding/"):
        train(target)
    train(made(tmp_path / "source", learning_rate=1e38), restart=True)
    with pytest.raises(ExperimentError, match="source: its network is of no use"):
        train(target)
    made(target, pretrained_from="../target")
    with pytest.raises(ExperimentError, match="must name another model dir"):
        train(target)
    assert files(target) == set()


def test_visualize_writes_projector_and_page(sample, trained, model_dir):
    with pytest.raises(ExperimentError, match=r"no model\.keras yet; train it first"):
        experiments.visualize(model_dir)
    shutil.copytree(trained[0], model_dir, dirs_exist_ok=True)
    said = []
    with pytest.raises(ExperimentError, match="less than the number of test images, 500; got 500"):
        experiments.visualize(model_dir, perplexity=500)
    assert files(model_dir) == WRITTEN
    page = experiments.visualize(model_dir, perplexity=10, say=said.append)
    assert page == model_dir / "tsne.html"
    assert files(model_dir) == WRITTEN | {"tsne.html"}
    projector = {path.name for path in (model_dir / "tensorboard").iterdir()}
    assert {"projector_config.pbtxt", "projector_embeddings.tsv"} < projector
    assert "500 test images" in said[0]
    assert "perplexity 10" in said[1]


def small(model_dir, command="train", **options):
    """Run the command line on the small data set in a process of its own."""
    return subprocess.run(
        [sys.executable, ROOT / "tests/small_mnist.py", command, "--model-dir", model_dir],
        capture_output=True,
        text=True,
        **options,
    )


@pytest.mark.parametrize(
    ("command", "limit"),
    # Room for nothing; for the checkpoint of the start, then not for the model; for no picture.
    [("train", 10_000), ("train", 100_000), ("visualize", 30_000)],
)
def test_a_full_disk_is_one_line_and_leaves_nothing_half_written(
    sample, trained, model_dir, command, limit
):
    resource = pytest.importorskip("resource", reason="Windows has no such limits")
    if command == "visualize":
        shutil.copytree(trained[0], model_dir, dirs_exist_ok=True)
    before = contents(model_dir)
    process = small(
        model_dir,
        command,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    assert process.returncode == 2, process.stderr
    assert re.match("tripletviz: .*File too large", process.stderr), process.stderr
    assert str(model_dir) in process.stderr
    assert process.stderr.count("\n") == 1
    after = contents(model_dir)
    assert not [name for name in after if ".part-" in name]
    for name, content in before.items():
        assert after[name] == content
    if command == "train":
        assert files(model_dir) <= {"checkpoint.npz", "tensorboard"}
        # With room again the training goes on, or begins.
        assert train(model_dir).finished


def obey_permissions():
    """Let not even the superuser write where permissions forbid it: drop that right (Linux)."""
    drop, dac_override = 24, 1
    ctypes.CDLL(None).prctl(drop, dac_override)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="drops a right of Linux's")
def test_a_read_only_model_dir_is_one_line(model_dir):
    model_dir.chmod(0o555)
    process = small(model_dir, preexec_fn=obey_permissions)
    model_dir.chmod(0o755)
    assert process.returncode == 2, process.stderr
    assert re.fullmatch(r"tripletviz: (Permission denied|Read-only).*\n", process.stderr)
    assert str(model_dir) in process.stderr
    assert list(model_dir.iterdir()) == [model_dir / "params.json"]


def test_two_trainings_in_one_model_dir_are_refused(sample, model_dir):
    with experiments.only_one(model_dir), pytest.raises(ExperimentError, match="another command"):
        train(model_dir)
    assert files(model_dir) == set()


@pytest.mark.parametrize("folder", sorted(path.name for path in (ROOT / "experiments").iterdir()))
def test_every_model_dir_of_the_workbook_is_usable(folder):
    params = load_params(ROOT / "experiments" / folder)
    network = build_network(params)
    assert network.output_shape == (None, params.embedding_size)
    # What does not fit the data is refused here.
    size = {"ci": 6_000, "laptop": 20_000, "full": 60_000}[params.profile]
    training = Training(network, params, np.zeros((size, 28, 28), np.uint8), np.arange(size) % 10)
    assert training.total_steps >= size // params.batch_size


def test_a_search_trains_its_runs_and_does_not_train_them_again(model_dir):
    """The real training in real processes; how a search behaves otherwise is in test_search."""
    (model_dir / "search.json").write_text(json.dumps({"grid": {"margin": [0.25, 0.5]}}))

    def command(folder):
        return [sys.executable, ROOT / "tests/small_mnist.py", "train", "--model-dir", folder]

    rows = search(model_dir, workers=2, say=lambda line: None, command=command)
    assert sorted(row["margin"] for row in rows) == [0.25, 0.5]
    for row in rows:
        metrics = json.loads((model_dir / row["run"] / "metrics.json").read_text())
        assert metrics["params"]["margin"] == row["margin"]
        assert metrics["trained"]["recall_at_k"]["1"] == row["recall_at_k.1"]
    assert {"search.csv", "search.html"} < files(model_dir)

    def again(folder):
        raise AssertionError(f"{folder} is trained again")

    assert search(model_dir, say=lambda line: None, command=again) == rows
