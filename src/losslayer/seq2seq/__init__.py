"""Application 2: sequences to sequences, such as spellings to sounds or sentences to sentences.

    >>> from losslayer.seq2seq import Seq2Seq
    >>> model = Seq2Seq.load("runs/g2p")
    >>> model.texts(["through"])
    ['TH R UW']

It is written on losslayer's public names only. `model.py` is the network and what it is trained
on, `decoding/` how outputs are found, `training.py` a run.
"""

from losslayer.seq2seq.config import ConfigError, changed, read_config, write_config
from losslayer.seq2seq.decoding import Decoder, DecodingSettings, Hypothesis
from losslayer.seq2seq.model import Models, ModelSettings, build
from losslayer.seq2seq.pairs import Pairs, pairs, read_pairs
from losslayer.seq2seq.seq2seq import Prediction, Seq2Seq
from losslayer.seq2seq.settings import DataSettings, Settings, TrainingSettings
from losslayer.seq2seq.tokens import Tokens

__all__ = [
    "ConfigError",
    "DataSettings",
    "Decoder",
    "DecodingSettings",
    "Hypothesis",
    "ModelSettings",
    "Models",
    "Pairs",
    "Prediction",
    "Seq2Seq",
    "Settings",
    "Tokens",
    "TrainingSettings",
    "build",
    "changed",
    "pairs",
    "read_config",
    "read_pairs",
    "write_config",
]
