"""What an experiment's `params.json` holds, and what is wrong with one that holds something else.

Reading parameters needs no TensorFlow, so that a wrong key is told at once.
"""

import json
from pathlib import Path
from typing import Literal

import pydantic
from pydantic import Field


class ExperimentError(Exception):
    """Something about a model dir keeps an experiment from running; the message is for a person."""


class Params(pydantic.BaseModel):
    """The parameters of an experiment; every one must be given in `params.json`."""

    model_config = pydantic.ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False
    )

    dataset: Literal["mnist", "fashion_mnist"] = Field(description="data set to learn")
    profile: Literal["ci", "laptop", "full"] = Field(
        description="how much of the training data: 6,000, 20,000 or all 60,000 images"
    )
    strategy: Literal["batch_all", "batch_hard", "batch_semi_hard"] = Field(
        description="which triplets of a batch make the loss"
    )
    margin: pydantic.NonNegativeFloat | Literal["soft"] = Field(
        description='margin in units of distance, at least 0, or "soft" (not for batch_all)'
    )
    squared: bool = Field(description="squared Euclidean distances instead of Euclidean ones")
    learning_rate: pydantic.PositiveFloat = Field(description="learning rate of Adam")
    batch_size: int = Field(ge=2, description="images in a batch")
    classes_per_batch: int | None = Field(
        ge=2, description="P of P x K batches, at least 2, or null for random batches"
    )
    images_per_class: int | None = Field(
        ge=2, description="K of P x K batches, at least 2, or null for random batches"
    )
    epochs: pydantic.PositiveInt = Field(description="passes over the training images")
    embedding_size: pydantic.PositiveInt = Field(description="dimension of the embedding")
    channels: pydantic.PositiveInt = Field(
        description="filters of the first convolution; the second has twice as many"
    )
    batch_norm: bool = Field(description="batch normalisation after each convolution")
    normalize: bool = Field(description="scale embeddings to unit norm")
    snapshots: int = Field(ge=2, description="looks at the probe set during training")
    seed: pydantic.NonNegativeInt = Field(description="seed of weights and batches")

    @pydantic.model_validator(mode="after")
    def _fit_together(self):
        if self.strategy == "batch_all" and self.margin == "soft":
            raise ValueError('margin "soft" is not defined for strategy "batch_all"')
        pair = (self.classes_per_batch, self.images_per_class)
        if (pair[0] is None) != (pair[1] is None):
            raise ValueError("classes_per_batch and images_per_class are given together or null")
        if None not in pair and pair[0] * pair[1] != self.batch_size:
            raise ValueError(
                "batch_size must be classes_per_batch x images_per_class; got "
                f"{self.batch_size} and {pair[0]} x {pair[1]}"
            )
        return self


def parse_params(values):
    """Check a mapping of parameters and return it as `Params`.

    Raises:
        ExperimentError: if a key is missing, unknown or ill-typed. The message names every such
            key, and the allowed ones.
    """
    try:
        return Params.model_validate(values)
    except pydantic.ValidationError as error:
        problems = dict.fromkeys(_in_words(each) for each in error.errors())
        allowed = ", ".join(Params.model_fields)
        raise ExperimentError(f"{'; '.join(problems)}. Allowed keys: {allowed}") from None


def _in_words(error):
    key = error["loc"][0] if error["loc"] else None
    if error["type"] == "missing":
        return f'the key "{key}" is missing'
    if error["type"] == "extra_forbidden":
        return f'the key "{key}" is unknown'
    if key is None:
        return error["msg"].removeprefix("Value error, ")
    wanted = Params.model_fields[key].description if key in Params.model_fields else ""
    return f'the key "{key}" cannot be {json.dumps(error["input"])}: it is the {wanted}'


def load_params(model_dir):
    """Read `params.json` of a model dir.

    Args:
        model_dir: path of the folder.

    Returns:
        `Params`.

    Raises:
        ExperimentError: if the folder or the file is not there, is not JSON, or `parse_params`
            refuses it.
    """
    model_dir = Path(model_dir)
    path = model_dir / "params.json"
    if not model_dir.exists():
        raise ExperimentError(f"{model_dir} does not exist; make the folder with a params.json")
    if not model_dir.is_dir():
        raise ExperimentError(f"{model_dir} is a file; a model dir is a folder with a params.json")
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ExperimentError(f"{model_dir} has no params.json") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ExperimentError(f"{path} is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise ExperimentError(f"{path} must hold a JSON object; it holds a {_json_type(values)}")
    try:
        return parse_params(values)
    except ExperimentError as error:
        raise ExperimentError(f"{path}: {error}") from None


def _json_type(value):
    names = {list: "list", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
