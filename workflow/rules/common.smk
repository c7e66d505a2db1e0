# The plans of all studies and comparisons, read once.
import os
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

from outcomes.errors import OutcomesError
from outcomes.plan import Plan
from outcomes.plan_across import ComparisonPlan

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


def read_comparisons():
    """Plan every comparison; of those that are not valid, say all that is wrong."""
    plans, problems = {}, []
    studies = {
        study: Path(entry["study"]) for study, entry in config["studies"].items()
    }
    for comparison, entry in (config.get("comparisons") or {}).items():
        where = f"config: comparisons.{comparison}"
        try:
            plan = ComparisonPlan.of(Path(entry["file"]))
        except OutcomesError as problem:
            problems.append(str(problem))
            continue
        if plan.id != comparison:
            problems.append(
                f"{where}: the comparison file calls itself '{plan.id}'; use that as "
                "the key."
            )
        if comparison in studies:
            problems.append(f"{where}: is the key of a study, too; choose another.")
        problems += [f"{where}: {said}" for said in plan.problems_with(studies)]
        plans[comparison] = plan
    if problems:
        raise WorkflowError("\n".join(problems))
    return plans


def below(plan, files):
    """Place files of a plan below its results folder; ``../`` leads to another."""
    return [Path(os.path.normpath(RESULTS / plan / file)).as_posix() for file in files]


def raw_files(study, job):
    """Return the raw files of a job."""
    return [raw_path(PLANS[study], file) for file in job.raw]


def command(plan, job):
    """Return the words behind ``python -m outcomes`` for a job."""
    root = config["studies"].get(plan, {}).get("data_root")
    return job.command(PLANS[plan].path, RESULTS / plan, Path(root) if root else None)


def literally(value):
    """Hand over a value in which braces are no wildcards."""
    return lambda wildcards: value


def all_outputs():
    """Return every file of every study and comparison."""
    return [
        path
        for name, plan in PLANS.items()
        for job in plan.jobs
        for path in below(name, job.outputs)
    ]


PLANS = {**read_plans(), **read_comparisons()}
