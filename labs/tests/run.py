#!/usr/bin/env python3
"""Tests of the grader: run.py [LAB...]

For every lab: the project's own source passes, the skeleton earns nothing, each mutant fails exactly the checks it names,
each alternate passes, every check is failed by some mutant; and what is hostile ends in time, earns nothing and leaves the
host as it was. Ends with "N passed, N failed"; exit status 77 when nothing can be tested here.
"""
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import traceback

LABS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(LABS))
from grader import compile as compiling  # noqa: E402
from grader import grade, host, lab_file, report  # noqa: E402

# Bodies for a region of lab 01, and what the first check must observe.
HOSTILE = {
    "an infinite loop": ("for (volatile int i = 0;; i = i + 1) {}", "did not end within"),
    "endless output": ("static char text[1 << 16]; for (;;) { if (::write(1, text, sizeof text) < 0) { ::_exit(0); } }",
                       "wrote more than 1 MiB"),
    "a fork bomb": ("for (;;) { ::syscall(SYS_fork); }", "did not end within"),
    "killing everything": ("::kill(-1, SIGKILL); ::pause();", "the command never ran"),
    "printing a world": ('std::string text = "{\\n \\"env\\": ["; for (char** v = environ; *v; ++v) { text += "\\""; '
                         'text += *v; text += "\\","; } text += "\\"\\"],\\n \\"pid\\": 1, \\"processes\\": []\\n}\\n"; '
                         'check(::write(1, text.data(), text.size()), "write()"); ::sleep(60);',
                         "no process runs the command"),
    "printing rubbish": ('check(::write(1, "{\\n}\\n", 4), "write()"); ::sleep(60);', "something else"),
    "removing its own ground": ('std::filesystem::remove_all("/programs"); std::filesystem::remove_all(rootfs); '
                                'check(::chdir("/programs"), "chdir(/programs)");', "the command never ran"),
}
HOSTILE_INCLUDES = "#include <csignal>\n#include <string>\n#include <sys/syscall.h>\n#include <unistd.h>\n"

counts = {"passed": 0, "failed": 0}


def test(name, function, *arguments):
    began = time.monotonic()
    try:
        function(*arguments)
    except Exception as error:  # pylint: disable=broad-except
        counts["failed"] += 1
        text = str(error) if isinstance(error, AssertionError) else traceback.format_exc()
        print(f"FAILED {name}\n       {text}", flush=True)
    else:
        counts["passed"] += 1
        print(f"ok     {name}  ({time.monotonic() - began:.1f} s)", flush=True)


def graded(lab, files, modes=grade.MODES, patience=5.0):
    with tempfile.TemporaryDirectory(prefix="drydock-lab-test-") as folder:
        for name, text in files.items():
            (pathlib.Path(folder) / name).write_text(text, encoding="utf-8")
        result = grade.grade(lab, pathlib.Path(folder), modes, patience=patience)
    assert not result.compile_error, result.compile_error
    for mode in result.modes:
        assert not mode.cannot_run, f"mode {mode.mode}: {mode.cannot_run}"
        assert not mode.host_changes, "\n".join(mode.host_changes)
    return result


def expect(got, wanted, what):
    assert got == wanted, f"{what}: expected {wanted}, got {got}"


def failures(result):
    return {c.id: c.observed for m in result.modes for c in m.checks if c.status != "pass"}


def reference_passes(lab):
    result = graded(lab, lab.solutions())
    expect(failures(result), {}, "failures")
    expect(result.points, sum(c.points for c in lab.checks), "points")


def skeleton_earns_nothing(lab):
    result = graded(lab, lab.skeletons())
    expect({c.status for m in result.modes for c in m.checks}, {"todo"}, "statuses")
    expect((result.status, result.points), ("todo", 0), "status and points")


def mutant_fails_as_declared(lab, mutant):
    assert mutant.says["en"] and mutant.says["zh"] != mutant.says["en"], "a cause in English and Chinese"
    assert any(mutant.fails.values()), "a mutant that fails nothing is an alternate"
    result = graded(lab, lab.answer(mutant), patience=2.0)
    for mode in result.modes:
        expect(set(mode.failed), set(mutant.fails[mode.mode]), f"failed in mode {mode.mode} ({failures(result)})")
        for check in mode.checks:
            if check.status == "fail":
                assert mutant.id in check.mutant.split(), f"{check.id} looks like \"{check.mutant}\": {check.observed}"


def alternate_passes(lab, alternate):
    expect(failures(graded(lab, lab.answer(alternate))), {}, "failures")


def checks_and_holes_are_covered(lab):
    mutants = lab.mutants()
    for check in lab.checks:
        assert any(check.id in f for m in mutants for f in m.fails.values()), f"no mutant fails {check.id}: delete the check"
    for file in lab.files:
        assert len([m for m in mutants if m.file == file]) >= 3, f"{file} has fewer than three mutants"
    assert lab.mutants("alternates"), "no alternate"


def texts_are_in_both_languages(lab):
    for what in (lab.title, *lab.hints, *(c.title for c in lab.checks), *(c.rule for c in lab.checks)):
        assert what["en"] and what["zh"] and what["en"] != what["zh"], what
    assert (lab.folder / "brief.md").is_file() and (lab.folder / "brief.zh.md").is_file()
    expect(set(report.WORDS["en"]), set(report.WORDS["zh"]), "words of reports")


def skeleton_gives_nothing_away(lab):
    skeletons, solutions = lab.skeletons(), lab.solutions()
    for hole in lab.holes:
        solution = lab_file.regions.find(hole.file, hole.region, solutions[hole.name])
        body = {line.strip() for line in solution.lines[1:] if len(line.strip()) > 8}
        left = body & {line.strip() for line in skeletons[hole.name].splitlines()}
        assert not left, f"{hole.name} still has: {left}"


def hostile_ends_in_time(name):
    lab = lab_file.load("01")
    code, observed = HOSTILE[name]
    files = lab.skeletons()
    body = f"void chroot_to([[maybe_unused]] const std::filesystem::path& rootfs) {{\n{code}\n}}\n"
    files["chroot.cpp"] = HOSTILE_INCLUDES + lab_file.with_regions(lab.holes[0].file, {"chroot-to": body})
    began = time.monotonic()
    result = graded(lab, files, patience=1.0)
    took = time.monotonic() - began
    expect(result.points, 0, "points")
    first = result.modes[0].checks[0]
    assert first.status == "fail" and observed in first.observed, f"{first.status}: {first.observed}"
    assert took < 45, f"it took {took:.0f} s"


def cgroups_made_in_the_cell_are_found():
    limits = host.Limits()
    if not limits.directories:
        return
    made = limits.directories[0] / "student"
    made.mkdir()
    expect(limits.remove(), [str(made)], "cgroups left")
    assert not made.parent.exists(), made.parent


def host_change_costs_all_points():
    lab = lab_file.load("01")
    mode = grade.ModeResult("root", [grade.CheckResult(c.id, "pass", c.points, c.points) for c in lab.checks],
                            host_changes=["mount appeared: /x"])
    result = grade.Grade(lab, 1, [mode])
    expect((result.status, result.points), ("fail", 0), "status and points")


def interruption_leaves_nothing(number):
    lab = lab_file.load("01")
    before = host.Snapshot.take()
    temporary = set(pathlib.Path(tempfile.gettempdir()).glob("drydock-lab-*"))
    with tempfile.TemporaryDirectory(prefix="drydock-lab-test-") as folder:
        files = lab.solutions()
        files["escape.cpp"] = "int main() { for (volatile int i = 0;; i = i + 1) {} }\n"
        for name, text in files.items():
            (pathlib.Path(folder) / name).write_text(text, encoding="utf-8")
        process = subprocess.Popen([sys.executable, LABS / "lab", "grade", "01", "--work", folder, "--mode", "root"],
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
        deadline = time.monotonic() + 60
        while not endless_loop_of(process.pid):
            assert process.poll() is None and time.monotonic() < deadline, "the cell never came to the endless loop"
            time.sleep(0.05)
        os.killpg(process.pid, number)
        expect(process.wait(30), 128 + number, "exit status")
        process.stdout.close()
    left = host.changes(before, "")
    assert not left, "\n".join(left)
    expect([d for d, _, _ in os.walk("/sys/fs/cgroup") if d.endswith(f"/drydock-lab-{process.pid}")], [], "cgroups left")
    expect(set(pathlib.Path(tempfile.gettempdir()).glob("drydock-lab-*")) - temporary, set(), "left in the temporary folder")


def endless_loop_of(grader):
    """Whether a process named "escape" runs below this grader."""
    parents, names = {}, {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            head, _, tail = pathlib.Path(f"/proc/{entry}/stat").read_text(encoding="utf-8", errors="replace").rpartition(") ")
        except OSError:
            continue
        names[int(entry)], parents[int(entry)] = head.partition("(")[2], int(tail.split()[1])
    for pid in [p for p, name in names.items() if name == "escape"]:
        while pid in parents and pid != grader:
            pid = parents[pid]
        if pid == grader:
            return True
    return False


def command_line():
    def lab(*arguments):
        return subprocess.run([sys.executable, LABS / "lab", *arguments], capture_output=True, text=True, timeout=120)

    done = lab("grade", "77")
    expect((done.returncode, done.stderr), (2, f"lab: lab \"77\": there is none; there are: {', '.join(lab_file.ids())}\n"),
           "an unknown lab")
    done = lab("hint", "01", "9")
    assert done.returncode == 2 and "has hints 1 to 3" in done.stderr, done.stderr
    with tempfile.TemporaryDirectory() as folder:
        done = lab("grade", "01", "--work", folder, "--lang", "en")
        assert done.returncode == 1 and "no such file" in done.stdout, done.stdout
        for name, text in lab_file.load("01").skeletons().items():
            (pathlib.Path(folder) / name).write_text(text.replace("errno = ENOSYS", "errno = ENOSUS"), encoding="utf-8")
        done = lab("grade", "01", "--work", folder, "--lang", "en")
        assert done.returncode == 1 and "'ENOSUS' was not declared" in done.stdout, done.stdout
        for name, text in lab_file.load("01").solutions().items():
            (pathlib.Path(folder) / name).write_text(text, encoding="utf-8")
        out = pathlib.Path(folder) / "grade.json"
        done = lab("grade", "01", "--work", folder, "--json", str(out), "--seed", "5", "--lang", "zh")
        assert done.returncode == 0 and "10 / 10 分" in done.stdout, done.stdout + done.stderr
        document = json.loads(out.read_text(encoding="utf-8"))
        expect((document["schema"], document["id"], document["mode"], document["seed"], document["executor"]),
               ("drydock-grade/1", "01", "both", 5, "host"), "grade.json")
        expect(set(document["checks"][0]), {"id", "title", "status", "points", "max", "observed", "expected", "message_id",
                                            "mutant", "book", "ms"}, "keys of a check")


def not_built_cannot_run():
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run([sys.executable, LABS / "lab", "grade", "01", "--work", folder], capture_output=True, text=True,
                              env=os.environ | {"DRYDOCK_BUILD": folder})
    assert done.returncode == 3 and "./dev lab builds what the labs need" in done.stderr, done.stderr


def reason_to_skip(labs):
    if os.geteuid() != 0:
        return "the grader's tests need root, for its cell"
    try:
        for lab in labs:
            compiling.check_built(lab)
    except compiling.NotBuilt as error:
        return str(error)
    return ""


def main():
    arguments = sys.argv[1:]
    labs = [lab_file.load(i) for i in arguments or lab_file.ids()]
    reason = reason_to_skip(labs)
    if reason:
        print(f"skipped: {reason}")
        return 1 if os.environ.get("DRYDOCK_KERNEL_TESTS") == "required" else 77
    for lab in labs:
        test(f"{lab.id}: checks and holes are covered", checks_and_holes_are_covered, lab)
        test(f"{lab.id}: texts are in both languages", texts_are_in_both_languages, lab)
        test(f"{lab.id}: the skeleton gives nothing away", skeleton_gives_nothing_away, lab)
        test(f"{lab.id}: the project's own source passes", reference_passes, lab)
        test(f"{lab.id}: the skeleton earns nothing", skeleton_earns_nothing, lab)
        for mutant in lab.mutants():
            test(f"{lab.id}: mutant {mutant.id} fails as declared", mutant_fails_as_declared, lab, mutant)
        for alternate in lab.mutants("alternates"):
            test(f"{lab.id}: alternate {alternate.id} passes", alternate_passes, lab, alternate)
    if "01" in [lab.id for lab in labs]:
        for name in HOSTILE:
            test(f"hostile: {name}", hostile_ends_in_time, name)
        test("cgroups made in the cell are found", cgroups_made_in_the_cell_are_found)
        test("a change of the host costs all points", host_change_costs_all_points)
        test("Ctrl-C leaves nothing behind", interruption_leaves_nothing, signal.SIGINT)
        test("SIGTERM leaves nothing behind", interruption_leaves_nothing, signal.SIGTERM)
        test("the command line", command_line)
        test("what is not built cannot run", not_built_cannot_run)
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    return 1 if counts["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
