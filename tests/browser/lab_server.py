"""A Chromium and a real JupyterLab to drive: for the browser tests and the widgets' benchmark."""

import contextlib
import json
import os
import random
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import nbformat
from nbformat.sign import NotebookNotary

ROOT = Path(__file__).resolve().parents[2]
BROWSER_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
MACOS_CHROME = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
BROWSER_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
# The widgets, by the class of the element that holds each: tripletviz-...
WIDGETS = (
    "triplet-playground",
    "embedding-player",
    "distance-matrix",
    "be-the-miner",
    "collapse-simulator",
    "neighbour-explorer",
    "live-training",
    "threshold-explorer",
    "image-query",
    "confusion-explorer",
    "live-comparison",
    "quiz",
    "prediction",
)


def find_browser() -> str | None:
    """Path of a Chromium: what the variable CHROMIUM says, else what is installed."""
    names = (*BROWSER_NAMES, MACOS_CHROME)
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)


def pause(page, milliseconds: float) -> None:
    """Waits by the page's own clock, and for two paintings.

    On a busy machine a page falls behind: what it had planned to do sooner has happened then, which
    a pause of the test alone does not promise.
    """
    page.evaluate(
        """(milliseconds) => new Promise((done) => setTimeout(
          () => requestAnimationFrame(() => requestAnimationFrame(() => done(null))), milliseconds,
        ))""",
        milliseconds,
    )


def steady_box(locator) -> dict[str, float]:
    """The place of an element on the page, once it has stayed there for six paintings.

    While a page still arranges itself, a place that was just measured is no longer true when the
    mouse gets there.
    """
    return locator.evaluate(
        """(element) => new Promise((done, fail) => {
          let [before, calm, left] = ["", 0, 1200];
          const look = () => {
            const { x, y, width, height } = element.getBoundingClientRect();
            const now = [x, y, width, height].join(" ");
            calm = now === before ? calm + 1 : 0;
            before = now;
            left -= 1;
            if (calm > 5) done({ x, y, width, height });
            else if (left) requestAnimationFrame(look);
            else fail(new Error("the element does not come to rest"));
          };
          look();
        })"""
    )


class LabServer:
    """A running JupyterLab with folders, settings and a token of its own."""

    def __init__(self, folder: Path):
        self.root = folder / "root"
        self.token = secrets.token_hex(16)
        self.port = find_free_port()
        self.log = folder / "server.log"
        self.settings = folder / "settings"
        self.data = folder / "data"
        self.root.mkdir()
        self.data.mkdir()
        write_settings(self.settings)
        environment = os.environ | {
            "JUPYTER_CONFIG_DIR": str(folder / "config"),
            "JUPYTER_DATA_DIR": str(folder / "data"),
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
        with urllib.request.urlopen(request, timeout=180) as response:
            body = response.read()
        return json.loads(body) if body else None

    def wait_until_ready(self, seconds: float = 600.0) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.process.poll() is None:
            try:
                self.request("api/status")
            except OSError:
                time.sleep(0.3)
            else:
                return
        raise RuntimeError(
            f"JupyterLab did not start:\n{self.log.read_text(errors='replace')[-4000:]}"
        )

    def trust(self, name: str) -> None:
        """Signs a notebook, so that JupyterLab shows the outputs with which it was written."""
        notary = NotebookNotary(data_dir=str(self.data))
        notary.sign(nbformat.read(self.root / name, as_version=4))

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
    """A port that nobody listens at, of those that systems do not hand out by themselves.

    One that is handed out may be handed to another process again before the server is up.
    """
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def write_settings(folder: Path) -> None:
    """Keeps away what would cover the page: the question whether to fetch news, and updates."""
    file = folder / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    file.parent.mkdir(parents=True)
    settings = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
    file.write_text(json.dumps(settings), encoding="utf-8")


class LabNotebook:
    """A notebook open in JupyterLab."""

    def __init__(self, page, server: LabServer, name: str):
        self.page = page
        page.goto(server.url(f"lab/tree/{name}", reset=""))
        page.wait_for_function("window.jupyterapp?.restored !== undefined")
        page.evaluate("() => window.jupyterapp.restored.then(() => null)")
        page.wait_for_selector(".jp-NotebookPanel .jp-Cell")
        self.wait_until_idle()

    def wait_until_idle(self, timeout: float = 900_000) -> None:
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
        return json.loads(self._run(f"import json; print(json.dumps({expression}))"))

    peek = read

    def read_until(self, expression: str, wanted, seconds: float = 180.0):
        """Reads until the value is the wanted one, or `wanted(value)` holds; fails if it never is.

        What a reader does takes a moment to get to the kernel, on a busy machine a long one.
        """
        is_wanted = wanted if callable(wanted) else lambda value: value == wanted
        end = time.monotonic() + seconds
        while not is_wanted(value := self.read(expression)):
            assert time.monotonic() < end, f"{expression} stayed {value}"
            pause(self.page, 50)
        return value

    def tell(self, code: str) -> str:
        """Runs code in the kernel, and gives what it printed; fails the test if it raised.

        Unlike `run_cell` it leaves the notebook alone: a new cell would scroll the page under the
        pointer, and move what was just measured.
        """
        # What moves is sent five times a second: a value still to be sent would overwrite ours.
        pause(self.page, 300)
        return self._run(code)

    def _run(self, code: str) -> str:
        text, error = self.page.evaluate(
            """async (code) => {
              const { kernel } = window.jupyterapp.shell.currentWidget.sessionContext.session;
              const future = kernel.requestExecute({ code, store_history: false });
              let text = "";
              let error = null;
              future.onIOPub = ({ header, content }) => {
                if (header.msg_type === "stream") text += content.text;
                if (header.msg_type === "error") error = `${content.ename}: ${content.evalue}`;
              };
              await future.done;
              return [text, error];
            }""",
            code,
        )
        assert error is None, f"{code}: {error}"
        return text

    def bring(self, selector: str):
        """Scrolls to the last cell whose outputs hold `selector`, and gives that in it.

        JupyterLab makes the elements of a cell once it is near to what is seen.
        """
        found = self.page.evaluate(
            """async (selector) => {
              const { content } = window.jupyterapp.shell.currentWidget;
              const end = performance.now() + 180000;
              const isWidget = (output) => "application/vnd.jupyter.widget-view+json" in
                (output.data ?? {});
              for (let i = content.widgets.length - 1; i >= 0; i -= 1) {
                const cell = content.widgets[i];
                if (!cell.model.outputs?.toJSON().some(isWidget)) continue;
                while (performance.now() < end) {
                  await content.scrollToItem(i, "start");
                  const host = cell.node.querySelector("[class^=tripletviz-]");
                  if (host?.matches(selector)) return true;
                  if (host) break;
                  await new Promise((done) => setTimeout(done, 50));
                }
              }
              return false;
            }""",
            selector,
        )
        assert found, f"no cell shows {selector}"
        locator = self.page.locator(selector).last
        steady_box(locator)
        return locator

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
            """(name) => {
              const notebook = document.querySelector(".jp-Notebook");
              const [red] = getComputedStyle(notebook).backgroundColor.match(/\\d+/g);
              return document.body.dataset.jpThemeName === name
                && (red < 128) === name.includes("Dark")
                && !document.querySelector("#jupyterlab-splash");
            }""",
            arg=name,
        )
        pause(self.page, 700)  # widgets look for another theme twice a second
