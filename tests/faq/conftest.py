"""A small FAQ that every test of the application can train on in a second."""

import dataclasses

import pytest

from losslayer.faq import Matcher, Settings, read_examples

TOPICS = {
    "card_arrival": ("card", "arrive", "come in the mail"),
    "top_up": ("account", "top up", "add money to"),
    "exchange_rate": ("rate", "exchange", "convert"),
    "lost_phone": ("phone", "lose", "miss"),
}


def rows(forms):
    """Questions and their entries, one for each form and verb."""
    return [
        (form.format(noun=noun, verb=verb), entry)
        for entry, (noun, *verbs) in TOPICS.items()
        for verb in verbs
        for form in forms
    ]


def write_table(path, rows):
    """Write a CSV of questions and entries, and return its path."""
    lines = ["question,entry", *(f"{question},{entry}" for question, entry in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def table(tmp_path_factory):
    """A table of 32 questions."""
    forms = ("does my {noun} {verb}?", "can a {noun} {verb} today", "{verb}: my {noun}", "{noun}")
    return write_table(tmp_path_factory.mktemp("train") / "train.csv", rows(forms))


@pytest.fixture(scope="session")
def test_table(tmp_path_factory):
    """A table of 8 other questions with the same entries."""
    path = tmp_path_factory.mktemp("test") / "test.csv"
    return write_table(path, rows(["can my {noun} {verb}?"]))


@pytest.fixture(scope="session")
def small():
    """Settings with which training takes seconds: the table is one batch."""
    return dataclasses.replace(
        Settings(), embedding_dim=16, units=8, batch_size=32, epochs=30, learning_rate=0.02
    )


@pytest.fixture(scope="session")
def trained(table, small):
    """A trained matcher; tests only read it."""
    return Matcher.train(read_examples(table), small)
