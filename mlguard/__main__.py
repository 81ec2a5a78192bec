"""`python -m mlguard`: the command line."""

from __future__ import annotations

from mlguard.cli import main

if __name__ == "__main__":
    main()
