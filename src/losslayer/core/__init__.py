"""The two concepts: the loss layer and the model that owns an objective."""
