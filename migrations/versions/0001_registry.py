"""What is guarded: tables, SLOs, their objects, exceptions, events."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0001_registry.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0001_registry.down")
