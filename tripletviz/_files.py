"""Files that are written whole or not at all, and folders that only one process writes to."""

import contextlib
import os
from pathlib import Path

import filelock

from .params import ExperimentError


@contextlib.contextmanager
def whole(path):
    """Write a file beside its place and move it there when it is complete.

    Whatever happens in the block, a reader of `path` finds the old file or the new one.

    Args:
        path: where the file is to be; its folder must exist.

    Yields:
        Path to write to, in the same folder and with the same suffix.

    Example:

    >>> with whole("metrics.json") as partial:
    ...     partial.write_text("{}")
    """
    path = Path(path)
    partial = path.with_name(f".part-{path.name}")
    try:
        yield partial
        # A rename can reach the disk before the data does.
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException as error:
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def only_one(folder):
    """Hold a folder for one process; the operating system lets go when the process ends, or dies.

    Raises:
        ExperimentError: if another process holds it.
        OSError: if the folder cannot be written to.
    """
    lock = filelock.FileLock(Path(folder) / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise ExperimentError(
            f"{folder}: another command is at work in this model dir; wait for it or stop it"
        ) from None
    try:
        yield
    finally:
        lock.release()
