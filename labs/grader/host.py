"""The host around the cell: limits for what runs in it, and the proof that nothing of it is left."""
from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import platform
import re
import time

from . import cell


class Limits:
    """At most so many processes and so much memory for a whole cell: by cgroups where they can be had, and for the
    number of processes by the PID namespace's own pid_max where the kernel (6.14) has one."""

    PROCESSES = cell.PROCESS_LIMIT
    MEMORY = 1 << 30

    def __init__(self) -> None:
        self.directories: list[pathlib.Path] = []
        for controller, files in (("pids", {"pids.max": self.PROCESSES}),
                                  ("memory", {"memory.limit_in_bytes": self.MEMORY, "memory.max": self.MEMORY})):
            parent = _cgroup_of_mine(controller)
            directory = parent / f"drydock-lab-{os.getpid()}" if parent else None
            if directory is None or directory in self.directories:
                continue
            with contextlib.suppress(OSError):
                directory.mkdir()
                self.directories.append(directory)
                for file, value in files.items():
                    if (directory / file).exists():
                        (directory / file).write_text(str(value), encoding="ascii")

    def join(self) -> None:
        for directory in self.directories:
            with contextlib.suppress(OSError):
                (directory / "cgroup.procs").write_text("0", encoding="ascii")

    def inside(self) -> None:
        """To be called in PID 1 of the cell."""
        # Before 6.14 the same file is the limit of the whole machine.
        release = tuple(int(n) for n in re.findall(r"\d+", platform.release())[:2])
        if release >= (6, 14):
            with contextlib.suppress(OSError):
                pathlib.Path("/proc/sys/kernel/pid_max").write_text("400", encoding="ascii")

    def remove(self) -> None:
        for directory in self.directories:
            for _ in range(200):  # EBUSY until the last process is gone
                try:
                    directory.rmdir()
                    break
                except FileNotFoundError:
                    break
                except OSError:
                    time.sleep(0.01)
        self.directories = []


def _cgroup_of_mine(controller: str) -> pathlib.Path | None:
    """The directory of our own cgroup in the hierarchy that has this controller, if groups can be made below it."""
    mine = {}
    for line in pathlib.Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, names, path = line.split(":", 2)
        for name in names.split(","):
            mine[name] = path
    for line in pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        fields, _, tail = line.partition(" - ")
        kind, _, options = tail.split(" ", 2)
        point = pathlib.Path(fields.split()[4])
        if kind == "cgroup" and controller in options.split(",") and controller in mine:
            directory = point / mine[controller].lstrip("/")
        elif kind == "cgroup2" and "" in mine:
            directory = point / mine[""].lstrip("/")
            enabled = directory / "cgroup.subtree_control"
            if not enabled.exists() or controller not in enabled.read_text(encoding="ascii").split():
                continue
        else:
            continue
        if os.access(directory, os.W_OK):
            return directory
    return None


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """What a student's program could have changed on the host."""
    mounts: frozenset[str]
    cgroups: frozenset[str]
    links: frozenset[str]
    hostname: str

    @staticmethod
    def take() -> Snapshot:
        mounts = pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
        cgroups = (directory for directory, _, _ in os.walk("/sys/fs/cgroup"))
        return Snapshot(frozenset(mounts), frozenset(cgroups), frozenset(os.listdir("/sys/class/net")), os.uname().nodename)


def changes(before: Snapshot, nonce: str, seconds: float = 3.0) -> list[str]:
    """What is different on the host now, one line a thing; empty when nothing is. What others do meanwhile comes and
    goes, so only what stays for `seconds` counts."""
    deadline = time.monotonic() + seconds
    while True:
        found = _changes(before, nonce)
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def _changes(before: Snapshot, nonce: str) -> list[str]:
    now = Snapshot.take()
    found = [f"mount appeared: {line}" for line in sorted(now.mounts - before.mounts)]
    found += [f"mount is gone or changed: {line}" for line in sorted(before.mounts - now.mounts)]
    # A group in which somebody lives is somebody else's: of the cell nobody is left, see below.
    found += [f"cgroup is left: {path}" for path in sorted(now.cgroups - before.cgroups) if not _inhabited(path)]
    found += [f"network interface is left: {name}" for name in sorted(now.links - before.links)]
    found += [f"network interface is gone: {name}" for name in sorted(before.links - now.links)]
    if now.hostname != before.hostname:
        found.append(f"hostname was {before.hostname} and is {now.hostname}")
    return found + [f"process is left: {pid}" for pid in _processes_with(f"DRYDOCK_LAB={nonce}")]


def _inhabited(cgroup: str) -> bool:
    try:
        return any((pathlib.Path(d) / "cgroup.procs").read_text(encoding="ascii") for d, _, _ in os.walk(cgroup))
    except OSError:
        return True  # it went away while we looked


def _processes_with(variable: str) -> list[int]:
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if variable.encode() in pathlib.Path(f"/proc/{entry}/environ").read_bytes().split(b"\0"):
                    found.append(int(entry))
    return found
