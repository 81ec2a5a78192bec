"""`mlguard demo`: the whole story on real flights, told by the SQL statements and the database's own answers."""

from mlguard.demo.history import run as run_history
from mlguard.demo.model import run as run_models
from mlguard.demo.story import run

__all__ = ["run", "run_history", "run_models"]
