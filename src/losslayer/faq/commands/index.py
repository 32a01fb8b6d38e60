"""`losslayer faq index`, `add` and `remove`."""

import json
from pathlib import Path
from typing import Annotated

import typer

import losslayer as ll
from losslayer.commands.console import Json, Model, note
from losslayer.faq import indexing
from losslayer.faq.indexing import Change
from losslayer.faq.reading import read_entries
from losslayer_serve.index import Entry
from losslayer_serve.saved import DEFAULT

Question = Annotated[
    str, typer.Option(help="Column with the entries' questions; the first of an id is its title.")
]
Answer = Annotated[str, typer.Option(help="Column with their answers, if there is one.")]
Id = Annotated[str, typer.Option(help="Column with their ids.")]
Read = Annotated[
    str | None,
    typer.Option(
        "--read", help="What the encoder reads of an entry: answer or title; default: as it does."
    ),
]


def index_command(
    table: Annotated[Path, typer.Argument(help="All entries, each a row with its question.")],
    model: Model = DEFAULT,
    question: Question = "question",
    answer: Answer = "answer",
    id: Id = "id",
    read: Read = None,
    as_json: Json = False,
) -> None:
    """Make the index of a model anew, from a table of all entries.

        losslayer faq index faq.csv --model runs/faq

    What was there is replaced when the new one is whole, also if it is damaged. Entries that
    the training has not seen are found too; train again when many have changed.
    """
    _check(read)
    entries = read_entries(table, question, answer, id)
    change, remark = indexing.rebuild(model, entries, read, note)
    _print(change, as_json)
    note(remark)


def add(
    table: Annotated[
        Path | None, typer.Argument(help="Entries, each a row; or describe one by --entry-...")
    ] = None,
    model: Model = DEFAULT,
    question: Question = "question",
    answer: Answer = "answer",
    id: Id = "id",
    entry_id: Annotated[str, typer.Option(help="Id of one entry, without a table.")] = "",
    entry_title: Annotated[str, typer.Option(help="Its title.")] = "",
    entry_answer: Annotated[str, typer.Option(help="Its answer.")] = "",
    read: Read = None,
    as_json: Json = False,
) -> None:
    """Add entries to a model, or put them in the place of those with the same id.

        losslayer faq add new.csv --model runs/faq

        losslayer faq add --entry-id refund --entry-title "How do I get a refund?"

    Where a cell is empty, what the entry had stays. Only texts that changed are encoded. A
    running service takes the change up by itself.
    """
    _check(read)
    one = Entry(entry_id, entry_title, entry_answer)
    if bool(table) == bool(entry_id) or (table and any(one)):
        raise ll.ArgumentError(
            "add: give a table, or one entry by `--entry-id`, `--entry-title`, `--entry-answer`. "
            f"Received: table={str(table or '')!r}, --entry-id {entry_id!r}."
        )
    entries = read_entries(table, question, answer, id, need_ids=True) if table else [one]
    _print(indexing.add(model, entries, read, note), as_json)


def remove(
    ids: Annotated[list[str], typer.Argument(help="Ids of the entries.")],
    model: Model = DEFAULT,
    as_json: Json = False,
) -> None:
    """Remove entries from a model: they are no longer found.

        losslayer faq remove refund old_card --model runs/faq

    If one of the ids is that of no entry, nothing is removed.
    """
    _print(indexing.remove(model, ids), as_json)


def _check(read: str | None) -> None:
    if read not in (None, *indexing.READ):
        raise ll.ArgumentError(f"`--read` must be one of {indexing.READ}. Received: {read!r}.")


def _print(change: Change, as_json: bool) -> None:
    if as_json:
        print(json.dumps(change._asdict()))
        return
    done = [f"{count:,} {what}" for what, count in change._asdict().items() if what != "entries"]
    print(f"{', '.join(done)}; {change.entries:,} entries now")
