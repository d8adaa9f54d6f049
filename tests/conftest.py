import os

import pytest
from hypothesis import settings

# Graph tracing makes first examples slow, so no deadline; and the same examples on every run.
settings.register_profile("default", deadline=None, derandomize=True, max_examples=60)
settings.load_profile("default")

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the groups in the same hook
def pytest_collection_modifyitems(config, items):
    """What shares work runs in one process, where `make test` runs the tests in two.

    A file's tests share fixtures and compiled graphs; those that read executed notebooks share
    the executions, and take longest, so that they come first.
    """
    if not hasattr(config, "workerinput"):
        return
    for item in items:
        group = "notebooks" if "executed" in item.fixturenames else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: "executed" not in item.fixturenames)


@pytest.fixture
def rng():
    import numpy as np

    return np.random.default_rng(0)


@pytest.fixture
def sample(monkeypatch):
    """A small data set of real digits in place of MNIST, with a probe set of its own size."""
    import small_mnist

    return small_mnist.use(monkeypatch.setitem, monkeypatch.setattr)


@pytest.fixture(scope="session")
def executed(tmp_path_factory):
    """Path of a notebook's executed copy, profile "ci": `executed("04-train-on-mnist")`.

    Each is executed once a session, for whoever asks; one that failed fails whoever asks again.
    """
    from tripletviz.lessons.runner import NOTEBOOKS, execute

    folder, done = tmp_path_factory.mktemp("executed"), {}

    def execute_once(name):
        name = f"{name.removesuffix('.ipynb')}.ipynb"
        if name not in done:
            try:
                execute(NOTEBOOKS / name, folder / name, {"PROFILE": "ci"})
                done[name] = None
            except Exception as error:
                done[name] = error
        if done[name]:
            raise done[name]
        return folder / name

    return execute_once


@pytest.fixture(scope="session")
def executed_folder(executed):
    """Folder of the executed copies of all notebooks."""
    from tripletviz.lessons.runner import NOTEBOOKS

    (folder,) = {executed(path.name).parent for path in NOTEBOOKS.glob("*.ipynb")}
    return folder
