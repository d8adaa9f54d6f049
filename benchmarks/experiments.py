"""What each model dir of `experiments/` reaches, and in what time.

Run ``python -m benchmarks.experiments`` from the top of the repository, with the names of model
dirs to leave out others. It takes about 40 minutes on two cores; what is trained already is read.
"""

import argparse
import json
import sys
from pathlib import Path

from tripletviz import experiments
from tripletviz.params import ExperimentError

FOLDER = Path(__file__).parents[1] / "experiments"
NAMES = ("batch_all", "batch_hard", "semi_hard", "classifier", "alexnet", "best_mnist")


def measure(names=NAMES):
    """Train each model dir, if it is not yet, and return name -> (metrics.json, run.json)."""
    measured = {}
    for name in names:
        print(f"{name}:", file=sys.stderr)
        experiments.train(FOLDER / name, say=lambda line: print(line, file=sys.stderr))
        measured[name] = tuple(
            json.loads((FOLDER / name / file).read_text()) for file in ("metrics.json", "run.json")
        )
    return measured


def rows(measured):
    """Markdown table rows: model dir, steps and time, then what was measured on test images."""
    yield "model dir", "training", "1-NN accuracy", "R@1", "MAP@R", "NMI", "ROC AUC"
    yield ("---",) * 7
    for name, (metrics, run) in measured.items():
        cells = [_cells(metrics[stage]) for stage in ("untrained", "trained")]
        yield (
            f"`{name}`",
            f"{metrics['steps']:,} steps, {_duration(run['seconds'])}",
            *(f"{after} ({before})" for before, after in zip(*cells, strict=True)),
        )


def _cells(found):
    values = (
        found["knn_accuracy"]["1"],
        found["recall_at_k"]["1"],
        found["map_at_r"],
        found["nmi"],
        found["verification"]["roc_auc"],
    )
    return [f"{value:.4f}" for value in values]


def _duration(seconds):
    return f"{seconds // 60:.0f} min {seconds % 60:.0f} s"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=NAMES, help="model dirs (default: all)")
    try:
        measured = measure(parser.parse_args().names)
    except ExperimentError as error:
        sys.exit(f"benchmarks: {error}")
    for row in rows(measured):
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
