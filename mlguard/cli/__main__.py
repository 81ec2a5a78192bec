"""`python -m mlguard.cli`."""

from mlguard.cli.app import main

main()
