"""Fixtures for tests in a real browser: Chromium, a real JupyterLab, an exported page.

`new_page` opens a browser page that fails the test at its end if the page wrote an error to the
console, raised one, or asked for anything outside this machine. `lab` opens notebooks in a real
JupyterLab. `export_html` executes a notebook and exports it to a page that needs no network.
Where there is no Chromium the tests are skipped, and say so. `BROWSER_SLOWDOWN=8 make test-browser`
runs them as on a machine that is much slower.
"""

import contextlib
import functools
import os
import secrets
from pathlib import Path

import nbformat
import pytest
from lab_server import BROWSER_FLAGS, ROOT, LabNotebook, LabServer, find_browser

from tripletviz.widgets._widget import load_script

# How many times slower pages run than they could: tests that trust a page's pace are found so.
SLOWDOWN = float(os.environ.get("BROWSER_SLOWDOWN", "1"))
SCREENSHOTS = ROOT / "build" / "screenshots"
LOCAL = ("file:", "data:", "blob:", "about:", "http://127.0.0.1:", "ws://127.0.0.1:")


# ---------------------------------------------------------------- the browser


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


@contextlib.contextmanager
def watched_pages(browser):
    """Opens pages, and at the end closes them and fails for what they complained of."""
    contexts, complaints = [], []

    def open_page(*, width=1280, height=900, offline=False, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.set_offline(offline)
        page = context.new_page()
        page.set_default_timeout(180_000)  # a machine that runs many things at once is slow
        if SLOWDOWN > 1:
            session = context.new_cdp_session(page)
            session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWDOWN})
        page.on("console", lambda m: m.type == "error" and complaints.append(f"console: {m.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("request", lambda request: note_request(request.url))
        page.on("websocket", lambda socket: note_request(socket.url))
        return page

    def note_request(url):
        if not url.startswith(LOCAL):
            complaints.append(f"request: {url}")

    try:
        yield open_page
    finally:
        for context in contexts:
            context.close()
    assert not complaints, "\n".join(complaints)


@pytest.fixture
def new_page(browser):
    """Opens pages: `new_page(width=1280, height=900, offline=False, **context_options)`.

    Options are those of Playwright's `Browser.new_context` (`color_scheme`, `has_touch`, ...).
    """
    with watched_pages(browser) as open_page:
        yield open_page


@pytest.fixture(scope="module")
def page_for_all(browser):
    """As `new_page`, for what several tests look at: `with page_for_all() as new_page: ...`."""
    return functools.partial(watched_pages, browser)


@pytest.fixture(scope="session")
def screenshot():
    """Saves a page's picture: `screenshot(page, name)`. For people to look at."""

    def save(page, name):
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=SCREENSHOTS / f"{name}.png")

    return save


@pytest.fixture
def find_violations():
    """Checks accessibility: `find_violations(page, selector)` gives lines, empty if all is well.

    Listed are what axe-core calls serious or critical, shadow roots included.
    """
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()

    def find(page, selector):
        violations = axe.run(page, context={"include": [[selector]]}).response["violations"]
        return [
            f"{violation['id']} ({violation['impact']}): {node['target']} {node['html'][:200]} "
            f"{node.get('failureSummary', '')}"
            for violation in violations
            if violation["impact"] in ("serious", "critical")
            for node in violation["nodes"]
        ]

    return find


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


@pytest.fixture(scope="session")
def lab_server(browser, tmp_path_factory):
    server = LabServer(tmp_path_factory.mktemp("lab"))
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.stop()


@pytest.fixture
def lab(lab_server, new_page):
    """Opens notebooks in JupyterLab: `lab(notebook, **page_options)` gives a `LabNotebook`.

    One that is `trusted` shows the outputs that it has, as on the machine that ran it.
    """
    opened = []

    def open_notebook(notebook, *, trusted=False, **options):
        name = f"notebook-{secrets.token_hex(4)}-{len(opened)}.ipynb"
        nbformat.write(notebook, lab_server.root / name)
        if trusted:
            lab_server.trust(name)
        opened.append(LabNotebook(new_page(**options), lab_server, name))
        return opened[-1]

    yield open_notebook
    for notebook in opened:  # before their kernels end: a page that sees it would complain
        notebook.page.close()
    lab_server.tidy()


# ---------------------------------------------------------------- exported pages


@pytest.fixture(scope="session")
def export_folder(tmp_path_factory) -> Path:
    """A folder that has what pages load from beside them; without npm it may be out of reach."""
    from tripletviz.lessons.publishing.assets import AssetError, copy_assets
    from tripletviz.lessons.publishing.pages import ASSETS

    folder = tmp_path_factory.mktemp("pages")
    try:
        copy_assets(folder / ASSETS, slides=True)
    except AssetError as error:
        pytest.skip(str(error))
    return folder


@pytest.fixture
def export_html(export_folder, monkeypatch):
    """Executes and exports: `export_html(notebook)` gives the path of a page without a network."""
    import nbclient

    from tripletviz.lessons.publishing.pages import export as export_page

    monkeypatch.setenv("PYTHONPATH", str(ROOT))

    def export(notebook, *, execute=True) -> Path:
        if execute:
            nbclient.NotebookClient(
                notebook, timeout=900, startup_timeout=300, store_widget_state=True
            ).execute()
        path = export_folder / f"{secrets.token_hex(4)}.html"
        path.write_text(export_page(notebook, "Exported"), encoding="utf-8")
        return path

    return export
