import json
import subprocess
import sys

import nbformat
import numpy as np
import papermill
import pytest
from nbformat.sign import NotebookNotary
from PIL import Image

from tripletviz.datasets import data_folder
from tripletviz.lessons import committed, read_records, record, show, use_profile
from tripletviz.lessons.recording import LARGEST, RECORDING, make_film
from tripletviz.lessons.runner import check_parameters, execute, main, publish
from tripletviz.recordings import Recording

code, markdown = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell


@pytest.fixture
def notebook(tmp_path):
    parameters = code('PROFILE = "laptop"\nSEED = 0', metadata={"tags": ["parameters"]})
    cells = [
        parameters,
        code("from tripletviz.lessons import record, use_profile\nuse_profile(PROFILE)"),
        markdown("words"),
        code("record('sum', 1 + SEED)\nprint('seen')"),
        code("import sys\nprint('noise', file=sys.stderr)"),
        code("import ipywidgets\nipywidgets.IntSlider()"),
    ]
    path = tmp_path / "lesson.ipynb"
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=metadata), path)
    return path


def test_profiles():
    assert use_profile("ci").pick(ci=1, laptop=2, full=3) == 1
    assert use_profile("full").pick(ci=1, laptop=2, full=3) == 3
    with pytest.raises(ValueError, match=r"\"full\", \"laptop\", \"ci\"; got 'Laptop'"):
        use_profile("Laptop")


@pytest.fixture
def shown(monkeypatch):
    """What is displayed, as `(objects, options)`, in place of a notebook that would show it."""
    calls = []
    monkeypatch.setattr(
        "tripletviz.lessons.records.display",
        lambda *objects, **options: calls.append((objects, options)),
    )
    return calls


def test_a_record_is_shown_and_kept(shown):
    record("R@1", np.float64(0.98765))
    record("count", np.int64(3))
    record("kinds", {"easy": 1}, text="one easy")
    assert all(options["raw"] for _, options in shown)
    texts = [objects[0]["text/plain"] for objects, _ in shown]
    assert texts == ["R@1: 0.9877", "count: 3", "one easy"]
    kept = [options["metadata"]["tripletviz_record"]["value"] for _, options in shown]
    assert kept == [0.98765, 3, {"easy": 1}]
    json.dumps(kept)


def test_what_cannot_be_a_result_is_refused(shown):
    with pytest.raises(ValueError, match="not JSON compliant"):
        record("loss", float("nan"))
    with pytest.raises(TypeError):
        record("array", np.zeros(3))
    assert not shown


def test_show_adds_the_words(shown):
    from tripletviz.figures import digit_grid

    figure = digit_grid(np.zeros((4, 28, 28), np.uint8), title="Four empty digits")
    show(figure)
    ((first, words), _) = shown[0]
    assert first is figure
    assert words.data.startswith("<details><summary>In words</summary>\n\nFour empty digits.")


def test_execute_injects_and_records(notebook, tmp_path):
    executed = execute(notebook, tmp_path / "out" / "lesson.ipynb", {"PROFILE": "ci", "SEED": 41})
    assert read_records(executed) == {"sum": 42}
    again = nbformat.read(tmp_path / "out" / "lesson.ipynb", as_version=4)
    assert read_records(again) == {"sum": 42}
    again.cells += again.cells
    with pytest.raises(ValueError, match="records 'sum' twice"):
        read_records(again)


def test_unknown_parameters_and_profiles_are_refused(notebook, tmp_path):
    with pytest.raises(ValueError, match="has no parameter SED; it has PROFILE, SEED"):
        check_parameters(notebook, {"SED": 1})
    with pytest.raises(papermill.PapermillExecutionError, match="PROFILE must be one of"):
        execute(notebook, tmp_path / "out.ipynb", {"PROFILE": "quick"})


def test_publish_keeps_what_readers_need_and_nothing_else(notebook, tmp_path):
    executed = execute(notebook, tmp_path / "out.ipynb", {"PROFILE": "ci"})
    sources = [cell.source for cell in nbformat.read(notebook, as_version=4).cells]
    publish(executed, notebook)
    published = nbformat.read(notebook, as_version=4)
    nbformat.validate(published)
    assert [cell.source for cell in published.cells] == sources
    assert read_records(published) == {"sum": 1}
    assert "seen" in str(published.cells)
    assert "noise" not in str([cell.get("outputs") for cell in published.cells])
    assert "widget" not in str([cell.get("outputs") for cell in published.cells])
    assert set(published.metadata) <= {"kernelspec", "language_info"}
    counts = [cell.execution_count for cell in published.cells if cell.cell_type == "code"]
    assert counts == [1, 2, 3, 4, 5]


def test_what_the_runner_executed_is_trusted(notebook, tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    output = tmp_path / "output"
    monkeypatch.setattr("sys.argv", ["runner", str(notebook), "--output", str(output)])
    main()
    notary = NotebookNotary()
    assert notary.check_signature(nbformat.read(output / notebook.name, as_version=4))
    assert not notary.check_signature(nbformat.read(notebook, as_version=4))


def test_the_runner_refuses_an_unknown_profile(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["runner", "--profile", "quick"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "PROFILE must be one of" in capsys.readouterr().err


# The recording that is kept with the code.


@pytest.fixture(scope="module")
def recording():
    return Recording.load(RECORDING)


def test_lessons_find_the_recording_without_tensorflow(monkeypatch, tmp_path):
    program = (
        "import sys; from tripletviz.lessons import load_recording;"
        "print(len(load_recording().steps));"
        "sys.exit('tensorflow' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    )
    assert int(found.stdout) == len(Recording.load(RECORDING).steps)
    monkeypatch.setattr(committed, "RECORDING", tmp_path / "none.npz")
    with pytest.raises(FileNotFoundError, match=r"none\.npz is missing: the lessons need"):
        committed.load_recording()


def test_the_committed_recording_is_one_real_training(recording):
    assert RECORDING.stat().st_size <= LARGEST
    snapshots, points, dimension = recording.embeddings.shape
    assert (points, dimension) == (1000, 16)
    assert snapshots == len(recording.steps) >= 15
    assert recording.steps[0] == 0
    assert np.bincount(recording.labels).tolist() == [100] * 10
    with np.load(data_folder() / "mnist.npz", allow_pickle=False) as mnist:
        test_images = {image.tobytes() for image in mnist["x_test"]}
    assert all(image.tobytes() in test_images for image in recording.images)


def test_its_curves_belong_to_its_embeddings(recording):
    from tripletviz.evaluation import recall_at_k

    for moment in (0, -1):
        recall = recall_at_k(recording.embeddings[moment], recording.labels, k=1)
        assert recall == pytest.approx(recording.curves["R@1"][moment], abs=0.003)  # float16
    assert recording.curves["R@1"][-1] > 0.95 > recording.curves["R@1"][0]


def test_the_film_moves(recording, tmp_path):
    few = Recording(
        steps=recording.steps[[0, -1]],
        embeddings=recording.embeddings[[0, -1]][:, ::10],
        labels=recording.labels[::10],
        images=recording.images[::10],
        curves={name: values[[0, -1]] for name, values in recording.curves.items()},
    )
    make_film(few, tmp_path / "film.gif", size=200)
    with Image.open(tmp_path / "film.gif") as film:
        assert film.n_frames == 4
        assert film.size == (200, 174)
        first = np.asarray(film.convert("RGB"))
        film.seek(film.n_frames - 1)
        assert (np.asarray(film.convert("RGB")) != first).any()
