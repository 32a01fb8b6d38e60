"""Text in, padded integer arrays out: what the applications share.

- `read_table`: named columns of a CSV, TSV, JSONL or Parquet file, with errors that name the line;
- `Tokenizer`: subwords learned from your own texts, in any script;
- `normalised`, `text_ids`: when two texts are the same;
- `pad`, `length_batches`: few shapes, little padding;
- `TokenBatches`: training data of any size as batches of few shapes, by the number of tokens.
"""

from losslayer.text.buckets import TokenBatches
from losslayer.text.padding import length_batches
from losslayer.text.table import Problem, Table, TableError, read_table
from losslayer_serve.normal import normalised, text_ids
from losslayer_serve.padding import pad, padded_length
from losslayer_serve.tokenizer import Tokenizer

__all__ = [
    "Problem",
    "Table",
    "TableError",
    "TokenBatches",
    "Tokenizer",
    "length_batches",
    "normalised",
    "pad",
    "padded_length",
    "read_table",
    "text_ids",
]
