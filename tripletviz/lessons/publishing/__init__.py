"""Lectures and sharing: slides, a site, notebooks without solutions, and badges.

``python -m tripletviz.lessons.publishing slides|site|student|badges``. Slides and site are made
from the executed copies, as they are; nothing is run again. They need no network where they are
shown.
"""

from .assets import AssetError
from .badges import badges
from .executed import ExecutedError
from .site import make_site
from .slides import make_slides
from .student import make_student

__all__ = ["AssetError", "ExecutedError", "badges", "make_site", "make_slides", "make_student"]
