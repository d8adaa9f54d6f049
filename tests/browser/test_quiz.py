"""`Quiz` in a real browser: in JupyterLab, and in an exported page without kernel and network."""

import nbformat
import pytest

from tripletviz.widgets.quiz import Quiz

pytestmark = pytest.mark.browser

CELL = """
from tripletviz.lessons import quiz
asked = quiz(
    "Which triplets have a loss of `0`?",
    {
        "hard ones": "Their loss is at least the margin.",
        "semi-hard ones": "Their loss lies between `0` and the margin.",
        "easy ones": "The negative is far enough.",
    },
    right="easy ones",
)
asked
"""
HOST = ".tripletviz-quiz"


def make_notebook():
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL.strip())])
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    return notebook


class Asked:
    """What a reader sees and touches of the quiz on a page."""

    def __init__(self, page):
        self.page = page
        self.root = page.locator(HOST).last
        self.root.locator(".invitation:not(:empty)").wait_for()

    def choice(self, text):
        return self.root.get_by_role("radio", name=text)

    def wait_for(self, condition, argument=None):
        """Waits until a condition holds of `find(selector)`, `all(selector)` and an argument."""
        self.page.wait_for_function(
            f"""(argument) => {{
              const root = document.querySelector("{HOST}").shadowRoot;
              const find = (selector) => root.querySelector(selector);
              const all = (selector) => [...root.querySelectorAll(selector)];
              return {condition};
            }}""",
            arg=argument,
        )

    def wait_for_marks(self, *marks):
        self.wait_for("all('.mark').map((e) => e.textContent).join() === argument", ",".join(marks))

    def wait_for_words(self, words):
        self.wait_for("find('.status').textContent === argument", words)

    def shown_explanations(self):
        return self.root.locator(".why:visible").all_inner_texts()


def test_mouse_keys_and_the_way_to_python_and_back(lab, find_violations, screenshot):
    notebook = lab(make_notebook(), width=1000, height=900)
    notebook.run_all()
    asked = Asked(notebook.page)
    assert not asked.shown_explanations()
    asked.choice("hard ones").first.click()
    asked.wait_for_marks("✗ wrong", "", "")
    assert asked.shown_explanations() == ["Wrong. Their loss is at least the margin."]
    asked.wait_for_words("A is wrong. Their loss is at least the margin.")
    notebook.read_until("asked.chosen == 'hard ones' and not asked.is_right", True)

    # The arrows go to another choice, space chooses it; the notebook keeps its cells.
    active, cells = notebook.active_cell(), notebook.page.locator(".jp-Cell").count()
    for key in ("ArrowDown", "x", "End", "ArrowDown", "ArrowUp"):
        notebook.page.keyboard.press(key)
    asked.wait_for("root.activeElement === all('.choice')[2]")
    outline = asked.choice("easy ones").evaluate("(e) => getComputedStyle(e).outlineStyle")
    assert outline == "solid"
    notebook.page.keyboard.press("Space")
    asked.wait_for_marks("✗ wrong", "", "✓ right")
    asked.wait_for_words("C is right. The negative is far enough.")
    notebook.read_until("asked.is_right and asked.tried == ['hard ones', 'easy ones']", True)
    assert notebook.active_cell() == active
    assert notebook.page.locator(".jp-Cell").count() == cells
    notebook.page.keyboard.press("b")
    asked.wait_for_marks("✗ wrong", "✗ wrong", "✓ right")
    assert asked.choice("semi-hard").get_attribute("aria-checked") == "true"
    assert not find_violations(notebook.page, HOST)
    screenshot(notebook.page, "quiz-lab")

    notebook.run_cell("asked.chosen = ''")
    asked.wait_for_marks("", "", "")
    assert not asked.root.locator(".again").is_visible()


def test_an_exported_page_explains_without_a_kernel(export_html, new_page):
    page = new_page(offline=True, width=700)
    page.goto(export_html(make_notebook()).as_uri())
    asked = Asked(page)
    asked.choice("easy ones").click()
    asked.wait_for_marks("", "", "✓ right")
    asked.choice("semi-hard").click()
    asked.wait_for_marks("", "✗ wrong", "✓ right")
    wrong = "Wrong. Their loss lies between 0 and the margin."
    assert asked.shown_explanations() == [wrong, "Right. The negative is far enough."]
    assert asked.root.locator("code").all_inner_texts() == ["0", "0"]
    asked.root.locator(".again").click()
    asked.wait_for_marks("", "", "")
    asked.wait_for("root.activeElement === all('.choice')[0]")


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 330])
def test_themes_and_widths(new_page, tmp_path, find_violations, screenshot, color_scheme, width):
    choices = {
        "The learning rate is too low.": "Then R@1 would not rise either.",
        "The mean is over positive triplets only, and easy ones leave it.": "Watch `f` instead.",
    }
    asked = Quiz("The loss stays level. Why?", choices, right=list(choices)[1])
    asked.tried, asked.chosen = list(choices)[:1], list(choices)[1]
    path = asked.save_html(tmp_path / "quiz.html")
    page = new_page(offline=True, width=width, height=500, color_scheme=color_scheme)
    page.goto(path.as_uri())
    view = Asked(page)
    view.wait_for_marks("✗ wrong", "✓ right")
    view.wait_for("find('.widget').classList.contains('dark') === argument", color_scheme == "dark")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    small = view.root.locator("button").evaluate_all(
        "(all) => all.filter((e) => e.offsetHeight && (e.offsetHeight < 44 || e.offsetWidth < 44))"
    )
    assert not small
    assert not find_violations(page, HOST)
    screenshot(page, f"quiz-{color_scheme}-{width}")
