"""All exercises of the workbook, in reading order."""

import importlib
import pkgutil
from pathlib import Path

_modules = sorted(
    module.name
    for module in pkgutil.iter_modules([str(Path(__file__).parent)])
    if module.name.startswith("lesson_")
)
EXERCISES = tuple(
    exercise
    for module in _modules
    for exercise in importlib.import_module(f".{module}", __package__).EXERCISES
)
"""`Exercise` objects; those of lesson 01 lie in `lesson_01.py`, and so on."""
