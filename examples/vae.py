"""A variational autoencoder: reconstruction and KL divergence, added one after the other.

The data are pictures of a bright spot: 64 pixels, but only two things to know, where it is along
each axis. Training decodes a random draw of the two numbers; inference decodes their mean. These
are two paths through the same decoder, and each is only run where it is needed.

    python examples/vae.py
"""

import keras
import numpy as np
from keras import ops

import losslayer as ll

SIDE = 8


def pictures(count, seed):
    """Spots at random places, `(batch, 64)`, brightness in [0, 1]."""
    row, column = np.random.default_rng(seed).uniform(1, SIDE - 2, (2, count, 1, 1))
    rows, columns = np.mgrid[:SIDE, :SIDE]
    distance = (rows - row) ** 2 + (columns - column) ** 2
    return np.exp(-distance / 3).reshape(count, SIDE * SIDE).astype("float32")


@keras.saving.register_keras_serializable(package="examples")
class Draw(keras.layers.Layer):
    """A draw from a Gaussian with the given mean and logarithm of the variance."""

    def __init__(self, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, mean, log_variance):
        """One draw for each example."""
        noise = keras.random.normal(ops.shape(mean), seed=self.generator)
        return mean + ops.exp(0.5 * log_variance) * noise

    def get_config(self):
        """The seed, and what every layer has."""
        return {**super().get_config(), "seed": self.seed}


@ll.loss_layer
def reconstruction(pixels, logits):
    """Cross entropy of a picture, summed over its pixels, in nats."""
    return ops.sum(ops.binary_crossentropy(pixels, logits, from_logits=True), axis=-1)


def build(dim=2, units=64, beta=1.0):
    """The model, and the decoder on its own."""
    pixels = keras.Input((SIDE * SIDE,), name="pixels")
    hidden = keras.layers.Dense(units, "relu")(pixels)
    mean = keras.layers.Dense(dim, name="mean")(hidden)
    log_variance = keras.layers.Dense(dim, name="log_variance")(hidden)
    decoder = keras.Sequential(
        [keras.layers.Dense(units, "relu"), keras.layers.Dense(SIDE * SIDE)], name="decoder"
    )
    logits = decoder(Draw(seed=0)(mean, log_variance))

    model = ll.Model(inputs=pixels, outputs=ops.sigmoid(decoder(mean)))
    model.add_loss(reconstruction()(pixels, logits), name="reconstruction")
    model.add_loss(ll.losses.KLDivergence()(mean, log_variance), name="kl", weight=beta)
    return model, decoder


def show(*images):
    """Print pictures side by side."""
    for rows in zip(*(image.reshape(SIDE, SIDE) for image in images)):
        print("   ".join("".join(" .:*#"[int(p * 4.99)] * 2 for p in row) for row in rows))


def main(examples=2000, units=64, epochs=30, seed=0):
    """Train, and print a picture, its reconstruction and one that was never there."""
    keras.utils.set_random_seed(seed)
    model, decoder = build(units=units)
    model.compile(keras.optimizers.Adam(0.005))
    history = model.fit(pictures(examples, seed), batch_size=50, epochs=epochs, verbose=0).history
    for name in ("loss", "reconstruction", "kl"):
        print(f"{name:>14}: {history[name][0]:.2f} -> {history[name][-1]:.2f} nats")

    picture = pictures(200, seed + 1)
    rebuilt = model.predict_on_batch(picture)
    made_up = ops.convert_to_numpy(ops.sigmoid(decoder(np.array([[0.5, -0.5]], "float32"))))
    print("a picture; rebuilt from two numbers; made from two numbers")
    show(picture[0], rebuilt[0], made_up[0])
    error = np.abs(rebuilt - picture).mean()
    print(f"mean error per pixel: {error:.3f} (of the mean picture: ", end="")
    baseline = np.abs(picture.mean(axis=0) - picture).mean()
    print(f"{baseline:.3f})")
    return {"history": history, "error": error, "baseline": baseline}


if __name__ == "__main__":
    main()
