"""The quiz: one question, a few choices, and for each of them why it is right or wrong."""

from collections.abc import Mapping

import traitlets

from ._question import Question, as_markdown, check_text
from ._widget import load_script

LETTERS = "ABCDEF"


class Quiz(Question):
    """A multiple-choice question that explains every choice once it is chosen.

    A wrong choice costs nothing: its explanation appears, and another one may be tried. Texts are
    plain, with code between backticks. Nothing is sent to Python that the view needs, so that a
    quiz works in an exported page without a kernel.

    Keys: the arrows go from choice to choice, space or Enter chooses; a letter chooses at once.

    Args:
        question: what is asked.
        choices: two to six choices, a mapping from the text of each to why it is right or wrong.
        right: text of the right one.
        **traits: starting values of the traits below, or of ipywidgets' own (`layout`, ...).

    Attributes:
        chosen: text of the choice made last; empty before the first one.
        tried: texts of all choices made so far, in order.
        is_right: whether `chosen` is the right one. It follows from `chosen` and cannot be set.

    Raises:
        TypeError: if the choices are no mapping, or a text is no string.
        ValueError: if there are too few or too many choices, a text is empty, or `right` is not
            one of them.

    Example:
        >>> Quiz(
        ...     "Which triplets have a loss of 0?",
        ...     {"easy ones": "The negative is far enough.", "hard ones": "They cost most."},
        ...     right="easy ones",
        ... )
    """

    _esm = load_script("quiz")

    chosen = traitlets.Unicode("").tag(sync=True)
    tried = traitlets.List(traitlets.Unicode()).tag(sync=True)
    is_right = traitlets.Bool(False, read_only=True)

    _choices = traitlets.List().tag(sync=True)
    _right = traitlets.Unicode().tag(sync=True)

    def __init__(self, question: str, choices: Mapping, right: str, **traits):
        checked = _check_choices(choices)
        if right not in choices:
            raise ValueError(f"`right` must be one of {list(choices)}, got {right!r}.")
        super().__init__(
            question=check_text(question, "`question`"),
            _choices=[{"text": text, "why": why} for text, why in checked.items()],
            _right=right.strip(),
            **traits,
        )

    def to_markdown(self) -> str:
        lines = [f"**Question.** {as_markdown(self.question)}", ""]
        for letter, choice in zip(LETTERS, self._choices, strict=False):
            lines.append(f"- **{letter}** {as_markdown(choice['text'])}")
        return "\n".join(lines)

    @traitlets.validate("chosen")
    def _check_chosen(self, proposal):
        texts = [choice["text"] for choice in self._choices]
        if proposal.value and proposal.value not in texts:
            raise traitlets.TraitError(
                f"`chosen` must be one of {texts}, or empty, got {proposal.value!r}."
            )
        return proposal.value

    @traitlets.observe("chosen")
    def _judge(self, change):
        self.set_trait("is_right", self.chosen == self._right)
        if not self.chosen:
            self.tried = []
        elif self.chosen not in self.tried:
            self.tried = [*self.tried, self.chosen]

    def __repr__(self) -> str:
        return f"Quiz({self.question!r}, {len(self._choices)} choices)"


def _check_choices(choices) -> dict:
    if not isinstance(choices, Mapping):
        raise TypeError(
            "`choices` must map the text of each choice to why it is right or wrong, "
            f"got {choices!r}."
        )
    if not 2 <= len(choices) <= len(LETTERS):
        raise ValueError(f"`choices` must be two to {len(LETTERS)}, got {len(choices)}.")
    return {
        check_text(text, "a choice"): check_text(why, f"the explanation of {text!r}")
        for text, why in choices.items()
    }
