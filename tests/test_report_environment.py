"""The report of lesson 00: what is there, what is missing, and what to do about it."""

import subprocess
import sys

import psutil
import pytest

from tripletviz.lessons import environment, report_environment


@pytest.fixture
def report(monkeypatch):
    """What the report shows: its text, and its Markdown."""

    def shown():
        calls = []
        with monkeypatch.context() as patch:
            patch.setattr(environment, "display", lambda data, raw: calls.append(data))
            report_environment()
        (data,) = calls
        return data["text/plain"], data["text/markdown"]

    return shown


@pytest.fixture
def data_folder(tmp_path, monkeypatch):
    """An empty data folder, and a folder for the notebook."""
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("TRIPLETVIZ_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def test_everything_is_there(report, data_folder):
    (data_folder / "mnist.npz").touch()
    text, table = report()
    assert text.startswith("Everything that the workbook needs is there.")
    assert "MNIST: there, 70,000 images" in text
    assert "without the internet: every lesson can go on" in text
    for name in ("Python", "tensorflow", "device that trains", "cores", "GB of memory"):
        assert name in text
    rows = [line for line in table.splitlines() if line.startswith("| ✔")]
    assert len(rows) == len(text.splitlines()) - 2
    assert all(row.count("|") == 4 for row in rows)
    assert "· Fashion-MNIST: not there" in text, "optional, so no reason for alarm"


def test_missing_data_comes_with_what_to_do(report, data_folder):
    text, table = report()
    assert text.startswith("Something is missing. Look at the lines marked ○: MNIST, without")
    assert "`python -m tripletviz fetch`" in table
    assert not list(data_folder.iterdir()), "nothing is fetched"


def test_a_missing_sample_and_recording_are_said(report, data_folder, monkeypatch):
    monkeypatch.setattr(environment, "RECORDING", data_folder / "mnist-recording.npz")
    text, _ = report()
    assert "○ small sample of MNIST: missing" in text
    assert "○ recorded training: missing" in text


def test_little_memory_and_missing_packages_are_said(report, data_folder, monkeypatch):
    memory = psutil.virtual_memory()._replace(total=2e9)
    monkeypatch.setattr(environment.psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(environment, "_PACKAGES", ("numpy", "no-such-package"))
    text, _ = report()
    assert '2 GB of memory: little; keep to PROFILE = "ci"' in text
    assert "Not installed: no-such-package" in text


def test_a_tensorflow_that_does_not_start_is_said(report, data_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "tripletviz._tensorflow", None)
    text, _ = report()
    assert "○ device that trains: TensorFlow cannot be started: " in text
    assert "your progress: kept" in text


def test_nothing_of_the_computers_folders_is_shown(report, data_folder):
    text, table = report()
    assert str(data_folder) not in text + table


def test_importing_the_lessons_does_not_import_tensorflow():
    program = "import sys, tripletviz.lessons; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
