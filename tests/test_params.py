import json
import re
from pathlib import Path

import pytest

from tripletviz.params import (
    ExperimentError,
    Params,
    changed_params,
    describe_params,
    load_params,
    parse_params,
)

BASE = Path(__file__).parents[1] / "experiments" / "base_model"


@pytest.fixture
def values():
    return json.loads((BASE / "params.json").read_text())


def test_the_base_model_is_valid(values):
    assert load_params(BASE) == parse_params(values)


@pytest.mark.parametrize("key", ["strategy", "margin"])
def test_a_missing_key_is_named(values, key):
    del values[key]
    with pytest.raises(ExperimentError, match=f'the key "{key}" is missing') as error:
        parse_params(values)
    assert "Allowed keys: dataset, profile, held_out_classes" in str(error.value)


def test_every_other_key_has_a_default(values):
    params = parse_params({"strategy": "batch_all", "margin": 0.5})
    # The base model spells out what the defaults are.
    assert params == parse_params(values)
    for name, default, meaning in describe_params():
        assert meaning
        if name in ("strategy", "margin"):
            assert default == "required"
        else:
            assert json.loads(default) == getattr(params, name)
    choices = {name: meaning for name, _, meaning in describe_params()}
    assert choices["network"].endswith(": conv_net | alexnet")
    assert choices["margin"].endswith('"soft" (not for batch_all)')


def test_changed_parameters_are_told(values):
    params = parse_params(values)
    before = params.model_dump(mode="json")
    assert changed_params(params, before) == ""
    assert changed_params(params, before | {"margin": 1.5, "gone": 3}) == (
        "margin was 1.5, is 0.5, gone was 3, is null"
    )
    # What an older version did not know yet had its default.
    del before["dropout"]
    assert changed_params(params, before) == ""
    params = parse_params(values | {"dropout": 0.5})
    assert changed_params(params, before) == "dropout was 0.0, is 0.5"
    assert changed_params(params, None)


def test_a_strategy_of_stages(values):
    stages = [{"until_step": 500, "name": "batch_all"}, {"name": "batch_hard"}]
    params = parse_params(values | {"strategy": stages})
    assert params.stages == [(500, "batch_all"), (None, "batch_hard")]
    assert parse_params(values).stages == [(None, "batch_all")]
    # What is kept beside a trained model reads as the same parameters.
    assert parse_params(json.loads(params.model_dump_json())) == params


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
        ("seed", 2**32),
        ("normalize", None),
        ("snapshots", 1),
        ("strategy", [{"until_step": 5, "nam": "batch_all"}, {"name": "batch_hard"}]),
        ("strategy", [{"until_step": 0, "name": "batch_all"}, {"name": "batch_hard"}]),
        ("held_out_classes", [3, -1]),
        ("held_out_classes", 3),
        ("network", "resnet"),
        ("objective", "softmax"),
        ("dropout", 1.0),
        ("max_rotation", 181),
        ("max_zoom", 1.0),
        ("max_shift", -1),
        ("warmup_steps", -1),
        ("learning_rate_schedule", "stairs"),
        ("final_learning_rate", 0),
        ("pretrained_from", ""),
        ("blocks", 0),
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
        ({"strategy": []}, "every stage of the strategy but the last has an until_step"),
        ({"strategy": [{"name": "batch_hard"}, {"name": "batch_all"}]}, "every stage .* but the"),
        ({"strategy": [{"until_step": 5, "name": "batch_all"}]}, "every stage .* but the last"),
        (
            {
                "strategy": [
                    {"until_step": 5, "name": "batch_all"},
                    {"until_step": 5, "name": "batch_hard"},
                    {"name": "batch_all"},
                ]
            },
            r"until_step must increase; got \[5, 5\]",
        ),
        (
            {
                "margin": "soft",
                "strategy": [{"until_step": 5, "name": "batch_all"}, {"name": "batch_hard"}],
            },
            'not defined for strategy "batch_all"',
        ),
        ({"held_out_classes": [3, 4, 3]}, r"names a class twice; got \[3, 4, 3\]"),
        ({"augmented_epochs": 1}, "augmented_epochs needs a max_shift, max_rotation or max_zoom"),
        ({"augmented_epochs": 2, "max_shift": 1}, "at most epochs; got 2 and 1"),
        ({"held_out_classes": [3]}, "at least two classes, or none"),
        ({"final_learning_rate": 1e-5}, "the constant learning_rate_schedule has no final"),
        (
            {"learning_rate_schedule": "linear", "final_learning_rate": 0.5},
            "must not be above learning_rate; got 0.5 and 0.001",
        ),
        ({"network": "alexnet", "blocks": 3}, "blocks belongs to conv_net; the network here is"),
    ],
)
def test_values_that_do_not_fit_together(values, changes, message):
    with pytest.raises(ExperimentError, match=message):
        parse_params(values | changes)


def test_every_problem_is_told_at_once(values):
    del values["strategy"]
    with pytest.raises(ExperimentError) as error:
        parse_params(values | {"margn": 1, "epochs": "two"})
    for key in ("strategy", "margn", "epochs"):
        assert f'"{key}"' in str(error.value)


def test_every_key_has_a_meaning():
    assert all(field.description for field in Params.model_fields.values())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no params.json"),
        ("{", "is not JSON"),
        ("[1, 2]", "must hold a JSON object; it holds a list"),
        ("{}", r'params\.json: the key "strategy" is missing'),
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
