"""The command line: one verb per stage, and those a person needs around them.

Exit codes: 0 fine, 1 the data or the study file is wrong (or two results differ), 2 the
call is wrong, 3 an analysis could not be done. Messages go to stderr, data to stdout or
files. Everything heavy is imported by the verb that needs it.
"""

from __future__ import annotations

import argparse
import errno
import io
import json
import math
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from outcomes import __version__
from outcomes.errors import OutcomesError, UsageError

if TYPE_CHECKING:
    from outcomes.plan_across import ComparisonPlan

Verb = Callable[[argparse.Namespace], int]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code.

    Parameters
    ----------
    argv : sequence of str, optional
        The words behind the program's name; those of the process by default.
    """
    for stream in (sys.stdout, sys.stderr):
        # a terminal that has no such letter gets it spelled out, not a traceback
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    arguments = _parser().parse_args(argv)
    verb: Verb = arguments.verb
    try:
        _writable(getattr(arguments, "out", None))
        return verb(arguments)
    except OutcomesError as problem:
        print(f"{type(problem).__name__}: {problem}", file=sys.stderr)
        return problem.exit_code
    except BrokenPipeError:
        return 1
    except OSError as problem:
        return _said(problem)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def _writable(out: Path | None) -> None:
    """Refuse a folder that cannot be made, before any work is done for it."""
    if out is None:
        return
    there = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not there.is_dir():
        raise UsageError(f"--out {out}: {there} is a file; name a folder.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise UsageError(f"--out {out}: {there} cannot be written to; name another.")


def _said(problem: OSError) -> int:
    """Say in one sentence what the system refused, and return the exit code."""
    named = " -> ".join(str(f) for f in (problem.filename, problem.filename2) if f)
    where = f"{named}: " if named else ""
    print(
        f"{where}{problem.strerror or problem}; check the folders and files that the "
        "command names.",
        file=sys.stderr,
    )
    wrong_call = (
        FileExistsError,
        FileNotFoundError,
        IsADirectoryError,
        NotADirectoryError,
        PermissionError,
    )
    named_wrongly = isinstance(problem, wrong_call) or problem.errno in (
        errno.ENAMETOOLONG,
        errno.ELOOP,
    )
    return 2 if named_wrongly else 1


def _path(text: str) -> Path:
    """Read a path of the command line; an empty one would mean the current folder."""
    if not text.strip():
        raise argparse.ArgumentTypeError("the path is empty; write . for this folder")
    return Path(text)


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
    add("across", _across, "Durability of several studies side by side: table, figure "
        "and page, from the results of each study.",
        "comparison", "steps", "results-of-all", "out", "quiet")  # fmt: skip
    add("plan", _plan, "Print the jobs of a study as JSON.", "study", "data-root")
    add("compare", _compare, "Compare two ARDs, or an ARD and another program's table.",
        "a", "b", "rel", "abs", "json", "quiet")  # fmt: skip
    add("simulate", _simulate, "Write a synthetic trial with known truth.",
        "preset", "seed", "out", "quiet")  # fmt: skip
    add("schema", _schema, "Print the JSON schema of the study file, for editors.")
    return parser


_OPTIONS: dict[str, tuple[tuple[str, ...], dict[str, object]]] = {
    "study": (("study",), {"type": _path, "metavar": "STUDY", "help": "study file"}),
    "comparison": (
        ("comparison",),
        {"type": _path, "metavar": "FILE", "help": "comparison file"},
    ),
    "steps": (
        ("steps",),
        {
            "nargs": "*",
            "metavar": "STEP",
            "help": "display, report or manifest; all of them by default",
        },
    ),
    "results-of-all": (
        ("--results",),
        {
            "type": _path,
            "required": True,
            "help": "folder with the results of the studies, one folder each",
        },
    ),
    "ids": (("ids",), {"nargs": "+", "metavar": "ID", "help": "which, by id"}),
    "preset": (("preset",), {"metavar": "PRESET", "help": "which trial"}),
    "seed": (
        ("--seed",),
        {"type": int, "help": "seed; the preset's own by default"},
    ),
    "data-root": (
        ("--data-root",),
        {"type": _path, "help": "folder of the raw files, if not the study file's"},
    ),
    "out": (("--out",), {"type": _path, "required": True, "help": "folder to write"}),
    "sdtm": (("--sdtm",), {"type": _path, "required": True, "help": "SDTM folder"}),
    "adam": (("--adam",), {"type": _path, "required": True, "help": "ADaM folder"}),
    "ard": (("--ard",), {"type": _path, "required": True, "help": "ARD folder"}),
    "results": (
        ("--results",),
        {"type": _path, "required": True, "help": "results folder of the study"},
    ),
    "a": (("a",), {"type": _path, "metavar": "A", "help": "ARD file or folder"}),
    "b": (("b",), {"type": _path, "metavar": "B", "help": "ARD, or a CSV table"}),
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


def _print_json(value: object) -> None:
    """Print JSON; where the terminal is not of Unicode, escaped as JSON escapes."""
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    text = json.dumps(value, indent=1, ensure_ascii=not unicode)
    print(text)


def _check(arguments: argparse.Namespace) -> int:
    from outcomes.findings import examine, lines_of_findings

    findings = examine(arguments.study, arguments.data_root)
    if arguments.json:
        _print_json(findings.found)
    else:
        for line in lines_of_findings(findings.found):
            print(line)
    errors = findings.errors
    partly = "" if findings.data_read else " The raw data could not be checked."
    if not findings.form_sound:
        partly += " Checks of the plan's meaning wait until its form is right."
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
    _say(arguments, "derived ADSL, ADQS and ADTTE")
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
    from outcomes.plan import Plan
    from outcomes.provenance.manifest import JobRecord, copy_issues, write_manifest

    plan = Plan.of(arguments.study, arguments.data_root)
    results: Path = arguments.results
    copy_issues(results / "adam/issues.csv", results / "issues.csv")
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
    _remove_orphans(plan.orphans(results), results)
    _say(arguments, f"wrote {results / 'manifest.json'}")
    return 0


def _remove_orphans(orphans: list[Path], results: Path) -> None:
    """Delete results that no job makes any more; said even where --quiet is."""
    files_only = [path for path in orphans if path.is_file() or path.is_symlink()]
    if not files_only:
        return
    for path in files_only:
        path.unlink(missing_ok=True)
    names = [path.relative_to(results).as_posix() for path in files_only]
    listed = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    files = "file" if len(names) == 1 else "files"
    print(f"removed {len(names)} {files} of an earlier plan: {listed}", file=sys.stderr)


def _accept(arguments: argparse.Namespace) -> int:
    from outcomes.ard.accept import failed_analyses, fatal_rows, write_accepted
    from outcomes.datasets.store import remove_partial
    from outcomes.plan import Plan

    plan = Plan.of(arguments.study)
    results: Path = arguments.results
    remove_partial(results / file for job in plan.jobs for file in job.outputs)
    analyses = plan.study.spec.analyses
    failed = failed_analyses([results / "ard" / f"{a.id}.parquet" for a in analyses])
    fatal = fatal_rows(failed, [a.id for a in analyses if a.accept_error])
    for row in fatal.itertuples():
        print(f"{row.result_id}: {row.error}", file=sys.stderr)
    if len(fatal):
        print(
            f"{len(fatal)} results could not be computed; mend the analysis, or "
            "declare 'accept_error: true' for it.",
            file=sys.stderr,
        )
        return 3
    write_accepted(failed, results / "accepted.csv")
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


def _across(arguments: argparse.Namespace) -> int:
    from outcomes.plan_across import STEPS, ComparisonPlan

    _known_ids(arguments.steps, list(STEPS), "step")
    steps = arguments.steps or list(STEPS)
    plan = ComparisonPlan.of(arguments.comparison)
    results: Path = arguments.results
    out: Path = arguments.out
    if "display" in steps:
        from outcomes.displays.across import render_across

        render_across(plan.comparison, results, out)
    if "report" in steps:
        from outcomes.report.across import write_across

        write_across(plan.comparison, results, out)
    if "manifest" in steps:
        _across_manifest(plan, results, out)
    _say(arguments, f"compared {len(plan.comparison.members)} studies in {out}")
    return 0


def _across_manifest(plan: ComparisonPlan, results: Path, out: Path) -> None:
    from outcomes.datasets.store import remove_partial
    from outcomes.provenance.manifest import JobRecord, write_manifest

    made = [out / file for job in plan.jobs for file in job.outputs]
    info = plan.comparison.spec.comparison
    write_manifest(
        out / "manifest.json",
        kind="comparison",
        study_id=info.id,
        title=info.title,
        synthetic=any(m.spec.study.synthetic for m in plan.comparison.members),
        jobs=[JobRecord(job.name, job.spec, job.code) for job in plan.jobs],
        data_root=results,
        inputs=[results / file for file in plan.results_read],
        results=out,
        outputs=[path for path in made if path.name != "manifest.json"],
    )
    remove_partial(made)
    _remove_orphans(plan.orphans(out), out)


def _plan(arguments: argparse.Namespace) -> int:
    from dataclasses import asdict

    from outcomes.plan import Plan

    plan = Plan.of(arguments.study, arguments.data_root)
    _print_json([{"name": j.name, **asdict(j)} for j in plan.jobs])
    return 0


def _compare(arguments: argparse.Namespace) -> int:
    from outcomes.ard.compare import compare_files, lines_of_differences
    from outcomes.findings import as_records

    for tolerance in (arguments.rel, arguments.abs):
        if not (math.isfinite(tolerance) and tolerance >= 0):
            raise UsageError("--rel and --abs are numbers of 0 or more.")
    differences, compared = compare_files(
        arguments.a, arguments.b, rel=arguments.rel, abs=arguments.abs
    )
    if arguments.json:
        _print_json(as_records(differences))
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
