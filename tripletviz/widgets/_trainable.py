"""What the widgets share whose *train* button has the kernel train."""

import math
from collections.abc import Callable, Iterable

import traitlets

from ._widget import Widget

STATES = ("idle", "importing", "training", "done", "failed")


class TrainableWidget(Widget):
    """Base of the widgets that have a *train* button, and show what the training says of itself.

    Such a widget does not train: whoever trains says so by `on_train`, and tells by `report` how
    far it is. A class of this kind has a property `settings`, and says in `_form` which traits a
    view sends with *train* and in `_settings_class` what checks them.
    """

    _form: tuple[str, ...] = ()
    _settings_class: type

    state = traitlets.Enum(STATES, "idle").tag(sync=True)
    message = traitlets.Unicode("").tag(sync=True)
    progress = traitlets.Float(0.0, min=0.0, max=1.0).tag(sync=True)

    def __init__(self, **traits):
        self._trainer = None
        super().__init__(**traits)
        self.on_msg(self._hear)

    def on_train(self, trainer: Callable[["TrainableWidget"], None]) -> None:
        """Says what the *train* button does: `trainer` is called with the widget.

        It should call `show_run`, and `report` with what it is doing. What it raises is shown.
        """
        self._trainer = trainer
        self.send({"type": "alive"})

    def train(self) -> None:
        """Does what the *train* button does; returns when the training has ended.

        Raises:
            RuntimeError: if nobody trains, see `on_train`.
        """
        if self._trainer is None:
            raise RuntimeError("nobody trains for this widget: `on_train` was not called")
        try:
            self.settings  # noqa: B018 (settings that do not go together raise)
            self._trainer(self)
        except KeyboardInterrupt:
            self.report("failed", "The training was interrupted.")
        except Exception as error:  # a button must not die silently
            said = " ".join(str(error).split()) or "it said nothing"
            name = "" if isinstance(error, ValueError) else f"{type(error).__name__}: "
            self.report("failed", f"Not trained. {name}{said}")

    def report(self, state: str, message: str = "", progress: float = 0.0) -> None:
        """Tells what the training is doing, in one message to the browser.

        Args:
            state: as the trait.
            message: one line.
            progress: as the trait.
        """
        with self.hold_sync():
            self.state, self.message = state, message
            self.progress = min(max(float(progress), 0.0), 1.0)

    def _hear(self, _, content, __) -> None:
        """Answers a view's messages: whether somebody is here who trains, and to train."""
        kind = content.get("type")
        if self._trainer is None:
            return
        if kind == "hello":
            self.send({"type": "alive"})
        if kind == "train":
            self.send({"type": "started"})
            self._begin(content.get("settings", {}))

    def _begin(self, settings) -> None:
        """Trains with what a view has sent; traits that it just changed may arrive later."""
        try:
            for name, value in settings.items():
                if name in self._form:
                    setattr(self, name, value)
        except (traitlets.TraitError, ValueError) as error:
            self.report("failed", f"Not trained. {error}")
        else:
            self._start()

    def _start(self) -> None:
        self.train()

    def _checked_setting(self, proposal):
        """The value of a proposal, for a validator: refuses what no training can have."""
        name, value = proposal.trait.name, proposal.value
        if isinstance(value, float) and not math.isfinite(value):
            raise traitlets.TraitError(f"`{name}` must be finite, got {value}.")
        try:
            self._settings_class(**{name: value})
        except ValueError as error:
            raise traitlets.TraitError(str(error)) from None
        return value


def json_number(value) -> float | None:
    """A number as JSON can hold it, with four digits; zero only where it is exactly zero."""
    value = float(value)
    return float(f"{value:.4g}") if math.isfinite(value) else None


def json_numbers(values: Iterable) -> list[float | None]:
    """Each of the numbers as `json_number`."""
    return [json_number(value) for value in values]
