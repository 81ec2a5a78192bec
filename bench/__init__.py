"""Benchmarks: what mlguard costs, as ratios to the same work without it. See docs/performance.md."""
