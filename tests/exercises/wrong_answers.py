"""What a known wrong answer is. A file a lesson, `wrong_NN.py`, lists its `WRONG`."""

from dataclasses import dataclass


@dataclass(frozen=True)
class WrongAnswer:
    """A mistake that learners make, and what they must be told.

    Attributes:
        exercise: name of the exercise.
        mistake: what is wrong, in a few words; also the name of the test.
        code: the learner's cell, with its mistake. It may use what the notebook imports.
        says: a part of the message that is meant for this mistake, and for no other.
    """

    exercise: str
    mistake: str
    code: str
    says: str
