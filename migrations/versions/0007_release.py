"""The ways out of quarantine."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0007_release.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0007_release.down")
