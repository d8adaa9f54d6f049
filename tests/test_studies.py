"""`study`: what it reads, shows and refuses."""

import pytest

from tripletviz.lessons import studies, study

GOOD = """# 10 epochs of MNIST; low and high: smallest and largest of the seeds.
setting,seeds,R@1 mean,R@1 low,R@1 high,MAP@R mean,MAP@R low,MAP@R high
untrained,5,0.934,0.931,0.938,0.31,0.3,0.32
"Euclidean, margin 0.5",5,0.988,0.986,0.990,0.93,0.92,0.94
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(studies, "FOLDER", tmp_path)
    return tmp_path


@pytest.fixture
def shown(monkeypatch):
    shown = []
    monkeypatch.setattr(studies, "display", lambda what, **how: shown.append(what))
    monkeypatch.setattr(studies, "show", shown.append)
    return shown


def test_a_study_that_is_not_there_says_so(folder, shown):
    assert study("scale") is None
    (said,) = shown
    assert said["text/plain"].startswith("The study is not there yet; the numbers above are of one")
    assert said["text/markdown"] == said["text/plain"]


def test_an_unknown_study_is_refused():
    with pytest.raises(ValueError, match="l2-or-cosine, mining-strategies, classification, scale"):
        study("l2")


def test_a_study_is_shown_as_dots_and_as_a_table(folder, shown):
    (folder / "l2-or-cosine.csv").write_text(GOOD, encoding="utf-8")
    rows = study("l2-or-cosine")
    assert rows[1] == {
        "setting": "Euclidean, margin 0.5",
        "seeds": 5,
        "R@1": (0.986, 0.988, 0.99),
        "MAP@R": (0.92, 0.93, 0.94),
    }
    recall, precision, table = shown
    assert recall.layout.title.text.replace("<br>", " ").startswith("R@1: from 0.934 (untrained)")
    (dots,) = [trace for trace in precision.data if trace.mode == "markers"]
    assert list(dots.x) == [0.31, 0.93]
    assert list(dots.error_x.array) == pytest.approx([0.01, 0.01])
    lines = table.data.splitlines()
    assert lines[0] == "| setting | seeds | R@1 | MAP@R |"
    assert "0.934 (0.931 to 0.938) | 0.310 (0.300 to 0.320) |" in lines[2]
    assert lines[-1].endswith("smallest and largest of the seeds. ")


def test_a_study_of_one_row(folder, shown):
    (folder / "scale.csv").write_text(
        "setting,seeds,R@1 mean,R@1 low,R@1 high\nalone,1,0.5,0.5,0.5\n", encoding="utf-8"
    )
    study("scale")
    assert shown[0].layout.title.text == "R@1 of alone: 0.500"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (GOOD, "# nothing\n", "a header and at least one row"),
        (GOOD, GOOD.splitlines()[1] + "\n", "a header and at least one row"),
        ("seeds,R@1 mean", "R@1 mean,seeds", "must have the columns"),
        ("R@1 low", "R@1 lower", "must have the columns"),
        ("MAP@R mean,MAP@R low,MAP@R high", "R@1 mean,R@1 low,R@1 high", "must have the columns"),
        (",MAP@R high", "", "must have the columns"),
        (",0.31,0.3,0.32", ",0.31,0.3", "row 1: must have 8 values, got 7"),
        ("untrained,5", "untrained,0", "row 1: seeds must be an integer"),
        ("untrained,5", "untrained,five", "row 1: seeds must be an integer"),
        ("untrained,5", ",5", "row 1: the setting has no name"),
        ("untrained", '"Euclidean, margin 0.5"', "must name each setting once"),
        ("0.934,0.931", "0.934,much", "row 1: R@1 must be numbers"),
        ("0.934,0.931", "0.934,nan", "row 1: R@1 must be finite"),
        ("0.934,0.931", "0.934,0.935", "with low <= mean <= high"),
    ],
)
def test_a_malformed_file_is_refused(folder, shown, old, new, says):
    assert old in GOOD
    (folder / "scale.csv").write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=says):
        study("scale")
    assert shown == []


def test_the_studies_that_are_there_can_be_read():
    for name in studies.STUDIES:
        path = studies.FOLDER / f"{name}.csv"
        if path.exists():
            rows, source = studies.read_study(path)
            assert rows
            assert source, f"{path.name} does not say how its numbers came about"
