"""Known wrong answers to the exercise of lesson 00."""

from wrong_answers import WrongAnswer


def _first_check(mistake, expression, says):
    return WrongAnswer(
        "first_check", mistake, f"def first_check(labels):\n    return {expression}\n", says
    )


WRONG = [
    _first_check("the mask itself", "labels == 7", "half of the way"),
    _first_check("a sum of labels", "labels[labels == 7].sum()", "each counts seven times"),
    _first_check("all but the sevens", "(labels != 7).sum()", "that are *not* a 7"),
    _first_check("from seven on", "(labels >= 7).sum()", "counts 8 and 9 too"),
    _first_check("the share", "(labels == 7).mean()", "the *share* of the 7s"),
    _first_check("the places", "np.flatnonzero(labels == 7)", "an array of several numbers"),
    _first_check("a number typed in", "102", "Whatever the labels are"),
    _first_check("all labels", "len(labels)", "counts all labels"),
    _first_check("text", "str((labels == 7).sum())", "gives a `str`"),
    _first_check("the eights", "(labels == 8).sum()", "gives 0; 2 are a 7"),
]
