"""How smoothly the embedding player plays: 10,000 points x 50 snapshots, drawn by the processor.

Run `python benchmarks/player.py`. It needs a Chromium (found by name, or by the variable
CHROMIUM) and takes about 15 seconds. Graphics acceleration is off, as on a machine without any.
"""

import os
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tripletviz.widgets import EmbeddingPlayer

POINTS = 10_000
SNAPSHOTS = 50
PLAYED_SECONDS = 5.0
SCRUBS = 60
BROWSER_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]

# Each painting of the scatter puts one image on its canvas, whatever the page's frame rate is.
_WATCH_PAINTS = """
window.paints = [];
const put = CanvasRenderingContext2D.prototype.putImageData;
CanvasRenderingContext2D.prototype.putImageData = function (...args) {
  put.apply(this, args);
  window.paints.push(performance.now());
};
"""

_PLAY = """async (seconds) => {
  const { shadowRoot } = document.querySelector(".tripletviz-embedding-player");
  shadowRoot.querySelector(".play").click();
  await new Promise((done) => setTimeout(done, 500));
  window.paints.length = 0;
  await new Promise((done) => setTimeout(done, 1000 * seconds));
  const paints = [...window.paints];
  shadowRoot.querySelector(".play").click();
  return paints;
}"""

# From the reader's input to the end of the frame that shows it. Inputs come at random times
# between two frames, as a hand's do.
_SCRUB = """async (count) => {
  const { shadowRoot } = document.querySelector(".tripletviz-embedding-player");
  const slider = shadowRoot.querySelector(".scrub");
  const frameEnd = () => new Promise((done) => requestAnimationFrame(() => {
    const channel = new MessageChannel();
    channel.port1.onmessage = done;
    channel.port2.postMessage(null);
  }));
  const times = [];
  for (let i = 0; i < count; i += 1) {
    await new Promise((done) => setTimeout(done, 50 + 30 * Math.random()));
    const painted = window.paints.length;
    const start = performance.now();
    slider.value = Math.random() * slider.max;
    slider.dispatchEvent(new Event("input"));
    await frameEnd();
    if (window.paints.length === painted) throw new Error("the scrub was not painted");
    times.push(performance.now() - start);
  }
  return times;
}"""


def make_player(points: int, snapshots: int, with_images: bool = False) -> EmbeddingPlayer:
    """A player of ten clusters that grow apart."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 10, points)
    angles = labels * np.pi / 5
    goals = 3 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    time_axis = np.linspace(0, 1, snapshots)[:, None, None]
    frames = time_axis * goals + generator.normal(0, 0.5, (points, 2))
    frames += generator.normal(0, 0.05, (snapshots, points, 2))
    falling = np.linspace(1, 0, snapshots)
    images = None
    if with_images:
        images = generator.integers(0, 256, (points, 28, 28)).astype(np.uint8)
    return EmbeddingPlayer(
        frames,
        labels,
        steps=np.arange(snapshots) ** 2,
        curves={"loss": falling, "fraction of positive triplets": falling, "R@1": 1 - falling},
        images=images,
    )


def payload_bytes(player: EmbeddingPlayer) -> int:
    """Bytes of the data that reach the browser, without the script."""
    state = player.get_state(EmbeddingPlayer.class_own_traits(sync=True))
    return sum(
        len(v) if isinstance(v, bytes | memoryview) else len(repr(v)) for v in state.values()
    )


def measure_build(repeats: int = 5) -> float:
    """Median milliseconds to make a widget of 1,000 points with pictures, in Python."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        make_player(1000, 20, with_images=True).close()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def measure_in_browser(player: EmbeddingPlayer) -> dict:
    """Plays and scrubs the player in headless Chromium.

    Args:
        player: the widget to measure.

    Returns:
        `frames_per_second` (paintings in the time played), `slow_frame_ms` (95th percentile of
        the time between two), `scrub_ms` and `scrub_p95_ms` (input to the end of its frame).

    Raises:
        RuntimeError: if there is no Chromium.
    """
    from playwright.sync_api import sync_playwright

    executable = os.environ.get("CHROMIUM") or next(
        filter(None, map(shutil.which, BROWSER_NAMES)), None
    )
    if executable is None:
        raise RuntimeError("no Chromium found: install one, or set CHROMIUM to its path")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        path = player.save_html(Path(folder) / "player.html")
        browser = playwright.chromium.launch(executable_path=executable, args=BROWSER_FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.add_init_script(_WATCH_PAINTS)
        page.goto(path.as_uri())
        page.wait_for_function("window.paints.length > 0")
        page.wait_for_timeout(1000)
        paints = np.asarray(page.evaluate(_PLAY, PLAYED_SECONDS))
        page.wait_for_timeout(500)
        scrubs = np.asarray(page.evaluate(_SCRUB, SCRUBS))
        browser.close()
    gaps = np.diff(paints)
    return {
        "frames_per_second": float(1000 * len(gaps) / gaps.sum()),
        "slow_frame_ms": float(np.percentile(gaps, 95)),
        "scrub_ms": float(np.median(scrubs)),
        "scrub_p95_ms": float(np.percentile(scrubs, 95)),
    }


def measure() -> dict:
    """Measures the player.

    Returns:
        The values of `measure_in_browser` for 10,000 points x 50 snapshots, with
        `payload_bytes` of that widget and `build_ms` of one with 1,000 points and pictures.
    """
    player = make_player(POINTS, SNAPSHOTS)
    player.speed = 8.0
    return {
        **measure_in_browser(player),
        "payload_bytes": payload_bytes(player),
        "build_ms": measure_build(),
    }


def rows(values: dict):
    """Markdown table rows (what, bar, measured)."""
    what = f"EmbeddingPlayer, {POINTS:,} points x {SNAPSHOTS} snapshots, software rendering: "
    yield (
        what + "frames a second",
        "60",
        f"{values['frames_per_second']:.1f} "
        f"(95th percentile of the time between two: {values['slow_frame_ms']:.1f} ms)",
    )
    yield (
        what + "scrub to paint",
        "<= 20 ms",
        f"{values['scrub_ms']:.1f} ms (95th percentile {values['scrub_p95_ms']:.1f} ms)",
    )
    yield what + "data sent, once", "", f"{values['payload_bytes'] / 1e6:.2f} MB"
    yield "EmbeddingPlayer, 1,000 points with pictures: made in", "", f"{values['build_ms']:.0f} ms"


if __name__ == "__main__":
    for row in rows(measure()):
        print("| " + " | ".join(row) + " |")
