"""The commands of `losslayer faq`, each in a file of its name."""

import typer

from losslayer.faq.commands.ask import ask
from losslayer.faq.commands.compare import compare_command
from losslayer.faq.commands.evaluate import evaluate_command
from losslayer.faq.commands.export import export
from losslayer.faq.commands.index import add, index_command, remove
from losslayer.faq.commands.train import train
from losslayer.faq.commands.tune import tune
from losslayer_serve.command import serve

app = typer.Typer(
    no_args_is_help=True,
    help="Find the FAQ entry that a question means, by a model trained on your own questions.",
)
app.command()(train)
app.command()(ask)
app.command()(tune)
app.command("evaluate")(evaluate_command)
app.command("compare")(compare_command)
app.command("index")(index_command)
app.command()(add)
app.command()(remove)
app.command()(export)
app.command()(serve)
