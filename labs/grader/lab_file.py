"""labs/ID/lab.toml, and what comes out of it: the skeleton a student starts from."""
from __future__ import annotations

import dataclasses
import importlib.util
import pathlib
import sys
import tomllib
import types

LABS = pathlib.Path(__file__).resolve().parent.parent
ROOT = LABS.parent
sys.path.insert(0, str(ROOT / "tools"))
import regions  # noqa: E402


class LabError(Exception):
    """Something is not as it should be; the text says what, where, and what would be right."""


@dataclasses.dataclass(frozen=True)
class Hole:
    """A function of a stage that the student writes."""
    file: str     # relative to the root of the repository
    region: str
    stub: str

    @property
    def name(self) -> str:
        """What the student's file is called."""
        return pathlib.PurePosixPath(self.file).name


@dataclasses.dataclass(frozen=True)
class Program:
    """A program that the student writes from nothing."""
    file: str
    start: str       # relative to the lab's folder
    reference: str


@dataclasses.dataclass(frozen=True)
class Check:
    id: str
    points: int
    title: dict[str, str]
    rule: dict[str, str]
    needs: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Mutant:
    """An answer that is known to be wrong (or, of alternates/, known to be right) and what the grader must say to it."""
    id: str
    file: str              # the student's file that it is an answer for
    bodies: dict[str, str] # region -> what is in it; empty: `text` is the whole file
    text: str
    fails: dict[str, frozenset[str]]  # mode -> the checks it fails
    error: str                        # what its program says, if that tells it from others that fail the same checks
    says: dict[str, str]              # language -> the cause


@dataclasses.dataclass(frozen=True)
class Lab:
    id: str
    folder: pathlib.Path
    title: dict[str, str]
    program: str
    stage: str
    book: str
    holes: tuple[Hole, ...]
    programs: tuple[Program, ...]
    checks: tuple[Check, ...]
    hints: tuple[dict[str, str], ...]

    @property
    def files(self) -> list[str]:
        """The student's files."""
        return list(dict.fromkeys([h.name for h in self.holes] + [p.file for p in self.programs]))

    @property
    def work(self) -> pathlib.Path:
        return LABS / "work" / self.id

    def skeletons(self) -> dict[str, str]:
        """Each of the student's files as it is at the start: the stage's real source with a stub in each hole."""
        result = {p.file: (self.folder / p.start).read_text(encoding="utf-8") for p in self.programs}
        for file in dict.fromkeys(h.file for h in self.holes):
            stubs = {h.region: h.stub for h in self.holes if h.file == file}
            result[pathlib.PurePosixPath(file).name] = with_regions(file, stubs)
        return result

    def solutions(self) -> dict[str, str]:
        """The same files as the project itself has them."""
        result = {p.file: (self.folder / p.reference).read_text(encoding="utf-8") for p in self.programs}
        for hole in self.holes:
            result[hole.name] = (ROOT / hole.file).read_text(encoding="utf-8")
        return result

    def answer(self, mutant: Mutant) -> dict[str, str]:
        """The student's files with this answer in them, the rest right."""
        files = self.solutions()
        files[mutant.file] = mutant.text
        if mutant.bodies:
            source = next(h.file for h in self.holes if h.name == mutant.file)
            files[mutant.file] = with_regions(source, mutant.bodies)
        return files

    def mutants(self, kind: str = "mutants") -> list[Mutant]:
        return [_mutant(self, path) for path in sorted((self.folder / kind).glob("*.cpp"))]

    def check_functions(self) -> types.ModuleType:
        """labs/ID/checks.py: a function for each check, its id with _ for -."""
        spec = importlib.util.spec_from_file_location(f"checks_{self.id}", self.folder / "checks.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module


def with_regions(file: str, bodies: dict[str, str]) -> str:
    try:
        return regions.with_bodies((ROOT / file).read_text(encoding="utf-8"), bodies, file)
    except (OSError, regions.RegionError) as error:
        raise LabError(str(error)) from error


def ids() -> list[str]:
    return sorted(path.parent.name for path in LABS.glob("*/lab.toml"))


def load(lab_id: str) -> Lab:
    path = LABS / lab_id / "lab.toml"
    if not path.is_file():
        raise LabError(f"lab \"{lab_id}\": there is none; there are: {', '.join(ids())}")
    try:
        text = tomllib.loads(path.read_text(encoding="utf-8"))
        return Lab(
            id=lab_id, folder=path.parent, title=_languages(text, "title"), program=text["program"],
            stage=text["stage"], book=text["book"],
            holes=tuple(Hole(h["file"], h["region"], h["stub"]) for h in text.get("hole", [])),
            programs=tuple(Program(p["file"], p["start"], p["reference"]) for p in text.get("program_file", [])),
            checks=tuple(Check(c["id"], c["points"], _languages(c, "title"), _languages(c, "rule"),
                               tuple(c.get("needs", []))) for c in text["check"]),
            hints=tuple({"en": h["en"], "zh": h["zh"]} for h in text["hint"]))
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise LabError(f"{path}: {error!r}; see labs/README.md, \"How to add a lab\"") from error


def _languages(table: dict, key: str) -> dict[str, str]:
    return {"en": table[key], "zh": table.get(key + "_zh", table[key])}


def _mutant(lab: Lab, path: pathlib.Path) -> Mutant:
    """Comment lines `// key: value` come first, then regions, or a whole file when it has none. Keys: file, fails,
    fails-root, fails-user, error, says, says-zh."""
    head: dict[str, str] = {}
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    while lines and lines[0].startswith("// ") and ": " in lines[0]:
        key, _, value = lines.pop(0)[3:].strip().partition(": ")
        head[key] = value
    unknown = set(head) - {"file", "fails", "fails-root", "fails-user", "error", "says", "says-zh"}
    if unknown or "file" not in head or head["file"] not in lab.files:
        raise LabError(f"{path}: expected \"// file: \" with one of {', '.join(lab.files)}, and no keys but those that "
                       f"labs/README.md lists; got {head}")
    both = head.get("fails", "")
    fails = {mode: frozenset(head.get(f"fails-{mode}", both).replace("nothing", "").split()) for mode in ("root", "user")}
    for name in frozenset().union(*fails.values()) - {c.id for c in lab.checks}:
        raise LabError(f"{path}: fails \"{name}\", which is no check of lab {lab.id}")
    text = "".join(lines)
    found, problems = regions.scan(path, text)
    if problems:
        raise LabError(f"{path}: {problems[0].text}")
    return Mutant(path.stem, head["file"], {r.name: r.text for r in found}, text, fails, head.get("error", ""),
                  {"en": head.get("says", ""), "zh": head.get("says-zh", head.get("says", ""))})
