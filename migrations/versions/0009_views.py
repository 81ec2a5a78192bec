"""Views, roles and rights."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0009_views.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0009_views.down")
