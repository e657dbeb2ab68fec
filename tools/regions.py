"""Regions: named pieces of the sources that the book shows and the labs ask for.

A region begins with a comment line `[region: name]` and ends with a comment line `[/region]`; the comment sign is `//`,
or `#` where that is the language's. Regions do not nest, and a name occurs once in a file. The file plus the name is the
address: stages/01-chroot/src/chroot.cpp#chroot-to.

    import regions
    regions.find(root / "stages/01-chroot/src/chroot.cpp", "chroot-to").text
    regions.with_bodies(source_text, {"chroot-to": "// to do\n"})

Python 3.11, standard library only.
"""
from __future__ import annotations

import dataclasses
import os
import pathlib
import re
import unicodedata
from collections.abc import Iterator

BEGIN = re.compile(r"^\s*(?://|#)\s*\[region:\s*([a-z0-9][a-z0-9-]*)\]\s*$")
END = re.compile(r"^\s*(?://|#)\s*\[/region\]\s*$")
ALMOST = re.compile(r"^\s*(?://|#)\s*\[\s*/?\s*(?:end)?region\b", re.IGNORECASE)

MAX_LINES = 40       # what a reader takes in at one look, and one screen of a book
MAX_COLUMNS = 100    # .clang-format
BOOK_COLUMNS = 88    # what fits a listing in print

FOLDERS = ("bench", "cmake", "stages", "testing", "tools")
SUFFIXES = {".c", ".cpp", ".hpp", ".h", ".cmake", ".py", ".sh", ".txt", ".yaml", ".yml", ".toml", ""}


class RegionError(Exception):
    """A region that is not there or not well formed; the text names file, line and what would be right."""


@dataclasses.dataclass(frozen=True)
class Region:
    name: str
    path: pathlib.Path
    first: int              # number of its first line in the file, from 1; the tag is the line before
    lines: tuple[str, ...]  # without the tags and without line ends

    @property
    def last(self) -> int:
        return self.first + len(self.lines) - 1

    @property
    def text(self) -> str:
        return "".join(line + "\n" for line in self.lines)


@dataclasses.dataclass(frozen=True)
class Problem:
    path: pathlib.Path
    line: int
    text: str


def scan(path: pathlib.Path, text: str | None = None) -> tuple[list[Region], list[Problem]]:
    """All regions of a file, and what is wrong with its tags."""
    if text is None:
        text = path.read_text(encoding="utf-8")
    found: list[Region] = []
    problems: list[Problem] = []
    open_name, open_line = None, 0
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        begin = BEGIN.match(line)
        if begin:
            if open_name is not None:
                problems.append(Problem(path, number, f"region \"{begin[1]}\" begins inside \"{open_name}\" (line "
                                                      f"{open_line}); regions do not nest: end that one first"))
            elif any(r.name == begin[1] for r in found):
                problems.append(Problem(path, number, f"second region \"{begin[1]}\" in this file; give it another name"))
            open_name, open_line = begin[1], number
        elif END.match(line):
            if open_name is None:
                problems.append(Problem(path, number, "[/region] ends nothing"))
            else:
                found.append(Region(open_name, path, open_line + 1, tuple(lines[open_line:number - 1])))
            open_name = None
        elif ALMOST.match(line):
            problems.append(Problem(path, number, f"\"{line.strip()}\" is no region tag; expected \"[region: name]\" "
                                                  "(a-z, 0-9, -) or \"[/region]\", alone in its line"))
    if open_name is not None:
        problems.append(Problem(path, open_line, f"region \"{open_name}\" has no [/region]"))
    return found, problems


def find(path: pathlib.Path | str, name: str, text: str | None = None) -> Region:
    """The region `name` of a file. Raises RegionError, which lists the regions the file does have."""
    path = pathlib.Path(path)
    if text is None and not path.is_file():
        raise RegionError(f"{path}: no such file; wanted its region \"{name}\"")
    found, problems = scan(path, text)
    if problems:
        raise RegionError(f"{path}:{problems[0].line}: {problems[0].text}")
    for region in found:
        if region.name == name:
            return region
    have = ", ".join(r.name for r in found) or "none"
    raise RegionError(f"{path}: no region \"{name}\"; it has: {have}")


def with_bodies(text: str, bodies: dict[str, str], path: pathlib.Path | str = "source") -> str:
    """`text` with the bodies of these regions replaced; the tags stay. Raises RegionError for an unknown name."""
    lines = text.splitlines()
    wanted = [find(path, name, text) for name in bodies]
    for region in sorted(wanted, key=lambda r: r.first, reverse=True):
        lines[region.first - 1:region.last] = bodies[region.name].splitlines()
    return "".join(line + "\n" for line in lines)


def columns(line: str) -> int:
    """The width of a line on a terminal: East Asian wide characters take two."""
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def source_files(root: pathlib.Path) -> Iterator[pathlib.Path]:
    """Every file under `root` that may hold regions."""
    for folder in FOLDERS:
        for directory, names, files in os.walk(root / folder):
            names[:] = sorted(n for n in names if n not in ("__pycache__", "node_modules"))
            if pathlib.Path(directory) == root / "tools/tests":
                continue  # inputs of the tests of this module
            for file in sorted(files):
                path = pathlib.Path(directory) / file
                if path.suffix in SUFFIXES:
                    yield path


@dataclasses.dataclass(frozen=True)
class Reference:
    path: pathlib.Path  # who refers
    line: int
    file: str           # to which file, relative to the root of the repository
    region: str
    in_book: bool


CODE = re.compile(r"\{\{\s*code\s+([^\s#}]+)#([^\s}]+)[^}]*\}\}")


def references(root: pathlib.Path) -> list[Reference]:
    """Who shows or uses which region: {{code FILE#REGION}} in book/*/ and the holes of labs/*/lab.toml."""
    result = []
    for page in sorted((root / "book").glob("*/**/*.md")):
        if "node_modules" in page.parts or page.is_relative_to(root / "book/site"):
            continue
        for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
            for match in CODE.finditer(line):
                result.append(Reference(page, number, match[1], match[2], True))
    for toml in sorted((root / "labs").glob("*/lab.toml")):
        file = None
        for number, line in enumerate(toml.read_text(encoding="utf-8").splitlines(), 1):
            if match := re.match(r'file\s*=\s*"([^"]+)"', line):
                file = match[1]
            elif match := re.match(r'region\s*=\s*"([^"]+)"', line):
                result.append(Reference(toml, number, file or "?", match[1], False))
    return result
