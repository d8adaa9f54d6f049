"""Interactive pieces for notebooks: one Python class and one ES module each.

A widget receives arrays and reports what the reader did; it never trains. Importing this room
does not import TensorFlow.
"""

from .embedding_player import EmbeddingPlayer

__all__ = ["EmbeddingPlayer"]
