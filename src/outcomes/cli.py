"""The command line: one verb per stage, and those a person needs around them.

Exit codes: 0 fine, 1 the data or the study file is wrong (or two results differ), 2 the
call is wrong, 3 an analysis could not be done. Messages go to stderr, data to stdout or
files. Everything heavy is imported by the verb that needs it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from outcomes import __version__
from outcomes.errors import OutcomesError, UsageError

Verb = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The words behind the program's name; those of the process by default.
    """
    arguments = _parser().parse_args(argv)
    verb: Verb = arguments.verb
    try:
        return verb(arguments)
    except OutcomesError as problem:
        print(f"{type(problem).__name__}: {problem}", file=sys.stderr)
        return problem.exit_code
    except BrokenPipeError:
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="outcomes",
        description="From raw item-level exports of a trial to every table, figure "
        "and report.",
        epilog="'outcomes VERB --help' explains a verb.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    verbs = parser.add_subparsers(metavar="VERB", required=True)

    def add(name: str, verb: Verb, help: str, *options: str) -> None:
        one = verbs.add_parser(name, help=help, description=help)
        one.set_defaults(verb=verb)
        for option in options:
            names, settings = _OPTIONS[option]
            one.add_argument(*names, **settings)  # type: ignore[arg-type]

    add("check", _check, "Check a study file and its raw data; list every problem, "
        "and what the rules of the study settle.",
        "study", "data-root", "json", "quiet")  # fmt: skip
    add("ingest", _ingest, "Raw files to SDTM tables and the issue log.",
        "study", "data-root", "out", "quiet")  # fmt: skip
    add("derive", _derive, "SDTM to ADaM.", "study", "sdtm", "out", "quiet")
    add("analyse", _analyse, "Analyses to analysis results data (ARD).",
        "study", "ids", "adam", "out", "quiet")  # fmt: skip
    add("display", _display, "Results to tables and figures; ID is a display, "
        "or an analysis for all of its displays.",
        "study", "ids", "ard", "out", "quiet")  # fmt: skip
    add("report", _report, "Everything to one HTML page.", "study", "results", "quiet")
    add("manifest", _manifest, "Write what was made of what: manifest.json and the "
        "issue log.", "study", "results", "data-root", "quiet")  # fmt: skip
    add("accept", _accept, "Stop with 3 if an analysis failed that must not.",
        "study", "results", "quiet")  # fmt: skip
    add("run", _run, "The whole plan, one job after the other, without Snakemake.",
        "study", "data-root", "out", "quiet")  # fmt: skip
    add("plan", _plan, "Print the jobs of a study as JSON.", "study", "data-root")
    add("compare", _compare, "Compare two ARDs, or an ARD and another program's table.",
        "a", "b", "rel", "abs", "json", "quiet")  # fmt: skip
    add("simulate", _simulate, "Write a synthetic trial with known truth.",
        "preset", "seed", "out", "quiet")  # fmt: skip
    add("schema", _schema, "Print the JSON schema of the study file, for editors.")
    return parser


_OPTIONS: dict[str, tuple[tuple[str, ...], dict[str, object]]] = {
    "study": (("study",), {"type": Path, "metavar": "STUDY", "help": "study file"}),
    "ids": (("ids",), {"nargs": "+", "metavar": "ID", "help": "which, by id"}),
    "preset": (("preset",), {"metavar": "PRESET", "help": "which trial"}),
    "seed": (
        ("--seed",),
        {"type": int, "help": "seed; the preset's own by default"},
    ),
    "data-root": (
        ("--data-root",),
        {"type": Path, "help": "folder of the raw files, if not the study file's"},
    ),
    "out": (("--out",), {"type": Path, "required": True, "help": "folder to write"}),
    "sdtm": (("--sdtm",), {"type": Path, "required": True, "help": "SDTM folder"}),
    "adam": (("--adam",), {"type": Path, "required": True, "help": "ADaM folder"}),
    "ard": (("--ard",), {"type": Path, "required": True, "help": "ARD folder"}),
    "results": (
        ("--results",),
        {"type": Path, "required": True, "help": "results folder of the study"},
    ),
    "a": (("a",), {"type": Path, "metavar": "A", "help": "ARD file or folder"}),
    "b": (("b",), {"type": Path, "metavar": "B", "help": "ARD, or a CSV table"}),
    "rel": (
        ("--rel",),
        {"type": float, "default": 1e-6, "help": "relative tolerance (%(default)g)"},
    ),
    "abs": (
        ("--abs",),
        {"type": float, "default": 0.0, "help": "absolute tolerance (%(default)g)"},
    ),
    "json": (("--json",), {"action": "store_true", "help": "print JSON"}),
    "quiet": (("--quiet",), {"action": "store_true", "help": "no messages"}),
}


def _say(arguments: argparse.Namespace, message: str) -> None:
    if not arguments.quiet:
        print(message, file=sys.stderr)


def _check(arguments: argparse.Namespace) -> int:
    from outcomes.findings import examine, lines_of_findings

    findings = examine(arguments.study, arguments.data_root)
    if arguments.json:
        print(json.dumps(findings.found, indent=1, ensure_ascii=False))
    else:
        for line in lines_of_findings(findings.found):
            print(line)
    errors = findings.errors
    partly = "" if findings.data_read else " The raw data could not be checked."
    _say(arguments, f"{errors} error{'s' if errors != 1 else ''}.{partly}")
    return 1 if errors else 0


def _ingest(arguments: argparse.Namespace) -> int:
    from outcomes.ingest.read import ingest_study
    from outcomes.study.load import load_study

    issues = ingest_study(
        load_study(arguments.study, arguments.data_root), arguments.out
    )
    _say(arguments, f"ingested; {len(issues)} entries in the issue log")
    return 0


def _derive(arguments: argparse.Namespace) -> int:
    from outcomes.derive import derive_study
    from outcomes.study.load import load_study

    derive_study(load_study(arguments.study), arguments.sdtm, arguments.out)
    _say(arguments, "derived ADSL and ADQS")
    return 0


def _analyse(arguments: argparse.Namespace) -> int:
    from outcomes.analyses.run import run_analyses
    from outcomes.study.load import load_study

    study = load_study(arguments.study)
    known = [analysis.id for analysis in study.spec.analyses]
    _known_ids(arguments.ids, known, "analysis")
    run_analyses(study, arguments.ids, arguments.adam, arguments.out)
    _say(arguments, f"analysed {', '.join(arguments.ids)}")
    return 0


def _display(arguments: argparse.Namespace) -> int:
    from outcomes.displays.catalogue import planned_displays
    from outcomes.displays.render import render_displays
    from outcomes.study.load import load_study

    study = load_study(arguments.study)
    planned = planned_displays(study.spec)
    known = [*(d.id for d in planned), *(d.analysis for d in planned)]
    _known_ids(arguments.ids, known, "display")
    render_displays(study, arguments.ids, arguments.ard, arguments.out)
    _say(arguments, f"displayed {', '.join(arguments.ids)}")
    return 0


def _known_ids(ids: list[str], known: list[str], name: str) -> None:
    from outcomes.errors import one_of

    for id in ids:
        if id not in known:
            raise UsageError(one_of(id, dict.fromkeys(known), name=name))


def _report(arguments: argparse.Namespace) -> int:
    from outcomes.report.write import write_report
    from outcomes.study.load import load_study

    write_report(load_study(arguments.study), arguments.results)
    _say(arguments, f"wrote {arguments.results / 'report.html'}")
    return 0


def _manifest(arguments: argparse.Namespace) -> int:
    from outcomes.datasets.results import ISSUES
    from outcomes.datasets.store import read_csv, write_csv
    from outcomes.plan import Plan
    from outcomes.provenance.manifest import JobRecord, write_manifest

    plan = Plan.of(arguments.study, arguments.data_root)
    results: Path = arguments.results
    write_csv(
        read_csv(results / "adam/issues.csv", ISSUES), results / "issues.csv", ISSUES
    )
    made = [file for job in plan.jobs for file in job.outputs]
    later = {*plan.job("manifest").outputs, *plan.job("accept").outputs}
    write_manifest(
        results / "manifest.json",
        study_id=plan.study.spec.study.id,
        title=plan.study.spec.study.title,
        synthetic=plan.study.spec.study.synthetic,
        jobs=[JobRecord(job.name, job.spec, job.code) for job in plan.jobs],
        data_root=plan.study.data_root,
        inputs=[plan.study.raw(file) for file in plan.raw_files()],
        results=results,
        outputs=[results / f for f in made if f not in later]
        + [results / "issues.csv"],
    )
    _say(arguments, f"wrote {results / 'manifest.json'}")
    return 0


def _accept(arguments: argparse.Namespace) -> int:
    from outcomes.ard.accept import failed_analyses, write_accepted
    from outcomes.datasets.store import remove_partial
    from outcomes.study.load import load_study

    remove_partial(arguments.results)
    spec = load_study(arguments.study).spec
    files = [arguments.results / "ard" / f"{a.id}.parquet" for a in spec.analyses]
    failed = failed_analyses(files)
    accepted = [analysis.id for analysis in spec.analyses if analysis.accept_error]
    fatal = failed[~failed["analysis"].isin(accepted)]
    for row in fatal.itertuples():
        print(f"{row.result_id}: {row.error}", file=sys.stderr)
    if len(fatal):
        print(
            f"{len(fatal)} results could not be computed; mend the analysis, or "
            "declare 'accept_error: true' for it.",
            file=sys.stderr,
        )
        return 3
    write_accepted(failed, arguments.results / "accepted.csv")
    _say(arguments, f"{len(failed)} accepted errors")
    return 0


def _run(arguments: argparse.Namespace) -> int:
    from outcomes.plan import Plan

    plan = Plan.of(arguments.study, arguments.data_root)
    out = arguments.out / plan.study.spec.study.id
    for number, job in enumerate(plan.jobs, start=1):
        _say(arguments, f"[{number}/{len(plan.jobs)}] {job.name}")
        command = job.command(arguments.study, out, arguments.data_root)
        code = main([*command, "--quiet"])
        if code:
            return code
    return 0


def _plan(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from outcomes.plan import Plan

    plan = Plan.of(arguments.study, arguments.data_root)
    print(json.dumps([{"name": j.name, **asdict(j)} for j in plan.jobs], indent=1))
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    from outcomes.ard.compare import compare_files, lines_of_differences
    from outcomes.findings import as_records

    if min(arguments.rel, arguments.abs) < 0:
        raise UsageError("--rel and --abs are not negative.")
    differences, compared = compare_files(
        arguments.a, arguments.b, rel=arguments.rel, abs=arguments.abs
    )
    if arguments.json:
        print(json.dumps(as_records(differences), indent=1, ensure_ascii=False))
    elif len(differences):
        for line in lines_of_differences(differences):
            print(line)
    count = len(differences)
    _say(
        arguments,
        f"{compared} result{'s' if compared != 1 else ''} compared, "
        + (f"{count} differ" if count else "identical within tolerance"),
    )
    return 1 if count else 0


def _simulate(arguments: argparse.Namespace) -> int:
    from outcomes.simulate import default_seed, simulate_trial

    seed = default_seed(arguments.preset) if arguments.seed is None else arguments.seed
    simulate_trial(arguments.preset, seed, arguments.out)
    _say(arguments, f"wrote {arguments.out}")
    return 0


def _schema(_: argparse.Namespace) -> int:
    from outcomes.study.schema import schema_text

    print(schema_text(), end="")
    return 0
