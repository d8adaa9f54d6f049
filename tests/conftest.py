import os

import pytest
from hypothesis import HealthCheck, settings

# Graph tracing makes first examples slow, so no deadline, and on a busy machine making them may be
# slow, too, which is no fault of theirs; and the same examples on every run.
settings.register_profile(
    "default",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
    max_examples=60,
)
settings.load_profile("default")

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


# Tests that read executed notebooks; together they run in one process, so that each notebook is
# executed once.
OF_NOTEBOOKS = (
    "tests/notebooks/",
    "tests/browser/test_site.py",
    "tests/browser/test_slides.py",
    "tests/browser/test_widget_gallery.py",
)


def pytest_collection_modifyitems(items):
    """What takes longest comes first, or one of two processes would wait for the other."""
    items.sort(key=lambda item: not item.nodeid.startswith(OF_NOTEBOOKS))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Where `make test` runs the tests in two processes: a file's tests stay in one of them."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid):
            return "notebooks" if nodeid.startswith(OF_NOTEBOOKS) else nodeid.split("::")[0]

    return Scheduling(config, log)


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
