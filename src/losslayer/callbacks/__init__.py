"""Callbacks for `fit`.

Resume    go on after any end of the process, with the same numbers as if there had been none
"""

from losslayer.callbacks.resume import Resume

__all__ = ["Resume"]
