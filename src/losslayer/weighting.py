"""What a loss is multiplied with, beside a number or a schedule: `add_loss(..., weight=)`.

Uncertainty   a weight that is learned with the model
Weighting     the base, for weights of your own
"""

from losslayer.core.weighting import Uncertainty, Weighting

__all__ = ["Uncertainty", "Weighting"]
