"""The commands of `losslayer faq`, each in a file of its name."""

import typer

from losslayer.faq.commands.ask import ask
from losslayer.faq.commands.evaluate import evaluate
from losslayer.faq.commands.export import export
from losslayer.faq.commands.train import train
from losslayer.faq.commands.tune import tune
from losslayer_serve.command import serve

app = typer.Typer(
    no_args_is_help=True,
    help="Find the FAQ entry that a question means, by a model trained on your own questions.",
)
for command in (train, ask, tune, evaluate, export, serve):
    app.command()(command)
