"""The cell: the closed room in which a student's program runs, so that its mistakes end there.

Its first process is this one, forked: PID 1 of namespaces of its own (PID, mount, network, UTS, IPC, cgroup; a user
namespace too when the grader is not root), in a small root on tmpfs, the decoy. The decoy has a /FLAG that only an escape
can read, and its mounts are *shared*, as they are on a host with systemd: a mount that leaks out of a container shows up
here, where it is counted, and goes no further. When PID 1 ends the kernel kills whatever is left in the cell.

As real root a program that *means* harm could still get out (labs/README.md, "Honesty").
"""
from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import random
import resource
import secrets
import select
import shutil
import signal
import subprocess
import tempfile
import time
import traceback

from . import kernel

NOBODY = 65534
PLAIN_NOBODY = "nobody"
NOBODY_AS_ROOT = "root of a user namespace of nobody's"
OUTPUT_LIMIT = 1 << 20
PROCESS_LIMIT = 200
TODO = "to do:"


class CannotRun(Exception):
    """This machine cannot do it; the text says what is missing and what would help."""


class Todo(Exception):
    """The program came to a stub."""


class Broken(Exception):
    """A rule does not hold."""

    def __init__(self, expected: str, observed: str):
        super().__init__(observed)
        self.expected, self.observed = expected, observed


@dataclasses.dataclass
class Ended:
    """How a program ended."""
    status: int | None    # 128 + n for signal n; None: it had to be killed
    out: str
    err: str
    why_killed: str = ""

    def __str__(self) -> str:
        first = next((line for line in self.err.splitlines() if line.strip()), "")
        what = self.why_killed if self.status is None else f"exit status {self.status}"
        return what + (f", \"{first.strip()[:200]}\"" if first else "")


@dataclasses.dataclass
class World:
    """A command in its container, seen from both sides while it runs. Paths are (st_dev, st_ino)."""
    probe: dict                  # what drydock-probe says, inside
    pid: int                     # in the cell
    root: tuple[int, int]
    root_path: str
    cwd: tuple[int, int]
    cwd_path: str
    flag_seen: bool              # /FLAG of the decoy is in its root
    mounts: list[str]            # /proc/PID/mountinfo
    namespaces: dict[str, int]
    leaked: list[str]            # mountinfo lines of the cell that it did not have before; also those left afterwards
    ended: Ended


@dataclasses.dataclass(frozen=True)
class Setting:
    mode: str                               # "root" or "user"
    seed: int
    programs: dict[str, pathlib.Path]       # name in /programs -> file
    seconds: float                          # for one run of a program


class Cell:
    """What checks work with; lives in PID 1 of the cell."""

    def __init__(self, setting: Setting):
        names = random.Random(f"{setting.seed}/{setting.mode}")
        self.setting, self.mode = setting, setting.mode
        self.flag = "FLAG-" + secrets.token_hex(16)
        self.nonce = secrets.token_hex(16)
        self.secret = secrets.token_hex(16)
        self.rootfs = f"/home/{names.randbytes(3).hex()}/rootfs"
        self.secret_file = f"/secret-{names.randbytes(4).hex()}"
        self.depth = self.rootfs.count("/")
        self.steps: list[str] = []
        self.dead: dict[str, str] = {}  # program that had to be killed -> why: it is not run again
        self.worlds: dict[tuple[str, ...], tuple[World | Exception, list[str]]] = {}
        self.mounts_before: list[str] = []

    # Making it.

    def build(self, place: str) -> None:
        """`place` is an empty directory that the decoy is mounted on, in a mount namespace of our own."""
        kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
        kernel.mount("decoy", place, "tmpfs", kernel.MS_NOSUID, "mode=755,size=512m")
        base = pathlib.Path(place)
        for directory in ("bin", "proc", "sys", "dev", "tmp", "programs"):
            (base / directory).mkdir()
        (base / "tmp").chmod(0o1777)
        _busybox(base)
        # A mount of its own, as /home or /var often are: what is made private must be so all the way down.
        (base / "home").mkdir()
        kernel.mount("home", f"{place}/home", "tmpfs", kernel.MS_NOSUID, "mode=755,size=256m")
        for name, file in self.setting.programs.items():
            shutil.copy(file, base / "programs" / name)
            (base / "programs" / name).chmod(0o755)
        (base / "probe").symlink_to("programs/probe")  # a command that stays outside is to be seen, not missed
        (base / "FLAG").write_text(self.flag + "\n", encoding="ascii")
        (base / self.secret_file[1:]).write_text(self.secret + "\n", encoding="ascii")
        self._make_rootfs(base / self.rootfs[1:])
        for device in ("null", "zero", "full", "random", "urandom", "tty"):
            (base / "dev" / device).touch()
            kernel.mount(f"/dev/{device}", f"{place}/dev/{device}", None, kernel.MS_BIND)
        kernel.mount("proc", f"{place}/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
        kernel.mount("sysfs", f"{place}/sys", "sysfs", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
        os.chdir(place)
        kernel.pivot_root(".", ".")
        kernel.umount(".", kernel.MNT_DETACH)
        os.chdir("/")
        kernel.mount(None, "/", None, kernel.MS_REC | kernel.MS_SHARED)
        kernel.sethostname("decoy")
        self.mounts_before = _lines("/proc/self/mountinfo")

    def _make_rootfs(self, rootfs: pathlib.Path) -> None:
        for directory in ("bin", "etc", "tmp", "proc", "dev", "sys"):
            (rootfs / directory).mkdir(parents=True)
        (rootfs / "tmp").chmod(0o1777)
        _busybox(rootfs)
        (rootfs / "etc/passwd").write_text("root:x:0:0:root:/:/bin/sh\n", encoding="ascii")
        (rootfs / "etc/group").write_text("root:x:0:\n", encoding="ascii")
        for name in ("probe", "escape", "reference-escape"):
            if name in self.setting.programs:
                shutil.copy(self.setting.programs[name], rootfs / name)
                (rootfs / name).chmod(0o755)
        (rootfs / "absolute-link").symlink_to(self.secret_file)
        (rootfs / "relative-link").symlink_to("../" * self.depth + self.secret_file[1:])
        if self.mode == "user" and os.geteuid() == 0 and not in_user_namespace():
            for path in (rootfs, *rootfs.rglob("*")):
                os.chown(path, NOBODY, NOBODY, follow_symlinks=False)

    # What checks call.

    def step(self, text: str) -> None:
        """One more line of what a failure report tells under "so far"."""
        self.steps.append(text)

    def expect(self, holds: bool, expected: str, observed: str) -> None:
        if not holds:
            raise Broken(expected, observed)

    def run(self, argv: list[str], *, as_user: str = "", without: int | None = None, cwd: str = "/tmp") -> Ended:
        """Runs a program of /programs to its end.
        @param as_user  PLAIN_NOBODY, NOBODY_AS_ROOT, or "" for root
        @param without  a capability it cannot get"""
        return self._finish(self._start(argv, as_user, without, cwd), lambda out: None)

    def world(self, argv: list[str], *, as_user: str = "") -> World:
        """Runs `argv`, whose command must be HOLD, and looks at that command while it waits. Asked for the same again it
        tells what it saw the first time."""
        if tuple(argv) not in self.worlds:
            before = len(self.steps)
            try:
                seen = self._see_world(argv, as_user)
            except (Broken, Todo) as error:
                seen = error
            self.worlds[tuple(argv)] = seen, self.steps[before:]
            del self.steps[before:]
        seen, steps = self.worlds[tuple(argv)]
        self.steps += steps
        if isinstance(seen, Exception):
            raise seen
        return seen

    def _see_world(self, argv: list[str], as_user: str) -> World:
        process = self._start(argv, as_user, None, "/tmp")
        seen: list[World] = []

        def look(out: str) -> None:
            if "\n}\n" in out and not seen:
                self.step("the command waits, and is looked at from outside")
                seen.append(self._look(_told(out[:out.index("\n}\n") + 2])))
                process.stdin.close()

        try:
            ended = self._finish(process, look)
        except Broken:
            self._kill_everyone()
            process.wait()
            raise
        if not seen:
            raise Broken("the command runs in its container", f"the command never ran: {ended}")
        seen[0].ended = ended
        seen[0].leaked += [line for line in self._new_mounts() if line not in seen[0].leaked]
        return seen[0]

    # How.

    def _start(self, argv: list[str], as_user: str, without: int | None, cwd: str) -> subprocess.Popen:
        self.step("$ " + " ".join(a if a.replace("/", "").isalnum() else repr(a) if " " in a else a for a in argv)
                  + (f"      (as {as_user})" if as_user else ""))
        if argv[0] in self.dead:
            raise Broken("a program that ends", self.dead[argv[0]])

        def prepare() -> None:
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(resource.RLIMIT_FSIZE, (64 << 20, 64 << 20))
            resource.setrlimit(resource.RLIMIT_NPROC, (PROCESS_LIMIT, PROCESS_LIMIT))
            if as_user:
                _become(as_user)
            if without is not None:
                kernel.drop_from_bounding_set(without)

        environment = {"PATH": "/bin", "DRYDOCK_LAB": self.nonce}
        return subprocess.Popen(argv, cwd=cwd, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, preexec_fn=prepare, start_new_session=True)

    def _finish(self, process: subprocess.Popen, look) -> Ended:
        texts = {process.stdout: b"", process.stderr: b""}
        deadline = time.monotonic() + self.setting.seconds
        why_killed = ""
        waiting = set(texts)
        while waiting and not why_killed:
            left = deadline - time.monotonic()
            if left <= 0:
                why_killed = f"it did not end within {self.setting.seconds:.0f} s and was killed"
            for stream in select.select(list(waiting), [], [], max(min(left, 0.2), 0))[0]:
                data = os.read(stream.fileno(), 65536)
                texts[stream] += data
                if not data:
                    waiting.discard(stream)
                if len(texts[stream]) > OUTPUT_LIMIT:
                    why_killed = f"it wrote more than {OUTPUT_LIMIT >> 20} MiB and was killed"
            look(texts[process.stdout].decode("utf-8", "replace"))
            if process.poll() is not None and left < self.setting.seconds - 1 and waiting:
                break  # the program has ended, and somebody it left behind keeps its output open
        if not why_killed:
            try:
                process.wait(max(deadline - time.monotonic(), 0.5))
            except subprocess.TimeoutExpired:
                why_killed = f"it did not end within {self.setting.seconds:.0f} s and was killed"
        self._kill_everyone()
        status = process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            stream.close()
        if why_killed:
            self.dead[process.args[0]] = f"an earlier run of it: {why_killed}"
        out, err = (texts[s].decode("utf-8", "replace") for s in (process.stdout, process.stderr))
        if TODO in err:
            raise Todo(next(line for line in err.splitlines() if TODO in line))
        return Ended(None if why_killed else status if status >= 0 else 128 - status, out, err, why_killed)

    def _kill_everyone(self) -> None:
        """All of the cell but PID 1, which is us; again until nobody is left, for a fork may be under way."""
        for _ in range(200):
            try:
                os.kill(-1, signal.SIGKILL)
            except ProcessLookupError:
                break
            others = [p for p in os.listdir("/proc") if p.isdigit() and p != "1" and not _is_zombie(p)]
            if not others:
                break
            time.sleep(0.005)

    def _look(self, probe: dict) -> World:
        pid = self._find(probe)
        inside = f"/proc/{pid}"
        root, cwd = os.stat(f"{inside}/root/"), os.stat(f"{inside}/cwd/")
        return World(
            probe=probe, pid=pid, root=(root.st_dev, root.st_ino), root_path=os.readlink(f"{inside}/root"),
            cwd=(cwd.st_dev, cwd.st_ino), cwd_path=os.readlink(f"{inside}/cwd"),
            flag_seen=os.path.exists(f"{inside}/root/FLAG"), mounts=_lines(f"{inside}/mountinfo"),
            namespaces={name: os.stat(f"{inside}/ns/{name}").st_ino
                        for name in ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")},
            leaked=self._new_mounts(), ended=Ended(0, "", ""))

    def _new_mounts(self) -> list[str]:
        before = set(self.mounts_before)
        return [line for line in _lines("/proc/self/mountinfo") if line not in before]

    def _find(self, probe: dict) -> int:
        """The waiting command: not what the output claims, but a busybox of ours with the nonce in its environment."""
        shells = {identity(f"{base}/bin/busybox") for base in ("", self.rootfs)}
        wanted = f"DRYDOCK_LAB={self.nonce}".encode()
        for entry in sorted((p for p in os.listdir("/proc") if p.isdigit()), key=int):
            try:
                if identity(f"/proc/{entry}/exe") in shells:
                    with open(f"/proc/{entry}/environ", "rb") as file:
                        if wanted in file.read().split(b"\0") and wanted.decode() in probe.get("env", []):
                            return int(entry)
            except OSError:
                continue
        raise Broken("the command is a process that can be seen from outside",
                     "its output claims so, but no process runs the command")


def _told(text: str) -> dict:
    """What the probe says, if it is a probe that says it."""
    try:
        world = json.loads(text)
        kinds = {"pid": int, "env": list, "processes": list}
        if all(isinstance(world[key], kind) for key, kind in kinds.items()):
            return world
    except (ValueError, KeyError, TypeError):
        pass
    raise Broken("the output of drydock-probe", f"something else: {text[:200]!r}")


HOLD = ["/bin/sh", "-c", "/probe && read line"]


def in_user_namespace() -> bool:
    with open("/proc/self/uid_map", encoding="ascii") as file:
        return file.read().split() != ["0", "0", "4294967295"]


def _become(who: str) -> None:
    """The two kinds of user without privileges."""
    if in_user_namespace():
        kernel.new_user_namespace(NOBODY)
    else:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        kernel.set_dumpable()
    if who == NOBODY_AS_ROOT:
        kernel.new_user_namespace(0)


def _busybox(base: pathlib.Path) -> None:
    (base / "bin").mkdir(exist_ok=True)
    shutil.copy(_busybox_program(), base / "bin/busybox")
    for applet in ("sh", "cat", "ls", "echo", "id", "true"):
        (base / "bin" / applet).symlink_to("busybox")


def _busybox_program() -> str:
    for place in ("/bin/busybox", "/usr/bin/busybox"):
        if os.path.exists(place):
            return place
    raise CannotRun("busybox is not here; apt-get install busybox-static")


def identity(path: str) -> tuple[int, int]:
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _lines(path: str) -> list[str]:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read().splitlines()


def _is_zombie(pid: str) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


# From outside.

def inside(setting: Setting, body, seconds: float, limits) -> object:
    """Builds a cell, calls `body(cell)` in it and gives back what that gave, which must be JSON.
    @param limits  a host.Limits that the cell's processes join
    @raise CannotRun when the cell cannot be made; TimeoutError when `body` takes longer than `seconds`."""
    kernel.become_subreaper()  # so that the cell's PID 1 is ours to wait for when its parent is killed
    place = tempfile.mkdtemp(prefix="drydock-lab-")
    read_end, write_end = os.pipe()
    guard = os.fork()
    if guard == 0:
        os.close(read_end)
        _guard(setting, body, place, write_end, limits)
    os.close(write_end)
    try:
        text = _read_all(read_end, time.monotonic() + seconds)
    finally:
        # Also when somebody pressed Ctrl-C. With the guard PID 1 dies, and with that the whole PID namespace.
        os.kill(guard, signal.SIGKILL)
        _wait_for_all()
        os.close(read_end)
        os.rmdir(place)
    if not text:
        raise CannotRun("the grader's cell ended early: this is the grader's fault, not yours; please report it")
    answer = json.loads(text)
    if "cannot-run" in answer:
        raise CannotRun(answer["cannot-run"])
    return answer["result"]


def _read_all(fd: int, deadline: float) -> bytes:
    text = b""
    while select.select([fd], [], [], max(deadline - time.monotonic(), 0))[0]:
        data = os.read(fd, 1 << 16)
        if not data:
            return text
        text += data
    raise TimeoutError


def _wait_for_all() -> None:
    try:
        while True:
            os.waitpid(-1, 0)
    except ChildProcessError:
        pass


def _guard(setting: Setting, body, place: str, write_end: int, limits) -> None:
    """The process between grader and cell: it enters the namespaces, so that its child is PID 1 there."""
    status = 1
    try:
        os.setsid()
        kernel.die_with_parent()
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        limits.join()
        null = os.open("/dev/null", os.O_RDWR)
        for fd in (0, 1, 2):
            os.dup2(null, fd)
        namespaces = (kernel.CLONE_NEWNS | kernel.CLONE_NEWPID | kernel.CLONE_NEWNET | kernel.CLONE_NEWUTS
                      | kernel.CLONE_NEWIPC | kernel.CLONE_NEWCGROUP)
        if os.geteuid() == 0:
            kernel.unshare(namespaces)
        else:
            kernel.new_user_namespace(0, namespaces)
        first = os.fork()
        if first == 0:
            kernel.die_with_parent()
            answer = _first_process(setting, body, place, limits)
            with open(write_end, "w", encoding="utf-8", errors="replace") as out:
                json.dump(answer, out)
            os._exit(0)
        os.close(write_end)
        write_end = -1
        os.waitpid(first, 0)
        status = 0
    except OSError as error:
        if write_end != -1:
            os.write(write_end, json.dumps({"cannot-run": f"namespaces cannot be made here: {error}"}).encode())
    finally:
        os._exit(status)


def _first_process(setting: Setting, body, place: str, limits) -> dict:
    try:
        cell = Cell(setting)
        cell.build(place)
        limits.inside()
        return {"result": body(cell)}
    except CannotRun as error:
        return {"cannot-run": str(error)}
    except Exception:  # pylint: disable=broad-except
        return {"cannot-run": "the grader itself failed, this is not your fault; please report:\n" + traceback.format_exc()}


def check_static(program: pathlib.Path) -> None:
    """The decoy has no libraries, so what runs there must bring its own."""
    with open(program, "rb") as file:
        if b"/ld-linux" in file.read(4096):
            raise CannotRun(f"{program} needs shared libraries, and the grader's room has none: use the build folder of "
                            "./dev build, not that of a sanitizer")
