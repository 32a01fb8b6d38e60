"""What differs between the engines and is no kernel.

connected(function, variables)   which variables each of several scalars depends on
guarded(step_function, ...)      a step whose failure leaves the variables as they were
with_equal_rows(tensors)         the tensors, with a check where only the step can know
value_and_gradient(function)     a scalar function that gives its gradient too
in_slices(function, ...)         slice by slice, with each slice computed again for its gradient
peek(batches, count)             what a step is about to read, and the batches with it
pruned(function)                 compiled, so that only what its results need is computed
traced(function, *args)          run for what Python sees of it, computing as little as can be
lonely_processes()               how many processes would train without knowing of each other
process()                        the number of this process, and how many there are
replicas()                       how many replicas run the step side by side
summed(tensor)                   a sum over these; of_all(tensors): their rows together
gathered(numbers)                whole numbers of all processes
compiled(function)               as `fit` would compile it, and a count of its traces
inference(function, variables)   compiled, for the variables as they are at each call
fast(function)                   jitted on JAX, as it is elsewhere
random_state()                   of the engine's own generators; set_random_state(state)
float64()                        a context in which float64 stays float64
"""

import contextlib
import importlib

import keras

_engine = importlib.import_module(f"losslayer.backend.{keras.backend.backend()}")

compiled = _engine.compiled
connected = _engine.connected
fast = _engine.fast
guarded = _engine.guarded
in_slices = _engine.in_slices
inference = _engine.inference
gathered = _engine.gathered
of_all = _engine.of_all
peek = _engine.peek
lonely_processes = _engine.lonely_processes
process = _engine.process
pruned = _engine.pruned
random_state = _engine.random_state
replicas = _engine.replicas
set_random_state = _engine.set_random_state
summed = _engine.summed
traced = _engine.traced
value_and_gradient = _engine.value_and_gradient
with_equal_rows = _engine.with_equal_rows


@contextlib.contextmanager
def float64():
    """A context in which float64 stays float64, in the engine and in Keras.

    Outside of it JAX rounds to float32, and so does Keras wherever it promotes types on JAX and
    PyTorch (`ops.mean` does, say). Central differences need all digits.
    """
    # Keras has no setting for this; the table is what its public function looks types up in.
    narrowing = keras.backend.result_type.__globals__["BIT64_TO_BIT32_DTYPE"]
    before = narrowing["float64"]
    with _engine.float64():
        narrowing["float64"] = "float64"
        try:
            yield
        finally:
            narrowing["float64"] = before
