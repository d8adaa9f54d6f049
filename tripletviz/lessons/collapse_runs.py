"""Makes the collapse simulator's recorded runs: ``python -m tripletviz.lessons.collapse_runs``.

It trains every recipe and writes `data/collapse-runs.npz`; with ``--seeds 10`` it measures instead
how reliably each recipe does what it promises.
"""

import argparse
import sys
from dataclasses import replace

import numpy as np

from .collapse import LARGEST, RECIPES, RUNS, save_runs, train_run


def measure(seeds: int) -> None:
    """Print for every recipe how many of `seeds` seeds collapse, and how many end healthy."""
    for recipe in RECIPES:
        runs = [train_run(replace(recipe.settings, seed=seed)) for seed in range(seeds)]
        verdicts = [run.verdict for run in runs]
        recall = np.mean([run.curves["R@1"][[0, -1]] for run in runs], axis=0)
        spread = [run.curves["spread"][-1] for run in runs]
        print(
            f"{recipe.name:34} collapsed {verdicts.count('collapsed'):2}  healthy "
            f"{verdicts.count('healthy'):2}  exact {sum(r.is_exact for r in runs):2}  "
            f"R@1 {recall[0]:.2f} -> {recall[1]:.2f}  spread {min(spread):.2g} to "
            f"{max(spread):.2g}",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seeds", type=int, help="measure with so many seeds, write nothing")
    seeds = parser.parse_args().seeds
    if seeds:
        measure(seeds)
        return
    draft = RUNS.with_name(f"draft-{RUNS.name}")
    save_runs({recipe.name: train_run(recipe.settings) for recipe in RECIPES}, draft)
    size = draft.stat().st_size
    if size > LARGEST:
        draft.unlink()
        sys.exit(f"the runs have {size:,} bytes; at most {LARGEST:,} may be kept")
    draft.replace(RUNS)
    print(f"wrote {RUNS.name}: {size:,} bytes")


if __name__ == "__main__":
    sys.exit(main())
