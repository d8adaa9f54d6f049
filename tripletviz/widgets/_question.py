"""What a quiz and a prediction share: a question in words, which is read without a widget too."""

import re

import traitlets

from ._widget import Widget

_SPECIAL = re.compile(r"([\\*_{}\[\]<>()#+!|~$&])")


class Question(Widget):
    """Base of the widgets that ask. Where widgets are not shown, their text form asks as well.

    A code host, and a notebook kept without the state of its widgets, show the `text/markdown`
    that goes with the widget.
    """

    question = traitlets.Unicode().tag(sync=True)

    def to_markdown(self) -> str:
        """The question as Markdown, without its answer."""
        raise NotImplementedError

    def save_html(self, path, title: str | None = None):
        return super().save_html(path, self.question.replace("`", "") if title is None else title)

    save_html.__doc__ = Widget.save_html.__doc__

    def _repr_mimebundle_(self, **options):
        data, metadata = super()._repr_mimebundle_(**options)
        return data | {"text/markdown": self.to_markdown()}, metadata


def check_text(text, name: str) -> str:
    """Refuses what is no text with something in it.

    Raises:
        TypeError: if it is not a string.
        ValueError: if it is blank.
    """
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a string, got {text!r}.")
    if not text.strip():
        raise ValueError(f"{name} must not be empty.")
    return text.strip()


def as_markdown(text: str) -> str:
    """Plain text as Markdown that shows it as it is; what stands in backticks stays code."""
    parts = text.split("`")
    if len(parts) % 2 == 0:  # a backtick alone is none of code
        return _SPECIAL.sub(r"\\\1", text).replace("`", "\\`")
    parts[::2] = [_SPECIAL.sub(r"\\\1", part) for part in parts[::2]]
    return "`".join(parts)
