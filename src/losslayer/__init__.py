"""losslayer: any tensor of a Keras model's graph as a named loss or metric, with exact numbers.

Model         a functional model that owns its objective
losses        loss layers: tensors in, a value per element and its weight out
metrics       metrics that are exact over any batches
callbacks     callbacks for fit: Resume, RetrievalEvaluation
layers        layers of Keras, computed faster: LSTM
loss_layer    makes a loss layer of a plain function
LossLayer     the base of all loss layers
inference     a function of a model's layers, compiled on any engine
weighting     what a loss is multiplied with, beside numbers and schedules: learned weights
testing       check_loss(layer): the checks that every loss of ours passes
"""

from losslayer import callbacks, layers, losses, metrics, weighting
from losslayer.core.errors import (
    ArgumentError,
    ArgumentTypeError,
    DataError,
    LosslayerError,
    ObjectiveError,
    ResumeError,
    UnknownNameError,
)
from losslayer.core.function import loss_layer
from losslayer.core.inference import inference
from losslayer.core.layer import LossLayer
from losslayer.core.model import Model

__version__ = "0.1.0"

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "DataError",
    "LossLayer",
    "LosslayerError",
    "Model",
    "ObjectiveError",
    "ResumeError",
    "UnknownNameError",
    "callbacks",
    "inference",
    "layers",
    "loss_layer",
    "losses",
    "metrics",
    "weighting",
]
