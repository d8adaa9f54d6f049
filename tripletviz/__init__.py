"""Triplet loss and metric learning with TensorFlow: the package behind the workbook.

The package is a small house; each room is imported by its own name, for example
``from tripletviz.losses import batch_all_triplet_loss``. Importing `tripletviz` itself, or
`tripletviz.widgets`, `tripletviz.figures` and `tripletviz.lessons`, does not import TensorFlow,
which takes seconds.
"""

__version__ = "0.1.0"
