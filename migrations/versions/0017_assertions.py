"""Assertions at COMMIT."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0017_assertions.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0017_assertions.down")
