"""The tables that report: the issue log and the analysis results data (ARD)."""

from __future__ import annotations

from outcomes.datasets.schema import Schema, integer, number, text

ISSUES = Schema(
    "issues",
    "Issue Log",
    (
        text("stage", "ingest or derive", required=True),
        text("severity", "error, warning or note", required=True),
        text("rule", "Which rule found it", required=True),
        text("file", "Raw file or dataset"),
        integer("row", "Row of the file; the header is row 1"),
        text("column", "Column of the file"),
        text("subject", "Subject"),
        text("value", "The value found"),
        text("message", "What is wrong", required=True),
        text("remedy", "What was done, or what to do"),
    ),
    key=(
        "stage",
        "severity",
        "rule",
        "file",
        "row",
        "column",
        "subject",
        "value",
        "message",
    ),
)
"""``severity``: an error stops the run; a warning and a note say what was done."""

KEY = (
    "study",
    "analysis",
    "endpoint",
    "population",
    "estimand",
    "visit",
    "time",
    "session",
    "arm",
    "comparator",
    "subgroup",
    "level",
    "term",
    "method_id",
    "conf_level",
    "statistic",
)

ARD = Schema(
    "ard",
    "Analysis Results Data",
    (
        text("result_id", "Readable identifier, made of the key", required=True),
        text("study", "Study", required=True),
        text("analysis", "Analysis", required=True),
        text("endpoint", "Endpoint"),
        text("population", "Population"),
        text("estimand", "Estimand"),
        text("visit", "Visit"),
        number("time", "Time (days)"),
        text("session", "Dosing session"),
        text("arm", "Arm"),
        text("comparator", "Arm it is compared with"),
        text("subgroup", "Subgroup"),
        text("level", "Level of the variable, or number of the point"),
        text("term", "What is described or estimated"),
        text("method_id", "Which of several methods"),
        number("conf_level", "Confidence level"),
        text("statistic", "Name of the statistic", required=True),
        number("value", "Value, at full precision"),
        text("text", "Value that is not a number"),
        text("method", "Engine and options, in words"),
        text("warning", "What weakens this result"),
        text("error", "Why there is no result"),
        integer("n_subjects", "Subjects behind this result"),
        text("prespecified", "Y or N", required=True),
    ),
    key=KEY,
)
