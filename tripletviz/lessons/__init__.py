"""What the notebooks share: sizes, records and pictures.

Importing it does not import TensorFlow.
"""

from .profiles import Profile, use_profile
from .records import describe_device, read_records, record, show

__all__ = ["Profile", "describe_device", "read_records", "record", "show", "use_profile"]
