"""Slides, site and notebooks for students, from a small workbook made for these tests."""

import subprocess
from pathlib import Path

import nbformat
import pytest

from tripletviz.lessons.publishing import (
    AssetError,
    ExecutedError,
    assets,
    badges,
    make_site,
    make_slides,
    make_student,
    site,
    slides,
)
from tripletviz.lessons.publishing.__main__ import main
from tripletviz.lessons.publishing.executed import describe, read_executed
from tripletviz.lessons.publishing.pages import export, link_pages, slug

FIRST = """# 02 · Of *triplets*

**Time:** about 45 minutes,
of which the computer works two.

**After this lesson you can**

- say what a triplet
  is,
- use $d$ and `margin`.

**You need** [the glossary](glossary.md#batch-all) and [the next one](03-next.ipynb#the-end).
See [what is not here](../README.md) and [the paper](https://example.org).
"""
SOLUTION = """<details>
<summary>Solution</summary>

```python
def answer():
    return 42
```

Because.

</details>"""


def markdown(source, slide="skip"):
    metadata = {"slideshow": {"slide_type": slide}}
    return nbformat.v4.new_markdown_cell(source, metadata=metadata)


def code(source, slide="skip", outputs=(), **metadata):
    metadata |= {"slideshow": {"slide_type": slide}}
    return nbformat.v4.new_code_cell(
        source, metadata=metadata, outputs=list(outputs), execution_count=1
    )


PLOT = nbformat.v4.new_output(
    "display_data",
    data={
        "application/vnd.plotly.v1+json": {
            "data": [],
            "layout": {"height": 300, "meta": {"alt": 'A "line" </script>'}},
        }
    },
)
LOST_WIDGET = nbformat.v4.new_output(
    "display_data",
    data={
        "application/vnd.jupyter.widget-view+json": {"model_id": "gone", "version_major": 2},
        "text/plain": "A widget in words",
    },
)


@pytest.fixture
def workbook(tmp_path):
    """Folders of notebooks and of their executed copies."""
    lesson = [
        markdown(FIRST, "slide"),
        code('PROFILE = "laptop"\nSEED = 0', tags=["parameters"]),
        code("# NBVAL_CHECK_OUTPUT\nplot_it()", "slide", [PLOT]),
        code("widget", "-", [LOST_WIDGET]),
        code("# NBVAL_CHECK_OUTPUT\ncount_it()", "-"),
        markdown("## Build it"),
        code("def answer():\n    return ...  # your code here", tags=["exercise"]),
        code("answer = check(answer)"),
        markdown(SOLUTION),
        markdown("## Summary\n\n- It is.\n\n## Further reading\n\n- A book.", "subslide"),
    ]
    following = [markdown("# 03 · Next\n\n**Time:** an hour"), markdown("## The end")]
    notebooks, executed = tmp_path / "notebooks", tmp_path / "executed"
    for folder in (notebooks, executed):
        folder.mkdir()
        for name, cells in (("02-triplets", lesson), ("03-next", following)):
            nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / f"{name}.ipynb")
    (notebooks / "glossary.md").write_text("# Glossary\n\n## Batch all\n\nSee [b](#batch-all).")
    (notebooks / "README.md").write_text("# For instructors")
    (notebooks / "images").mkdir()
    (notebooks / "images" / "a.png").write_bytes(b"picture")
    inject(executed / "02-triplets.ipynb", "laptop")
    return notebooks, executed


def inject(path, profile):
    """What papermill does to an executed copy."""
    notebook = nbformat.read(path, as_version=4)
    source = f'# Parameters\nPROFILE = "{profile}"'
    metadata = {"tags": ["injected-parameters"]}
    notebook.cells.insert(2, nbformat.v4.new_code_cell(source, metadata=metadata))
    nbformat.write(notebook, path)


@pytest.fixture(autouse=True)
def no_assets(monkeypatch):
    """What pages load from beside them is for the tests in a browser."""
    for module in (site, slides):
        monkeypatch.setattr(
            module, "copy_assets", lambda folder, **_: folder.mkdir(parents=True, exist_ok=True)
        )


def test_what_the_first_cell_says():
    lesson = describe("02-triplets", nbformat.v4.new_notebook(cells=[markdown(FIRST)]))
    assert (lesson.number, lesson.title) == ("02", "Of *triplets*")
    assert lesson.time == "about 45 minutes, of which the computer works two."
    assert lesson.abilities == ["say what a triplet is", "use $d$ and `margin`"]
    gallery = describe("gallery", nbformat.v4.new_notebook(cells=[markdown("# Gallery\n\nAll.")]))
    assert gallery[1:5] == ("", "Gallery", "", [])


def test_a_copy_that_is_missing_or_old_is_refused(workbook):
    notebooks, executed = workbook
    (executed / "03-next.ipynb").unlink()
    with pytest.raises(ExecutedError, match=r"03-next\.ipynb was not executed\..* make workbook"):
        read_executed(executed, notebooks)
    notebook = nbformat.read(notebooks / "02-triplets.ipynb", as_version=4)
    notebook.cells[0].source += "more"
    nbformat.write(notebook, notebooks / "02-triplets.ipynb")
    with pytest.raises(ExecutedError, match=r"02-triplets\.ipynb was changed since"):
        read_executed(executed, notebooks)


def test_a_parameter_is_shown_where_it_was_another(workbook):
    notebooks, executed = workbook
    assert len(read_executed(executed, notebooks)[0].notebook.cells) == 10
    inject(executed / "03-next.ipynb", "ci")
    assert len(read_executed(executed, notebooks)[1].notebook.cells) == 3


def test_links_lead_to_pages_or_become_text():
    pages = {
        "a.html": '<a href="b.ipynb#3-the-end">x</a> <a href="gone.md">y</a> '
        '<a href="b.ipynb">z</a><a href="https://example.org/b.ipynb">w</a> '
        '<a class="q" href="#Of-me">v</a><h2 id="Of-me">',
        "b.html": '<h2 id="3.-The-end">',
    }
    linked = link_pages(pages, {"b.ipynb": "b.html"})
    assert linked["a.html"] == (
        '<a href="b.html#3.-The-end">x</a> <a>y</a> <a href="b.html">z</a>'
        '<a href="https://example.org/b.ipynb">w</a> <a class="q" href="#Of-me">v</a>'
        '<h2 id="Of-me">'
    )
    assert slug("Batch%20All") == slug("batch-all") == "batchall"


def test_the_site(workbook, tmp_path):
    notebooks, executed = workbook
    output, said = tmp_path / "site", []
    made = make_site(executed, output, notebooks, say=said.append)
    names = ["index.html", "02-triplets.html", "03-next.html", "glossary.html", "guide.html"]
    assert [path.name for path in made] == said[:-1] == names
    text = (output / "02-triplets.html").read_text()
    assert 'href="03-next.html#The-end"' in text
    assert 'href="glossary.html#Batch-all"' in text
    assert "<a>what is not here</a>" in text
    assert 'href="https://example.org"' in text
    assert "A widget in words" in text
    assert "<summary>Solution</summary>" in text
    assert "aria-label='A \"line\" &lt;/script&gt;'" in text
    assert text.count("Parameters") == 0
    assert "https://cdn" not in text
    assert "https://unpkg" not in text
    index = (output / "index.html").read_text()
    assert "Of <em>triplets</em>" in index
    assert "<li>say what a triplet is</li>" in index
    offered = output / "notebooks" / "02-triplets.ipynb"
    assert offered.read_bytes() == (notebooks / offered.name).read_bytes()
    assert (output / "images" / "a.png").read_bytes() == b"picture"


def test_the_slides(workbook, tmp_path):
    notebooks, executed = workbook
    output, said = tmp_path / "slides", []
    made = make_slides(executed, output, notebooks, say=said.append)
    assert [path.name for path in made] == ["02-triplets.html"]
    assert said[:2] == ["02-triplets: 3 slides", "03-next: no cell is tagged for slides"]
    text = made[0].read_text()
    assert "Of <em>triplets</em>" in text
    assert text.count("tripletviz-plot") == 1
    assert "count_it" in text
    for left_out in ("plot_it", "Build it", "A book.", "NBVAL", "return 42"):
        assert left_out not in text
    assert "<a>the next one</a>" in text  # it has no deck
    assert (output / "images" / "a.png").read_bytes() == b"picture"
    assert "https://cdn" not in text
    assert "https://unpkg" not in text


def test_the_notebooks_for_students(workbook, tmp_path):
    notebooks, _ = workbook
    output, said = tmp_path / "student", []
    written = make_student(output, notebooks, say=said.append)
    assert [path.name for path in written] == ["02-triplets.ipynb", "03-next.ipynb"]
    assert said[0] == "02-triplets.ipynb: 1 solution taken out"
    assert {path.name for path in output.iterdir()} == {
        *("02-triplets.ipynb", "03-next.ipynb", "glossary.md", "images")
    }
    notebook = nbformat.read(written[0], as_version=4)
    nbformat.validate(notebook)
    text = written[0].read_text()
    assert "return 42" not in text
    assert "Because." not in text
    assert "# your code here" in text
    code_cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code_cells) == 6
    assert all(not cell.outputs and cell.execution_count is None for cell in code_cells)


def test_the_real_notebooks_for_students(tmp_path):
    from tripletviz.lessons.runner import NOTEBOOKS
    from tripletviz.lessons.solutions import find_stubs, is_stub

    for path in make_student(tmp_path):
        published = nbformat.read(NOTEBOOKS / path.name, as_version=4)
        stripped = nbformat.read(path, as_version=4)
        nbformat.validate(stripped)
        stubs = [cell.source for cell in stripped.cells if is_stub(cell)]
        assert stubs == [cell.source for cell in published.cells if is_stub(cell)]
        for stub in find_stubs(published):
            assert stub.code not in "\n\n".join(cell.source for cell in stripped.cells)
        assert "<summary>Solution</summary>" not in path.read_text(encoding="utf-8")


def test_the_command_line(workbook, tmp_path, capsys):
    assert main(["student", "--output", str(tmp_path / "student")]) == 0
    assert "The notebooks for students lie in" in capsys.readouterr().out
    refused = main(["site", "--executed", str(tmp_path / "nowhere"), "--output", str(tmp_path)])
    assert "make workbook" in refused


# ---------------------------------------------------------------- what pages load


@pytest.fixture
def npm(monkeypatch):
    """An npm that writes an archive into its folder, or fails; it notes how it was called."""
    calls = []

    def run(command, *, cwd, **_):
        calls.append(command[1:])
        for name, content in npm.archives.items():
            (Path(cwd) / name).write_bytes(content)
        return subprocess.CompletedProcess(command, npm.code, "", "no such host")

    npm = type("Npm", (), {"calls": calls, "archives": {"a.tgz": b"archive"}, "code": 0})
    monkeypatch.setattr(assets.subprocess, "run", run)
    monkeypatch.setattr(assets.shutil, "which", lambda name: f"/bin/{name}")
    return npm


PACKAGE = assets.Package("@some/thing", "1.0", "another checksum", ".", "(?P<path>.*)")


def checksum_of(folder, content):
    (folder / "content").write_bytes(content)
    return assets._checksum(folder / "content")


def test_a_package_is_fetched_once(npm, tmp_path):
    package = PACKAGE._replace(sha512=checksum_of(tmp_path, b"archive"))
    path = assets.fetch(package, tmp_path / "cache")
    assert path.name == "some-thing-1.0.tgz"
    assert assets.fetch(package, tmp_path / "cache") == path
    assert npm.calls == [["pack", "--silent", "@some/thing@1.0"]]
    path.write_bytes(b"broken")
    assert assets.fetch(package, tmp_path / "cache").read_bytes() == b"archive"
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_what_is_not_the_package_is_refused(npm, tmp_path):
    with pytest.raises(AssetError, match=r"@some/thing@1\.0 has another checksum"):
        assets.fetch(PACKAGE, tmp_path / "cache")
    npm.archives, npm.code = {}, 1
    with pytest.raises(AssetError, match=r"a network is needed once\. It says: no such host"):
        assets.fetch(PACKAGE, tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())


def test_without_npm_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(assets.shutil, "which", lambda name: None)
    with pytest.raises(AssetError, match=r"npm is needed once.*: install Node\.js"):
        assets.fetch(PACKAGE, tmp_path / "cache")


@pytest.mark.parametrize("slides", [False, True])
def test_code_that_is_folded_is_in_no_page(slides):
    cells = [code(f"print('{each}')", "slide") for each in ("shown", "answer")]
    cells[1].metadata["jupyter"] = {"source_hidden": True}
    notebook = nbformat.v4.new_notebook(cells=cells)
    about = {"file": "02.ipynb", "before": None, "after": None}
    page = export(notebook, "name", slides=slides, **about)
    assert "shown" in page
    assert "answer" not in page
    assert "transient" not in cells[1].metadata


# ------------------------------------------------------------------- badges


def test_badges_open_each_notebook_at_its_place(workbook):
    notebooks, _ = workbook
    table = badges("someone/some.name", "a/branch", notebooks=notebooks)
    assert len(table.splitlines()) == 2 + len(list(notebooks.glob("*.ipynb")))
    for path in notebooks.glob("*.ipynb"):
        place = f"lab%2Ftree%2Fnotebooks%2F{path.name}"
        binder = f"https://mybinder.org/v2/gh/someone/some.name/a%2Fbranch?urlpath={place}"
        colab = f"/github/someone/some.name/blob/a/branch/notebooks/{path.name}"
        assert f"({binder})" in table
        assert f"(https://colab.research.google.com{colab})" in table
    assert "[![Open 02 · Of *triplets* on Binder](" in table


def test_badges_refuse_what_is_no_repository(capsys):
    for wrong in ("name", "https://example.org/owner/name", "owner/name/more", ""):
        with pytest.raises(ValueError, match="owner/name"):
            badges(wrong)
        with pytest.raises(SystemExit):
            main(["badges", wrong])
    assert main(["badges", "owner/name"]) == 0
    assert "owner/name/main" in capsys.readouterr().out
