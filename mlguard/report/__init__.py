"""Verdicts and reports: what a judgement found, for people, programs and CI."""
