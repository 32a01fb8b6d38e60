"""Which weights the losses of a model reach."""

from keras import ops

from losslayer import backend
from losslayer.core.errors import ObjectiveError
from losslayer.core.reduction import at_least_float32, total_and_weight


def unreached(model, objective, batch, state=None):
    """Ids of the trainable variables that no loss reaches.

    The structure of the graph says which layers lead to a loss; only a gradient can show that
    `stop_gradient`, an `argmax` or the like cuts the way.

    Args:
        model: The model, inside a training step.
        objective: Its objective.
        batch: `x` by name, `y`, sample weights.
        state: On JAX the values of the trainable variables, the others, the optimizer's and the
            metrics'.

    Raises:
        ObjectiveError: a loss reaches no trainable variable at all.
    """
    x, y, sample_weight = batch
    if not state:
        groups = (
            model.trainable_variables,
            model.non_trainable_variables,
            (),
            model.metrics_variables,
        )
        state = [[v.value for v in group] for group in groups]
    trained, others, _, metrics = state

    def all_losses(trained):
        y_pred, _, extra = model.stateless_call(
            trained, others, x, return_losses=True, training=True
        )
        running, _ = objective.by_term("fit", y_pred)
        named = [total_and_weight(v[0], weights)[0] for t, v, weights in running if t.is_loss]
        total, _ = model.stateless_compute_loss(
            trained, others, metrics, x=x, y=y, y_pred=y_pred, sample_weight=sample_weight
        )
        return [*named, sum([ops.sum(at_least_float32(e)) for e in extra], total)]

    reached = backend.connected(all_losses, trained)
    labels = [t.label for t in objective.losses] + ["the whole loss"]
    for label, flags in zip(labels, reached):
        if not any(flags):
            raise ObjectiveError(
                f"Model: {label} must reach a trainable weight, but no gradient arrives at any. "
                "Look for stop_gradient, argmax, rounding or frozen layers on its way; if it is "
                "only to be reported, use add_metric."
            )
    pairs = zip(model.trainable_variables, reached[-1])
    return frozenset(id(v) for v, flag in pairs if not flag)
