"""What a training tells the widget whose button began it.

Importing it does not import TensorFlow.
"""

import importlib
import sys
import time

_MESSAGES_PER_SECOND = 5


def import_tensorflow(widget):
    """Import TensorFlow, and say so on the widget, since it takes seconds; if it is there, neither.

    Args:
        widget: whose `report` is called.
    """
    if "tensorflow" not in sys.modules:
        widget.report("importing", "Importing TensorFlow, once: it takes some seconds ...")
        importlib.import_module("tripletviz._tensorflow")


class Pace:
    """Says when there may be news again: at first, then five times a second at most."""

    def __init__(self):
        self._told = None

    def is_due(self) -> bool:
        """Whether to tell something now; what is told is counted."""
        now = time.perf_counter()
        if self._told is not None and now - self._told < 1 / _MESSAGES_PER_SECOND:
            return False
        self._told = now
        return True
