import subprocess
import sys

import pytest

from tripletviz._files import only_one, whole
from tripletviz.params import ExperimentError


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "numbers.json"
    path.write_text("old")
    with whole(path) as partial:
        assert partial.suffix == ".json"
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert [each.name for each in tmp_path.iterdir()] == ["numbers.json"]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_a_failed_file_leaves_the_old_one_and_nothing_else(tmp_path, error):
    path = tmp_path / "numbers.json"
    path.write_text("old")

    def fail(partial):
        partial.write_text("half")
        raise error

    with pytest.raises(type(error)), whole(path) as partial:
        fail(partial)
    assert path.read_text() == "old"
    assert [each.name for each in tmp_path.iterdir()] == ["numbers.json"]


HOLD = """
import sys
from tripletviz._files import only_one
with only_one(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_held_by_one_process_until_it_ends_or_is_killed(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(ExperimentError, match="another command is at work"):
            only_one(tmp_path).__enter__()
        other.kill()
    with only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass
