"""What to say when a package is missing that a plain install leaves out."""

ENGINES = ("jax", "torch", "tensorflow")


def not_installed(problem: ModuleNotFoundError, extra: str) -> str:
    """The line for the user; raises the problem again if it is a module of our own.

    Args:
        problem: What the import raised.
        extra: The extra that brings the packages of the command; an engine has its own.
    """
    package = (problem.name or "losslayer").partition(".")[0]
    if package.startswith("losslayer"):
        raise problem
    extra = package if package in ENGINES else extra
    return f'`{package}` is not installed. Run: pip install "losslayer[{extra}]"'
