"""Takes a picture of each widget of the gallery's page, for readers on a code host.

Usage: python tests/browser/screenshots.py SITE OUTPUT

SITE is what `make site` left, OUTPUT the folder for `NAME.png`, one for each of `WIDGETS`.
"""

import io
import sys
from pathlib import Path

from lab_server import BROWSER_FLAGS, WIDGETS, find_browser, pause
from PIL import Image

WIDTH = 880
SCALE = 1.5
COLORS = 64


def pose(page, name, widget):
    """Brings a widget into a state worth a picture; most begin in one."""
    if name == "embedding-player":
        widget.locator("input[type=range]").first.focus()
        page.keyboard.press("End")
    elif name == "triplet-playground":
        widget.locator('.preset[data-preset="hard"]').click()
    elif name == "distance-matrix":
        widget.locator("canvas").first.hover(position={"x": 60, "y": 90})
    elif name == "be-the-miner":
        widget.locator(".candidate").nth(2).click()
    pause(page, 1500)


def small_png(png):
    """The picture with a palette: a third of the bytes, and nothing that one would miss."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    file = io.BytesIO()
    image.quantize(COLORS, dither=Image.Dither.NONE).save(file, "png", optimize=True)
    return file.getvalue()


def main(site, output):
    from playwright.sync_api import sync_playwright

    executable = find_browser()
    if executable is None:
        return "no Chromium: install one, or set CHROMIUM to its path"
    output.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=BROWSER_FLAGS)
        page = browser.new_page(
            viewport={"width": WIDTH, "height": 900}, device_scale_factor=SCALE, offline=True
        )
        page.goto((site / "widget-gallery.html").resolve().as_uri())
        # The page's head stays in sight while one scrolls, and would lie over the pictures.
        page.add_style_tag(content="header { position: static !important; }")
        for name in WIDGETS:
            widget = page.locator(f".tripletviz-{name}").first
            widget.scroll_into_view_if_needed(timeout=120_000)
            pose(page, name, widget)
            path = output / f"{name}.png"
            path.write_bytes(small_png(widget.screenshot()))
            print(f"{path}: {path.stat().st_size / 1000:.0f} kB")
        browser.close()
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*map(Path, sys.argv[1:])))
