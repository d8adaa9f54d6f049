import subprocess
import sys

import nbformat
import pytest
import traitlets

from tripletviz.lessons import quiz
from tripletviz.lessons.runner import publish
from tripletviz.widgets._question import as_markdown
from tripletviz.widgets.quiz import Quiz

QUESTION = "Which triplets have a loss of `0`?"
CHOICES = {
    "hard ones": "Their loss is above the margin.",
    "easy ones, where d(a,n) >= d(a,p) + m": "The negative is far enough.",
    "`semi_hard` ones": "Their loss lies between 0 and the margin.",
}
RIGHT = "easy ones, where d(a,n) >= d(a,p) + m"
WIDGET = "application/vnd.jupyter.widget-view+json"


@pytest.fixture
def asked():
    return quiz(QUESTION, CHOICES, right=RIGHT)


def test_nothing_is_chosen_at_first(asked):
    assert isinstance(asked, Quiz)
    assert (asked.chosen, asked.tried, asked.is_right) == ("", [], False)


def test_wrong_choices_may_be_tried_on(asked):
    asked.chosen = "hard ones"
    assert not asked.is_right
    asked.chosen = RIGHT
    assert asked.is_right
    asked.chosen = "hard ones"
    assert not asked.is_right
    assert asked.tried == ["hard ones", RIGHT]
    asked.chosen = ""
    assert (asked.tried, asked.is_right) == ([], False)


def test_what_the_browser_sends_is_judged(asked):
    asked.set_state({"chosen": RIGHT, "tried": ["hard ones", RIGHT]})
    assert asked.is_right
    assert asked.tried == ["hard ones", RIGHT]


def test_right_cannot_be_set_and_a_choice_must_be_one(asked):
    with pytest.raises(traitlets.TraitError, match="read-only"):
        asked.is_right = True
    with pytest.raises(traitlets.TraitError, match=r"`chosen` must be one of .* got 'none'"):
        asked.chosen = "none"


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"question": " "}, ValueError, "`question` must not be empty"),
        ({"question": None}, TypeError, "`question` must be a string"),
        ({"choices": ["a", "b"]}, TypeError, "must map the text of each choice to why"),
        ({"choices": {"a": "why"}, "right": "a"}, ValueError, "two to 6, got 1"),
        ({"choices": dict.fromkeys("abcdefg", "why"), "right": "a"}, ValueError, "got 7"),
        ({"choices": {"a": "why", "b": ""}, "right": "a"}, ValueError, "explanation of 'b'"),
        ({"right": "easy ones"}, ValueError, "`right` must be one of .* got 'easy ones'"),
    ],
)
def test_refuses_what_makes_no_quiz(changed, error, message):
    arguments = {"question": QUESTION, "choices": CHOICES, "right": RIGHT} | changed
    with pytest.raises(error, match=message):
        quiz(**arguments)


def test_its_text_asks_without_giving_the_answer_away(asked):
    asked.chosen = RIGHT
    data, _ = asked._repr_mimebundle_()
    assert WIDGET in data
    assert data["text/markdown"].splitlines() == [
        "**Question.** Which triplets have a loss of `0`?",
        "",
        "- **A** hard ones",
        r"- **B** easy ones, where d\(a,n\) \>= d\(a,p\) \+ m",
        "- **C** `semi_hard` ones",
    ]
    assert data["text/plain"] == f"Quiz({QUESTION!r}, 3 choices)"


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("a_b*c", r"a\_b\*c"),
        ("`a_b` < $2$", r"`a_b` \< \$2\$"),
        ("one ` alone_", r"one \` alone\_"),
    ],
)
def test_plain_text_stays_plain_in_markdown(text, markdown):
    assert as_markdown(text) == markdown


def test_publishing_keeps_the_text_and_drops_the_widget(asked, tmp_path):
    cells = [nbformat.v4.new_code_cell("quiz"), nbformat.v4.new_code_cell("slider")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    path = tmp_path / "lesson.ipynb"
    nbformat.write(notebook, path)
    bundle = {WIDGET: {"model_id": "0", "version_major": 2, "version_minor": 0}}
    other = bundle | {"text/plain": "IntSlider(value=0)"}
    for cell, data in zip(cells, (asked._repr_mimebundle_()[0], other), strict=True):
        output = nbformat.v4.new_output("execute_result", data, execution_count=7)
        cell.outputs = [nbformat.from_dict(output)]
    publish(notebook, path)
    assert WIDGET in cells[0].outputs[0].data, "what was executed stays as it is"
    published = nbformat.read(path, as_version=4)
    nbformat.validate(published)
    (kept,) = published.cells[0].outputs
    assert set(kept.data) == {"text/plain", "text/markdown"}
    assert kept.data["text/markdown"].startswith("**Question.**")
    assert kept.execution_count == 1
    assert published.cells[1].outputs == []


def test_page_is_titled_by_the_question(asked, tmp_path):
    page = asked.save_html(tmp_path / "quiz.html").read_text()
    assert "<title>Which triplets have a loss of 0?</title>" in page


def test_asking_does_not_import_tensorflow():
    program = (
        "import sys; from tripletviz.lessons import compare, predict, quiz;"
        "quiz('?', {'a': 'yes', 'b': 'no'}, right='a');"
        "asked = predict('?', low=0, high=1); asked.value = 0.5; compare(asked, 0.75);"
        "sys.exit('tensorflow' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
