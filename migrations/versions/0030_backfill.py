"""History that is loaded after the first judgement."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0030_backfill.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0030_backfill.down")
