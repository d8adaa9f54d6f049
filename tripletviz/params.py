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


StrategyName = Literal["batch_all", "batch_hard", "batch_semi_hard"]


class Stage(pydantic.BaseModel):
    """A part of a training with a strategy of its own."""

    model_config = pydantic.ConfigDict(extra="forbid", strict=True, frozen=True)

    name: StrategyName
    until_step: pydantic.PositiveInt | None = None


class Params(pydantic.BaseModel):
    """The parameters of an experiment.

    What makes it the experiment it is, the strategy and the margin, must be given in `params.json`;
    each other parameter has a default.
    """

    model_config = pydantic.ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False
    )

    dataset: Literal["mnist", "fashion_mnist"] = Field("mnist", description="data set to learn")
    profile: Literal["ci", "laptop", "full"] = Field(
        "full", description="how much of the training data: 6,000, 20,000 or all 60,000 images"
    )
    held_out_classes: list[pydantic.NonNegativeInt] = Field(
        [], description="list of classes, at least two, kept out of training, evaluated apart"
    )

    network: Literal["conv_net", "alexnet"] = Field("conv_net", description="embedding network")
    channels: pydantic.PositiveInt = Field(
        32,
        description="filters of the first convolution (alexnet: as for images of 227 pixels); "
        "later ones have more in proportion",
    )
    blocks: pydantic.PositiveInt = Field(
        2, description="number of blocks, each of convolutions and a pooling (conv_net only)"
    )
    convolutions: pydantic.PositiveInt = Field(
        1, description="number of convolutions in each block (conv_net only)"
    )
    batch_norm: bool = Field(
        True,
        description="batch normalisation after each convolution, true or false (conv_net only)",
    )
    dropout: float = Field(
        0.0, ge=0, lt=1, description="fraction of units dropped before the dense layers, below 1"
    )
    embedding_size: pydantic.PositiveInt = Field(64, description="dimension of the embedding")
    normalize: bool = Field(False, description="scaling of embeddings to unit norm, true or false")
    pretrained_from: str | None = Field(
        None,
        min_length=1,
        description="model dir whose trained weights to start from, its path as seen from this "
        "one, or null for random weights",
    )

    objective: Literal["triplet_loss", "classification"] = Field(
        "triplet_loss",
        description="objective that is minimised: the triplet loss of the embedding, or the "
        "cross-entropy of a softmax layer on it (strategy and margin are then only measured)",
    )
    strategy: StrategyName | list[Stage] = Field(
        description="choice of the triplets of a batch that make the loss, or a list of stages "
        'such as [{"until_step": 500, "name": "batch_all"}, {"name": "batch_hard"}]'
    )
    margin: pydantic.NonNegativeFloat | Literal["soft"] = Field(
        description='margin in units of distance, at least 0, or "soft" (not for batch_all)'
    )
    squared: bool = Field(False, description="use of squared Euclidean distances, true or false")

    batch_size: int = Field(
        64,
        ge=2,
        description="number of images in a batch; for P x K batches their product",
    )
    classes_per_batch: int | None = Field(
        None,
        ge=2,
        description="P of P x K batches, at least 2, or null for random batches; together with "
        "images_per_class",
    )
    images_per_class: int | None = Field(
        None, ge=2, description="K of P x K batches, at least 2, or null for random batches"
    )
    max_shift: pydantic.NonNegativeFloat = Field(
        0.0, description="greatest random shift of a training image, in pixels along each axis"
    )
    max_rotation: float = Field(
        0.0, ge=0, le=180, description="greatest random rotation of a training image, in degrees"
    )
    max_zoom: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="greatest random zoom of a training image: 0.1 is up to 10 % larger or smaller",
    )

    augmented_epochs: pydantic.PositiveInt | None = Field(
        None,
        description="number of first epochs in which training images are shifted, rotated and "
        "zoomed, or null for all; the last epochs then see them unchanged, as the gallery holds "
        "them",
    )

    epochs: pydantic.PositiveInt = Field(1, description="number of passes over the training images")
    learning_rate: pydantic.PositiveFloat = Field(
        0.001, description="learning rate of Adam; with a schedule, its highest value"
    )
    learning_rate_schedule: Literal["constant", "cosine", "linear", "exponential"] = Field(
        "constant", description="course of the learning rate down to final_learning_rate"
    )
    final_learning_rate: pydantic.PositiveFloat | None = Field(
        None,
        description="learning rate at the last step, or null for a hundredth of learning_rate; "
        "the constant schedule has none",
    )
    warmup_steps: pydantic.NonNegativeInt = Field(
        0, description="number of first steps in which the learning rate rises from near 0"
    )
    snapshots: int = Field(
        24,
        ge=2,
        description="number of times that the embeddings of 1,000 test images are recorded",
    )
    seed: int = Field(
        0,
        ge=0,
        le=2**32 - 1,
        description="seed of weights, batches, augmentation and dropout, at most 2^32 - 1",
    )

    @property
    def stages(self):
        """The strategy as a list of `(until_step, name)`; the last `until_step` is `None`."""
        if isinstance(self.strategy, str):
            return [(None, self.strategy)]
        return [(stage.until_step, stage.name) for stage in self.strategy]

    @pydantic.model_validator(mode="after")
    def _stages_follow_each_other(self):
        ends = [until for until, _ in self.stages]
        if not ends or ends[-1] is not None or None in ends[:-1]:
            raise ValueError("every stage of the strategy but the last has an until_step")
        if ends[:-1] != sorted(set(ends[:-1])):
            raise ValueError(f"the stages' until_step must increase; got {ends[:-1]}")
        return self

    @pydantic.model_validator(mode="after")
    def _fit_together(self):
        if self.margin == "soft" and "batch_all" in dict(map(reversed, self.stages)):
            raise ValueError('margin "soft" is not defined for strategy "batch_all"')
        pair = (self.classes_per_batch, self.images_per_class)
        if (pair[0] is None) != (pair[1] is None):
            raise ValueError("classes_per_batch and images_per_class are given together or null")
        if None not in pair and pair[0] * pair[1] != self.batch_size:
            raise ValueError(
                "batch_size must be classes_per_batch x images_per_class; got "
                f"{self.batch_size} and {pair[0]} x {pair[1]}"
            )
        if len(set(self.held_out_classes)) < len(self.held_out_classes):
            raise ValueError(f"held_out_classes names a class twice; got {self.held_out_classes}")
        if len(self.held_out_classes) == 1:
            # Among the images of one class every neighbour is right.
            raise ValueError("held_out_classes must name at least two classes, or none")
        return self

    @pydantic.model_validator(mode="after")
    def _nothing_is_ignored(self):
        if self.learning_rate_schedule == "constant" and self.final_learning_rate is not None:
            raise ValueError("the constant learning_rate_schedule has no final_learning_rate")
        if (self.final_learning_rate or 0) > self.learning_rate:
            raise ValueError(
                "final_learning_rate must not be above learning_rate; got "
                f"{self.final_learning_rate} and {self.learning_rate}"
            )
        changes = self.max_shift or self.max_rotation or self.max_zoom
        if self.augmented_epochs is not None and not changes:
            raise ValueError("augmented_epochs needs a max_shift, max_rotation or max_zoom")
        if (self.augmented_epochs or 1) > self.epochs:
            raise ValueError(
                f"augmented_epochs must be at most epochs; got {self.augmented_epochs} and "
                f"{self.epochs}"
            )
        if self.network == "alexnet":
            defaults = Params.model_fields
            for key in ("blocks", "convolutions", "batch_norm"):
                if getattr(self, key) != defaults[key].default:
                    raise ValueError(f"{key} belongs to conv_net; the network here is alexnet")
        return self


def changed_params(params, before):
    """What of `params` is unlike earlier ones, in words; empty if nothing is.

    Args:
        params: `Params`.
        before: dictionary of the earlier ones, or `None` if they are not known. A parameter that
            did not exist then had its default.
    """
    if before is None:
        return "unknown ones"
    defaults = {
        name: field.default
        for name, field in Params.model_fields.items()
        if not field.is_required()
    }
    now, before = params.model_dump(mode="json"), {**defaults, **before}
    keys = [key for key in {**now, **before} if now.get(key) != before.get(key)]
    return ", ".join(
        f"{key} was {json.dumps(before.get(key))}, is {json.dumps(now.get(key))}" for key in keys
    )


def describe_params():
    """Every parameter in words: `(name, default, meaning)`; the default as JSON, or "required"."""
    return [
        (
            name,
            "required" if field.is_required() else json.dumps(field.default),
            field.description + _choices(field.annotation),
        )
        for name, field in Params.model_fields.items()
    ]


def _choices(annotation):
    """The allowed words of a parameter that is one of a few, for its description."""
    words = [word for word in getattr(annotation, "__args__", ()) if isinstance(word, str)]
    for inner in getattr(annotation, "__args__", ()):
        words += [word for word in getattr(inner, "__args__", ()) if isinstance(word, str)]
    return f": {' | '.join(words)}" if len(words) > 1 else ""


def parse_params(values):
    """Check a mapping of parameters and return it as `Params`.

    Raises:
        ExperimentError: if a key is missing, unknown or ill-typed. The message names every such
            key, and the allowed ones.
    """
    try:
        return Params.model_validate(values)
    except pydantic.ValidationError as error:
        problems = dict.fromkeys(_in_words(each, values) for each in error.errors())
        allowed = ", ".join(Params.model_fields)
        raise ExperimentError(f"{'; '.join(problems)}. Allowed keys: {allowed}") from None


def _in_words(error, values):
    key = error["loc"][0] if error["loc"] else None
    if error["loc"] == (key,) and error["type"] == "missing":
        return f'the key "{key}" is missing'
    if error["type"] == "extra_forbidden" and key not in Params.model_fields:
        return f'the key "{key}" is unknown'
    if key is None:
        return error["msg"].removeprefix("Value error, ")
    wanted = Params.model_fields[key].description
    return f'the key "{key}" cannot be {json.dumps(values[key])}: it is the {wanted}'


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
