"""Application 2: sequences to sequences, such as spellings to sounds or sentences to sentences."""
