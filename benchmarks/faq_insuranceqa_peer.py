"""The same questions as in faq_insuranceqa.py for `sentence-transformers`, from random weights too.

    pip install sentence-transformers datasets accelerate
    python benchmarks/faq_insuranceqa_peer.py                              # one seed, on valid
    python benchmarks/faq_insuranceqa_peer.py --lists random500 solr500 --split test --seeds 0 1 2

Its `StaticEmbedding` is the encoder of the same size: the mean of as many embeddings of as many
values, with the same tokeniser, trained with its `MultipleNegativesRankingLoss` in both directions
by its trainer, on batches without the same text twice. `--epochs` and `--rate` are chosen on valid.
Prints a table in Markdown, then one JSON line.
"""

import argparse
import tempfile
from pathlib import Path

import faq_insuranceqa as insuranceqa  # first: it chooses the engine
import numpy as np
import torch
from datasets import Dataset
from sentence_transformers import (
    SentenceTransformer,
    SentenceTransformerTrainer,
    SentenceTransformerTrainingArguments,
)
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer

from losslayer.faq import Examples
from losslayer.text import Tokenizer as Trained


class Peer:
    """What `faq_insuranceqa.measured` asks for scores."""

    def __init__(self, model: SentenceTransformer, answers: list[str]) -> None:
        self.model = model
        self.vectors = self.encode(answers)

    def encode(self, texts: list[str]) -> np.ndarray:
        return self.model.encode(texts, normalize_embeddings=True, batch_size=256)

    def scores(self, questions: list[str]) -> np.ndarray:
        return self.encode(questions) @ self.vectors.T


def model_of(examples: Examples, vocabulary_size: int, longest: int, dim: int):
    """An encoder with random weights, and a tokeniser learned as the matcher's is."""
    texts = [*examples.questions, *(entry.encoded for entry in examples.entries)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tokenizer.json"
        Trained.train(texts, vocabulary_size).save(path)
        tokenizer = Tokenizer.from_file(str(path))
    tokenizer.enable_truncation(longest)
    module = StaticEmbedding(tokenizer, embedding_dim=dim)
    return SentenceTransformer(modules=[module], device="cpu")


def trained(examples: Examples, seed: int, given: argparse.Namespace) -> Peer:
    torch.manual_seed(seed)
    model = model_of(examples, given.vocabulary_size, given.longest, given.dim)
    answers = [entry.encoded for entry in examples.entries]
    pairs = {"anchor": examples.questions, "positive": [answers[right] for right in examples.right]}
    loss = MultipleNegativesRankingLoss(
        model, directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction"
    )
    with tempfile.TemporaryDirectory() as folder:
        arguments = SentenceTransformerTrainingArguments(
            output_dir=folder,
            num_train_epochs=given.epochs,
            per_device_train_batch_size=given.batch_size,
            learning_rate=given.rate,
            lr_scheduler_type="cosine",
            batch_sampler="no_duplicates",
            seed=seed,
            use_cpu=True,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer = SentenceTransformerTrainer(
            model=model, args=arguments, train_dataset=Dataset.from_dict(pairs), loss=loss
        )
        trainer.train()
    return Peer(model, answers)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    insuranceqa.add_arguments(parser)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--rate", type=float, default=0.05)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--vocabulary-size", type=int, default=16000)
    parser.add_argument("--longest", type=int, default=128, help="tokens of a text that are read")
    parser.add_argument("--dim", type=int, default=512)
    given = parser.parse_args()
    data = insuranceqa.read(given)
    runs = insuranceqa.run(lambda seed: trained(data.train, seed, given), data, given)
    insuranceqa.show({"sentence-transformers": vars(given)}, runs, data, given)


if __name__ == "__main__":
    main()
