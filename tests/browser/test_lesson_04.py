"""Lesson 04 as a student meets it: in a real JupyterLab, from the first cell to the last."""

import nbformat
import pytest

from tripletviz.lessons.runner import NOTEBOOKS

pytestmark = pytest.mark.browser
IN_FULL_SWING = (
    "keras.callbacks.LambdaCallback(on_train_batch_end="
    "lambda batch, logs: batch == 20 and print('in full swing'))"
)


@pytest.fixture
def lesson():
    """The lesson without its stored outputs, set to the smallest profile."""
    notebook = nbformat.read(NOTEBOOKS / "04-train-on-mnist.ipynb", as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if "parameters" in cell.metadata.get("tags", []):
            assert 'PROFILE = "laptop"' in cell.source
            cell.source = cell.source.replace('PROFILE = "laptop"', 'PROFILE = "ci"')
    return notebook


def outputs(notebook):
    """All outputs, as JupyterLab holds them."""
    return notebook.page.evaluate(
        """() => window.jupyterapp.shell.currentWidget.content.widgets
          .filter((cell) => cell.model.type === "code")
          .flatMap((cell) => cell.model.outputs.toJSON())"""
    )


def test_the_lesson_runs_and_its_player_plays(lab, lesson, screenshot):
    notebook = lab(lesson, width=1280, height=900)
    notebook.run_all()
    shown = outputs(notebook)
    assert not [each for each in shown if each["output_type"] == "error"]
    assert not [each for each in shown if each.get("name") == "stderr"]
    player = notebook.page.locator(".tripletviz-embedding-player").first
    player.scroll_into_view_if_needed()
    canvas = player.locator("canvas")
    start = canvas.evaluate("(canvas) => canvas.toDataURL()")
    player.locator(".play").click()
    readout = player.locator(".readout").element_handle()
    notebook.page.wait_for_function("(shown) => shown.innerText !== 'step 0'", arg=readout)
    notebook.page.wait_for_function(
        "([canvas, start]) => canvas.toDataURL() !== start", arg=[canvas.element_handle(), start]
    )
    screenshot(notebook.page, "lesson-04-player-1280")
    check_questions(notebook, screenshot)


def check_questions(notebook, screenshot):
    """Who answers a question late may still compare, and a quiz explains."""
    (compared,) = (text for text in shown_texts(notebook) if text.startswith("Fraction of"))
    assert "Nothing was predicted." in compared
    asked = bring_widget(notebook, "fraction_guess = predict(")
    asked.get_by_role("radio", name="falls").first.click()
    asked.locator(".status", has_text="Your prediction: falls.").wait_for()
    notebook.page.evaluate(
        """() => {
          const { content } = window.jupyterapp.shell.currentWidget;
          content.activeCellIndex = content.widgets.findIndex((cell) =>
            cell.model.sharedModel.getSource().startsWith("compare(loss_guess"));
          return window.jupyterapp.commands.execute("notebook:run-cell").then(() => null);
        }"""
    )
    notebook.wait_until_idle()
    titles = [
        each["data"]["application/vnd.plotly.v1+json"]["layout"]["title"]["text"]
        for each in outputs(notebook)
        if "application/vnd.plotly.v1+json" in each.get("data", {})
    ]
    (title,) = (each.replace("<br>", " ") for each in titles if each.startswith("Fraction of"))
    assert title.endswith("You predicted “falls”: it does")
    quiz = bring_widget(notebook, 'quiz(\n    "A batch-all loss is level')
    quiz.get_by_role("radio", name="The network learns").click()
    quiz.locator(".why:visible", has_text="Right.").wait_for()
    screenshot(notebook.page, "lesson-04-quiz-1280")


def bring_widget(notebook, start):
    """Scrolls to the cell whose source starts so, until it shows its widget, and gives that."""
    notebook.page.wait_for_function(
        """async (start) => {
          const { content } = window.jupyterapp.shell.currentWidget;
          const i = content.widgets.findIndex((cell) =>
            cell.model.sharedModel.getSource().startsWith(start));
          content.activeCellIndex = i;
          await content.scrollToItem(i, "start");
          return content.widgets[i].node.querySelector("[class^=tripletviz-]") !== null;
        }""",
        arg=start,
        polling=100,
    )
    return notebook.page.locator(".jp-Notebook .jp-mod-active [class^=tripletviz-]")


def shown_texts(notebook):
    return [each["data"].get("text/plain", "") for each in outputs(notebook) if "data" in each]


def test_an_interrupt_keeps_the_network(lab, lesson):
    # Long enough that the interrupt falls into the training, which then must not reach its end;
    # and the training says when it is in full swing.
    changes = {
        "pick(ci=2, laptop=2, full=5)": "pick(ci=50, laptop=2, full=5)",
        "callbacks=[recorder, progress]": f"callbacks=[recorder, progress, {IN_FULL_SWING}]",
    }
    for old, new in changes.items():
        (cell,) = (cell for cell in lesson.cells if old in cell.source)
        cell.source = cell.source.replace(old, new)
    notebook = lab(lesson)
    notebook.page.evaluate(
        "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
    )
    notebook.page.wait_for_function(
        """() => window.jupyterapp.shell.currentWidget.content.widgets
          .map((cell) => JSON.stringify(cell.model.outputs?.toJSON() ?? ""))
          .some((shown) => shown.includes("in full swing"))""",
        timeout=900_000,
    )
    notebook.execute("notebook:interrupt-kernel")
    notebook.wait_until_idle()
    shown = outputs(notebook)
    assert not [each for each in shown if each["output_type"] == "error"]
    printed = "".join(each.get("text", "") for each in shown)
    assert "Training was interrupted. The network keeps what it has learnt so far." in printed
    steps = notebook.read("recording.steps.tolist()")
    assert 20 <= steps[-1] < notebook.read("total_steps")
    assert notebook.read("training.finished") is False
    # The cells after it ran on what was learnt.
    records = [each["metadata"]["tripletviz_record"] for each in shown if each.get("metadata")]
    recall = {each["name"]: each["value"] for each in records}
    assert recall["R@1 trained"] > recall["R@1 untrained"] - 0.2
