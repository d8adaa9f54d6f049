import json
import re
from pathlib import Path

import pytest

from tripletviz.params import ExperimentError, Params, load_params, parse_params

BASE = Path(__file__).parents[1] / "experiments" / "base_model"


@pytest.fixture
def values():
    return json.loads((BASE / "params.json").read_text())


def test_the_base_model_is_valid(values):
    assert load_params(BASE) == parse_params(values)


@pytest.mark.parametrize("key", Params.model_fields)
def test_a_missing_key_is_named(values, key):
    del values[key]
    with pytest.raises(ExperimentError, match=f'the key "{key}" is missing') as error:
        parse_params(values)
    assert "Allowed keys: dataset, profile, strategy" in str(error.value)


def test_an_unknown_key_is_named(values):
    with pytest.raises(ExperimentError, match='the key "learning_rat" is unknown'):
        parse_params(values | {"learning_rat": 0.1})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("learning_rate", "0.001"),
        ("learning_rate", 0),
        ("batch_size", 64.5),
        ("batch_size", 1),
        ("epochs", True),
        ("margin", -0.5),
        ("margin", "hard"),
        ("margin", float("inf")),
        ("learning_rate", float("inf")),
        ("classes_per_batch", 1),
        ("images_per_class", 1),
        ("strategy", "batch_every"),
        ("squared", 1),
        ("seed", -1),
        ("normalize", None),
        ("snapshots", 1),
    ],
)
def test_an_ill_typed_value_is_named(values, key, value):
    wanted = f'the key "{key}" cannot be {re.escape(json.dumps(value))}: it is the '
    with pytest.raises(ExperimentError, match=wanted):
        parse_params(values | {key: value})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"margin": "soft"}, 'not defined for strategy "batch_all"'),
        ({"classes_per_batch": 8}, "given together or null"),
        ({"classes_per_batch": 8, "images_per_class": 4}, "got 64 and 8 x 4"),
    ],
)
def test_values_that_do_not_fit_together(values, changes, message):
    with pytest.raises(ExperimentError, match=message):
        parse_params(values | changes)


def test_every_problem_is_told_at_once(values):
    del values["seed"]
    with pytest.raises(ExperimentError) as error:
        parse_params(values | {"margn": 1, "epochs": "two"})
    for key in ("seed", "margn", "epochs"):
        assert f'"{key}"' in str(error.value)


def test_every_key_has_a_meaning():
    assert all(field.description for field in Params.model_fields.values())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no params.json"),
        ("{", "is not JSON"),
        ("[1, 2]", "must hold a JSON object; it holds a list"),
        ("{}", r'params\.json: the key "dataset" is missing'),
    ],
)
def test_unusable_params_files(tmp_path, content, message):
    if content is not None:
        (tmp_path / "params.json").write_text(content)
    with pytest.raises(ExperimentError, match=message):
        load_params(tmp_path)


def test_a_model_dir_that_is_not_a_folder(tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(ExperimentError, match="is a file"):
        load_params(file)
    with pytest.raises(ExperimentError, match="does not exist"):
        load_params(tmp_path / "nothing")
