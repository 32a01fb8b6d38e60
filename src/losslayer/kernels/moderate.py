"""When exponentials of scores need no largest score subtracted first."""

# Where no score is larger, either way, exponentials, their sums, and what is divided by these all
# stay far within float32, in which losses compute at least.
MODERATE = 50.0
