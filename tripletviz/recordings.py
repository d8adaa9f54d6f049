"""How an embedding evolved during one training: arrays, and the file that holds them.

Importing it does not import TensorFlow, so that a widget can show a recording within a blink.
"""

from dataclasses import dataclass, field

import numpy as np

from ._files import whole


@dataclass(frozen=True)
class Recording:
    """How the embedding of a fixed probe set evolved during one training.

    Attributes:
        steps: int64 array `(S,)`: updates of the weights before each snapshot; the first is 0.
        embeddings: float array `(S, N, D)`: the probe set's embeddings at each snapshot.
        labels: int64 array `(N,)`.
        images: uint8 array `(N, H, W)`: the probe images.
        curves: name -> float64 array `(S,)`, measured on the probe set taken as one batch:
            `"loss"`, `"fraction of positive triplets"`, `"R@1"` (each probe image a query, the
            others the gallery), `"easy"`, `"semi-hard"`, `"hard"` (shares of the valid triplets),
            `"mean embedding norm"`, and, averaged over the anchors, `"hardest positive distance"`
            (to the farthest positive) and `"hardest negative distance"` (to the nearest negative).
        step_curves: name -> float64 array `(steps taken,)`, measured on each training batch before
            its update: `"loss"` and, if the training has those metrics, names as above or
            `"accuracy"`.
    """

    steps: np.ndarray
    embeddings: np.ndarray
    labels: np.ndarray
    images: np.ndarray
    curves: dict = field(default_factory=dict)
    step_curves: dict = field(default_factory=dict)

    def save(self, path, *, embeddings_dtype="float32"):
        """Write the recording as one compressed `.npz`, whole or not at all.

        Args:
            path: where to; its folder must exist.
            embeddings_dtype: `"float16"` halves the size and keeps three digits.
        """
        arrays = self.to_arrays()
        arrays["embeddings"] = self.embeddings.astype(embeddings_dtype)
        with whole(path) as partial, partial.open("wb") as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, path):
        """Read a recording that `save` wrote; embeddings come back as float32."""
        with np.load(path, allow_pickle=False) as file:
            return cls.from_arrays(dict(file))

    def to_arrays(self):
        """All of the recording as a dictionary of arrays, for a file."""
        return {
            "steps": self.steps,
            "embeddings": self.embeddings,
            "labels": self.labels,
            "images": self.images,
            **{f"curve {name}": values for name, values in self.curves.items()},
            **{f"step curve {name}": values for name, values in self.step_curves.items()},
        }

    @classmethod
    def from_arrays(cls, arrays):
        """The recording that `to_arrays` turned into a dictionary; other entries are ignored."""
        return cls(
            steps=arrays["steps"],
            embeddings=arrays["embeddings"].astype(np.float32),
            labels=arrays["labels"],
            images=arrays["images"],
            curves=_with_prefix(arrays, "curve "),
            step_curves=_with_prefix(arrays, "step curve "),
        )


def _with_prefix(arrays, prefix):
    return {
        name.removeprefix(prefix): values
        for name, values in arrays.items()
        if name.startswith(prefix)
    }
