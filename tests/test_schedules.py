import math

import numpy as np
import pytest

from tripletviz._tensorflow import keras
from tripletviz.schedules import WarmUp, learning_rate_schedule

PEAK, FINAL, STEPS = 0.01, 0.0004, 41


def rates(schedule, steps=STEPS):
    return np.array([float(schedule(step)) for step in range(steps)])


@pytest.mark.parametrize(
    ("kind", "share_of_the_way"),
    [
        ("cosine", lambda t: (1 - math.cos(math.pi * t)) / 2),
        ("linear", lambda t: t),
        ("exponential", None),
    ],
)
def test_from_the_peak_to_the_final_rate(kind, share_of_the_way):
    found = rates(learning_rate_schedule(kind, PEAK, STEPS, final=FINAL))
    way = np.linspace(0, 1, STEPS)
    if share_of_the_way is None:
        expected = PEAK * (FINAL / PEAK) ** way
    else:
        expected = [PEAK + (FINAL - PEAK) * share_of_the_way(t) for t in way]
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("kind", ["cosine", "linear", "exponential"])
def test_the_final_rate_is_a_hundredth_of_the_peak_unless_told(kind):
    assert rates(learning_rate_schedule(kind, PEAK, STEPS))[-1] == pytest.approx(PEAK / 100)


def test_a_constant_rate_is_a_number():
    assert learning_rate_schedule("constant", PEAK, STEPS) == PEAK


def test_warm_up_rises_to_the_peak_and_the_schedule_follows_it():
    found = rates(learning_rate_schedule("linear", PEAK, STEPS, final=FINAL, warmup_steps=4))
    np.testing.assert_allclose(found[:5], PEAK * np.array([1, 2, 3, 4, 5]) / 5, rtol=1e-6)
    np.testing.assert_allclose(found[4:], np.linspace(PEAK, FINAL, STEPS - 4), rtol=1e-5)
    held = rates(learning_rate_schedule("constant", PEAK, STEPS, warmup_steps=4))
    np.testing.assert_allclose(held[4:], PEAK, rtol=1e-6)
    assert held[0] == pytest.approx(PEAK / 5)


def test_keras_takes_it_and_gives_it_back():
    schedule = learning_rate_schedule("cosine", PEAK, STEPS, warmup_steps=3)
    optimizer = keras.optimizers.Adam(schedule)
    again = keras.optimizers.Adam.from_config(optimizer.get_config())
    variable = keras.Variable([1.0])
    for made in (optimizer, again):
        made.build([variable])
        made.iterations.assign(7)
        assert float(made.learning_rate) == pytest.approx(float(schedule(7)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "stairs"}, "constant, cosine, linear or exponential, got 'stairs'"),
        ({"warmup_steps": STEPS}, f"fewer than the training's {STEPS} steps, got {STEPS}"),
        ({"warmup_steps": -1}, "warmup_steps"),
        ({"total_steps": 0}, "total_steps"),
    ],
)
def test_what_is_refused(arguments, message):
    arguments = {"kind": "linear", "peak": PEAK, "total_steps": STEPS} | arguments
    with pytest.raises(ValueError, match=message):
        learning_rate_schedule(**arguments)


def test_warm_up_needs_a_step():
    with pytest.raises(ValueError, match="warmup_steps"):
        WarmUp(PEAK, 0)
