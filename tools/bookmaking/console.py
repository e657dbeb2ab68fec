"""Console blocks are run, and what they print is compared with what the book says.

One chapter is one session: a bash in a new, empty folder and in mount, hostname, process and network namespaces of its
own, with the built programs first in its PATH. In a block, "$ " begins a command and "> " continues it; then comes its output:

    ...              alone on a line: any lines; inside a line: any text
    <pid:a> <ino:a>  a number, remembered as a; the same name again must be the same number
    <id:c>           12 to 64 hexadecimal digits; <n> <us>: any number, not remembered
    [rc=1]           the command's exit status, when it is not 0
    !assert a != b   a relation between what was remembered
"""
import contextlib
import os
import pathlib
import re
import select
import shutil
import subprocess
import tempfile
import time

from . import chapters

NUMBER = r"[0-9]+(?:\.[0-9]+)?"
KINDS = {"pid": r"[0-9]+", "ino": r"[0-9]+", "n": NUMBER, "us": NUMBER, "id": r"[0-9a-f]{12,64}"}
CAPTURE = re.compile(r"<(" + "|".join(KINDS) + r")(?::(\w+))?>")
MARK = "\x01status "
LONGEST = 120  # seconds one command may take


class Command:
    def __init__(self, text, number):
        self.text = text
        self.number = number
        self.expected = []
        self.printed = []


def commands_of(block, path):
    commands = []
    for offset, line in enumerate(block.lines, 1):
        number = block.number + offset
        if line.startswith("$ "):
            commands.append(Command(line[2:], number))
        elif not commands:
            raise chapters.BookError(f"{path}:{number}: a console block begins with a command: $ …")
        elif line.startswith("> ") and not commands[-1].expected:
            commands[-1].text += "\n" + line[2:]
        else:
            commands[-1].expected.append(line)
    return commands


class Session:
    """A bash that lives as long as a chapter."""

    def __init__(self, root):
        self.folder = tempfile.mkdtemp(prefix="drydock-book.")
        environment = {
            "PATH": f"{root / 'build' / 'bin'}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": self.folder, "LC_ALL": "C.UTF-8", "TERM": "dumb", "NO_COLOR": "1", "CI": "true",
            "DRYDOCK_DATA_ROOT": f"{self.folder}/.data", "DRYDOCK_RUN_ROOT": f"{self.folder}/.run",
        }
        # Whatever a command leaves running ends with the PID namespace, also when this program is killed; whatever it
        # mounts, with the mount namespace; bridges, firewall rules and servers, with the network namespace.
        isolate = ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--uts", "--pid", "--net", "--fork",
                   "--kill-child", "--mount-proc", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
        self.process = subprocess.Popen([*(isolate if os.geteuid() == 0 else []), "bash", "--norc", "--noprofile"],
                                        cwd=self.folder, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.unread = b""
        # When it answers, it has been said that it ends with this program.
        self.run("true")

    def run(self, text, longest=LONGEST):
        """Returns the lines printed and the exit status; a command that takes too long ends the session."""
        script = f"{{ {text}\n}} 2>&1 </dev/null\nprintf '\\n{MARK}%d\\n' $?\n"
        self.process.stdin.write(script.encode())
        self.process.stdin.flush()
        printed = []
        for line in self.lines_until(time.monotonic() + longest):
            if line is None:
                self.process.kill()
                raise TimeoutError("\n".join([f"$ {text}", f"  did not end within {longest} seconds; so far it printed:",
                                              *(f"    {line}" for line in printed)]))
            if line.startswith(MARK):
                if printed and printed[-1] == "":
                    printed.pop()  # the newline before the mark
                return printed, int(line.removeprefix(MARK))
            printed.append(line)
        return printed, self.process.wait()

    def lines_until(self, deadline):
        """Yields each line that is printed, and None if the deadline comes before the next."""
        output = self.process.stdout.fileno()
        while True:
            line, end, rest = self.unread.partition(b"\n")
            if end:
                self.unread = rest
                yield line.decode(errors="replace")
                continue
            if not select.select([output], [], [], max(0, deadline - time.monotonic()))[0]:
                yield None
            more = os.read(output, 65536)
            if not more:
                return
            self.unread += more

    def close(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def pattern_of(line, known):
    """A regular expression for one expected line; `known` maps remembered names to what they stand for."""
    pattern, rest = "", line
    while rest:
        capture, dots = CAPTURE.search(rest), rest.find("...")
        if capture and (dots < 0 or capture.start() < dots):
            pattern += re.escape(rest[: capture.start()])
            kind, name = capture.groups()
            if name is None:
                pattern += KINDS[kind]
            elif name in known:
                pattern += re.escape(known[name])
            else:
                pattern += f"(?P={name})" if f"(?P<{name}>" in pattern else f"(?P<{name}>{KINDS[kind]})"
            rest = rest[capture.end():]
        elif dots >= 0:
            pattern += re.escape(rest[:dots]) + ".*"
            rest = rest[dots + 3:]
        else:
            pattern += re.escape(rest)
            rest = ""
    return re.compile(pattern)


def matches(expected, printed, known):
    """Whether the printed lines are the expected ones; remembers captures in `known` if so."""
    if not expected:
        return not printed
    if expected[0] == "...":
        return any(matches(expected[1:], printed[i:], known) for i in range(len(printed) + 1))
    if not printed:
        return False
    found = pattern_of(expected[0], known).fullmatch(printed[0])
    if not found:
        return False
    more = {**known, **found.groupdict()}
    if not matches(expected[1:], printed[1:], more):
        return False
    known.update(more)
    return True


def holds(assertion, known, where):
    parts = assertion.removeprefix("!assert ").split()
    if len(parts) != 3 or parts[1] not in ("==", "!="):
        raise chapters.BookError(f"{where}: expected !assert NAME == NAME or !assert NAME != NAME")
    for name in (parts[0], parts[2]):
        if name not in known:
            raise chapters.BookError(f"{where}: {name} was not remembered; known: {', '.join(known) or 'nothing'}")
    return (known[parts[0]] == known[parts[2]]) == (parts[1] == "==")


def prove_command(session, command, known, where):
    """None if the command printed what the book says, else what differs."""
    try:
        printed, status = session.run(command.text)
    except TimeoutError as error:
        raise chapters.BookError(f"{where}: {error}") from None
    command.printed = printed + ([f"[rc={status}]"] if status else [])
    assertions = [line for line in command.expected if line.startswith("!assert ")]
    expected = [line for line in command.expected if not line.startswith("!assert ")]
    if not matches(expected, command.printed, known):
        return "\n".join([f"{where}: $ {command.text}", "  the book says:", *(f"    {line}" for line in expected),
                          "  it printed:", *(f"    {line}" for line in command.printed)])
    for assertion in assertions:
        if not holds(assertion, known, where):
            return f"{where}: $ {command.text}\n  {assertion} does not hold: {known}"
    return None


def prove_chapter(root, path):
    """Returns how many commands ran, what differs, and the commands (with what they printed)."""
    differences, commands, known = [], [], {}
    blocks = [block for block in chapters.blocks_of(path) if "static" not in block.tags]
    if any(block.tags.get("needs") == "root" for block in blocks) and os.geteuid() != 0:
        print(f"skipped: {path.stem} needs root")
        return 0, [], []
    session = Session(root)
    try:
        for block in blocks:
            for command in commands_of(block, path):
                difference = prove_command(session, command, known, f"{path.relative_to(root)}:{command.number}")
                commands.append(command)
                if difference:
                    differences.append(difference)
    finally:
        session.close()
    return len(commands), differences, commands


def promote_chapter(path, commands):
    """Writes what the commands printed into the chapter, in place of what it said."""
    lines = path.read_text(encoding="utf-8").splitlines()
    for command in reversed(commands):
        first = command.number - 1 + len(command.text.splitlines())
        lines[first : first + len(command.expected)] = command.printed
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def prove(root, names, promote):
    bad = 0
    for path in chapters.chapter_files(root, "en"):
        if names and not any(path.stem.startswith(name) for name in names):
            continue
        count, differences, commands = prove_chapter(root, path)
        bad += len(differences)
        for difference in differences:
            print(difference)
        if promote and differences:
            promote_chapter(path, commands)
        print(f"book: {path.stem}: {count} commands run, {len(differences)} differ")
    if bad and not promote:
        raise chapters.BookError(f"{bad} commands print something else than the book says")
