"""The token ids that mean no word of any language: the same in every vocabulary."""

PADDING, UNKNOWN, BEGIN, END = range(4)
# Ids below this are symbols.
COUNT = 4
