"""Views, rights and the sweep over all of the above."""

from __future__ import annotations

from mlguard.runtime import run_sql

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Run the up half of the pair."""
    run_sql("0019_surface.up")


def downgrade() -> None:
    """Run the down half of the pair."""
    run_sql("0019_surface.down")
