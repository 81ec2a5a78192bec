"""The user's own Alembic project: where its revisions are, which heads it has, and files put there."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError, rev_id

from mlguard.alembic.text import MARK, Draft, body
from mlguard.catalog import rows
from mlguard.errors import PlanError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

FILES = ("alembic.ini", "pyproject.toml")
# Alembic's version tables, whatever env.py calls them and wherever it puts them.
_VERSION_TABLES = """
select format('%%I.%%I', n.nspname, c.relname)
from pg_catalog.pg_class as c join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
where c.relkind = 'r' and n.nspname <> 'mlguard' and n.nspname !~ '^pg_'
  and array['version_num'] = array(
    select a.attname::text from pg_catalog.pg_attribute as a
    where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  )
  and pg_catalog.has_table_privilege(c.oid, 'select')
order by 1
"""


@dataclass(frozen=True)
class Where:
    """Where new revisions go.

    Attributes:
        config: `alembic.ini`, or a `pyproject.toml` with `[tool.alembic]`; None: what is found here.
        head: the revision they follow: an id, a branch label `name@head`, or `base`; None: the only head.
        version_path: the folder they are written to; None: as Alembic decides.
    """

    config: Path | None = None
    head: str | None = None
    version_path: Path | None = None


class AlembicProject:
    """One Alembic project, opened."""

    def __init__(self, where: Where) -> None:
        """Open the project.

        Raises:
            PlanError: there is none, or it cannot be read, or which head is meant cannot be told.
        """
        self._where = where
        with _in_words():
            self._script = ScriptDirectory.from_config(_config(where.config))
            self._script.messaging_opts = {"quiet": True}  # the caller says what was written
            self.head = self._head()

    def _head(self) -> str:
        """Return what new revisions follow, in Alembic's words."""
        heads = self._script.get_revisions("heads")
        if self._where.head is not None:
            return self._where.head
        if len(heads) < 2:
            return "head"
        names = [
            f"{head.revision} ({', '.join(sorted(head.branch_labels))})" if head.branch_labels else head.revision
            for head in heads
        ]
        raise PlanError(
            f"this Alembic project has {len(names)} heads: {', '.join(names)}",
            help=f"say which one to go on from: --head {heads[0].revision}; or join them first: alembic merge heads",
        )

    def refuse_behind(self, connection: psycopg.Connection[Any]) -> None:
        """Refuse a database that lacks revisions on the way to the head: the difference would hold theirs too.

        Raises:
            PlanError: names the revision that is missing.
        """
        with _in_words():
            wanted = [found.revision for found in self._script.get_revisions(self.head)]
            if not wanted:
                return
            there: set[str] = set()
            for (table,) in rows(connection, _VERSION_TABLES):
                there |= {name for (name,) in connection.execute(f"select version_num from {table}".encode())}
            known = [name for name in there if self._knows(name)]
            applied = (
                {found.revision for found in self._script.iterate_revisions(tuple(known), "base")} if known else set()
            )
        missing = [name for name in wanted if name not in applied]
        if missing:
            at = ", ".join(sorted(known)) or "no revision of this project"
            raise PlanError(
                f"the database is at {at}, and the new revision would follow {', '.join(missing)}",
                help="alembic upgrade head, then write it; or --from-nothing, which asks no database",
            )

    def _knows(self, name: str) -> bool:
        try:
            return self._script.get_revision(name) is not None
        except (RevisionError, CommandError):
            return False

    def write(self, drafts: Sequence[Draft]) -> list[Path]:
        """Write the revision files, each following the one before; all of them, or none.

        Raises:
            PlanError: Alembic refused, or the project's template does not take what is written.
        """
        made: list[Path] = []
        head = self.head
        try:
            for draft in drafts:
                head = self._one(draft, head, made)
        except BaseException:
            for path in made:
                path.unlink(missing_ok=True)
            raise
        return made

    def _one(self, draft: Draft, head: str, made: list[Path]) -> str:
        """Write one file, note its path in `made`, and return its revision id."""
        up, down = body(draft.upgrade), body(draft.downgrade)
        before = self._files()
        with _in_words():
            try:
                script = self._script.generate_revision(
                    rev_id(),
                    draft.message,
                    head=head,
                    version_path=self._where.version_path,
                    upgrades=up,
                    downgrades=down,
                    imports="import sqlalchemy as sa" if "sa.DDL(" in up + down else "",
                )
            finally:
                made += self._files() - before
        if script is None or MARK not in Path(script.path).read_text(encoding="utf-8"):
            raise PlanError(
                "the project's script.py.mako does not take statements, as those for several databases do not",
                help="it must hold ${upgrades} and ${downgrades}, as the template `generic` of alembic init does",
            )
        return script.revision

    def _files(self) -> set[Path]:
        return {
            path
            for folder in self._script.version_locations or [self._script.versions]
            for path in Path(folder).rglob("*.py")
        }


def _config(path: Path | None) -> Config:
    """Find the configuration as `alembic` does: as told, by ALEMBIC_CONFIG, else the files of this folder.

    Raises:
        PlanError: there is none.
    """
    told = path or (Path(os.environ["ALEMBIC_CONFIG"]) if os.environ.get("ALEMBIC_CONFIG") else None)
    found = told or next((Path(name) for name in FILES if _is_config(Path(name))), None)
    if found is None or not found.is_file():
        raise PlanError(
            f"no {told or 'alembic.ini'} here",
            help="alembic init migrations makes a project; or name it: --alembic-config",
        )
    # Alembic 1.16 and later read pyproject.toml as well, beside an alembic.ini that may be missing.
    if found.suffix == ".toml":
        return Config(toml_file=str(found))
    toml = found.with_name("pyproject.toml")
    return Config(str(found), toml_file=str(toml)) if toml.is_file() else Config(str(found))


def _is_config(path: Path) -> bool:
    """Say whether a file configures Alembic; most pyproject.toml do not."""
    if path.suffix != ".toml" or not path.is_file():
        return path.is_file()
    try:
        return "alembic" in tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return False


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except (CommandError, RevisionError) as error:
        raise PlanError(f"Alembic says: {error}") from error
