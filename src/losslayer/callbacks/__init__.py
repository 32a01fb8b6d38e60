"""Callbacks for `fit`.

Resume                go on after any end of the process, with the same numbers as without it
RetrievalEvaluation   at each epoch's end, how well encoders find what is right in a whole corpus
"""

from losslayer.callbacks.resume import Resume
from losslayer.callbacks.retrieval import RetrievalEvaluation

__all__ = ["Resume", "RetrievalEvaluation"]
