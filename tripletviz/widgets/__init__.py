"""Interactive pieces for notebooks: one Python class and one ES module each.

A widget receives arrays and reports what the reader did; it never trains. Importing this room
does not import TensorFlow.
"""

from .be_the_miner import BeTheMiner
from .collapse_simulator import CollapseSimulator
from .distance_matrix import DistanceMatrix
from .embedding_player import EmbeddingPlayer
from .live_training import LiveTraining
from .neighbour_explorer import NeighbourExplorer
from .threshold_explorer import ThresholdExplorer
from .triplet_playground import TripletPlayground

__all__ = [
    "BeTheMiner",
    "CollapseSimulator",
    "DistanceMatrix",
    "EmbeddingPlayer",
    "LiveTraining",
    "NeighbourExplorer",
    "ThresholdExplorer",
    "TripletPlayground",
]
