"""The exercises' own machinery: what a check says, keeps and gives back; hints; solutions."""

import json
import linecache
import textwrap
from pathlib import Path

import nbformat
import numpy as np
import pytest

from tripletviz.lessons import check, exercises, hint, progress
from tripletviz.lessons.exercises import PROGRESS_FILE, Exercise, judge
from tripletviz.lessons.exercises._exercise import Wrong, as_array, is_close
from tripletviz.lessons.solutions import find_stubs, with_solutions, without_solutions

code, markdown = nbformat.v4.new_code_cell, nbformat.v4.new_markdown_cell


def examine_doubled(asked, rng):
    for _ in range(3):
        values = rng.normal(size=4)
        found = as_array(asked(values.copy()), (4,))
        if is_close(found, values):
            raise Wrong("It is not doubled.")
        if not is_close(found, 2 * values):
            raise Wrong(f"For `{values}` you give `{found}`.")


def package_double(values):
    return 2 * values


DOUBLED = Exercise(
    name="doubled",
    lesson="99",
    title="Twice as much.",
    examine=examine_doubled,
    hints=("Twice.", "Add it\nto itself.", "`2 * values`"),
    reference=lambda: package_double,
)


def examine_answer(answer, rng):
    if answer != 42:
        raise Wrong("It is another number.")


ANSWER = Exercise("answer", "99", "A number.", examine_answer, ("Six times …",), lambda: 42)
# A reference that is made anew each time it is asked for.
MADE = Exercise("made", "99", "Made.", examine_doubled, ("Hm.",), lambda: lambda values: 2 * values)


@pytest.fixture
def shown(monkeypatch, tmp_path):
    """What is displayed, as `(data, metadata)`; in a folder of its own, with three exercises."""
    calls = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        exercises,
        "display",
        lambda data, raw, metadata=None: calls.append((data, metadata)),
    )
    monkeypatch.setattr(exercises, "EXERCISES", (DOUBLED, ANSWER, MADE))
    monkeypatch.setattr(exercises, "_given_hints", {})
    monkeypatch.setattr(exercises, "_references", {})
    return calls


def cell(source, name="doubled", filename="/tmp/ipykernel_1234/567.py"):
    """What a cell of a notebook defines: IPython gives its source to `linecache`."""
    source = textwrap.dedent(source)
    lines = source.splitlines(keepends=True)
    linecache.cache[filename] = (len(source), None, lines, filename)
    names = {"np": np}
    exec(compile(source, filename, "exec"), names)
    return names[name]


def state_of(shown):
    return shown[-1][1]["tripletviz_check"]["state"]


# ---------------------------------------------------------------- states


def test_a_right_answer_is_given_back_and_kept(shown):
    answer = cell("def doubled(values):\n    return values + values")
    assert check(answer) is answer
    ((data, metadata),) = shown
    assert metadata == {"tripletviz_check": {"name": "doubled", "state": "right"}}
    assert "✔ **Right!** Twice as much." in data["text/markdown"]
    assert "package's version" not in data["text/plain"]
    assert json.loads(Path(PROGRESS_FILE).read_text(encoding="utf-8")) == ["doubled"]


@pytest.mark.parametrize(
    ("source", "state"),
    [
        ("def doubled(values):\n    return ...  # your code here", "not attempted"),
        ("def doubled(values):\n    result = ...\n    return result + 1", "not attempted"),
        ("def doubled(values):\n    return np.sqrt(...)", "not attempted"),
        ("def doubled(values):\n    return ..., values", "not attempted"),
        ("def doubled(values):\n    return [values[0], ...]", "not attempted"),
        ("def doubled(values):\n    raise NotImplementedError", "not attempted"),
        ("def doubled(values):\n    return values[..., ...]", "crashed"),
        ("def doubled(values):\n    return values / 0 + unknown", "crashed"),
        ("def doubled(values):\n    pass", "wrong"),
        ("def doubled(values):\n    return values", "wrong"),
        ("def doubled(values):\n    return 3 * values", "wrong"),
        ("def doubled(values):\n    return 2 * values[:2]", "wrong"),
        ("def doubled(values):\n    return ['a', 'b', 'c', 'd']", "wrong"),
        ("def doubled(values):\n    return {'a': 1}", "wrong"),
        ("def doubled(values):\n    return [1, [2, 3]]", "wrong"),
        ("def doubled(values):\n    return values * np.nan", "wrong"),
        ("def doubled(values):\n    return list(2 * values)", "right"),
    ],
)
def test_states(shown, source, state):
    answer = cell(source)
    given_back = check(answer)
    assert state_of(shown) == state, shown
    assert given_back is (answer if state == "right" else package_double)
    says = shown[-1][0]["text/plain"]
    assert ("goes on with the package's version" in says) == (state != "right")


def test_what_a_library_has_not_implemented_is_no_stub(shown):
    emit = "import logging\ndef doubled(values):\n    return logging.Handler().emit(values)"
    check(cell(emit))
    assert state_of(shown) == "crashed"
    assert "`NotImplementedError` came up in your code" in shown[-1][0]["text/plain"]


def test_a_value_can_be_asked_for(shown):
    assert check(42, name="answer") == 42
    assert state_of(shown) == "right"
    assert check(43, name="answer") == 42
    assert state_of(shown) == "wrong"
    for dots in (..., (1, ...), {"a": ...}):
        check(dots, name="answer")
        assert state_of(shown) == "not attempted"


def test_without_a_name_nothing_can_be_checked(shown):
    with pytest.raises(ValueError, match=r'check\(answer, name="..."\)'):
        check(42)
    with pytest.raises(ValueError, match="no exercise 'halved'; there are doubled, answer, made"):
        check(package_double, name="halved")


def test_the_packages_version_is_no_attempt(shown):
    doubled = check(cell("def doubled(values):\n    return ..."))
    # The name in the notebook now stands for the package's version, that has a name of its own.
    assert check(doubled) is doubled is package_double
    assert shown[-1][1]["tripletviz_check"] == {"name": "doubled", "state": "not attempted"}
    assert "Run the cell with your own first" in shown[-1][0]["text/plain"]
    hint(doubled)
    assert "Hint 1 of 3" in shown[-1][0]["text/plain"]
    made = check(cell("def made(values):\n    return ...", "made"))
    assert check(made, name="made") is made
    assert state_of(shown) == "not attempted"


def test_every_judgement_draws_fresh_cases_and_a_seed_repeats_them():
    seen = []

    def examine(asked, rng):
        seen.append(rng.normal())

    exercise = Exercise("seen", "99", "Seen.", examine, (), lambda: None)
    for seed in (None, None, 1, 1):
        judge(exercise, len, seed)
    assert seen[0] != seen[1]
    assert seen[2] == seen[3]


# ---------------------------------------------------------------- harm


def test_arrays_are_copied():
    kept = np.ones(3)
    seen = []

    def examine(asked, rng):
        asked(kept, [kept], {"a": (kept,)}, option=kept)

    def meddle(array, listed, named, option):
        array += 1
        listed[0][:] = 7
        named["a"][0][:] = 8
        option[:] = 9
        seen.append(option)
        return array

    exercise = Exercise("meddle", "99", "Meddle.", examine, (), lambda: None)
    assert judge(exercise, meddle).state == "right"
    assert seen
    np.testing.assert_array_equal(kept, 1)


@pytest.mark.filterwarnings("error")
def test_numpys_warnings_are_held_back(shown):
    check(cell("def doubled(values):\n    return values / 0"))
    assert state_of(shown) == "wrong"


# ---------------------------------------------------------------- crashes


def test_a_crash_shows_the_learners_line(shown):
    check(
        cell(
            """
            def doubled(values):
                total = 0
                return np.linalg.inv(values)  # no matrix
            """
        )
    )
    text = shown[-1][0]["text/markdown"]
    assert state_of(shown) == "crashed"
    assert "`LinAlgError` came up in your code, in line 4 of its cell" in text
    assert "return np.linalg.inv(values)  # no matrix" in text
    assert "_exercise.py" not in text


def test_a_crash_within_the_standard_library_shows_the_learners_line(shown):
    check(
        cell(
            """
            import json

            def helper(values):
                return json.loads(values)

            def doubled(values):
                return helper(values)
            """
        )
    )
    assert "in line 5 of its cell" in shown[-1][0]["text/markdown"]
    assert "return json.loads(values)" in shown[-1][0]["text/markdown"]


def test_what_follows_a_block_of_code_is_a_paragraph(shown):
    check(cell("def doubled(values):\n    return unknown"))
    lines = shown[-1][0]["text/markdown"].splitlines()
    assert all(line.startswith(">") for line in lines)
    fences = [line for line in lines if "```" in line]
    assert fences == ["> ```python", "> ```", "> ```text", "> ```"]
    assert lines[-2:] == ["> ", "> The lesson goes on with the package's version until then."]


def test_a_long_message_is_cut(shown):
    check(cell("def doubled(values):\n    raise ValueError('long ' * 1000)"))
    assert len(shown[-1][0]["text/plain"]) < 1000


def test_a_mistake_of_ours_is_not_hidden():
    def examine(asked, rng):
        raise KeyError("ours")

    with pytest.raises(KeyError, match="ours"):
        judge(Exercise("ours", "99", "", examine, (), lambda: None), len)


# ---------------------------------------------------------------- hints


def test_hints_come_in_order_and_begin_again(shown):
    for _ in range(5):
        hint("doubled")
    texts = [data["text/plain"] for data, _ in shown]
    for number, text in enumerate(texts[:3], start=1):
        assert text.startswith(f"**Hint {number} of 3.** ")
    assert "no more hints" in texts[3]
    assert texts[4] == texts[0]
    assert "> to itself." in shown[1][0]["text/markdown"]


def test_a_hint_can_be_asked_for_by_number(shown):
    hint("doubled", 3)
    hint("doubled", 1)
    hint("doubled")
    texts = [data["text/plain"] for data, _ in shown]
    assert ["`2 * values`" in text for text in texts] == [True, False, False]
    assert "Hint 2" in texts[2]
    with pytest.raises(ValueError, match="numbered from 1; got 0"):
        hint("doubled", 0)
    with pytest.raises(ValueError, match="there is no exercise 'halved'"):
        hint("halved")


# ---------------------------------------------------------------- progress


def is_done(shown):
    progress()
    rows = shown[-1][0]["text/markdown"].splitlines()
    return [row.split("`")[1] for row in rows if "✔ done" in row]


def right(name):
    return cell(f"def {name}(values):\n    return 2 * values", name)


def test_progress_is_kept(shown):
    assert is_done(shown) == []
    assert "0 of 3 exercises" in shown[-1][0]["text/plain"]
    check(right("doubled"))
    check(42, name="answer")
    check(cell("def doubled(values):\n    return values"))  # what is done stays done
    assert is_done(shown) == ["doubled", "answer"]


@pytest.mark.parametrize("text", ["", "{", '{"a": 1}', "[[1], {}]", "\xff", "null"])
def test_a_damaged_progress_file_is_begun_anew(shown, tmp_path, text):
    (tmp_path / PROGRESS_FILE).write_bytes(text.encode("latin-1"))
    assert is_done(shown) == []
    check(right("doubled"))
    assert is_done(shown) == ["doubled"]


def test_names_of_another_version_stay(shown, tmp_path):
    (tmp_path / PROGRESS_FILE).write_text('["older", "doubled"]')
    check(42, name="answer")
    assert json.loads((tmp_path / PROGRESS_FILE).read_text()) == ["answer", "doubled", "older"]


def test_a_folder_that_cannot_be_written_to_is_no_reason_to_stop(shown, tmp_path):
    (tmp_path / PROGRESS_FILE).mkdir()
    answer = right("doubled")
    assert check(answer) is answer
    assert is_done(shown) == []
    assert [path.name for path in tmp_path.iterdir()] == [PROGRESS_FILE]


# ---------------------------------------------------------------- solutions in notebooks

SOLUTION = """\
<details>
<summary>Solution</summary>

```python
def doubled(values):
    return 2 * values
```

Because.

</details>"""


def notebook_with(*cells):
    return nbformat.v4.new_notebook(cells=list(cells))


def stub():
    return code("def doubled(values):\n    return ...", metadata={"tags": ["exercise"]})


def test_solutions_are_found_filled_in_and_stripped():
    notebook = notebook_with(
        markdown("Words"),
        stub(),
        code("doubled = check(doubled)"),
        markdown("<details>\n<summary>Answer</summary>\n\n```python\n1\n```\n\n</details>"),
        markdown(f"{SOLUTION}\n\nGo on."),
        stub(),
        markdown(SOLUTION),
    )
    before = nbformat.writes(notebook)
    first, second = find_stubs(notebook)
    assert (first.cell, first.solution_cell) == (1, 4)
    assert (second.cell, second.solution_cell) == (5, 6)
    assert first.code == "def doubled(values):\n    return 2 * values"
    solved = with_solutions(notebook)
    assert solved.cells[1].source == solved.cells[5].source == first.code
    stripped = without_solutions(notebook)
    assert "2 * values" not in nbformat.writes(stripped)
    assert [each.cell_type[0] for each in stripped.cells] == ["m", "c", "c", "m", "m", "c"]
    assert stripped.cells[4].source == "Go on."
    assert "<summary>Answer</summary>" in stripped.cells[3].source
    assert nbformat.writes(notebook) == before


def test_a_stub_without_a_solution_is_an_error():
    notebook = notebook_with(stub(), stub(), markdown(SOLUTION))
    with pytest.raises(ValueError, match="no solution after the exercise"):
        find_stubs(notebook)
