"""Interactive pieces for notebooks: one Python class and one ES module each.

A widget receives arrays and reports what the reader did; it never trains. Importing this room
does not import TensorFlow.
"""

from .be_the_miner import BeTheMiner
from .collapse_simulator import CollapseSimulator
from .confusion_explorer import ConfusionExplorer
from .distance_matrix import DistanceMatrix
from .embedding_player import EmbeddingPlayer
from .image_query import ImageQuery
from .live_comparison import LiveComparison
from .live_training import LiveTraining
from .neighbour_explorer import NeighbourExplorer
from .prediction import Prediction
from .quiz import Quiz
from .threshold_explorer import ThresholdExplorer
from .triplet_playground import TripletPlayground

__all__ = [
    "BeTheMiner",
    "CollapseSimulator",
    "ConfusionExplorer",
    "DistanceMatrix",
    "EmbeddingPlayer",
    "ImageQuery",
    "LiveComparison",
    "LiveTraining",
    "NeighbourExplorer",
    "Prediction",
    "Quiz",
    "ThresholdExplorer",
    "TripletPlayground",
]
