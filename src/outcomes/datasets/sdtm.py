"""SDTM-shaped tables: what was observed, tidy and checked, nothing derived.

Two variables are ours because SDTM has no plain place for them: ``SESSION`` numbers
the dosing session a record belongs to, ``SRCROW`` is the row of the raw file (the
first row below the header is 2, as a spreadsheet shows it).
"""

from __future__ import annotations

from outcomes.datasets.schema import Column, Schema, integer, number, text

STUDYID = text("STUDYID", "Study Identifier", required=True)
USUBJID = text("USUBJID", "Unique Subject Identifier", required=True)
SRCFILE = text("SRCFILE", "Source File")
SRCROW = integer("SRCROW", "Row of the Source File")
SESSION = integer("SESSION", "Dosing Session Number")


def _domain(name: str, label: str, *columns: Column, key: tuple[str, ...]) -> Schema:
    return Schema(name, label, (STUDYID, USUBJID, *columns, SRCFILE, SRCROW), key)


DM = _domain(
    "dm",
    "Demographics",
    text("SUBJID", "Subject Identifier for the Study"),
    text("SITEID", "Study Site Identifier"),
    number("AGE", "Age (years)"),
    text("SEX", "Sex"),
    text("RACE", "Race"),
    text("ETHNIC", "Ethnicity"),
    text("ARMCD", "Planned Arm Code", required=True),
    text("ACTARMCD", "Actual Arm Code"),
    text("RFICDTC", "Date of Informed Consent"),
    text("RANDDTC", "Date of Randomisation"),
    key=("USUBJID",),
)
SUPPDM = _domain(
    "suppdm",
    "Supplemental Qualifiers for DM",
    text("QNAM", "Qualifier Variable Name", required=True),
    text("QLABEL", "Qualifier Variable Label"),
    text("QVAL", "Data Value"),
    key=("USUBJID", "QNAM"),
)
EX = _domain(
    "ex",
    "Exposure",
    integer("EXSEQ", "Sequence Number", required=True),
    text("EXTRT", "Name of Treatment"),
    number("EXDOSE", "Dose"),
    text("EXDOSU", "Dose Units"),
    text("EXSTDTC", "Start Date of Treatment", required=True),
    SESSION,
    key=("USUBJID", "EXSEQ"),
)
DS = _domain(
    "ds",
    "Disposition",
    integer("DSSEQ", "Sequence Number", required=True),
    text("DSCAT", "Category for Disposition Event"),
    text("EPOCH", "Epoch (FOLLOW-UP, or empty for the main study)"),
    text("DSDECOD", "Standardised Disposition Term", required=True),
    text("DSTERM", "Reported Term for the Disposition Event"),
    text("DSSTDTC", "Date of Disposition Event"),
    key=("USUBJID", "DSSEQ"),
)
DV = _domain(
    "dv",
    "Protocol Deviations",
    integer("DVSEQ", "Sequence Number", required=True),
    text("DVCAT", "Category (MAJOR, MINOR)"),
    text("DVDECOD", "Protocol Deviation Coded Term"),
    text("DVTERM", "Protocol Deviation Term"),
    text("DVSTDTC", "Date of Deviation"),
    key=("USUBJID", "DVSEQ"),
)
AE = _domain(
    "ae",
    "Adverse Events",
    integer("AESEQ", "Sequence Number", required=True),
    text("AETERM", "Reported Term"),
    text("AEDECOD", "Dictionary-Derived Term"),
    text("AEBODSYS", "Body System or Organ Class"),
    text("AESEV", "Severity"),
    text("AESER", "Serious Event"),
    text("AEREL", "Causality"),
    text("AEACN", "Action Taken with Study Treatment"),
    text("AEOUT", "Outcome"),
    text("AEABUSE", "Abuse-Related Event"),
    text("AEACUTE", "Onset within Dosing Session"),
    text("AESTDTC", "Start Date"),
    text("AEENDTC", "End Date"),
    SESSION,
    key=("USUBJID", "AESEQ"),
)
CM = _domain(
    "cm",
    "Concomitant Medications",
    integer("CMSEQ", "Sequence Number", required=True),
    text("CMTRT", "Reported Name of Drug"),
    text("CMDECOD", "Standardised Medication Name"),
    text("CMCAT", "Category (RESCUE, CONCOMITANT, PRIOR)"),
    text("CMINDC", "Indication"),
    text("CMSTDTC", "Start Date"),
    text("CMENDTC", "End Date"),
    key=("USUBJID", "CMSEQ"),
)
PR = _domain(
    "pr",
    "Procedures: Therapy Contacts",
    integer("PRSEQ", "Sequence Number", required=True),
    text("PRTRT", "Kind of Contact (PREPARATION, DOSING, INTEGRATION)"),
    text("PRSTDTC", "Date of Contact"),
    number("PRDUR", "Duration (minutes)"),
    text("THERID", "Therapist Identifier"),
    SESSION,
    key=("USUBJID", "PRSEQ"),
)
QS = _domain(
    "qs",
    "Questionnaires",
    integer("QSSEQ", "Sequence Number", required=True),
    text("QSCAT", "Category of Question: the instrument", required=True),
    text("QSGRPID", "Group: one administration of an instrument", required=True),
    text("QSTESTCD", "Item or Score Identifier", required=True),
    integer("QSITEM", "Item Number in the Instrument's Own Order"),
    text("QSORRES", "Result as Collected"),
    number("QSSTRESN", "Numeric Result"),
    text("QSSTAT", "Completion Status (NOT DONE)"),
    text("QSREASND", "Reason Not Done"),
    text("VISIT", "Visit Identifier"),
    SESSION,
    text("QSDTC", "Date of Assessment"),
    integer("QSDY", "Study Day, where the source gives a day and no date"),
    text("QSEVALID", "Evaluator Identifier"),
    text("QSVER", "Version or Recall Period of the Form"),
    key=("USUBJID", "QSSEQ"),
)

TABLES = {schema.name: schema for schema in (DM, SUPPDM, EX, DS, DV, AE, CM, PR, QS)}

ITEM_SKIPPED = "ITEM SKIPPED"
NOT_APPLICABLE = "NOT APPLICABLE"
INSTRUMENT_NOT_DONE = "INSTRUMENT NOT DONE"
"""The three kinds of absence, kept apart in QSREASND (with QSSTAT = 'NOT DONE').

An instrument that was not done is one row with QSTESTCD = 'QSALL'.
"""
