"""Makes the recording that is kept with the code: ``python -m tripletviz.lessons.recording``.

Lessons before training, the gallery and exported pages show a real training without waiting for
one. Its embeddings have 16 dimensions and are kept as float16, so that all snapshots of 1,000 test
images, with their pictures, fit into one megabyte.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..palette import CLASS_COLORS
from ..projection import tsne_frames
from .committed import RECORDING

ROOT = Path(__file__).resolve().parents[2]
FILM = ROOT / "notebooks" / "images" / "evolution.gif"
LARGEST = 1_000_000


def make_recording(path=RECORDING):
    """Train once on MNIST and keep how 1,000 test images moved.

    The parameters are those of `experiments/base_model` with an embedding of 16 dimensions.

    Args:
        path: where to write the `Recording`.

    Returns:
        The `Recording`.

    Raises:
        RuntimeError: if it would be larger than a megabyte; nothing is written then.
    """
    from ..callbacks import probe_indices
    from ..experiments import LOADERS
    from ..params import load_params
    from ..training import fit, untrained_network

    base = load_params(ROOT / "experiments" / "base_model")
    params = base.model_copy(update={"embedding_size": 16, "snapshots": 22})
    (x_train, y_train), (x_test, y_test) = LOADERS[params.dataset](params.profile)
    chosen = probe_indices(y_test)
    network = untrained_network(params, x_train)
    recording, _ = fit(network, params, x_train, y_train, probe=(x_test[chosen], y_test[chosen]))
    path = Path(path)
    draft = path.with_name(f"draft-{path.name}")
    recording.save(draft, embeddings_dtype="float16")
    size = draft.stat().st_size
    if size > LARGEST:
        draft.unlink()
        raise RuntimeError(f"the recording has {size:,} bytes; at most {LARGEST:,} may be kept")
    draft.replace(path)
    return recording


def make_film(recording, path=FILM, *, size=400, seconds=6.0):
    """Draw a recording's evolution, seen by t-SNE, as an animated GIF for the README.

    Args:
        recording: `Recording` of at most ten classes.
        path: where to write the GIF.
        size: width in pixels; the height is about four fifths of it.
        seconds: how long the film runs before it rests and starts again.
    """
    frames = tsne_frames(recording.embeddings, seed=0)
    # Each frame fills the picture, which is wider than high.
    reach = np.abs(frames * [1.0, 1.38]).max(axis=(1, 2), keepdims=True)
    frames = frames / reach
    between = 3
    moments = np.linspace(0, len(frames) - 1, (len(frames) - 1) * between + 1)
    pictures = []
    for moment in moments:
        before = min(int(moment), len(frames) - 2)
        share = moment - before
        positions = (1 - share) * frames[before] + share * frames[before + 1]
        nearest = round(moment)
        text = f"step {recording.steps[nearest]:,}   R@1 {recording.curves['R@1'][nearest]:.3f}"
        pictures.append(_picture(positions, recording.labels, text, size))
    duration = round(1000 * seconds / len(pictures))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pictures[0].save(
        path,
        save_all=True,
        append_images=pictures[1:],
        duration=[duration] * (len(pictures) - 1) + [2500],
        loop=0,
        optimize=True,
    )


def _picture(positions, labels, text, size):
    top, height = 30, round(0.72 * size)
    picture = Image.new("RGB", (size, top + height), "white")
    draw = ImageDraw.Draw(picture)
    font, small = ImageFont.load_default(15), ImageFont.load_default(11)
    draw.text((12, 7), text, fill="#222222", font=font)
    for (x, y), label in zip(positions, labels, strict=True):
        place = (size * (0.5 + 0.48 * x), top + 0.5 * height - 0.48 * size * y)
        draw.text(place, str(label), fill=CLASS_COLORS[label % 10], font=small, anchor="mm")
    return picture.quantize(32)


def main():
    recording = make_recording()
    print(f"wrote {RECORDING.relative_to(ROOT)}: {RECORDING.stat().st_size:,} bytes")
    make_film(recording)
    print(f"wrote {FILM.relative_to(ROOT)}: {FILM.stat().st_size:,} bytes")


if __name__ == "__main__":
    sys.exit(main())
