"""What this computer has for the workbook, as one table for its reader."""

import importlib.metadata
import os
import platform
from pathlib import Path

import psutil
from IPython.display import display

from ..datasets import data_folder
from .committed import RECORDING

_GIGABYTE = 1e9
_ENOUGH_MEMORY = 4e9  # the largest step of profile "laptop" stays well below
_PACKAGES = ("tensorflow", "keras", "numpy", "plotly", "anywidget", "jupyterlab")
_MARKS = {True: "✔", False: "○", None: "·"}


def report_environment():
    """Show what the lessons find on this computer, and what to do where something is missing.

    A table: Python and the packages, the device that trains, cores and memory, which data is there,
    and whether the workbook can go on without a network. Imports TensorFlow, which takes seconds.
    Nothing is fetched.

    Returns:
        Nothing; the table is displayed.

    Example:

    >>> report_environment()
    """
    rows = [*_software(), *_machine(), *_data()]
    table = ["| | | |", "| --- | --- | --- |"]
    table += [f"| {_MARKS[good]} | **{name}** | {said} |" for name, said, good in rows]
    lacking = [name for name, _, good in rows if good is False]
    head = "Everything that the workbook needs is there."
    if lacking:
        head = (
            f"Something is missing. Look at the lines marked {_MARKS[False]}: {', '.join(lacking)}."
        )
    plain = [head, *(f"{_MARKS[good]} {name}: {said}" for name, said, good in rows)]
    text = {
        "text/markdown": "\n".join([head, "", *table]),
        "text/plain": "\n".join(plain).replace("`", ""),
    }
    display(text, raw=True)


def _software():
    yield "Python", f"{platform.python_version()} on {platform.system()}", True
    versions = {name: _version(name) for name in _PACKAGES}
    lacking = [name for name, version in versions.items() if version is None]
    said = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
    if lacking:
        said += f". Not installed: {', '.join(lacking)}. The workbook's README says how to"
    yield "packages", said, not lacking


def _machine():
    yield "device that trains", *_device()
    memory = psutil.virtual_memory().total
    said = f"{os.cpu_count()} cores, {memory / _GIGABYTE:.0f} GB of memory"
    good = memory >= _ENOUGH_MEMORY
    yield "computer", said + ("" if good else ': little; keep to `PROFILE = "ci"`'), good


def _device():
    """The device in words, and whether there is one: TensorFlow may be broken, which is said."""
    try:
        from .._tensorflow import describe_device

        return describe_device(), True
    except Exception as error:  # an import can fail in any way
        return f"TensorFlow cannot be started: {type(error).__name__}: {error}", False


def _data():
    for name, file in (
        ("small sample of MNIST", "mnist-sample.npz"),
        ("recorded training", RECORDING.name),
    ):
        there = (RECORDING.parent / file).exists()
        yield name, "there" if there else "missing: get the workbook's whole folder", there
    has_mnist = (data_folder() / "mnist.npz").exists()
    said = "there, 70,000 images"
    if not has_mnist:
        said = (
            "not there yet. The first lesson that needs it fetches it (55 MB), and so does "
            "`python -m tripletviz fetch` in a terminal"
        )
    yield "MNIST", said, has_mnist
    said = "every lesson can go on" if has_mnist else "the lessons that use MNIST cannot go on"
    yield "without the internet", said, has_mnist
    has_fashion = (data_folder() / "fashion-mnist.npz").exists()
    said = "there, 70,000 images" if has_fashion else "not there; only lesson 11 can use it"
    yield "Fashion-MNIST", said, has_fashion or None
    writable = os.access(Path.cwd(), os.W_OK)
    said = "kept in this notebook's folder" if writable else "not kept: this folder is read-only"
    yield "your progress", said, writable


def _version(package):
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
