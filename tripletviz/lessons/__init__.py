"""What the notebooks share: sizes, records, exercises, networks, and what trains for a widget.

Importing it does not import TensorFlow.
"""

from .collapse import collapse_simulator
from .committed import load_recording
from .environment import report_environment
from .exercises import check, hint, progress
from .live import live_callback, live_training
from .profiles import Profile, use_profile
from .questions import compare, predict, quiz
from .records import describe_device, read_records, record, show
from .trained import trained

__all__ = [
    "Profile",
    "check",
    "collapse_simulator",
    "compare",
    "describe_device",
    "hint",
    "live_callback",
    "live_training",
    "load_recording",
    "predict",
    "progress",
    "quiz",
    "read_records",
    "record",
    "report_environment",
    "show",
    "trained",
    "use_profile",
]
