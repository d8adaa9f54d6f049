"""What every committed notebook looks like."""

import itertools
import json
import re
from urllib.parse import unquote

import nbformat
import pytest

from tripletviz import widgets
from tripletviz.lessons.exercises import EXERCISES
from tripletviz.lessons.publishing.pages import slug
from tripletviz.lessons.publishing.slides import count_slides
from tripletviz.lessons.runner import NOTEBOOKS
from tripletviz.lessons.solutions import find_stubs

PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))
LESSONS = [path for path in PATHS if path.stem[:2].isdigit()]
TEXTS = sorted(NOTEBOOKS.glob("*.md"))
MARK = "# NBVAL_CHECK_OUTPUT"
SLIDE_TYPES = {"slide", "subslide", "fragment", "notes", "skip", "-"}
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
FENCE = re.compile(r"^( *)```.*?^\1```", flags=re.DOTALL | re.MULTILINE)


@pytest.fixture(params=PATHS, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return nbformat.read(path, as_version=4)


def of_type(notebook, cell_type):
    return [cell for cell in notebook.cells if cell.cell_type == cell_type]


def test_there_are_notebooks():
    assert PATHS


def parametrize(paths):
    return pytest.mark.parametrize("path", paths, ids=lambda path: path.name)


@parametrize(LESSONS)
def test_the_frame_of_a_lesson(path):
    number, notebook = path.stem[:2], nbformat.read(path, as_version=4)
    first, text = notebook.cells[0], "\n".join(c.source for c in of_type(notebook, "markdown"))
    assert first.source.startswith(f"# {number} · ")
    for part in ("**Time:**", "**After this lesson you can**", "**You need**"):
        assert part in first.source
    assert "> **Predict.**" in text
    assert "## Further reading" in text
    assert "(glossary.md" in text
    summary = re.search(r"## Summary\n(.*?)\n## ", text, flags=re.DOTALL).group(1)
    assert 1 <= sum(line.startswith("- ") for line in summary.splitlines()) <= 5


def test_the_frame_of_the_gallery():
    notebook = nbformat.read(NOTEBOOKS / "widget-gallery.ipynb", as_version=4)
    assert notebook.cells[0].source.startswith("# Widget gallery")
    code = "".join(cell.source for cell in of_type(notebook, "code"))
    by_lessons = {
        "CollapseSimulator": "collapse_simulator",
        "LiveComparison": "live_comparison",
        "LiveTraining": "live_training",
        "Prediction": "predict",
        "Quiz": "quiz",
    }
    for name in widgets.__all__:
        call = f"lessons.{by_lessons[name]}(" if name in by_lessons else f"widgets.{name}"
        assert call in code, name


def test_one_parameters_cell_with_comments(notebook):
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    assert 'PROFILE = "laptop"' in tagged[0].source
    lines = tagged[0].source.splitlines()
    for above, line in itertools.pairwise(lines):
        assert line.startswith("#") or above.startswith("#"), line


def test_the_profile_is_used_at_once(notebook):
    """So an unknown one is refused before anything else is done."""
    code = of_type(notebook, "code")
    (place,) = (i for i, c in enumerate(code) if "parameters" in c.metadata.get("tags", []))
    assert "use_profile(PROFILE)" in code[place + 1].source


@parametrize(LESSONS)
def test_every_cell_of_a_lesson_says_whether_it_is_a_slide(path):
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        assert cell.metadata.get("slideshow", {}).get("slide_type") in SLIDE_TYPES, cell.source
    assert 8 <= count_slides(notebook) <= 25


@parametrize(LESSONS)
def test_each_exercise_has_its_check_and_its_solution(path):
    notebook = nbformat.read(path, as_version=4)
    stubs = find_stubs(notebook)  # it refuses a stub without a solution
    checked = []
    for stub in stubs:
        assert re.search(r"\.\.\..*# your ", notebook.cells[stub.cell].source)
        check = notebook.cells[stub.cell + 1]
        assert check.cell_type == "code"
        name, asked = re.match(r"(\w+) = check\((\w+)", check.source).groups()
        assert name == asked
        assert name in notebook.cells[stub.cell].source
        assert f'# hint("{name}")' in check.source
        (output,) = (o for o in check.outputs if "tripletviz_check" in o.get("metadata", {}))
        assert output.metadata["tripletviz_check"] == {"name": name, "state": "not attempted"}
        checked.append(name)
    assert checked == [each.name for each in EXERCISES if each.lesson == path.stem[:2]]
    solutions = sum("<summary>Solution</summary>" in cell.source for cell in notebook.cells)
    assert solutions == len(stubs)


def test_the_code_of_a_quiz_is_folded(notebook):
    """It holds the right answer, and stands above the question."""
    for cell in of_type(notebook, "code"):
        if re.search(r"\bquiz\(", cell.source):
            assert cell.source.startswith(("quiz(", "lessons.quiz(")), cell.source
            assert cell.metadata["jupyter"]["source_hidden"] is True, cell.source


def texts_of(path):
    """All Markdown of a notebook or a Markdown file, without its code."""
    if path.suffix == ".md":
        text = path.read_text(encoding="utf-8")
    else:
        notebook = nbformat.read(path, as_version=4)
        text = "\n\n".join(cell.source for cell in of_type(notebook, "markdown"))
    return re.sub(r"`[^`\n]*`", "", FENCE.sub("", text))


def anchors_of(path):
    """What a link to a part of a file may say; the spellings of a heading's anchor differ."""
    text = path.read_text(encoding="utf-8") if path.suffix == ".md" else None
    if text is None:
        notebook = nbformat.read(path, as_version=4)
        text = "\n\n".join(cell.source for cell in of_type(notebook, "markdown"))
    text = FENCE.sub("", text)
    headings = re.findall(r"^#+ +(.+)$", text, flags=re.MULTILINE)
    return {slug(each) for each in headings + re.findall(r'\b(?:id|name)="([^"]+)"', text)}


@parametrize([*PATHS, *TEXTS])
def test_links_inside_the_workbook_lead_somewhere(path):
    text = texts_of(path)
    for image, words, target in LINK.findall(text):
        if image:
            assert words.strip(), f"an image without words: {target}"
        if re.match(r"[a-z]+:", target):
            assert target.startswith("https://"), target
            continue
        file, _, anchor = unquote(target).partition("#")
        there = (path.parent / file).resolve() if file else path
        assert there.exists(), target
        if anchor:
            assert slug(anchor) in anchors_of(there), target
    for tag in re.findall(r"<img\b[^>]*>", text):
        assert re.search(r'\balt="[^"]+"', tag), tag


def test_code_cells_are_short(notebook):
    for cell in of_type(notebook, "code"):
        assert len(cell.source.splitlines()) <= 20, cell.source


def test_marked_cells_carry_output(notebook):
    marked = [cell for cell in of_type(notebook, "code") if MARK in cell.source]
    assert marked
    for cell in marked:
        assert cell.source.startswith(MARK)
        assert cell.outputs, f"run it and publish: {cell.source}"


def test_outputs_are_small_and_of_one_run_without_errors(path, notebook):
    assert path.stat().st_size < 300_000
    assert "widgets" not in notebook.metadata
    assert "widget-view" not in path.read_text(encoding="utf-8")
    counts = [cell.execution_count for cell in of_type(notebook, "code")]
    assert counts == list(range(1, len(counts) + 1))
    for cell in of_type(notebook, "code"):
        for output in cell.outputs:
            assert output.output_type != "error"
            assert output.get("name") != "stderr"


def test_every_figure_is_followed_by_its_text_alternative(notebook):
    figures = 0
    for cell in of_type(notebook, "code"):
        kinds = [set(output.get("data", {})) for output in cell.outputs]
        for kind, following in itertools.pairwise([*kinds, set()]):
            if "application/vnd.plotly.v1+json" in kind:
                figures += 1
                assert "text/markdown" in following, "show(figure) adds its words"
    assert figures or "show(" not in "".join(c.source for c in of_type(notebook, "code"))


def test_nothing_of_one_machine_is_in_it(path):
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"/(home|root|Users|tmp|work)/", text)
    metadata = json.loads(text)["metadata"]
    assert metadata["kernelspec"]["name"] == "python3"
    assert "papermill" not in metadata


def test_every_widget_has_a_picture_for_code_hosts():
    """`make screenshots` takes them, of the gallery's page."""
    text = (NOTEBOOKS / "widgets.md").read_text(encoding="utf-8")
    for name in widgets.__all__:
        picture = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
        assert re.search(rf"## {name}\n\n!\[[^\]]+\]\(images/widgets/{picture}\.png\)", text), name
        assert (NOTEBOOKS / "images" / "widgets" / f"{picture}.png").stat().st_size < 150_000
