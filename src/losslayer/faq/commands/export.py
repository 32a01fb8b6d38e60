"""`losslayer faq export`."""

import json

from losslayer.commands.console import Json, Model, note
from losslayer.faq.matcher import Matcher
from losslayer_serve.saved import DEFAULT


def export(
    model: Model = DEFAULT,
    as_json: Json = False,
) -> None:
    """Add the encoders as ONNX to a model, and prove that they give the same vectors.

        losslayer faq export --model runs/faq

    ONNX Runtime then runs them without Keras: `losslayer faq serve` does. Texts of several
    lengths go through the old and the new form; the command fails, and the folder stays
    as it was, if a value of a vector differs by more than 1e-5.
    """
    note(f"{model}: TensorFlow writes the encoders, in a process of its own.")
    parities = Matcher.export(model)
    if as_json:
        print(json.dumps({side: parity._asdict() for side, parity in parities.items()}))
        return
    for side, parity in parities.items():
        print(
            f"{side:8}  largest difference {parity.difference:.1e}, by padding "
            f"{parity.padding:.1e}, over {parity.texts} texts of up to {parity.times[-1]} tokens"
        )
    print(f"next      losslayer faq serve --model {model}")
