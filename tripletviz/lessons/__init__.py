"""What the notebooks share: sizes, records, a recording, and what trains for a widget.

Importing it does not import TensorFlow.
"""

from .collapse import collapse_simulator
from .committed import load_recording
from .live import live_callback, live_training
from .profiles import Profile, use_profile
from .records import describe_device, read_records, record, show

__all__ = [
    "Profile",
    "collapse_simulator",
    "describe_device",
    "live_callback",
    "live_training",
    "load_recording",
    "read_records",
    "record",
    "show",
    "use_profile",
]
