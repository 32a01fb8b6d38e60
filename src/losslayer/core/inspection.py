"""What is looked at in the values of a batch: a step itself can't, it is compiled."""

from losslayer import backend
from losslayer.core import feed
from losslayer.core.ids import IdCheck
from losslayer.core.objective import STAGES

# What of Keras runs the steps of a stage.
STAGES_OF = {"train_function": "fit", "test_function": "evaluate"}


class Inspection:
    """Looks at batches on their way to the steps: ids out of their tables, examples that mix.

    Args:
        objective: What is computed from the batches.
        slices: The parts that must treat each example by itself, by stage; may be empty.
        check: "first", in the first batch of new data; True, in every batch; False, never.
    """

    def __init__(self, objective, slices, check):
        self.objective, self.slices, self.check = objective, slices, check
        read = [stage for stage in STAGES if check and objective.read(stage)]
        self.ids = {stage: IdCheck(*objective.graph(stage)) for stage in read}
        self._new = set(STAGES)  # stages whose next batch is the first of its data
        self._verified = False

    def expect(self, *stages):
        """The next batch of each of `stages` is the first of its data."""
        self._new.update(stages)

    def looked_at(self, function, batches, model, state=()):
        """The same `batches` for one of Keras's functions, by its name, looked at if it is time.

        Args:
            function: "train_function", say; what belongs to no stage is not looked at.
            batches: An iterator.
            model: The model with the variables.
            state: Their values where they are elsewhere while steps run (JAX), or nothing.
        """
        stage = STAGES_OF.get(function)
        if stage is None or not (stage in self._new or self.check is True):
            return batches
        first, batches = backend.peek(batches, model.steps_per_execution)
        self._new.discard(stage)
        for batch in first:
            self._look(stage, batch, model, state)
        return batches

    def _look(self, stage, batch, model, state):
        groups = model.trainable_variables, model.non_trainable_variables
        held = {id(v): value for vs, values in zip(groups, state) for v, value in zip(vs, values)}

        def value_of(variable):
            """JAX's variables are empty while `fit` runs."""
            return held[id(variable)] if held else variable.value

        x, _, _ = feed.batch(self.objective, stage, batch)
        with feed.shapes_named(x, x):
            if stage in self.ids:
                self.ids[stage](value_of, x)
            if self.slices and not self._verified:
                self.slices[stage].verify(value_of, x)
                self._verified = True
