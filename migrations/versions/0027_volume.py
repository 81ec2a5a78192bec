"""Volumes that readers count by their own clock."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0027_volume.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0027_volume.down")
