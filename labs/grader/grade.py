"""Modes, checks, verdicts, points."""
from __future__ import annotations

import dataclasses
import os
import pathlib
import platform
import random
import tempfile
import time

from . import cell, compile, host, lab_file

MODES = ("root", "user")


@dataclasses.dataclass
class CheckResult:
    id: str
    status: str = "cannot-run"   # pass, fail, todo, cannot-run, skipped
    points: int = 0
    max: int = 0
    observed: str = ""
    expected: str = ""
    message_id: str = ""
    mutant: str = ""
    ms: int = 0
    steps: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass
class ModeResult:
    mode: str
    checks: list[CheckResult] = dataclasses.field(default_factory=list)
    cannot_run: str = ""                                    # why nothing could be checked
    host_changes: list[str] = dataclasses.field(default_factory=list)

    @property
    def failed(self) -> frozenset[str]:
        return frozenset(c.id for c in self.checks if c.status == "fail")


@dataclasses.dataclass
class Grade:
    lab: lab_file.Lab
    seed: int
    modes: list[ModeResult]
    compile_error: str = ""
    calibration: float = 0.0

    @property
    def ran(self) -> list[ModeResult]:
        return [m for m in self.modes if not m.cannot_run]

    def merged(self) -> list[CheckResult]:
        """One result a check: it passes when it passes in every mode that could run."""
        if self.compile_error:
            return [CheckResult(c.id, "fail", 0, c.points, self.compile_error.splitlines()[0], "a file that compiles",
                                f"{self.lab.id}.compile") for c in self.lab.checks]
        result = []
        for number, check in enumerate(self.lab.checks):
            each = [(m.mode, m.checks[number]) for m in self.ran]
            if not each:
                result.append(CheckResult(check.id, "cannot-run"))
                continue
            mode, worst = max(each, key=lambda pair: _RANK[pair[1].status])
            merged = dataclasses.replace(worst, ms=sum(c.ms for _, c in each))
            if worst.status != "pass":
                merged.observed = f"mode {mode}: {worst.observed}"
            result.append(merged)
        return result

    @property
    def status(self) -> str:
        if self.compile_error:
            return "fail"
        if any(m.host_changes for m in self.modes):
            return "fail"
        if not self.ran:
            return "cannot-run"
        return max((c.status for c in self.merged()), key=lambda s: _RANK[s]).replace("skipped", "fail")

    @property
    def points(self) -> int:
        return 0 if any(m.host_changes for m in self.modes) else sum(c.points for c in self.merged())

    @property
    def max(self) -> int:
        return sum(c.max for c in self.merged())


_RANK = {"cannot-run": 0, "pass": 1, "skipped": 2, "todo": 3, "fail": 4}


def grade(lab: lab_file.Lab, work: pathlib.Path, modes: tuple[str, ...], seed: int | None = None,
          patience: float = 5.0) -> Grade:
    """Grades the files in `work`. Leaves nothing behind.
    @param patience  seconds that one run of a program may take on a machine that is infinitely fast
    @raise compile.NotBuilt"""
    result = Grade(lab, random.randrange(1 << 31) if seed is None else seed, [])
    with tempfile.TemporaryDirectory(prefix="drydock-lab-build-") as scratch:
        compile.check_built(lab)
        try:
            students = compile.build(lab, work, pathlib.Path(scratch) / "student")
        except compile.CompileError as error:
            result.compile_error = str(error)
            return result
        programs = {"reference": compile.BUILD / "bin" / lab.program, "probe": compile.BUILD / "bin/drydock-probe",
                    "reference-escape": _reference_escape()}
        programs |= {"student" if name == lab.program else name: path for name, path in students.items()}
        for mode in modes:
            result.modes.append(_grade_mode(lab, mode, result.seed, programs, patience))
    for mode in result.ran:
        for check in mode.checks:
            if check.status == "fail":
                check.mutant = _looks_like(result, mode, check)
    return result


def _reference_escape() -> pathlib.Path:
    """Lab 01's escape: what every later lab must withstand."""
    lab = lab_file.load("01")
    return compile.own_program(lab.folder / lab.programs[0].reference)


def _grade_mode(lab: lab_file.Lab, mode: str, seed: int, programs: dict[str, pathlib.Path],
                patience: float) -> ModeResult:
    result = ModeResult(mode)
    if mode == "root" and os.geteuid() != 0:
        result.cannot_run = "mode root needs root: sudo ./dev lab grade " + lab.id
        return result
    functions = lab.check_functions()  # here: in the cell there is no file to load them from
    nonce = ""
    before = host.Snapshot.take()
    limits = host.Limits()
    try:
        for program in programs.values():
            cell.check_static(program)
        seconds = patience + 20 * _calibrate(mode, seed, programs, limits)
        setting = cell.Setting(mode, seed, programs, seconds)

        def body(room: cell.Cell) -> dict:
            return {"nonce": room.nonce, "checks": _run_checks(lab, functions, room)}

        answer = cell.inside(setting, body, seconds * (len(lab.checks) + 2), limits)
        nonce = answer["nonce"]
        result.checks = [CheckResult(**c) for c in answer["checks"]]
    except cell.CannotRun as error:
        result.cannot_run = str(error)
    except TimeoutError:
        result.checks = [CheckResult(c.id, "fail", 0, c.points, "the whole of it took too long and was killed",
                                     "checks that end", f"{lab.id}.{c.id}") for c in lab.checks]
    finally:
        left = limits.remove()
    result.host_changes = [f"cgroup was left: {path}" for path in left] + host.changes(before, nonce)
    return result


def _calibrate(mode: str, seed: int, programs: dict[str, pathlib.Path], limits: host.Limits) -> float:
    """How long the reference takes to start nothing, here and now: what every time limit scales with."""
    def body(room: cell.Cell) -> float:
        began = time.monotonic()
        room.run(["/programs/reference", "--help"])
        return time.monotonic() - began

    return cell.inside(cell.Setting(mode, seed, programs, 60), body, 90, limits)


def _run_checks(lab: lab_file.Lab, functions, room: cell.Cell) -> list[dict]:
    results: dict[str, CheckResult] = {}
    for check in lab.checks:
        result = results[check.id] = CheckResult(check.id, max=check.points, message_id=f"{lab.id}.{check.id}")
        missing = [n for n in check.needs if results[n].status != "pass"]
        if missing:
            result.status = "todo" if any(results[n].status == "todo" for n in missing) else "skipped"
            result.observed = "not tried, because this fails: " + ", ".join(missing)
            continue
        room.steps.clear()
        began = time.monotonic()
        try:
            getattr(functions, check.id.replace("-", "_"))(room)
            result.status, result.points = "pass", check.points
        except cell.Todo as todo:
            result.status, result.observed = "todo", str(todo)
        except cell.Broken as broken:
            result.status, result.observed, result.expected = "fail", broken.observed, broken.expected
        except OSError as error:  # a program that ruined the cell, not a fault of the grader
            result.status, result.observed, result.expected = "fail", str(error), "files that are still there"
        result.ms = round((time.monotonic() - began) * 1000)
        result.steps = list(room.steps)
    return [dataclasses.asdict(r) for r in results.values()]


def _looks_like(result: Grade, mode: ModeResult, check: CheckResult) -> str:
    """The known wrong answers, at most two, that break this check in this mode, and nothing in any mode that holds."""
    alike = [m for m in result.lab.mutants() if check.id in m.fails[mode.mode] and m.error in check.observed
             and all(m.fails[other.mode] <= other.failed for other in result.ran)]

    def likeness(mutant: lab_file.Mutant) -> tuple[bool, int]:
        return bool(mutant.error), sum(len(mutant.fails[m.mode]) for m in result.ran)

    best = max((likeness(m) for m in alike), default=None)
    return " ".join([m.id for m in alike if likeness(m) == best][:2])


def kernel_name() -> str:
    return f"{platform.system()} {platform.release()} {platform.machine()}"
