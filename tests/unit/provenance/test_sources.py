from __future__ import annotations

import os
from pathlib import Path

import pytest

from outcomes.errors import OutcomesError
from outcomes.provenance.sources import PACKAGE_ROOT, Sources

WORKER = "outcomes.analyses.change"

FILES = {
    "__init__.py": "",
    "errors.py": "class E(Exception): ...\n",
    "analyses/__init__.py": "",
    "analyses/change.py": (
        "import numpy\n"
        "from typing import TYPE_CHECKING\n"
        "from outcomes import errors\n"
        "from outcomes.models.fit import fit\n"
        "if TYPE_CHECKING:\n"
        "    from outcomes.cli import App\n"
        "def analyse():\n"
        "    from ..instruments.score import score\n"
        "    from . import rows\n"
    ),
    "analyses/rows.py": "",
    "analyses/response.py": "from outcomes.models.fit import fit\n",
    "cli.py": "class App: ...\n",
    "models/__init__.py": (
        "_LAZY = {'fit': 'outcomes.models.fit', 'other': 'outcomes.models.other'}\n"
        "VERSION = 1\n"
        "def __getattr__(name):\n    return _LAZY[name]\n"
    ),
    "models/fit.py": "from .linear import solve\ndef fit(): return 1\n",
    "models/linear.py": "def solve(): ...\n",
    "models/other.py": "def other(): ...\n",
    "instruments/__init__.py": "",
    "instruments/score.py": (
        "READS = ('instruments/definitions/*.yaml',)\ndef score(): ...\n"
    ),
    "instruments/definitions/madrs.yaml": "items: 10\n",
    "instruments/definitions/notes.txt": "no part of it\n",
}

IN_CLOSURE = [
    "__init__.py",
    "analyses/__init__.py",
    "analyses/change.py",
    "analyses/rows.py",
    "errors.py",
    "instruments/__init__.py",
    "instruments/definitions/madrs.yaml",
    "instruments/score.py",
    "models/__init__.py",
    "models/fit.py",
    "models/linear.py",
]


def build(checkout: Path) -> Path:
    root = checkout / "src" / "outcomes"
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    (checkout / "requirements.lock").write_bytes(b"numpy==2.4.6\n")
    return root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return build(tmp_path / "checkout")


def digest(root: Path, module: str = WORKER) -> str:
    return Sources(root).digest(module)


def test_closure_lists_imports_parents_and_package_data_sorted(root: Path) -> None:
    files = [
        path.relative_to(root).as_posix() for path in Sources(root).closure(WORKER)
    ]
    assert files == IN_CLOSURE


@pytest.mark.parametrize("name", IN_CLOSURE)
def test_editing_any_file_of_the_closure_changes_the_digest(
    root: Path, name: str
) -> None:
    before = digest(root)
    with (root / name).open("ab") as stream:
        stream.write(b"# edited\n")
    assert digest(root) != before


@pytest.mark.parametrize("name", sorted(set(FILES) - set(IN_CLOSURE)))
def test_editing_an_unrelated_file_leaves_the_digest(root: Path, name: str) -> None:
    before = digest(root)
    with (root / name).open("ab") as stream:
        stream.write(b"# edited\n")
    assert digest(root) == before


def test_two_workers_that_share_a_model_have_different_digests(root: Path) -> None:
    assert digest(root) != digest(root, "outcomes.analyses.response")


def test_file_times_do_not_count(root: Path) -> None:
    before = digest(root)
    for path in root.rglob("*.*"):
        os.utime(path, (1, 1))
    assert digest(root) == before


def test_line_ends_do_not_count(root: Path) -> None:
    before = digest(root)
    for path in [*root.rglob("*.*"), root.parents[1] / "requirements.lock"]:
        if path.is_file():
            path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert digest(root) == before


def test_the_folder_of_the_checkout_does_not_count(root: Path, tmp_path: Path) -> None:
    assert digest(build(tmp_path / "else where" / "copy")) == digest(root)


def test_compiled_files_do_not_count(root: Path) -> None:
    score = root / "instruments" / "score.py"
    score.write_text("READS = ('instruments/**/*',)\n")
    before = digest(root)
    cache = root / "instruments" / "__pycache__"
    cache.mkdir()
    (cache / "score.cpython-311.pyc").write_bytes(b"\0")
    assert digest(root) == before


def test_adding_and_renaming_package_data_changes_the_digest(root: Path) -> None:
    definitions = root / "instruments" / "definitions"
    first = digest(root)
    (definitions / "caps5.yaml").write_text("items: 20\n")
    second = digest(root)
    (definitions / "caps5.yaml").rename(definitions / "caps6.yaml")
    assert len({first, second, digest(root)}) == 3


def test_the_lock_counts(root: Path) -> None:
    before = digest(root)
    (root.parents[1] / "requirements.lock").write_text("numpy==2.5.0\n")
    assert digest(root) != before


def test_without_a_checkout_the_installed_versions_count(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root.parents[1] / "requirements.lock").unlink()
    before = digest(root)
    assert digest(root) == before
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.0.1")
    assert digest(root) != before


def test_a_lock_beside_an_installed_package_is_not_ours(tmp_path: Path) -> None:
    root = build(tmp_path)
    installed = tmp_path / "lib" / "outcomes"
    installed.parent.mkdir()
    root.rename(installed)
    before = digest(installed)
    (tmp_path / "requirements.lock").write_text("somebody else's\n")
    assert digest(installed) == before


def test_one_reading_serves_all_jobs_and_a_new_one_sees_changes(root: Path) -> None:
    sources = Sources(root)
    before = sources.digest(WORKER)
    (root / "models" / "fit.py").write_text("def fit(): return 2\n")
    assert sources.digest(WORKER) == before
    assert digest(root) != before


def test_a_job_can_name_the_package_data_only_it_reads(root: Path) -> None:
    reads = ("instruments/definitions/notes.txt",)
    sources = Sources(root)
    assert sources.digest(WORKER, reads=reads) != sources.digest(WORKER)
    assert root / reads[0] in sources.closure(WORKER, reads=reads)


@pytest.mark.parametrize(
    "line",
    [
        "import outcomes.models.other",
        "import outcomes.models.other as o",
        "from outcomes.models import other",
        "from outcomes.models.other import other",
        "from ..models.other import other",
        "from ..models import other",
        "try:\n    import outcomes.models.other\nexcept ImportError:\n    raise",
        "class A:\n    def f(self):\n        from outcomes.models.other import other",
        "if not TYPE_CHECKING:\n    import outcomes.models.other",
        "if TYPE_CHECKING:\n    pass\nelse:\n    import outcomes.models.other",
        "import importlib\nm = importlib.import_module('outcomes.models.other')",
    ],
)
def test_every_way_to_import_is_seen(root: Path, line: str) -> None:
    (root / "analyses" / "rows.py").write_text(line + "\n")
    assert root / "models" / "other.py" in Sources(root).closure(WORKER)


@pytest.mark.parametrize(
    "line",
    [
        "if TYPE_CHECKING:\n    import outcomes.models.other",
        "import typing\nif typing.TYPE_CHECKING:\n    import outcomes.models.other",
        "TABLE = {'other': 'outcomes.models.other'}",
        "import othermodels.other",
    ],
)
def test_what_does_not_run_is_not_followed(root: Path, line: str) -> None:
    (root / "analyses" / "rows.py").write_text(line + "\n")
    assert root / "models" / "other.py" not in Sources(root).closure(WORKER)


@pytest.mark.parametrize(
    "line",
    [
        "from outcomes.models import solve",
        "from ..models import solve",
        "from outcomes import models",
        "import outcomes.models",
        "import outcomes.models as m",
        "from outcomes.models import *",
    ],
)
def test_a_lazily_exported_name_is_refused(root: Path, line: str) -> None:
    (root / "analyses" / "rows.py").write_text(f"\n{line}\n")
    message = r"analyses/rows.py, line 2: .*outcomes.models exports lazily.*defines it"
    with pytest.raises(OutcomesError, match=message):
        digest(root)


def test_a_name_that_a_lazy_package_binds_itself_is_fine(root: Path) -> None:
    (root / "analyses" / "rows.py").write_text("from outcomes.models import VERSION\n")
    assert root / "models" / "__init__.py" in Sources(root).closure(WORKER)


def test_circular_imports_end(root: Path) -> None:
    (root / "models" / "linear.py").write_text("from outcomes.models.fit import fit\n")
    assert len(digest(root)) == 64


def test_a_folder_without_init_is_a_package_too(root: Path) -> None:
    (root / "analyses" / "__init__.py").unlink()
    assert root / "analyses" / "rows.py" in Sources(root).closure(WORKER)


@pytest.mark.parametrize("name", ["outcomes.analyses.gone", "numpy", "outcomes."])
def test_an_unknown_module_is_named(root: Path, name: str) -> None:
    with pytest.raises(OutcomesError, match=f"{name}: there is no such module"):
        digest(root, name)


@pytest.mark.parametrize(
    ("reads", "message"),
    [
        ("('instruments/*.yml',)", "'instruments/.*' matches no file"),
        ("('../setup.py',)", "not a path below the package"),
        ("('/etc/hosts',)", "not a path below the package"),
        ("('',)", "not a path below the package"),
        ("('a\\\\b.yaml',)", "not a path below the package"),
        ("tuple(x)", "not a tuple of literal text"),
        ("'instruments/definitions/*.yaml'", "not a tuple of literal text"),
        ("(1,)", "not a tuple of literal text"),
    ],
)
def test_a_wrong_reads_constant_is_refused(
    root: Path, reads: str, message: str
) -> None:
    (root / "analyses" / "rows.py").write_text(f"READS = {reads}\n")
    with pytest.raises(OutcomesError, match=rf"analyses/rows\.py.*{message}"):
        digest(root)


def test_an_annotated_reads_constant_counts(root: Path) -> None:
    (root / "analyses" / "rows.py").write_text(
        "READS: tuple[str, ...] = ('instruments/definitions/notes.txt',)\n"
    )
    notes = root / "instruments" / "definitions" / "notes.txt"
    assert notes in Sources(root).closure(WORKER)


def real_modules() -> list[str]:
    """Name every module that a job's digest can reach."""
    above = {"__main__", "cli", "plan"}
    names = []
    for path in sorted(PACKAGE_ROOT.rglob("*.py")):
        parts = path.relative_to(PACKAGE_ROOT).with_suffix("").parts
        if parts[0] not in above:
            names.append(".".join(["outcomes", *parts]).removesuffix(".__init__"))
    return names


def test_every_module_of_the_package_has_a_digest() -> None:
    sources = Sources()
    problems = []
    for name in real_modules():
        try:
            sources.digest(name)
        except OutcomesError as error:
            problems.append(str(error))
    assert not problems, "\n".join(sorted(set(problems)))
