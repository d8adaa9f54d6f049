"""The scripts, styles and fonts that a page needs beside it, so that it asks no other machine.

Four npm packages are fetched once, by npm itself, and kept in ``build/assets``; each is held
against the checksum that stands here. Two more scripts lie in installed Python packages.
"""

import base64
import hashlib
import re
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

import filelock

from ..._files import whole

CACHE = Path(__file__).resolve().parents[3] / "build" / "assets"
_OWN = Path(__file__).parent / "templates" / "parts"


class AssetError(RuntimeError):
    """What a page needs could not be had; the message says what to do."""


class Package(NamedTuple):
    """An npm package, and what of it goes beside a page.

    Attributes:
        name, version: as npm knows it.
        sha512: base64 checksum of its archive, as npm's own lock files write it.
        folder: where its files go, in the folder of the assets.
        wanted: pattern of the paths in the archive that are wanted. Each goes to the path in
            `folder` that is the group named `path`.
    """

    name: str
    version: str
    sha512: str
    folder: str
    wanted: str


REVEAL = Package(
    "reveal.js",
    "4.6.1",
    "1CW0auaXNPmwmvQ7TwpszwVxMi2Xr5cTS3J3EBC/HHgbPF32Dn7aiu/LKWDOGjMbaDwKQiGmfqcoGQ74HUHCMw==",
    "reveal",
    r"(?P<path>LICENSE|dist/reveal\.(?:js|css)|plugin/notes/notes\.js|dist/theme/white\.css"
    r"|dist/theme/fonts/source-sans-pro/(?:LICENSE|[\w-]+\.(?:css|woff)))",
)
# The common configuration: TeX in, HTML and CSS out. All of MathJax would be 73 MB.
MATHJAX = Package(
    "mathjax",
    "2.7.9",
    "NOGEDTIM9+MrsqnjPEjVGNx4q0GQxqm61yQwSK+/5S59i26wId5IC5gNu9/bu8+CCVl5p9G2IHcAl/wJa+5+BQ==",
    "mathjax",
    r"(?P<path>MathJax\.js|LICENSE|config/TeX-AMS_CHTML-full\.js"
    r"|extensions/(?:Math(?:Events|Menu|Zoom)\.js|TeX/.*|a11y/accessibility-menu\.js)"
    r"|jax/(?:element/.*|input/TeX/.*|output/CommonHTML/.*)|fonts/HTML-CSS/TeX/woff/.*)",
)
REQUIRE = Package(
    "requirejs",
    "2.3.7",
    "DouTG8T1WanGok6Qjg2SXuCMzszOo0eHeH9hDZ5Y4x8Je+9JB38HdTLT4/VA8OaUhBa0JPVHJ0pyBkM1z+pDsw==",
    ".",
    r"(?P<path>require\.js)",
)
# Its fonts are the icons of ipywidgets' buttons.
MANAGER = Package(
    "@jupyter-widgets/html-manager",
    "1.0.15",
    "5thBIV6ymNgmPVOHvzx+gGy8ZSKmSazhtGw4/c4xJDVzRhG9PTeQsRjF3FUTopvFi//SABeNz1yp47bCrJ3CQA==",
    "widgets",
    r"dist/(?P<path>embed-amd\.js|\w+\.woff2)",
)


def copy_assets(folder, *, slides=False):
    """Put beside pages everything that they load.

    Args:
        folder: where to put it; made if need be. Files there are replaced.
        slides: whether reveal.js goes along.

    Raises:
        AssetError: if a package can be had neither from the cache nor by npm.
    """
    import anywidget
    import plotly

    folder = Path(folder)
    for package in (MATHJAX, REQUIRE, MANAGER, *([REVEAL] if slides else [])):
        _extract(fetch(package), package, folder / package.folder)
    shutil.copy(
        Path(anywidget.__file__).parent / "nbextension" / "index.js", folder / "anywidget.js"
    )
    shutil.copy(Path(plotly.__file__).parent / "package_data" / "plotly.min.js", folder)
    for path in sorted(_OWN.iterdir()):
        shutil.copy(path, folder)


def fetch(package, cache=None):
    """The archive of an npm package, from the cache if it is there, else by ``npm pack``.

    Args:
        package: `Package`.
        cache: folder of the cache, by default `CACHE`.

    Returns:
        Path of the archive, which has the package's checksum.

    Raises:
        AssetError: if npm is not there or does not reach the package, or gives another one.
    """
    cache = Path(cache or CACHE)
    wanted = f"{package.name}@{package.version}"
    cache.mkdir(parents=True, exist_ok=True)
    # Of two at once, one fetches.
    with filelock.FileLock(cache.parent / f".{cache.name}.lock"):
        return _fetch(package, cache, wanted)


def _fetch(package, cache, wanted):
    path = cache / f"{package.name.lstrip('@').replace('/', '-')}-{package.version}.tgz"
    if path.exists() and _checksum(path) == package.sha512:
        return path
    npm = shutil.which("npm")
    if npm is None:
        raise AssetError(
            f"npm is needed once, to fetch {wanted}, which makes pages work without a network: "
            "install Node.js, then try again"
        )
    with tempfile.TemporaryDirectory(dir=cache) as folder:
        fetched = subprocess.run(
            [npm, "pack", "--silent", wanted], cwd=folder, capture_output=True, text=True
        )
        archives = list(Path(folder).glob("*.tgz"))
        if fetched.returncode or len(archives) != 1:
            said = fetched.stderr.strip()[-300:]
            raise AssetError(
                f"npm could not fetch {wanted}; a network is needed once. It says: {said}"
            )
        if _checksum(archives[0]) != package.sha512:
            raise AssetError(f"what npm fetched as {wanted} has another checksum than it should")
        with whole(path) as partial:
            shutil.copy(archives[0], partial)
    return path


def _checksum(path):
    with path.open("rb") as file:
        return base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()


def _extract(archive, package, folder):
    pattern = re.compile(f"package/(?:{package.wanted})")
    with tarfile.open(archive) as opened:
        for member in opened:
            match = pattern.fullmatch(member.name) if member.isfile() else None
            if match:
                path = folder / match["path"]
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(opened.extractfile(member).read())
