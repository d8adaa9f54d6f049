import os

import pytest
from hypothesis import settings

# Graph tracing makes first examples slow, so no deadline; and the same examples on every run.
settings.register_profile("default", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("default")

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.fixture
def rng():
    import numpy as np

    return np.random.default_rng(0)


@pytest.fixture
def sample(monkeypatch):
    """A small data set of real digits in place of MNIST, with a probe set of its own size."""
    import small_mnist

    return small_mnist.use(monkeypatch.setitem, monkeypatch.setattr)
