"""Running layers outside of a model's own graph: a decoder's step, say."""

from losslayer import backend


def inference(function, layers):
    """`function`, compiled where the engine compiles, and without gradients.

    JAX and TensorFlow compile it once for each combination of shapes that it is called with;
    PyTorch runs it as it is. The weights are those of the time of each call, so training may go on
    in between. Layers that tell training from inference do the latter.

    Args:
        function: From arrays, or lists and dicts of them, to the same; written in `keras.ops`, it
            calls the layers.
        layers: The layers, or models, whose weights it reads.

    Returns:
        A function of the same arguments. Its attribute `traces` is a list with an entry for each
        compilation so far.

    Example:

    >>> dense = keras.layers.Dense(1, kernel_initializer="ones")
    >>> dense.build((None, 3))
    >>> twice = inference(lambda x: 2 * dense(x), [dense])
    >>> print(keras.ops.convert_to_numpy(twice(np.ones((1, 3), "float32"))))
    [[6.]]
    """
    variables = list({id(v): v for layer in layers for v in layer.weights}.values())
    run, traces = backend.inference(function, variables)

    def call(*args):
        return run(*args)

    call.traces = traces  # type: ignore[attr-defined]
    return call
