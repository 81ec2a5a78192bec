"""mlguard in a project that migrates with Alembic: what env.py needs so that autogenerate leaves our objects alone.

    from mlguard.alembic import options
    context.configure(connection=connection, target_metadata=target_metadata, **options(include_schemas=True))

`options` takes what `context.configure` takes and gives it back with the filters of mlguard beside yours. The filters
may be given one by one as well; `mlguard.alembic.revise` writes revisions, and the command line calls it.
"""

from __future__ import annotations

from mlguard.alembic.filters import PLUGIN, include_name, include_object, options

__all__ = ["PLUGIN", "include_name", "include_object", "options"]
