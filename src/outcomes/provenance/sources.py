"""The import closure of a module, and its digest.

The workflow engine does not see what a command imports, so every job carries a digest
of the code that makes its output. The closure is found by reading the source, never by
importing it: a plan of a hundred jobs costs no scientific import.

A module that reads package data says so in a constant of literal text, with patterns
relative to the package folder::

    READS = ("instruments/definitions/*.yaml",)
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from outcomes.errors import OutcomesError
from outcomes.provenance.installation import lock_file, package_versions
from outcomes.provenance.outline import Import, Outline, read_outline

PACKAGE_ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True, slots=True)
class _Module:
    """One source file of the package, as read."""

    name: str
    path: Path
    sha256: str
    outline: Outline


class Sources:
    """The package's source as it was at one moment.

    Files are read once and kept, so all digests of a plan belong together and a
    hundred jobs cost little more than one. Make a new one to see later changes.

    Parameters
    ----------
    root : Path, optional
        Folder of the package; default: the installed one.
    """

    def __init__(self, root: Path | None = None) -> None:
        self.root = PACKAGE_ROOT if root is None else root.resolve()
        self._modules: dict[str, _Module | None] = {}
        self._data: dict[str, dict[str, str]] = {}
        self._targets: dict[str, tuple[str, ...]] = {}
        self._dependencies: str | None = None

    def closure(self, module: str, *, reads: tuple[str, ...] = ()) -> list[Path]:
        """List the files behind a module's digest.

        Parameters
        ----------
        module, reads
            As `digest`.

        Returns
        -------
        list of Path
            Source files and package data, sorted by their path in the package.

        Raises
        ------
        OutcomesError
            As `digest`.
        """
        return [self.root / name for name in sorted(self._files(module, reads))]

    def digest(self, module: str, *, reads: tuple[str, ...] = ()) -> str:
        """Return the SHA-256 over a module's closure and the dependencies.

        Parameters
        ----------
        module : str
            Dotted name, such as ``outcomes.analyses.change``.
        reads : tuple of str, optional
            Patterns of package data that only this job reads, beside what the modules
            declare: the definition of the one instrument it scores, for instance.

        Returns
        -------
        str
            64 hexadecimal digits; the same on every platform, in every folder,
            whatever the file times and the ends of lines.

        Raises
        ------
        OutcomesError
            If the package has no such module, if a module takes a name that another
            exports lazily, or if a pattern of package data is no literal, leaves the
            package or matches nothing.
        """
        files = self._files(module, reads)
        total = hashlib.sha256()
        for name in sorted(files):
            total.update(f"{name}\0{files[name]}\n".encode())
        total.update(f"dependencies\0{self._dependency_digest()}\n".encode())
        return total.hexdigest()

    def _files(self, module: str, reads: tuple[str, ...]) -> dict[str, str]:
        """Map each file of the closure, by its path in the package, to its SHA-256."""
        if self._module(module) is None:
            raise OutcomesError(
                f"{module}: there is no such module in the package {self.root.name}."
                " Correct the name, or the table that names it."
            )
        files: dict[str, str] = {}
        for pattern in reads:
            files.update(self._package_data(pattern, module))
        seen: set[str] = set()
        waiting = [module]
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            waiting.extend(_parents(name))
            found = self._module(name)
            if found is None:  # a folder without __init__.py
                continue
            where = self._relative(found.path)
            files[where] = found.sha256
            for pattern in found.outline.reads:
                files.update(self._package_data(pattern, where))
            waiting.extend(self._imported(found))
        return files

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def _module(self, name: str) -> _Module | None:
        """Read a module of the package, once; None if there is no such file."""
        if name not in self._modules:
            self._modules[name] = self._read(name)
        return self._modules[name]

    def _read(self, name: str) -> _Module | None:
        head, *rest = name.split(".")
        if head != self.root.name or "" in rest:
            return None
        folder = self.root.joinpath(*rest)
        for path in (folder / "__init__.py", folder.with_name(f"{folder.name}.py")):
            if path.is_file() and path.is_relative_to(self.root):
                content = _normalised(path)
                return _Module(
                    name=name,
                    path=path,
                    sha256=hashlib.sha256(content).hexdigest(),
                    outline=read_outline(content, self._relative(path)),
                )
        return None

    def _exists(self, name: str) -> bool:
        head, *rest = name.split(".")
        folder = self.root.joinpath(*rest)
        return self._module(name) is not None or (
            head == self.root.name and folder.is_dir() and folder != self.root
        )

    def _imported(self, module: _Module) -> tuple[str, ...]:
        """Name the modules of the package that a module imports."""
        if module.name not in self._targets:
            targets: dict[str, None] = {}
            for item in module.outline.imports:
                for target in self._resolve(module, item):
                    targets[target] = None
            self._targets[module.name] = tuple(targets)
        return self._targets[module.name]

    def _resolve(self, module: _Module, item: Import) -> Iterator[str]:
        """Name the modules that one import runs."""
        base = item.module
        if item.level:
            package = module.name.split(".")
            if module.path.name != "__init__.py":
                package = package[:-1]
            package = package[: len(package) - item.level + 1]
            base = ".".join([*package, base] if base else package)
        if base.split(".")[0] != self.root.name:
            return
        yield base
        if not item.names:
            self._refuse_lazy(module, item, base, "a name")
        for name in item.names:
            if self._exists(f"{base}.{name}"):
                yield f"{base}.{name}"
                self._refuse_lazy(module, item, f"{base}.{name}", "a name")
            else:
                self._refuse_lazy(module, item, base, name)

    def _refuse_lazy(self, module: _Module, item: Import, base: str, name: str) -> None:
        """Stop at a name whose defining module cannot be seen from here."""
        source = self._module(base)
        if (
            source is None
            or source is module
            or not source.outline.lazy
            or name in source.outline.bound
        ):
            return
        raise OutcomesError(
            f"{self._relative(module.path)}, line {item.line}: {name} that {base}"
            " exports lazily hides its code from the source digest."
            " Import from the module that defines it."
        )

    def _package_data(self, pattern: str, where: str) -> dict[str, str]:
        """Map the package data that a pattern names to its SHA-256."""
        if pattern not in self._data:
            self._data[pattern] = {
                self._relative(path): hashlib.sha256(_normalised(path)).hexdigest()
                for path in self._matches(pattern, where)
            }
        return self._data[pattern]

    def _matches(self, pattern: str, where: str) -> list[Path]:
        """Find the package data that a pattern names."""
        parts = PurePosixPath(pattern).parts
        if not parts or parts[0] == "/" or ".." in parts or "\\" in pattern:
            raise OutcomesError(
                f"{where}: READS '{pattern}' is not a path below the package folder."
                " Write it relative to that folder, with forward slashes."
            )
        matches = [
            path
            for path in self.root.glob(pattern)
            if path.is_file() and "__pycache__" not in path.parts
        ]
        if not matches:
            raise OutcomesError(
                f"{where}: READS '{pattern}' matches no file of the package."
                " Correct the pattern."
            )
        return matches

    def _dependency_digest(self) -> str:
        """Digest the lock of a checkout, else the versions of what is installed."""
        if self._dependencies is None:
            lock = lock_file(self.root)
            if lock is not None:
                content = _normalised(lock)
            else:
                versions = package_versions()
                lines = [f"{name}=={versions[name]}\n" for name in sorted(versions)]
                content = "".join(lines).encode()
            self._dependencies = hashlib.sha256(content).hexdigest()
        return self._dependencies


def closure(module: str) -> list[Path]:
    """List the files behind `source_digest`, sorted; see `Sources.closure`."""
    return Sources().closure(module)


def source_digest(module: str) -> str:
    """Return the SHA-256 of the code a module runs; see `Sources.digest`.

    Whoever needs several digests makes one `Sources` and asks it.
    """
    return Sources().digest(module)


def _parents(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


def _normalised(path: Path) -> bytes:
    """Read a file with the line ends of every platform made equal."""
    return path.read_bytes().replace(b"\r\n", b"\n")
