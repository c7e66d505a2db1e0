# The plans of all studies, read once.
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

from outcomes.errors import OutcomesError
from outcomes.plan import Plan

RESULTS = Path("results")

validate(config, "../schemas/config.schema.yaml")

# jobs run the interpreter that runs Snakemake, whatever stands first on PATH
INTERPRETER = Path(sys.executable).parent.as_posix().replace("'", "'\\''")
PREFIX = f"export PATH='{INTERPRETER}':\"$PATH\"; "
shell.prefix(PREFIX.replace("{", "{{").replace("}", "}}"))


def raw_path(plan, file):
    """Return a raw file as seen from the working folder."""
    return Path(os.path.relpath(plan.study.raw(file))).as_posix()


def read_plans():
    """Plan every study; of studies that are not valid, say all that is wrong."""
    plans, problems = {}, []
    for study, entry in config["studies"].items():
        root = entry.get("data_root")
        try:
            plan = Plan.of(Path(entry["study"]), Path(root) if root else None)
        except OutcomesError as problem:
            problems.append(str(problem))
            continue
        if plan.study.spec.study.id != study:
            problems.append(
                f"config: studies.{study}: the study file calls itself "
                f"'{plan.study.spec.study.id}'; use that as the key."
            )
        braced = [
            path
            for path in (raw_path(plan, file) for file in plan.raw_files())
            if "{" in path or "}" in path
        ]
        if braced:
            problems.append(
                f"config: studies.{study}: Snakemake takes braces in a path for "
                f"wildcards ({braced[0]}); rename it, or use 'outcomes run'."
            )
        plans[study] = plan
    if problems:
        raise WorkflowError("\n".join(problems))
    return plans


def below(study, files):
    """Place files of a plan below the results folder of their study."""
    return [(RESULTS / study / file).as_posix() for file in files]


def raw_files(study, job):
    """Return the raw files of a job."""
    return [raw_path(PLANS[study], file) for file in job.raw]


def command(study, job):
    """Return the words behind ``python -m outcomes`` for a job."""
    root = config["studies"][study].get("data_root")
    return job.command(
        PLANS[study].study.path, RESULTS / study, Path(root) if root else None
    )


def literally(value):
    """Hand over a value in which braces are no wildcards."""
    return lambda wildcards: value


def all_outputs():
    """Return every file of every study."""
    return [
        path
        for study, plan in PLANS.items()
        for job in plan.jobs
        for path in below(study, job.outputs)
    ]


PLANS = read_plans()
