"""Fixtures for tests in a real browser: Chromium, a real JupyterLab, an exported page.

`new_page` opens a browser page that fails the test at its end if the page wrote an error to the
console, raised one, or asked for anything outside this machine. `lab` opens notebooks in a real
JupyterLab. `export_html` executes a notebook and exports it to a page that needs no network.
Where there is no Chromium the tests are skipped, and say so.
"""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import nbformat
import pytest

from tripletviz.widgets._widget import load_script

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = ROOT / "build" / "screenshots"
BROWSER_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MACOS_CHROME = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
BROWSER_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
LOCAL = ("file:", "data:", "blob:", "about:", "http://127.0.0.1:", "ws://127.0.0.1:")
EXPORT_PACKAGES = {
    "@jupyter-widgets/html-manager@1.0.15": "package/dist/embed-amd.js",
    "requirejs@2.3.7": "package/require.js",
}


# ---------------------------------------------------------------- the browser


def find_browser() -> str | None:
    """Path of a Chromium: what the variable CHROMIUM says, else what is installed."""
    names = (*BROWSER_NAMES, MACOS_CHROME)
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


@pytest.fixture(scope="session")
def browser():
    executable = find_browser()
    if executable is None:
        pytest.skip("no Chromium: install one, or set CHROMIUM to its path")
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=BROWSER_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def new_page(browser):
    """Opens pages: `new_page(width=1280, height=900, offline=False, **context_options)`.

    Options are those of Playwright's `Browser.new_context` (`color_scheme`, `has_touch`, ...).
    """
    contexts, complaints = [], []

    def open_page(*, width=1280, height=900, offline=False, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.set_offline(offline)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("console", lambda m: m.type == "error" and complaints.append(f"console: {m.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("request", lambda request: note_request(request.url))
        page.on("websocket", lambda socket: note_request(socket.url))
        return page

    def note_request(url):
        if not url.startswith(LOCAL):
            complaints.append(f"request: {url}")

    yield open_page
    for context in contexts:
        context.close()
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def screenshot():
    """Saves a page's picture: `screenshot(page, name)`. For people to look at."""

    def save(page, name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png")

    return save


class Script:
    """A widget's script, as the browser gets it, with its exported functions to call."""

    def __init__(self, page, name: str):
        self.page = page
        page.evaluate(
            """async (text) => {
              const url = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
              window.script = await import(url);
            }""",
            load_script(name),
        )

    def call(self, function: str, *arguments):
        """What an exported function gives for arguments that JSON can hold."""
        return self.page.evaluate(
            """([name, args]) => {
              const plain = (value) => ArrayBuffer.isView(value) ? [...value]
                : Array.isArray(value) ? value.map(plain)
                : value instanceof Map ? plain(Object.fromEntries(value))
                : value instanceof Set ? [...value]
                : value && typeof value === "object"
                  ? Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]))
                  : value;
              return plain(window.script[name](...args));
            }""",
            [function, list(arguments)],
        )


@pytest.fixture
def script(new_page):
    """Loads a widget's script by itself: `script(name).call(function, *arguments)`."""

    def load(name):
        page = new_page(offline=True)
        page.goto("about:blank")
        return Script(page, name)

    return load


# ---------------------------------------------------------------- JupyterLab


class LabServer:
    """A running JupyterLab with folders, settings and a token of its own."""

    def __init__(self, folder: Path):
        self.root = folder / "root"
        self.token = secrets.token_hex(16)
        self.port = find_free_port()
        self.log = folder / "server.log"
        self.settings = folder / "settings"
        self.root.mkdir()
        write_settings(self.settings)
        environment = os.environ | {
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "JUPYTERLAB_SETTINGS_DIR": str(self.settings),
            "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
            "IPYTHONDIR": str(folder / "ipython"),
            "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
        }
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"]
        command += ["--ServerApp.ip=127.0.0.1", f"--ServerApp.port={self.port}"]
        command += ["--ServerApp.port_retries=0", f"--ServerApp.root_dir={self.root}"]
        command += [f"--IdentityProvider.token={self.token}", "--LabApp.expose_app_in_browser=True"]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command, env=environment, cwd=self.root, stdout=log, stderr=subprocess.STDOUT
            )

    def url(self, path: str, **query: str) -> str:
        text = urllib.parse.urlencode(query | {"token": self.token})
        return f"http://127.0.0.1:{self.port}/{urllib.parse.quote(path)}?{text}"

    def request(self, path: str, method: str = "GET"):
        request = urllib.request.Request(self.url(path), method=method)
        with urllib.request.urlopen(request, timeout=10) as response:
            body = response.read()
        return json.loads(body) if body else None

    def wait_until_ready(self, seconds: float = 90.0) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            try:
                self.request("api/status")
            except OSError:
                time.sleep(0.3)
            else:
                return
        pytest.fail(f"JupyterLab did not start:\n{self.log.read_text(errors='replace')[-4000:]}")

    def tidy(self) -> None:
        """Ends the kernels and forgets the settings that a test left."""
        for session in self.request("api/sessions"):
            self.request(f"api/sessions/{session['id']}", method="DELETE")
        shutil.rmtree(self.settings)
        write_settings(self.settings)

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def find_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def write_settings(folder: Path) -> None:
    """Keeps away what would cover the page: the question whether to fetch news, and updates."""
    file = folder / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    file.parent.mkdir(parents=True)
    settings = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
    file.write_text(json.dumps(settings), encoding="utf-8")


@pytest.fixture(scope="session")
def lab_server(browser, tmp_path_factory):
    server = LabServer(tmp_path_factory.mktemp("lab"))
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()


class LabNotebook:
    """A notebook open in JupyterLab."""

    def __init__(self, page, server: LabServer, name: str):
        self.page = page
        page.goto(server.url(f"lab/tree/{name}", reset=""))
        page.wait_for_function("window.jupyterapp?.restored !== undefined", timeout=60_000)
        page.evaluate("() => window.jupyterapp.restored.then(() => null)")
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)
        self.wait_until_idle()

    def wait_until_idle(self, timeout: float = 120_000) -> None:
        """Waits until the kernel is idle and no cell waits to be run."""
        self.page.wait_for_function(
            """() => {
              const panel = window.jupyterapp.shell.currentWidget;
              const status = panel?.sessionContext?.session?.kernel?.status;
              const prompts = [...document.querySelectorAll(".jp-InputArea-prompt")];
              return status === "idle" && !prompts.some((p) => p.textContent.includes("[*]"));
            }""",
            timeout=timeout,
        )

    def execute(self, command: str) -> None:
        """Executes a command of JupyterLab, for example `notebook:run-all-cells`."""
        self.page.evaluate(
            "(command) => window.jupyterapp.commands.execute(command).then(() => null)", command
        )

    def run_all(self) -> None:
        self.execute("notebook:run-all-cells")
        self.wait_until_idle()

    def run_cell(self, source: str) -> str:
        """Appends a cell, runs it, and returns what it printed; fails the test if it raised."""
        outputs = self.page.evaluate(
            """async (source) => {
              const { content } = window.jupyterapp.shell.currentWidget;
              content.model.sharedModel.addCell({ cell_type: "code", source });
              content.activeCellIndex = content.widgets.length - 1;
              await window.jupyterapp.commands.execute("notebook:run-cell");
              return content.activeCell.model.outputs.toJSON();
            }""",
            source,
        )
        assert not [o for o in outputs if o["output_type"] == "error"], outputs
        return "".join(o["text"] for o in outputs if o["output_type"] == "stream")

    def read(self, expression: str):
        """The value of a Python expression in the notebook's kernel, by way of JSON."""
        return json.loads(self.run_cell(f"import json; print(json.dumps({expression}))"))

    def active_cell(self) -> int:
        return self.page.evaluate("window.jupyterapp.shell.currentWidget.content.activeCellIndex")

    def set_theme(self, name: str) -> None:
        self.page.evaluate(
            """(theme) => window.jupyterapp.commands
              .execute("apputils:change-theme", { theme }).then(() => null)""",
            name,
        )
        # The attribute comes first, the theme's colours once its style sheet has arrived.
        self.page.wait_for_function(
            """(name) => document.body.dataset.jpThemeName === name
              && !document.querySelector("#jupyterlab-splash")""",
            arg=name,
        )
        self.page.wait_for_timeout(700)


@pytest.fixture
def lab(lab_server, new_page):
    """Opens notebooks in JupyterLab: `lab(notebook, **page_options)` gives a `LabNotebook`."""
    count = 0

    def open_notebook(notebook, **options):
        nonlocal count
        count += 1
        name = f"notebook-{secrets.token_hex(4)}-{count}.ipynb"
        nbformat.write(notebook, lab_server.root / name)
        return LabNotebook(new_page(**options), lab_server, name)

    yield open_notebook
    lab_server.tidy()


# ---------------------------------------------------------------- exported pages


@pytest.fixture(scope="session")
def export_assets(tmp_path_factory) -> Path:
    """A folder with the scripts that an exported page with widgets loads from beside it."""
    import anywidget

    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("no npm to fetch the widget manager of exported pages with")
    folder = tmp_path_factory.mktemp("assets")
    for package, member in EXPORT_PACKAGES.items():
        fetched = subprocess.run(
            [npm, "pack", "--silent", package], cwd=folder, capture_output=True, text=True
        )
        if fetched.returncode:
            pytest.skip(f"npm could not fetch {package}: {fetched.stderr.strip()[-200:]}")
        with tarfile.open(folder / fetched.stdout.split()[-1]) as archive:
            (folder / Path(member).name).write_bytes(archive.extractfile(member).read())
    script = Path(anywidget.__file__).parent / "nbextension" / "index.js"
    shutil.copy(script, folder / "anywidget.js")
    return folder


@pytest.fixture
def export_html(export_assets, tmp_path, monkeypatch):
    """Executes and exports: `export_html(notebook)` gives the path of a page without a network."""
    import nbclient
    from nbconvert import HTMLExporter

    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def export(notebook) -> Path:
        nbclient.NotebookClient(notebook, timeout=120, store_widget_state=True).execute()
        exporter = HTMLExporter(
            require_js_url="require.js", widget_renderer_url="embed-amd.js", mathjax_url=""
        )
        body, _ = exporter.from_notebook_node(notebook)
        for script in ("require.js", "embed-amd.js", "anywidget.js"):
            shutil.copy(export_assets / script, tmp_path / script)
        path = tmp_path / "exported.html"
        path.write_text(body, encoding="utf-8")
        return path

    return export
