"""Lab 02b: what must hold. Each function looks from outside the container; what the command prints proves nothing."""
from grader.cell import HOLD, PLAIN_NOBODY, Cell, Ended, World, identity


def _arguments(cell: Cell, program: str) -> list[str]:
    return [f"/programs/{program}", "run", *(["--userns"] if cell.mode == "user" else [])]


def _user(cell: Cell) -> str:
    return PLAIN_NOBODY if cell.mode == "user" else ""


def _world(cell: Cell, program: str = "student") -> World:
    argv = [*_arguments(cell, program), "--env", f"DRYDOCK_LAB={cell.nonce}", cell.rootfs, *HOLD]
    return cell.world(argv, as_user=_user(cell))


def _run(cell: Cell, *command: str) -> Ended:
    return cell.run([*_arguments(cell, "student"), cell.rootfs, *command], as_user=_user(cell))


def _mounts(world: World) -> list[tuple[str, str, str, str]]:
    """(mount point, file system type, device, what of it) of each mount of the container."""
    result = []
    for line in world.mounts:
        fields, _, tail = line.partition(" - ")
        device, inside, point = fields.split()[2:5]
        result.append((point, tail.split()[0], device, inside))
    return result


def _listed(mounts) -> str:
    return ", ".join(f"{point} ({kind})" for point, kind in sorted(mounts)) or "none"


def root(cell: Cell) -> None:
    world = _world(cell)
    cell.step(f"readlink /proc/{world.pid}/root; stat /proc/{world.pid}/root/FLAG")
    cell.expect(world.root == identity(cell.rootfs), cell.rootfs, world.root_path)
    cell.expect(not world.flag_seen, "no /FLAG inside", "/FLAG of the root outside is inside")


def mounts(cell: Cell) -> None:
    world = _world(cell)
    cell.step(f"cat /proc/{world.pid}/mountinfo")
    got = {(point, kind) for point, kind, _, _ in _mounts(world)}
    wanted = {(point, kind) for point, kind, _, _ in _mounts(_world(cell, "reference"))}
    cell.expect(got == wanted, f"{len(wanted)} mounts: {_listed(wanted)}",
                f"{len(world.mounts)} mounts; missing: {_listed(wanted - got)}; too many: {_listed(got - wanted)}")


def no_leak(cell: Cell) -> None:
    world = _world(cell)
    cell.step("cat /proc/self/mountinfo outside, while the command runs and afterwards")
    cell.expect(not world.leaked, f"{len(cell.mounts_before)} mounts outside, as before",
                f"{len(world.leaked)} more, the first: {world.leaked[0] if world.leaked else ''}")


def old_root(cell: Cell) -> None:
    world = _world(cell)
    old = {line.split()[2] for line in cell.mounts_before if line.split()[4] == "/"}
    cell.step(f"cat /proc/{world.pid}/mountinfo; the old root is device {', '.join(old)}")
    kept = [point for point, _, device, inside in _mounts(world) if device in old and inside == "/"]
    cell.expect(not kept, "not mounted inside", f"mounted inside at {', '.join(kept)}")


def proc(cell: Cell) -> None:
    world = _world(cell)
    cell.step("what the probe inside found in /proc")
    seen = world.probe["processes"]
    cell.expect(("/proc", "proc") in [(point, kind) for point, kind, _, _ in _mounts(world)], "proc mounted at /proc",
                f"not mounted; {len(seen)} processes seen")
    cell.expect(1 in seen and world.probe["pid"] in seen and len(seen) <= 4,
                f"processes 1 and {world.probe['pid']} (the probe) and hardly more", f"processes {seen}")


def escape(cell: Cell) -> None:
    ended = _run(cell, "/reference-escape")
    cell.expect(cell.flag not in ended.out, "it ends with \"/FLAG: No such file or directory\"",
                f"it printed /FLAG of the root outside: {ended.out.strip()}")
    cell.expect(ended.status == 1 and "/FLAG" in ended.err, "it ends with \"/FLAG: No such file or directory\"", f"{ended}")
