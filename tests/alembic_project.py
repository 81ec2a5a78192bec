"""An ordinary Alembic project in a folder: what `alembic init` makes, with the database of the environment."""

from __future__ import annotations

import io
import os
import re
import shutil
from pathlib import Path
from typing import Any

import alembic
import psycopg
from alembic import command
from alembic.config import Config
from click.testing import CliRunner, Result

from mlguard.cli import cli

INI = """
[alembic]
script_location = %(here)s/migrations
path_separator = os
{more}
"""
ENV = """
import os

import psycopg
import sqlalchemy as sa
from alembic import context

attributes = context.config.attributes
options = attributes.get("options", {})
if context.is_offline_mode():
    context.configure(
        dialect_name="postgresql", literal_binds=True, dialect_opts={"paramstyle": "named"}, **options
    )
    with context.begin_transaction():
        context.run_migrations()
else:
    engine = sa.create_engine(
        "postgresql+psycopg://", creator=lambda: psycopg.connect(os.environ["MLGUARD_DSN"]), poolclass=sa.NullPool
    )
    with engine.connect() as connection:
        context.configure(connection=connection, target_metadata=attributes.get("metadata"), **options)
        with context.begin_transaction():
            context.run_migrations()
"""


class AlembicProject:
    """One project; its folder must be the current one when mlguard runs."""

    def __init__(self, folder: Path, *, more: str = "", metadata: Any = None, **options: Any) -> None:
        """Make the project; `more` goes into alembic.ini, `options` to context.configure."""
        self.folder, self.metadata, self.options = folder, metadata, options
        self.migrations = folder / "migrations"
        (self.migrations / "versions").mkdir(parents=True)
        (folder / "alembic.ini").write_text(INI.format(more=more), encoding="utf-8")
        (self.migrations / "env.py").write_text(ENV, encoding="utf-8")
        template = Path(alembic.__file__).parent / "templates" / "generic" / "script.py.mako"
        shutil.copy(template, self.migrations / "script.py.mako")

    def config(self) -> Config:
        """Return a configuration as the command line reads it."""
        config = Config(str(self.folder / "alembic.ini"), output_buffer=io.StringIO(), stdout=io.StringIO())
        config.attributes |= {"metadata": self.metadata, "options": self.options}
        return config

    def upgrade(self, target: str = "head") -> None:
        command.upgrade(self.config(), target)

    def downgrade(self, target: str) -> None:
        command.downgrade(self.config(), target)

    def printed(self, what: str = "head") -> str:
        """Return what `alembic upgrade --sql` prints."""
        config = self.config()
        command.upgrade(config, what, sql=True)
        assert isinstance(config.output_buffer, io.StringIO)
        return config.output_buffer.getvalue()

    def empty(self, message: str, *, head: str = "head", label: str | None = None) -> None:
        """Write a revision of the user's own that does nothing."""
        command.revision(
            self.config(), message, head=head, branch_label=label, version_path=self.migrations / "versions"
        )

    def again(self, path: Path) -> None:
        """Run the upgrade of one file where it has run already; what it did is rolled back."""
        with psycopg.connect(os.environ["MLGUARD_DSN"]) as connection:
            versions = connection.execute("select version_num from alembic_version").fetchall()
            connection.execute("delete from alembic_version")
        try:
            command.upgrade(self.config(), self.head_of(path))
        finally:
            with psycopg.connect(os.environ["MLGUARD_DSN"]) as connection:
                connection.execute("insert into alembic_version values (%s)", versions[0])

    def head_of(self, path: Path) -> str:
        """Return the revision id of a file."""
        return path.name.partition("_")[0]

    def current(self, dsn: str) -> list[str]:
        """Return the revisions the database is at."""
        with psycopg.connect(dsn) as connection:
            return [name for (name,) in connection.execute("select version_num from alembic_version").fetchall()]

    def found(self, head: str = "head") -> list[str]:
        """Return what autogenerate would do, an operation a line."""
        config = self.config()
        script = command.revision(config, "probe", autogenerate=True, head=head)
        assert script is not None
        assert not isinstance(script, list)
        path = Path(script.path)
        text = path.read_text(encoding="utf-8")
        path.unlink()
        body = text.partition('"""Upgrade schema."""')[2].partition("# ### end")[0]
        joined = re.sub(r"\n\s+(?!\s|op\.|#)", " ", body)
        return [line.strip() for line in joined.splitlines() if line.strip().startswith("op.")]


def mlguard(*args: str, code: int = 0) -> Result:
    """Run a command line in this process."""
    done = CliRunner().invoke(cli, args)
    assert done.exit_code == code, done.output
    return done
