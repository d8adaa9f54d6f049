"""The recording of a real training that is kept with the code."""

from pathlib import Path

from ..recordings import Recording

RECORDING = Path(__file__).resolve().parents[2] / "data" / "mnist-recording.npz"


def load_recording():
    """Read how the embedding of 1,000 MNIST test images moved during one training.

    The parameters are those of `experiments/base_model`, with an embedding of 16 dimensions; the
    first snapshot is the untrained network. No TensorFlow is imported, so that what shows the
    recording is there at once.

    Returns:
        `Recording` with 21 snapshots.

    Raises:
        FileNotFoundError: if the package was installed without the workbook's `data/`.
    """
    if not RECORDING.exists():
        raise FileNotFoundError(
            f"{RECORDING} is missing: the lessons need the workbook's folder, not the package alone"
        )
    return Recording.load(RECORDING)
