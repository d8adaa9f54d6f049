"""How quickly the widgets answer, and what a notebook with all of them weighs.

Run `python benchmarks/widgets.py`. It needs a Chromium (found by name, or by the variable
CHROMIUM), starts a JupyterLab on this machine and takes about two minutes. Graphics acceleration
is off, as on a machine without any.
"""

import json
import statistics
import sys
import tempfile
from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "browser")]

from lab_server import BROWSER_FLAGS, WIDGETS, LabNotebook, LabServer, find_browser  # noqa: E402

from tripletviz.lessons import load_recording  # noqa: E402
from tripletviz.lessons.runner import NOTEBOOKS, execute  # noqa: E402
from tripletviz.widgets import DistanceMatrix, TripletPlayground  # noqa: E402

GALLERY = NOTEBOOKS / "widget-gallery.ipynb"
MOVES = 30
SHOWN = 3  # fresh kernels in which a player is shown

_PLAYER_CELLS = (
    "import sys; from tripletviz import lessons, widgets; recording = lessons.load_recording()",
    "widgets.EmbeddingPlayer.from_recording(recording)",
)

# Milliseconds from running the active cell until its player has painted.
_SHOW_PLAYER = """async () => {
  const { content } = window.jupyterapp.shell.currentWidget;
  content.activeCellIndex = 1;
  let painted;
  const shown = new Promise((done) => { painted = done; });
  const put = CanvasRenderingContext2D.prototype.putImageData;
  CanvasRenderingContext2D.prototype.putImageData = function (...args) {
    put.apply(this, args);
    requestAnimationFrame(() => painted(performance.now()));
  };
  const start = performance.now();
  window.jupyterapp.commands.execute("notebook:run-cell");
  return (await shown) - start;
}"""

# Whether what a pointer moved was drawn anew before the frame in which it moved was over.
_WATCH_MOVES = """() => {
  const { shadowRoot } = document.querySelector(".tripletviz-triplet-playground");
  const drawing = shadowRoot.querySelector("svg.picture");
  window.moves = [];
  window.addEventListener("pointermove", () => {
    const before = drawing.innerHTML;
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => window.moves.push(drawing.innerHTML !== before);
      channel.port2.postMessage(null);
    });
  }, { capture: true });
}"""

# Milliseconds from each change of the margin to the end of the frame that shows it.
_DRAG_MARGIN = """async (count) => {
  const { shadowRoot } = document.querySelector(".tripletviz-distance-matrix");
  const slider = shadowRoot.querySelector("input.margin");
  const counts = () => shadowRoot.querySelector(".figures").textContent;
  const frameEnd = () => new Promise((done) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = done;
    channel.port2.postMessage(null);
  }));
  const times = [];
  for (let i = 1; i <= count; i += 1) {
    await new Promise((done) => setTimeout(done, 50 + 30 * Math.random()));
    const before = counts();
    const start = performance.now();
    slider.value = Number(slider.max) * (0.1 + (0.8 * i) / count);
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    await frameEnd();
    if (counts() === before) throw new Error("the counts did not follow the margin");
    times.push(performance.now() - start);
  }
  return times;
}"""


def measure_shown(new_page, server) -> float:
    """Median seconds from running a cell to the painted player, each in a fresh kernel.

    Raises:
        RuntimeError: if the kernel had imported TensorFlow.
    """
    seconds = []
    for number in range(SHOWN):
        name = f"player-{number}.ipynb"
        nbformat.write(make_notebook(*_PLAYER_CELLS), server.root / name)
        notebook = LabNotebook(new_page(), server, name)
        notebook.page.evaluate(
            """async () => {
              window.jupyterapp.shell.currentWidget.content.activeCellIndex = 0;
              await window.jupyterapp.commands.execute("notebook:run-cell");
            }"""
        )
        notebook.wait_until_idle()
        seconds.append(notebook.page.evaluate(_SHOW_PLAYER) / 1000)
        notebook.wait_until_idle()
        if notebook.read("'tensorflow' in sys.modules"):
            raise RuntimeError("the kernel imported TensorFlow")
        server.tidy()
    return statistics.median(seconds)


def make_notebook(*cells):
    notebook = nbformat.v4.new_notebook()
    notebook.metadata.kernelspec = {"name": "python3", "display_name": "Python 3"}
    notebook.cells = [nbformat.v4.new_code_cell(source) for source in cells]
    return notebook


def measure_drag(new_page, folder) -> int:
    """How many of 30 moves of the mouse were drawn within the frame in which they came."""
    page = new_page()
    page.goto(TripletPlayground().save_html(folder / "playground.html").as_uri())
    box = page.locator(".tripletviz-triplet-playground .point.negative").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate(_WATCH_MOVES)
    for move in range(1, MOVES + 1):
        page.mouse.move(x - 2 * move, y + move)
        page.wait_for_function("(count) => window.moves.length >= count", arg=move)
    page.mouse.up()
    return sum(page.evaluate("window.moves")[:MOVES])


def measure_matrix(new_page, folder, recording) -> list[float]:
    """Milliseconds from a change of the margin to the end of its frame, for 128 images."""
    page = new_page()
    matrix = DistanceMatrix.from_recording(recording, classes=8, per_class=16)
    page.goto(matrix.save_html(folder / "matrix.html").as_uri())
    page.locator(".tripletviz-distance-matrix canvas").first.wait_for()
    page.wait_for_timeout(500)
    return page.evaluate(_DRAG_MARGIN, MOVES)


def measure_gallery(new_page, server, folder) -> dict:
    """What the executed gallery weighs, and what it does when a browser opens it."""
    executed = folder / GALLERY.name
    execute(GALLERY, executed, {"PROFILE": "ci"})
    complaints, outside = [], []
    page = new_page()
    page.on("console", lambda m: m.type == "error" and complaints.append(m.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda r: (
            r.url.startswith(("http://127.0.0.1:", "data:", "blob:")) or outside.append(r.url)
        ),
    )
    (server.root / GALLERY.name).write_bytes(executed.read_bytes())
    server.trust(GALLERY.name)
    notebook = LabNotebook(page, server, GALLERY.name)
    for widget in WIDGETS:
        notebook.bring(f".tripletviz-{widget}")
    return {
        "megabytes": executed.stat().st_size / 1e6,
        "errors": len(complaints),
        "outside": len(outside),
    }


def measure() -> dict:
    """Measures the widgets that `benchmarks.player` does not.

    Raises:
        RuntimeError: if there is no Chromium.
    """
    from playwright.sync_api import sync_playwright

    executable = find_browser()
    if executable is None:
        raise RuntimeError("no Chromium found: install one, or set CHROMIUM to its path")
    recording = load_recording()
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        browser = playwright.chromium.launch(executable_path=executable, args=BROWSER_FLAGS)
        new_page = lambda: browser.new_page(viewport={"width": 1280, "height": 900})  # noqa: E731
        server = LabServer(folder)
        try:
            server.wait_until_ready()
            return {
                "drawn_moves": measure_drag(new_page, folder),
                "margin_ms": measure_matrix(new_page, folder, recording),
                "shown_seconds": measure_shown(new_page, server),
                **measure_gallery(new_page, server, folder),
            }
        finally:
            server.stop()
            browser.close()


def rows(values: dict):
    """Markdown table rows (what, bar, measured)."""
    yield (
        "EmbeddingPlayer, 1,000 points, shown after its cell runs, no TensorFlow",
        "<= 1.5 s",
        f"{values['shown_seconds']:.2f} s",
    )
    yield (
        f"TripletPlayground: of {MOVES} moves of the mouse, drawn within the same frame",
        str(MOVES),
        str(values["drawn_moves"]),
    )
    times = sorted(values["margin_ms"])
    yield (
        "DistanceMatrix, 128 images: margin moved to repainted",
        "<= 33 ms",
        f"{statistics.median(times):.1f} ms (slowest of {MOVES}: {times[-1]:.1f} ms)",
    )
    yield (
        "A notebook with all eight, executed by papermill, with widget state",
        "<= 12 MB",
        f"{values['megabytes']:.1f} MB",
    )
    yield (
        "The same, opened in JupyterLab: errors; requests to elsewhere",
        "0; 0",
        f"{values['errors']}; {values['outside']}",
    )


if __name__ == "__main__":
    measured = measure()
    for row in rows(measured):
        print("| " + " | ".join(row) + " |")
    print(json.dumps(measured), file=sys.stderr)
