"""What a learner remembers of the scopes it has observed, and the series values of a scope measured against that."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

import numpy as np

from mlguard.learn import reference as ref
from mlguard.learn.pair_search import histories, search
from mlguard.learn.pairs import Found, Rule
from mlguard.learn.profile import Profile, numeric
from mlguard.learn.sample import Column, Integers, Sample, as_texts, is_number
from mlguard.learn.scope import Scope, overlap, same_share, scope_of
from mlguard.learn.seen import Seen, discrete
from mlguard.learn.series import TABLE, Series
from mlguard.learn.vocabulary import Vocabulary

KEPT_SCOPES = 35
"""Samples kept; the last `reference.REFERENCE_SCOPES` of them are the reference."""
LEARNED_AT = 20
"""Pair rules are searched after so many scopes; again after twice as many, four times as many and so on."""


def learning_due(observed: int) -> bool:
    """Whether pair rules and scales are learned after so many observed scopes: 20, 40, 80, 160 and so on."""
    return observed >= LEARNED_AT and observed % LEARNED_AT == 0 and (observed // LEARNED_AT).bit_count() == 1


class Memory:
    """The last samples, everything ever seen, and the pair rules. Knows nothing of limits."""

    def __init__(self) -> None:
        self.scopes: deque[Scope] = deque(maxlen=KEPT_SCOPES)
        self.observed = 0
        self.vocabularies: dict[str, Vocabulary] = {}
        self.values: dict[str, Seen] = {}
        self.shapes: dict[str, Seen] = {}
        self.rules: list[Rule] = []
        self._references: dict[str, ref.NumberReference | ref.TextReference | None] = {}

    def prepare(self, sample: Sample) -> Scope:
        """Encodes a sample; nothing is learned from it. A column once seen as text stays text."""
        columns: dict[str, Column] = {}
        for name, values in sample.columns.items():
            if name not in self.vocabularies and is_number(values):
                columns[name] = values.astype(np.float64)
            else:
                columns[name] = self.vocabularies.setdefault(name, Vocabulary()).encode(as_texts(values))
        return scope_of(sample.n, sample.slot, sample.positions, columns)

    def measure(self, scope: Scope) -> dict[Series, float]:
        """Every series' value for a scope, those of scales included; what has no value is absent or NaN."""
        found = {Series(TABLE, "rows"): float(scope.n), Series(TABLE, "repeats"): scope.repeats}
        for name, profile in scope.profiles.items():
            if not scope.k:
                continue
            found[Series(name, "null")] = 1 - profile.present / scope.k
            if self.scopes:
                found[Series(name, "same")] = same_share(scope, self.scopes[-1], name)
            if profile.present:
                number = numeric(scope.columns[name])
                metrics = self._of_numbers(name, profile) if number else self._of_texts(name, profile)
                found.update({Series(name, metric): value for metric, value in metrics.items()})
                before = self._before(name, number=number)
                if before is not None:
                    found[Series(name, "overlap")] = overlap(profile, before)
        found.update({rule.series: rule.value(scope.columns, self.values) for rule in self.rules})
        return found

    def observe(self, scope: Scope) -> list[Found]:
        """Takes a scope into the memory.

        Returns:
            Pair rules learned now, each with its series' values for the samples still kept, oldest first.
        """
        for name, profile in scope.profiles.items():
            number = numeric(scope.columns[name])
            self.values.setdefault(name, Seen()).add(discrete(profile.values))
            if not number:
                self.shapes.setdefault(name, Seen()).add(np.unique(self._shapes_of(name, profile)))
        for rule in self.rules:
            rule.observe(scope.columns)
        self.scopes.append(scope)
        self.observed += 1
        self._references.clear()
        if not learning_due(self.observed):
            return []
        new = histories(search(list(self.scopes)), self.rules)
        self.rules += [rule for rule, _ in new]
        return new

    def reference(self, name: str, *, number: bool) -> ref.NumberReference | ref.TextReference | None:
        """The pooled reference of a column, made once per observed scope; None while there is too little."""
        if name not in self._references:
            recent = list(self.scopes)[-ref.REFERENCE_SCOPES :]
            profiles = [s.profiles[name] for s in recent if name in s.profiles and numeric(s.columns[name]) == number]
            self._references[name] = ref.number_reference(profiles) if number else ref.text_reference(profiles)
        return self._references[name]

    def full(self) -> list[str]:
        """Columns of which more values have been seen than are kept: what is new in them is no longer judged."""
        return sorted(name for name, seen in self.values.items() if seen.full)

    def _before(self, name: str, *, number: bool) -> Profile | None:
        """The column in the previous scope, if it had values of the same kind."""
        if not self.scopes or name not in self.scopes[-1].profiles:
            return None
        profile = self.scopes[-1].profiles[name]
        return profile if profile.present and numeric(self.scopes[-1].columns[name]) == number else None

    def _of_numbers(self, name: str, profile: Profile) -> Mapping[str, float]:
        values = profile.values.astype(np.float64)
        found: dict[str, float] = {"negative": float(profile.shares[values < 0].sum())}
        finite = np.abs(values) <= ref.LARGEST
        found["mean"], found["deviation"] = _moments(values[finite], profile.counts[finite])
        other = finite & (values != 0)
        if other.any():
            found["magnitude"], found["logdeviation"] = _moments(np.log(np.abs(values[other])), profile.counts[other])
        reference = self.reference(name, number=True)
        if isinstance(reference, ref.NumberReference):
            found["far"] = ref.far_share(profile, reference)
            found["ks"] = ref.ks_distance(profile, reference)
            found["spike"] = ref.spike(profile, reference)
            finer = ref.grid_share(profile, reference)
            if finer is not None:
                found["grid"] = finer
        return found

    def _of_texts(self, name: str, profile: Profile) -> Mapping[str, float]:
        found: dict[str, float] = {}
        seen, shapes = self.values.get(name), self.shapes.get(name)
        if seen is not None and not seen.full:
            found["new"] = float(profile.shares[~seen.has(discrete(profile.values))].sum())
        if shapes is not None and not shapes.full:
            found["shape"] = float(profile.shares[~shapes.has(self._shapes_of(name, profile))].sum())
        reference = self.reference(name, number=False)
        if isinstance(reference, ref.TextReference):
            found["linf"] = ref.largest_change(profile, reference)
            found["spike"] = ref.spike(profile, reference)
        return found

    def _shapes_of(self, name: str, profile: Profile) -> Integers:
        return self.vocabularies[name].shape_codes(profile.values.astype(np.int64))


def _moments(values: Column, counts: Integers) -> tuple[float, float]:
    """Mean and population standard deviation of values with counts; NaN without values."""
    if not len(values):
        return math.nan, math.nan
    mean = float((values * counts).sum() / counts.sum())
    # Equal values give 0 and nothing else: what rounding leaves over would be taken for a unit.
    if values.min() == values.max():
        return mean, 0.0
    return mean, math.sqrt(float((np.square(values - mean) * counts).sum() / counts.sum()))
