"""A small data set of real digits in the place of MNIST, for trainings that take seconds."""

import numpy as np

from tripletviz import experiments
from tripletviz.datasets import load_mnist_sample


def use(set_item, set_attribute):
    """Let `experiments` find 1,500 training and 500 test images instead of MNIST.

    Args:
        set_item: function (dictionary, key, value), such as `dict.__setitem__`.
        set_attribute: function (object, name, value), such as `setattr`.

    Returns:
        `(x_train, y_train), (x_test, y_test)`.
    """
    images, labels = load_mnist_sample()
    test = np.arange(len(labels)) % 4 == 0
    data = (images[~test], labels[~test]), (images[test], labels[test])
    set_item(experiments.LOADERS, "mnist", lambda profile: data)
    probe = experiments.probe_indices
    set_attribute(experiments, "probe_indices", lambda labels: probe(labels, 20))
    return data


def main():
    """The command line on the small data; with checkpoints after every step if asked to."""
    import os
    import sys

    from tripletviz.__main__ import main as command_line
    from tripletviz.checkpoints import Checkpointer

    use(dict.__setitem__, setattr)
    if "CHECKPOINT_SECONDS" in os.environ:
        seconds = float(os.environ["CHECKPOINT_SECONDS"])
        Checkpointer.__init__.__kwdefaults__["every_seconds"] = seconds
    return command_line(sys.argv[1:])


if __name__ == "__main__":
    raise SystemExit(main())
