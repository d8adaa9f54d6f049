import numpy as np
import pytest
import traitlets

from tripletviz.figures import (
    alt_text,
    curve_with_prediction,
    number_with_prediction,
    plain_number,
)
from tripletviz.lessons import compare, load_recording, predict
from tripletviz.lessons.questions import judge_shape
from tripletviz.widgets.prediction import shape_of

SHAPES = ("falls", "rises", "stays level", "rises, then falls")
COMPOUND = ("falls, then rises", "falls, then stays level", "stays level, then falls")


# What is asked -----------------------------------------------------------------------------------


def test_a_number_within_its_limits():
    prediction = predict("R@1 of random weights?", low=0, high=1)
    assert (prediction.value, prediction.answered) == (None, False)
    assert prediction.limits == (0.0, 1.0)
    assert not prediction.asks_for_shape
    prediction.value = 1
    assert (prediction.value, prediction.answered) == (1.0, True)
    assert isinstance(prediction.value, float)
    prediction.value = None
    assert not prediction.answered


def test_a_shape_out_of_those_offered():
    prediction = predict("Which way will the loss go?", shapes=SHAPES)
    assert prediction.asks_for_shape
    assert tuple(prediction.shapes) == SHAPES
    prediction.value = "falls"
    assert prediction.answered


@pytest.mark.parametrize(
    ("asked", "value", "message"),
    [
        ({"low": 0, "high": 1}, 1.5, "from 0 to 1, got 1.5"),
        ({"low": 0}, -1, "from 0 to inf, got -1"),
        ({}, float("nan"), "finite number"),
        ({}, True, "a number or None, got True"),
        ({}, "falls", "a number or None, got 'falls'"),
        ({"shapes": SHAPES}, "soars", r"one of \['falls', .* got 'soars'"),
        ({"shapes": SHAPES}, 0.5, "got 0.5"),
    ],
)
def test_refuses_what_is_no_answer(asked, value, message):
    prediction = predict("?", **asked)
    with pytest.raises(traitlets.TraitError, match=message):
        prediction.value = value
    assert prediction.value is None


@pytest.mark.parametrize(
    ("asked", "error", "message"),
    [
        ({"low": 1, "high": 0}, ValueError, "`low` must be below `high`"),
        ({"low": "0"}, TypeError, "`low` must be a number"),
        ({"high": np.inf}, ValueError, "`high` must be finite"),
        ({"shapes": ("falls",)}, ValueError, "two to six"),
        ({"shapes": "falls"}, ValueError, "two to six"),
        ({"shapes": ("falls", "falls")}, ValueError, "must differ"),
        (
            {"shapes": ("falls", "soars")},
            ValueError,
            "no shape 'soars'; there are 'falls'",
        ),
        ({"shapes": SHAPES, "low": 0}, ValueError, "belong to a number"),
        ({"shapes": {"a": [0, 1], "b": [0]}}, ValueError, "'b' must be two or more finite"),
        ({"low": 0, "high": 1, "default": 2}, traitlets.TraitError, "from 0 to 1, got 2"),
    ],
)
def test_refuses_what_cannot_be_asked(asked, error, message):
    with pytest.raises(error, match=message):
        predict("?", **asked)


def test_a_default_is_not_an_answer():
    prediction = predict("?", low=0, high=1, default=0.5)
    assert (prediction.value, prediction.answered) == (0.5, False)
    prediction.set_state({"value": 0.5, "answered": True})  # chosen as it stands
    assert prediction.answered


def test_its_text_asks_as_well():
    number = predict("How long does `fit` take?", low=0, high=2000, unit="s")
    shape = predict("Which way?", shapes=SHAPES[:2])
    texts = [each._repr_mimebundle_()[0]["text/markdown"] for each in (number, shape)]
    assert texts == [
        "**Predict.** How long does `fit` take? (A number from 0 s to 2,000 s.)",
        "**Predict.** Which way?\n\n- falls\n- rises",
    ]


@pytest.mark.parametrize("name", [*SHAPES, *COMPOUND, "goes up and down"])
def test_shapes_look_as_they_are_called(name):
    heights = np.array(shape_of(name))
    assert heights[0] == 0
    assert np.ptp(heights) == (0 if name == "stays level" else 1)
    agrees, found = judge_shape(name, 2 + heights)
    assert agrees
    assert found in name or found == "falls"


def test_own_shapes_are_scaled_to_start_at_zero():
    prediction = predict("?", shapes={"jumps": [5, 5, 9], "sinks": [1, 0.5]})
    assert prediction.shapes["jumps"].tolist() == [0, 0, 1]
    assert prediction.shapes["sinks"].tolist() == [0, -1]


# Whether a shape agrees --------------------------------------------------------------------------

TIME = np.linspace(0, 1, 30)
NOISE = np.random.default_rng(0).normal(0, 0.03, 30)


@pytest.mark.parametrize(
    ("values", "agree", "stay_open", "found"),
    [
        (2 - TIME + NOISE, {"falls"}, {*COMPOUND[1:]}, "falls"),
        (np.exp(-8 * TIME), {"falls", COMPOUND[1]}, {COMPOUND[2]}, "falls"),
        (1 + TIME, {"rises"}, set(), "rises"),
        (np.sin(np.pi * TIME), {"rises, then falls"}, set(), "rises, then falls"),
        (np.full(30, 0.5) + NOISE / 30, {"stays level"}, set(), "stays level"),
        (np.zeros(30), {"stays level"}, set(), "stays level"),
        # Level or not, at 4 % of its height? That is for the reader to say.
        (0.5 + 0.02 * TIME, {"rises"}, {"stays level"}, "rises"),
        (1 + 0.3 * np.sin(15 * TIME), {"goes up and down"}, {"stays level"}, "goes up and down"),
        # A last rise of 0.4 of the range: a third move, or not?
        (
            np.interp(TIME, [0, 0.3, 0.7, 1], [1, 1.3, 1, 1.12]),
            set(),
            {"rises, then falls", "goes up and down", "stays level"},
            "goes up and down",
        ),
    ],
)
def test_the_rule_decides_what_is_clear_and_leaves_the_rest_open(values, agree, stay_open, found):
    names = (*SHAPES, *COMPOUND, "goes up and down")
    for name in names:
        expected = True if name in agree else None if name in stay_open else False
        assert judge_shape(name, values) == (expected, found), name


@pytest.mark.parametrize("values", [[1.0, 0.5], [1.0, np.nan, 0.5], [1.0, 2.0, np.inf]])
def test_what_cannot_be_judged_is_left_open(values):
    assert judge_shape("falls", values) == (None, None)


def test_three_moves_are_to_go_up_and_down():
    values = 1 + 0.3 * np.sin(15 * TIME)
    assert judge_shape("rises, then falls, then rises", values) == (True, "goes up and down")
    assert judge_shape("rises, then falls, then rises", TIME) == (False, "rises")


def test_shapes_of_ones_own_are_left_open():
    assert judge_shape("jumps", TIME) == (None, "rises")


# What is shown -----------------------------------------------------------------------------------


@pytest.fixture
def shown(monkeypatch):
    """What `compare` shows: figures, and texts."""
    things = []
    monkeypatch.setattr("tripletviz.lessons.records.show", things.append)
    monkeypatch.setattr(
        "tripletviz.lessons.questions.display",
        lambda data, raw: things.append(data["text/plain"]),
    )
    return things


def title_of(figure):
    return figure.layout.title.text.replace("<br>", " ")


@pytest.mark.parametrize(
    ("predicted", "finding"),
    [
        (0.5, "You predicted 0.5: too low by 0.4381"),
        (1, "You predicted 1: too high by 0.0619"),
        (0.93, "You predicted 0.93: as good as exact"),
        (0.9381, "You predicted 0.9381: exactly that"),
    ],
)
def test_a_number_is_drawn_beside_the_one_predicted(shown, predicted, finding):
    prediction = predict("?", low=0, high=1)
    prediction.value = predicted
    compare(prediction, np.float64(0.9381), name="R@1 untrained")
    (figure,) = shown
    assert title_of(figure) == f"R@1 untrained is 0.9381. {finding}"
    assert [trace.x[0] for trace in figure.data[1:]] == [predicted, 0.9381]
    assert figure.layout.xaxis.range == (-0.05, 1.05)
    assert alt_text(figure).endswith(f"measured 0.9381, predicted {predicted:g}.")


def test_a_default_is_called_what_it_is(shown):
    compare(predict("?", default=3, unit="s"), 4.0, name="Time")
    assert title_of(shown[0]) == "Time is 4 s. The preset prediction was 3 s: too low by 1 s"
    assert shown[0].layout.xaxis.title.text == "Time (s)"


@pytest.mark.parametrize("shape", [*SHAPES, "goes up and down"])
def test_a_shape_is_laid_over_the_curve(shown, shape):
    recording = load_recording()
    loss = recording.curves["loss"]
    prediction = predict("?", shapes=(*SHAPES, "goes up and down"))
    prediction.value = shape
    compare(prediction, loss, name="loss", steps=recording.steps)
    (figure,) = shown
    measured, predicted = figure.data
    np.testing.assert_allclose(measured.y, loss)
    assert predicted.line.dash == "dash"
    assert (predicted.x[0], predicted.x[-1]) == (measured.x[0], measured.x[-1])
    assert predicted.y[0] == pytest.approx(loss[0])
    assert np.ptp(predicted.y) == pytest.approx(0 if shape == "stays level" else np.ptp(loss))
    ends = {"falls": "but it goes up and down", "rises": "but it goes up and down"}
    assert title_of(figure).startswith("Loss goes from 1.027 to 1.047. You predicted “")
    assert title_of(figure).endswith(ends.get(shape, "does it?"))


def test_agreement_is_said(shown):
    recording = load_recording()
    prediction = predict("?", shapes=SHAPES)
    prediction.value = "falls"
    compare(prediction, recording.curves["fraction of positive triplets"], steps=recording.steps)
    assert title_of(shown[0]).endswith("You predicted “falls”: it does")


def test_a_shape_does_not_leave_what_a_curve_can_reach():
    figure = curve_with_prediction([0.2, 0.9, 1.0], shape_of("falls"), "R@1", "falls")
    assert min(figure.data[1].y) == pytest.approx(0, abs=1e-12)
    assert figure.layout.xaxis.title.text == "measurement"


def test_without_a_prediction_the_result_stands_alone(shown):
    compare(predict("?", low=0, high=1), 0.9381, name="R@1 untrained")
    compare(predict("?", shapes=SHAPES), [1.0, 0.5, 0.25], name="loss")
    number, shape = shown
    assert number.startswith("R@1 untrained is 0.9381. Nothing was predicted.")
    assert shape.startswith("Loss goes from 1 to 0.25. Nothing was predicted.")


def test_values_that_are_none(shown):
    prediction = predict("?", shapes=SHAPES)
    prediction.value = "falls"
    compare(prediction, [1.0, 0.5, np.nan], name="loss")
    compare(prediction, [np.nan, np.inf], name="loss")
    number = predict("?")
    number.value = 1
    compare(number, np.nan, name="Loss")
    expected = "Loss goes from 1 to 0.5, and ends without a number. You predicted “falls”: does it?"
    assert title_of(shown[0]) == expected
    assert shown[1] == "loss has no finite value: there is nothing to draw."
    assert shown[2] == "Loss is nan. You predicted 1."


def test_numbers_and_shapes_are_not_mixed_up():
    with pytest.raises(TypeError, match="a number was predicted"):
        compare(predict("?"), [1.0, 2.0])
    with pytest.raises(TypeError, match="the shape of a curve was predicted"):
        compare(predict("?", shapes=SHAPES), 0.5)
    with pytest.raises(TypeError, match=r"what `predict` gave, got 0\.5"):
        compare(0.5, 0.5)
    prediction = predict("?", shapes=SHAPES)
    prediction.value = "falls"
    with pytest.raises(ValueError, match="one value for each of 2 steps"):
        compare(prediction, [1.0, 2.0, 3.0], steps=[0, 1])
    with pytest.raises(ValueError, match=r"shape \(S,\)"):
        compare(prediction, np.zeros((2, 2)))


def test_both_numbers_are_on_the_line_whatever_the_limits():
    figure = number_with_prediction(12.0, 3.0, low=0, high=10)
    assert figure.layout.xaxis.range[1] > 12
    with pytest.raises(ValueError, match="must be finite"):
        number_with_prediction(np.nan, 3.0)


@pytest.mark.parametrize(
    ("value", "text"), [(0.93811, "0.9381"), (20480.0, "20,480"), (0.5, "0.5"), (-0.25, "-0.25")]
)
def test_plain_numbers(value, text):
    assert plain_number(value) == text
