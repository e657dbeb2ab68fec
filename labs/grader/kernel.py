"""The system calls that Python 3.11 has no function for."""
from __future__ import annotations

import ctypes
import os
import platform

_libc = ctypes.CDLL(None, use_errno=True)

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 1, 2, 4, 8
MS_BIND, MS_REC, MS_PRIVATE, MS_SHARED = 0x1000, 0x4000, 1 << 18, 1 << 20
MNT_DETACH = 2
CLONE_NEWNS, CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC = 0x20000, 0x2000000, 0x4000000, 0x8000000
CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = 0x10000000, 0x20000000, 0x40000000
CAP_SYS_CHROOT = 18

_PIVOT_ROOT = {"x86_64": 155}.get(platform.machine(), 41)
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_READ, _PR_CAPBSET_DROP = 1, 4, 23, 24
_PR_SET_CHILD_SUBREAPER = 36


def _check(rc: int, call: str) -> int:
    if rc == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"{call}: {os.strerror(error)}")
    return rc


def _text(value: str | None) -> bytes | None:
    return None if value is None else os.fsencode(value)


def mount(source: str | None, target: str, kind: str | None, flags: int, data: str | None = None) -> None:
    _check(_libc.mount(_text(source), _text(target), _text(kind), ctypes.c_ulong(flags), _text(data)),
           f"mount({source}, {target}, {kind}, {flags:#x}, {data})")


def umount(target: str, flags: int = 0) -> None:
    _check(_libc.umount2(_text(target), flags), f"umount2({target})")


def pivot_root(new_root: str, put_old: str) -> None:
    _check(_libc.syscall(ctypes.c_long(_PIVOT_ROOT), _text(new_root), _text(put_old)), f"pivot_root({new_root})")


def unshare(flags: int) -> None:
    _check(_libc.unshare(flags), f"unshare({flags:#x})")


def sethostname(name: str) -> None:
    _check(_libc.sethostname(_text(name), len(name)), f"sethostname({name})")


def die_with_parent(signal: int = 9) -> None:
    _check(_libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal), 0, 0, 0), "prctl(PR_SET_PDEATHSIG)")


def become_subreaper() -> None:
    _check(_libc.prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(1), 0, 0, 0), "prctl(PR_SET_CHILD_SUBREAPER)")


def set_dumpable() -> None:
    """After a change of user: without it /proc/self belongs to root."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, ctypes.c_ulong(1), 0, 0, 0), "prctl(PR_SET_DUMPABLE)")


def drop_from_bounding_set(capability: int) -> None:
    """No later execve gives this capability."""
    if _libc.prctl(_PR_CAPBSET_READ, ctypes.c_ulong(capability), 0, 0, 0) == 1:
        _check(_libc.prctl(_PR_CAPBSET_DROP, ctypes.c_ulong(capability), 0, 0, 0), f"prctl(PR_CAPBSET_DROP, {capability})")


def new_user_namespace(inside: int, other_namespaces: int = 0) -> None:
    """This process in a new user namespace, where its user and group are `inside`. It has all capabilities there."""
    uid, gid = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER | other_namespaces)
    # Without CAP_SETGID outside, gid_map may be written only once setgroups(2) is off: user_namespaces(7).
    for file, text in (("setgroups", "deny"), ("uid_map", f"{inside} {uid} 1"), ("gid_map", f"{inside} {gid} 1")):
        with open(f"/proc/self/{file}", "w", encoding="ascii") as out:
            out.write(text)
