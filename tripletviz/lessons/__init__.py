"""What the notebooks share: sizes, records, exercises, networks, and what trains for a widget.

Importing it does not import TensorFlow.
"""

from .collapse import collapse_simulator
from .committed import load_recording
from .comparison import live_comparison
from .costs import cost_table
from .environment import report_environment
from .exercises import check, hint, progress
from .image_search import image_search
from .live import live_callback, live_training
from .profiles import Profile, use_profile
from .questions import compare, predict, quiz
from .records import describe_device, read_records, record, show
from .studies import study
from .trained import trained

__all__ = [
    "Profile",
    "check",
    "collapse_simulator",
    "compare",
    "cost_table",
    "describe_device",
    "hint",
    "image_search",
    "live_callback",
    "live_comparison",
    "live_training",
    "load_recording",
    "predict",
    "progress",
    "quiz",
    "read_records",
    "record",
    "report_environment",
    "show",
    "study",
    "trained",
    "use_profile",
]
