"""Incidents and the outbox."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0016_incidents.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0016_incidents.down")
