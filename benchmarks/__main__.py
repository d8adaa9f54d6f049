"""Measures everything the README promises and prints its table: ``python -m benchmarks``."""

import argparse
import os
import platform

from . import evaluation, losses, player, training, tsne, widgets

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument(
    "--cube-1024", action="store_true", help="the cube at B = 1,024 too; it needs 22 GB of memory"
)
options = parser.parse_args()
print(f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}\n")
print("| what | promised | measured |")
print("| --- | --- | --- |")
for room, measured in (
    (losses, lambda: losses.measure(cube_1024=options.cube_1024)),
    (training, training.measure),
    (player, player.measure),
    (widgets, widgets.measure),
    (evaluation, evaluation.measure),
    (tsne, tsne.measure),
):
    for row in room.rows(measured()):
        print("| " + " | ".join(row) + " |", flush=True)
