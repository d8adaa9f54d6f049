"""What the notebooks share: sizes, records and pictures.

Importing it does not import TensorFlow.
"""

from .profiles import Profile, use_profile
from .records import read_records, record, show

__all__ = ["Profile", "read_records", "record", "show", "use_profile"]
