"""The one table of metrics: what each takes, what it is made from, and what exactly it means. Pure.

Every metric is the end of states that add up (mlguard.lang.measure), so that batches, windows and segments share them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from mlguard.lang.types import BOOL, Kind, SqlType

FLOAT8, INTERVAL = SqlType(Kind.FLOAT8), SqlType(Kind.INTERVAL)


class Takes(Enum):
    """What an argument of a metric may be."""

    ANY = "a column"
    NUMBER = "a number column"
    FRACTIONAL = "a column that can hold NaN"
    CATEGORY = "a text or number column"
    LISTED = "a text or integer column"
    PREDICATE = "a condition on one row"
    SHARE = "a constant from 0 to 1"
    METRIC = "a metric"
    LENGTH = "a length of time"
    TRUTH = "label"
    GROUP = "a column whose values are groups"
    ERROR = "a number column or a condition on one row"


class Family(Enum):
    """What a metric is made from, and with it how few rows say nothing."""

    VOLUME = "how many there are"
    AMOUNT = "a total or an extreme"
    RATE = "a mean or a share"
    DISTRIBUTION = "a comparison with the baseline"
    HISTORY = "a comparison with what was before"
    AGE = "the reader's clock"
    LABELS = "labels that arrive later"
    GROUPS = "a comparison between groups"


# Rows below which a metric is not judged, where the SLO does not say. Totals and extremes are no estimates: one row of
# them is as true as many.
LEAST_ROWS = {
    Family.VOLUME: 0,
    Family.AMOUNT: 1,
    Family.RATE: 30,
    Family.DISTRIBUTION: 200,
    Family.LABELS: 30,
    Family.GROUPS: 30,
}
# The metrics below which a group of fewer rows than `min_rows` is pooled with other small ones.
FAIRNESS = frozenset({"parity_gap", "disparate_impact", "equal_opportunity_gap", "error_ratio"})


@dataclass(frozen=True)
class MetricEntry:
    """One metric over rows. Its values are double precision, but for the ones that say otherwise."""

    name: str
    meaning: str  # with what it says of NULL, NaN, no rows, and how exact it stays when states are merged
    takes: tuple[Takes, ...] = (Takes.ANY,)
    family: Family = Family.RATE
    many: bool = False  # the last argument may be repeated
    result: SqlType = FLOAT8
    usage: str = ""


_NUMBER = (Takes.NUMBER,)
_CATEGORY = (Takes.CATEGORY,)
_HISTORY = (Takes.METRIC, Takes.LENGTH)
_ERROR = (Takes.NUMBER, Takes.TRUTH)
_CLASS = (Takes.PREDICATE, Takes.TRUTH)

METRICS: dict[str, MetricEntry] = {
    metric.name: metric
    for metric in (
        MetricEntry(
            "staleness",
            "age of the newest event time that is not in the future; of an empty table infinite",
            (),
            Family.AGE,
            result=INTERVAL,
        ),
        MetricEntry("row_count", "rows; 0 where there are none; exact", (), Family.VOLUME),
        MetricEntry(
            "count",
            "values that are not missing (NULL, and what `missing:` lists); NaN is a value unless listed; exact",
            family=Family.VOLUME,
            usage="count(c)",
        ),
        MetricEntry("null_rate", "missing values / rows; no value without rows; exact", usage="null_rate(c)"),
        MetricEntry(
            "coverage", "values that are not missing / rows; no value without rows; exact", usage="coverage(c)"
        ),
        MetricEntry("nan_rate", "NaN / rows; no value without rows; exact", (Takes.FRACTIONAL,), usage="nan_rate(x)"),
        MetricEntry(
            "zero_rate", "zeros / values that are neither missing nor NaN; exact", _NUMBER, usage="zero_rate(x)"
        ),
        MetricEntry(
            "negative_rate",
            "values below zero / values that are neither missing nor NaN; -Infinity is below, -0 is not; exact",
            _NUMBER,
            usage="negative_rate(x)",
        ),
        MetricEntry(
            "share",
            "rows for which the condition is true / rows; NULL and a condition that raises are not true; exact",
            (Takes.PREDICATE,),
            usage="share(condition)",
        ),
        MetricEntry(
            "distinct_count",
            "different values that are not missing, NaN one of them; exact up to 4096, else estimated from that many "
            "hashes (standard error 1.6 %)",
            family=Family.AMOUNT,
            usage="distinct_count(c)",
        ),
        MetricEntry(
            "duplicate_rate",
            "rows beyond the first of each key / rows; NULLs are equal; exact up to 4096 keys, else from that many "
            "keys picked by hash",
            many=True,
            usage="duplicate_rate(c, …)",
        ),
        MetricEntry(
            "sum",
            "sum of the values that are neither missing nor NaN; of integer and numeric columns exact, of others to "
            "rounding; Infinity stays until recounted; no value without values",
            _NUMBER,
            Family.AMOUNT,
            usage="sum(x)",
        ),
        MetricEntry("mean", "sum / values that are neither missing nor NaN; exact as `sum`", _NUMBER, usage="mean(x)"),
        MetricEntry(
            "stddev",
            "sample standard deviation (n - 1) of the values that are neither missing nor NaN; no value below two; to "
            "rounding",
            _NUMBER,
            usage="stddev(x)",
        ),
        MetricEntry(
            "min",
            "least value, NaN left out; exact, after DELETE or UPDATE once recounted",
            _NUMBER,
            Family.AMOUNT,
            usage="min(x)",
        ),
        MetricEntry(
            "max",
            "greatest value, NaN left out; exact, after DELETE or UPDATE once recounted",
            _NUMBER,
            Family.AMOUNT,
            usage="max(x)",
        ),
        MetricEntry("median", "quantile(x, 0.5)", _NUMBER, usage="median(x)"),
        MetricEntry(
            "quantile",
            "interpolated as percentile_cont, NaN left out; exact up to 500 values, else from 501 points of equal "
            "rank; after DELETE or UPDATE once recounted",
            (Takes.NUMBER, Takes.SHARE),
            usage="quantile(x, q)",
        ),
        MetricEntry(
            "correlation",
            "Pearson's, over rows where both are values; no value where one does not vary or is infinite; to rounding",
            (Takes.NUMBER, Takes.NUMBER),
            usage="correlation(x, y)",
        ),
        MetricEntry(
            "new_category_rate",
            "values the baseline does not know / values that are not missing; exact up to 1000 categories",
            (Takes.LISTED,),
            usage="new_category_rate(c)",
        ),
        MetricEntry(
            "psi",
            "population stability index: sum of (p - q) ln(p / q) over the baseline's bins or categories, half a row "
            "added to each; missing values and NaN left out",
            _CATEGORY,
            Family.DISTRIBUTION,
            usage="psi(c)",
        ),
        MetricEntry(
            "js",
            "Jensen-Shannon distance over the baseline's bins or categories: root of the divergence in bits, 0 to 1; "
            "missing values and NaN left out",
            _CATEGORY,
            Family.DISTRIBUTION,
            usage="js(c)",
        ),
        MetricEntry(
            "ks",
            "greatest difference of the cumulated shares at the baseline's bin edges, 0 to 1; missing values and NaN "
            "left out",
            _NUMBER,
            Family.DISTRIBUTION,
            usage="ks(x)",
        ),
        MetricEntry(
            "linf",
            "greatest difference of the share of one bin or category, 0 to 1; missing values and NaN left out",
            _CATEGORY,
            Family.DISTRIBUTION,
            usage="linf(c)",
        ),
        MetricEntry(
            "trailing",
            "median of the metric over the windows (or batches) before this one, back by the length; it takes three",
            _HISTORY,
            Family.HISTORY,
            usage="trailing(metric, 'length')",
        ),
        MetricEntry(
            "change",
            "metric / trailing - 1; INSUFFICIENT where trailing is 0 or has fewer than three",
            _HISTORY,
            Family.HISTORY,
            usage="change(metric, 'length')",
        ),
        MetricEntry(
            "delta",
            "metric - trailing; INSUFFICIENT where trailing has fewer than three",
            _HISTORY,
            Family.HISTORY,
            usage="delta(metric, 'length')",
        ),
        MetricEntry(
            "usual",
            "whether the metric lies in the band learned from its history; INSUFFICIENT while that is learned",
            (Takes.METRIC,),
            Family.HISTORY,
            result=BOOL,
            usage="usual(metric)",
        ),
        MetricEntry(
            "mae",
            "mean of abs(x - label) over labelled rows where both are numbers; to rounding",
            _ERROR,
            Family.LABELS,
            usage="mae(x, label)",
        ),
        MetricEntry(
            "rmse",
            "root of the mean of (x - label)^2 over labelled rows where both are numbers; to rounding",
            _ERROR,
            Family.LABELS,
            usage="rmse(x, label)",
        ),
        MetricEntry(
            "mape",
            "mean of abs(x - label) / max(abs(label), 2.2e-16), as scikit-learn: one label of 0 makes it huge; to "
            "rounding",
            _ERROR,
            Family.LABELS,
            usage="mape(x, label)",
        ),
        MetricEntry(
            "bias",
            "mean of x - label over labelled rows where both are numbers, above 0 too high; to rounding",
            _ERROR,
            Family.LABELS,
            usage="bias(x, label)",
        ),
        MetricEntry(
            "accuracy",
            "labelled rows where the condition is as the label / those where both are known; exact",
            _CLASS,
            Family.LABELS,
            usage="accuracy(condition, label)",
        ),
        MetricEntry(
            "precision",
            "positive labels where the condition is true / rows where it is true; no value without those; exact",
            _CLASS,
            Family.LABELS,
            usage="precision(condition, label)",
        ),
        MetricEntry(
            "recall",
            "rows where the condition is true / positive labels; no value without those; exact",
            _CLASS,
            Family.LABELS,
            usage="recall(condition, label)",
        ),
        MetricEntry(
            "f1",
            "2 tp / (2 tp + fp + fn); no value where nothing is, and nothing is said to be, positive; exact",
            _CLASS,
            Family.LABELS,
            usage="f1(condition, label)",
        ),
        MetricEntry(
            "auc",
            "area under the ROC curve, ties counting half; no value with one class only; exact up to 10000 different "
            "scores, else of scores rounded to three digits that count",
            _ERROR,
            Family.LABELS,
            usage="auc(score, label)",
        ),
        MetricEntry(
            "logloss",
            "mean of -ln of the probability given to what happened, probabilities kept 2.2e-16 from 0 and 1; those "
            "outside 0 to 1 are left out; to rounding",
            _ERROR,
            Family.LABELS,
            usage="logloss(score, label)",
        ),
        MetricEntry(
            "brier",
            "mean of (probability - label)^2; probabilities outside 0 to 1 are left out; to rounding",
            _ERROR,
            Family.LABELS,
            usage="brier(score, label)",
        ),
        MetricEntry(
            "calibration_error",
            "abs(mean probability - share of positive labels) over 10 bins of equal width, weighted by rows; to "
            "rounding",
            _ERROR,
            Family.LABELS,
            usage="calibration_error(score, label)",
        ),
        MetricEntry(
            "label_coverage",
            "rows whose label has arrived / rows; a NULL label has not arrived; exact",
            (),
            Family.RATE,
            usage="label_coverage()",
        ),
        MetricEntry(
            "parity_gap",
            "greatest difference between groups of the share of rows where the condition is true; exact",
            (Takes.PREDICATE, Takes.GROUP),
            Family.GROUPS,
            usage="parity_gap(condition, group)",
        ),
        MetricEntry(
            "disparate_impact",
            "least share of rows where the condition is true / greatest, over groups; exact",
            (Takes.PREDICATE, Takes.GROUP),
            Family.GROUPS,
            usage="disparate_impact(condition, group)",
        ),
        MetricEntry(
            "equal_opportunity_gap",
            "greatest difference of recall between groups of at least `min_rows` positive labels; exact",
            (Takes.PREDICATE, Takes.TRUTH, Takes.GROUP),
            Family.LABELS,
            usage="equal_opportunity_gap(condition, label, group)",
        ),
        MetricEntry(
            "error_ratio",
            "greatest mean error of a group / least: of a number abs(x - label), of a condition whether it is wrong; "
            "to rounding",
            (Takes.ERROR, Takes.TRUTH, Takes.GROUP),
            Family.LABELS,
            usage="error_ratio(score, label, group)",
        ),
    )
}

# What `usual:` learns: as a file names it, and as the series is called where it is kept.
COLUMN_SERIES = {
    "null_rate": "null",
    "mean": "mean",
    "negative_rate": "negative",
    "magnitude": "magnitude",
    "decimals_rate": "grid",
    "same_rate": "same",
    "far_rate": "far",
    "ks": "ks",
    "spike": "spike",
    "overlap": "overlap",
    "linf": "linf",
    "new_category_rate": "new",
    "new_shape_rate": "shape",
}
NUMBERS_ONLY = frozenset({"mean", "magnitude", "negative", "grid", "far", "ks"})
WORDS_ONLY = frozenset({"linf", "new", "shape"})
TABLE_SERIES = {"row_count": "rows", "duplicate_rate": "repeats"}
PAIRS = "pairs"  # what pairs of columns keep to
ALL = "all"  # all that fit the column, or the rows
