"""The command line: words in, words out. Each verb is one file that calls the Python interface; no SQL lives here."""

from mlguard.cli.app import cli, main

__all__ = ["cli", "main"]
