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
    """Cgroups for a cell, one in each hierarchy where one can be made: they hold it to so many processes and so much
    memory where there is a controller for that, and because they are the roots of the cell's cgroup namespace whatever
    it makes is below them. The PID namespace's own pid_max limits processes too where the kernel (6.14) has one."""

    PROCESSES = cell.PROCESS_LIMIT
    MEMORY = 1 << 30

    def __init__(self) -> None:
        self.directories: list[pathlib.Path] = []
        for parent in _my_cgroups():
            directory = parent / f"drydock-lab-{os.getpid()}"
            with contextlib.suppress(OSError):
                directory.mkdir()
                self.directories.append(directory)
            for file, value in (("pids.max", str(self.PROCESSES)), ("memory.limit_in_bytes", str(self.MEMORY)),
                                ("memory.max", str(self.MEMORY)), ("cpuset.cpus", None), ("cpuset.mems", None)):
                with contextlib.suppress(OSError):
                    if (directory / file).exists():  # a v1 cpuset begins empty, and takes nobody in like that
                        (directory / file).write_text(value or (parent / file).read_text("ascii"), encoding="ascii")

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

    def remove(self) -> list[str]:
        """@return the cgroups that the cell made and left"""
        left = []
        for top in self.directories:
            below = [pathlib.Path(d) for d, _, _ in os.walk(top, topdown=False)]
            left += [str(directory) for directory in below if directory != top]
            for directory in below:
                _remove_cgroup(directory)
        self.directories = []
        return left


def _remove_cgroup(directory: pathlib.Path) -> None:
    for _ in range(200):  # EBUSY until the last process is gone
        try:
            directory.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.01)


def _my_cgroups() -> list[pathlib.Path]:
    """The directory of our own cgroup in each hierarchy that is mounted here."""
    mine = {}
    for line in pathlib.Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, names, path = line.split(":", 2)
        mine |= dict.fromkeys(names.split(","), path)
    found = {}
    for line in pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines():
        fields, _, tail = line.partition(" - ")
        kind, _, options = tail.split(" ", 2)
        names = {"": None} if kind == "cgroup2" else dict.fromkeys(options.split(",")) if kind == "cgroup" else {}
        for name in names:
            if name in mine:
                device, _, point = fields.split()[2:5]
                found[device] = pathlib.Path(point) / mine[name].lstrip("/")
    return list(found.values())


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """What a student's program could have changed on the host; of cgroups Limits knows."""
    mounts: frozenset[str]
    links: frozenset[str]
    hostname: str

    @staticmethod
    def take() -> Snapshot:
        mounts = pathlib.Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
        return Snapshot(frozenset(mounts), frozenset(os.listdir("/sys/class/net")), os.uname().nodename)


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
    found += [f"network interface is left: {name}" for name in sorted(now.links - before.links)]
    found += [f"network interface is gone: {name}" for name in sorted(before.links - now.links)]
    if now.hostname != before.hostname:
        found.append(f"hostname was {before.hostname} and is {now.hostname}")
    return found + [f"process is left: {pid}" for pid in _processes_with(f"DRYDOCK_LAB={nonce}")]


def _processes_with(variable: str) -> list[int]:
    found = []
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError):
                if variable.encode() in pathlib.Path(f"/proc/{entry}/environ").read_bytes().split(b"\0"):
                    found.append(int(entry))
    return found
