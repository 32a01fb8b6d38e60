"""The commands of `losslayer seq2seq`."""

import typer

from losslayer.seq2seq.commands.export import export
from losslayer.seq2seq.commands.folders import average
from losslayer.seq2seq.commands.measuring import check, compare, evaluate
from losslayer.seq2seq.commands.training import train
from losslayer.seq2seq.commands.using import attention, predict, score

app = typer.Typer(
    no_args_is_help=True,
    help="Turn sequences into sequences: spellings to sounds, sentences to sentences.",
)
for command in (train, evaluate, predict, score, attention, compare, check, average):
    app.command()(command)
app.command()(export)

__all__ = ["app"]
