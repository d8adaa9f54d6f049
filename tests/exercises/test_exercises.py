"""Every exercise against known wrong answers, its own stub, and its published solution."""

import ast
import importlib
import re
from pathlib import Path

import nbformat
import pytest

from tripletviz.lessons import exercises
from tripletviz.lessons.exercises import EXERCISES, judge
from tripletviz.lessons.runner import NOTEBOOKS
from tripletviz.lessons.solutions import find_stubs

BY_NAME = {exercise.name: exercise for exercise in EXERCISES}
LESSONS = sorted({exercise.lesson for exercise in EXERCISES})
SEEDS = (0, 1, 2)
WRONG = {
    path.stem[-2:]: importlib.import_module(path.stem).WRONG
    for path in sorted(Path(__file__).parent.glob("wrong_[0-9][0-9].py"))
}
ALL_WRONG = [wrong for answers in WRONG.values() for wrong in answers]


def notebook_of(lesson):
    (path,) = NOTEBOOKS.glob(f"{lesson}-*.ipynb")
    return nbformat.read(path, as_version=4)


def imports_of(notebook):
    """The import statements of a notebook, as a program."""
    statements = [
        ast.unparse(node)
        for cell in notebook.cells
        if cell.cell_type == "code"
        for node in ast.parse(cell.source).body
        if isinstance(node, ast.Import | ast.ImportFrom)
    ]
    return "\n".join(statements)


def run(code, lesson):
    """What a learner's cell defines, in a kernel that has done the notebook's imports.

    As in the notebook, what the lesson's other exercises build can be used.
    """
    names = {each.name: each.reference() for each in EXERCISES if each.lesson == lesson}
    exec(compile(imports_of(notebook_of(lesson)), "imports", "exec"), names)
    exec(compile(code, "cell", "exec"), names)
    return names


def stubs_of(lesson):
    """Exercise name -> (source of its stub, published solution)."""
    notebook = notebook_of(lesson)
    return {
        name: (notebook.cells[stub.cell].source, stub.code)
        for stub in find_stubs(notebook)
        for name in re.findall(r"^(?:def )?(\w+)(?:\(| = )", stub.code, flags=re.MULTILINE)
        if name in BY_NAME
    }


def answer(code, exercise):
    names = run(code, exercise.lesson)
    return names[exercise.name]


@pytest.mark.parametrize("name", BY_NAME)
def test_the_stub_is_not_attempted(name):
    stub, _ = stubs_of(BY_NAME[name].lesson)[name]
    assert judge(BY_NAME[name], answer(stub, BY_NAME[name])).state == "not attempted"


@pytest.mark.parametrize("name", BY_NAME)
def test_the_published_solution_is_right(name):
    exercise = BY_NAME[name]
    _, solution = stubs_of(exercise.lesson)[name]
    solved = answer(solution, exercise)
    for seed in SEEDS:
        assert judge(exercise, solved, seed) == judge(exercise, exercise.reference(), seed)
        assert judge(exercise, solved, seed).state == "right"


@pytest.mark.parametrize("wrong", ALL_WRONG, ids=lambda w: f"{w.exercise}: {w.mistake}")
def test_a_known_mistake_is_rejected_and_named(wrong):
    exercise = BY_NAME[wrong.exercise]
    mistaken = answer(wrong.code, exercise)
    for seed in SEEDS:
        outcome = judge(exercise, mistaken, seed)
        assert outcome.state == "wrong", outcome
        assert wrong.says in outcome.message


def test_each_mistake_has_a_message_of_its_own():
    said = [(wrong.exercise, wrong.says) for wrong in ALL_WRONG]
    assert len(set(said)) == len(said)


@pytest.mark.parametrize("name", BY_NAME)
def test_every_exercise_has_known_mistakes_and_hints(name):
    exercise = BY_NAME[name]
    assert sum(wrong.exercise == name for wrong in WRONG[exercise.lesson]) >= 3
    assert len(exercise.hints) >= 2


def test_names_are_unique():
    assert len(BY_NAME) == len(EXERCISES)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_check_does_not_praise_what_it_gave_back_itself(name, monkeypatch, tmp_path):
    """A cell with a check is often run twice. Numbers and words could not be told from answers."""
    said = []
    monkeypatch.chdir(tmp_path)  # a check that is passed leaves a note of it
    monkeypatch.setattr(exercises, "display", lambda data, **_: said.append(data["text/plain"]))
    given = exercises.check(..., name=name)
    assert exercises.check(given, name=name) is given
    assert "That was the package's version" in said[1]


# ------------------------------------------------------------------- right, with a remark

LOOP = """
import tensorflow as tf

def batch_all(distances, labels, margin):
    labels, distances = tf.reshape(labels, [-1]), tf.convert_to_tensor(distances)
    total = active = valid = tf.constant(0.0, tf.float64)
    for a in range(len(labels)):
        is_negative = labels != labels[a]
        is_positive = ~is_negative & (tf.range(len(labels)) != a)
        positives = distances[a][is_positive]
        negatives = tf.sort(distances[a][is_negative])
        counts = tf.searchsorted(negatives, positives + margin)
        sums = tf.concat([[tf.constant(0.0, tf.float64)], tf.cumsum(negatives)], axis=0)
        weights = tf.cast(counts, tf.float64)
        total += tf.reduce_sum(weights * (positives + margin) - tf.gather(sums, counts))
        active += tf.reduce_sum(weights)
        valid += tf.cast(tf.size(positives) * tf.size(negatives), tf.float64)
    return tf.math.divide_no_nan(total, active), tf.math.divide_no_nan(active, valid)
"""
ALL_ROWS_AT_ONCE = """
import tensorflow as tf

def batch_all(distances, labels, margin):
    labels, d = tf.reshape(labels, [-1]), tf.convert_to_tensor(distances)
    same = labels[:, None] == labels[None, :]
    positive = tf.cast(same & ~tf.eye(len(labels), dtype=tf.bool), d.dtype)
    negative = tf.cast(~same, d.dtype)
    far = tf.sort(tf.where(same, tf.constant(1e9, d.dtype), d), axis=1)
    counts = tf.searchsorted(far, d + margin)
    sums = tf.pad(tf.cumsum(far, axis=1), [[0, 0], [1, 0]])
    weights = positive * tf.cast(counts, d.dtype)
    losses = weights * (d + margin) - positive * tf.gather(sums, counts, batch_dims=1)
    active = tf.reduce_sum(weights)
    valid = tf.reduce_sum(tf.reduce_sum(positive, 1) * tf.reduce_sum(negative, 1))
    loss = tf.math.divide_no_nan(tf.reduce_sum(losses), active)
    return loss, tf.math.divide_no_nan(active, valid)
"""


@pytest.mark.parametrize(("code", "loops"), [(LOOP, True), (ALL_ROWS_AT_ONCE, False)])
def test_a_loop_in_tensorflow_is_right_and_said_to_be_slow(code, loops):
    exercise = BY_NAME["batch_all"]
    outcome = judge(exercise, answer(code, exercise), 0)
    assert outcome.state == "right"
    assert ("a loop over anchors costs B small steps" in outcome.message) is loops


def test_the_loop_that_the_lesson_asks_for_is_right_without_a_remark():
    exercise = BY_NAME["batch_all"]
    assert judge(exercise, exercise.reference(), 0).message == exercise.title
