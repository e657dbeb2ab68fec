"""Makes the stage's program with the student's file in place of the stage's own.

The command lines are the ones that built the stage (ninja lists them); only the file is another one. What the student
left out is not found elsewhere: the stage's own object is taken out of a copy of its library.
"""
from __future__ import annotations

import atexit
import functools
import hashlib
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import tempfile

from . import lab_file

BUILD = pathlib.Path(os.environ.get("DRYDOCK_BUILD", lab_file.ROOT / "build")).resolve()


class NotBuilt(Exception):
    """The stage is not there to be linked with."""


class CompileError(Exception):
    """What the compiler says about the student's file."""


def check_built(lab: lab_file.Lab) -> None:
    for program in (lab.program, "drydock-probe"):
        if not (BUILD / "bin" / program).is_file():
            raise NotBuilt(f"{BUILD}/bin/{program} is not there; ./dev lab builds what the labs need")
    if not (BUILD / "build.ninja").is_file():
        raise NotBuilt(f"{BUILD} is no build folder of ninja; use the one that ./dev build makes")


def build(lab: lab_file.Lab, work: pathlib.Path, out: pathlib.Path) -> dict[str, pathlib.Path]:
    """Compiles the files of `work` into `out`. Gives the student's programs by name: the stage's, and own ones."""
    check_built(lab)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    for file in lab.files:
        if not (work / file).is_file():
            raise CompileError(f"{work / file}: no such file; labs/lab reset {lab.id} makes the skeleton again")
        shutil.copyfile(work / file, out / file)
    programs = {}
    if lab.holes:
        programs[lab.program] = _stage_program(lab, out)
    for program in lab.programs:
        programs[pathlib.PurePosixPath(program.file).stem] = own_program(out / program.file)
    return programs


def _stage_program(lab: lab_file.Lab, out: pathlib.Path) -> pathlib.Path:
    commands = _run(["ninja", "-C", BUILD, "-t", "commands", f"bin/{lab.program}"], BUILD).splitlines()
    library = f"libstage{lab.stage[:2]}.a"
    objects, members = [], []
    for file in dict.fromkeys(h.file for h in lab.holes):
        name = pathlib.PurePosixPath(file).name
        command = _only(commands, rf" -c \S*/{re.escape(file)}$")
        words = [w for w in shlex.split(command) if w != "-Werror"]
        member = words[words.index("-o") + 1]
        objects.append(str(out / f"{name}.o"))
        members.append(pathlib.PurePosixPath(member).name)
        # Private headers of the stage stay in reach although the file is elsewhere now.
        words += ["-I", str((lab_file.ROOT / file).parent)]
        # Without the folder's name, which is another one each time: so ccache knows a file that it has seen.
        for flag, value in (("-o", f"{name}.o"), ("-c", name), ("-MF", f"{name}.d")):
            words[words.index(flag) + 1] = value
        _run(words, out)

    # `cd … && ` and `: && ` are how CMake's rules for ninja begin and end.
    link = _only(commands, rf" -o bin/{re.escape(lab.program)}( |$)")
    words = shlex.split(re.sub(r"^: && | && :$", "", link))
    at = next(i for i, w in enumerate(words) if w.endswith("/" + library))
    shutil.copyfile(BUILD / words[at], out / library)
    _run(["ar", "d", out / library, *members], BUILD)
    words[at:at + 1] = [*objects, str(out / library)]
    words[words.index("-o") + 1] = str(out / lab.program)
    _run(words, BUILD)
    return out / lab.program


@functools.cache
def _compiled() -> str:
    folder = tempfile.mkdtemp(prefix="drydock-lab-build-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def own_program(source: pathlib.Path) -> pathlib.Path:
    """A program of one file, with no library but the C++ one. The same text is compiled once."""
    text = source.read_bytes()
    folder = pathlib.Path(_compiled()) / hashlib.sha256(text).hexdigest()[:16] / "student"
    program = folder / source.stem
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, folder / source.name)
        _run([os.environ.get("CXX", "g++"), "-std=c++20", "-Wall", "-Wextra", "-O1", "-static", "-o", program,
              folder / source.name], folder)
    return program


def _only(commands: list[str], pattern: str) -> str:
    found = [c for c in commands if re.search(pattern, c)]
    if len(found) != 1:
        raise NotBuilt(f"{BUILD} has {len(found)} commands that match \"{pattern}\", expected one; run ./dev build")
    return found[0]


def _run(words: list, folder: pathlib.Path) -> str:
    try:
        done = subprocess.run([str(w) for w in words], cwd=folder, stdin=subprocess.DEVNULL, capture_output=True,
                              text=True, errors="replace", timeout=300, check=False,
                              env=os.environ | {"LC_ALL": "C"})
    except FileNotFoundError as error:
        raise NotBuilt(f"{words[0]} is not installed; ./dev build installs what is needed") from error
    except subprocess.TimeoutExpired as error:
        raise CompileError(f"{words[0]} did not end within {error.timeout:.0f} s") from error
    if done.returncode != 0:
        raise CompileError(re.sub(r"/\S*/drydock-lab-build-[^/\s]*/student/", "", done.stderr or done.stdout).strip())
    return done.stdout
