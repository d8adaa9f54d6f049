"""One lock for everyone: pip, conda, Binder and CI install the same versions."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.fixture(scope="module")
def lock():
    """Name -> the requirements pinned under it (several where Python versions differ)."""
    pinned = {}
    for line in (ROOT / "requirements.lock").read_text().splitlines():
        requirement = Requirement(line)
        pinned.setdefault(canonicalize_name(requirement.name), []).append(requirement)
    return pinned


def test_the_lock_pins_every_line_and_names_no_address(lock):
    assert "://" not in (ROOT / "requirements.lock").read_text()
    for requirements in lock.values():
        for requirement in requirements:
            assert re.fullmatch(r"==[^*]+", str(requirement.specifier)), requirement


def test_the_lock_satisfies_the_project(project, lock):
    for line in project["dependencies"] + project["optional-dependencies"]["dev"]:
        wanted = Requirement(line)
        for pinned in lock[canonicalize_name(wanted.name)]:
            version = Version(str(pinned.specifier).removeprefix("=="))
            assert wanted.specifier.contains(version), (line, str(pinned))


def test_the_lock_serves_linux_macos_and_windows(lock):
    markers = {str(each.marker) for pinned in lock.values() for each in pinned if each.marker}
    assert any("win32" in marker for marker in markers)
    assert "appnope" in lock  # macOS only: the lock is not of this machine alone


def test_conda_installs_the_very_same_lock(project):
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    *conda, pip = environment["dependencies"]
    assert pip == {"pip": ["-r requirements.lock", "-e ."]}
    assert conda[1:] == ["pip"]
    name, version = conda[0].split("=")
    assert name == "python"
    assert Requirement(f"python{project['requires-python']}").specifier.contains(version)


def test_make_and_ci_install_the_very_same_lock():
    makefile = (ROOT / "Makefile").read_text()
    assert "pip install --quiet --requirement requirements.lock" in makefile
    assert "pip install --quiet --no-deps --no-build-isolation --editable ." in makefile
    assert "make test" in (ROOT / ".ci" / "run").read_text()
    assert "bash .ci/run" in (ROOT / ".github/workflows/ci.yml").read_text()


def test_the_readme_is_finished_and_its_links_lead_somewhere():
    readme = (ROOT / "README.md").read_text()
    assert "BENCHMARKS" not in readme
    assert "| batch all against the cube" in readme
    for target in re.findall(r"\]\((?!https?:)([^)#]+)\)", readme):
        assert (ROOT / target).exists(), target


@pytest.mark.parametrize("room", ["", ".widgets", ".figures", ".lessons", ".palette"])
def test_importing_does_not_import_tensorflow(room):
    import subprocess
    import sys

    script = (
        f"import sys, tripletviz{room}; assert not {{'tensorflow', 'keras'}} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)
