"""Lab 01: what must hold. Each function looks from outside the container; what the command prints proves nothing."""
from grader import kernel
from grader.cell import HOLD, NOBODY_AS_ROOT, Cell, Ended, World, identity

RAN = "the-command-ran"


def _user(cell: Cell) -> str:
    # Mode user: nobody, who is root in a user namespace of its own, since chroot(2) takes CAP_SYS_CHROOT.
    return NOBODY_AS_ROOT if cell.mode == "user" else ""


def _run(cell: Cell, *command: str, program: str = "student", **how) -> Ended:
    # Without the step "workdir": it calls chdir(2) too, and would hide that chroot_to does not.
    argv = [f"/programs/{program}", "run", "--without", "workdir", cell.rootfs, *command]
    return cell.run(argv, as_user=_user(cell), **how)


def _world(cell: Cell) -> World:
    argv = ["/programs/student", "run", "--without", "workdir", "--env", f"DRYDOCK_LAB={cell.nonce}", cell.rootfs, *HOLD]
    return cell.world(argv, as_user=_user(cell))


def root(cell: Cell) -> None:
    world = _world(cell)
    cell.step(f"readlink /proc/{world.pid}/root")
    cell.expect(world.root == identity(cell.rootfs), cell.rootfs, world.root_path)


def cwd(cell: Cell) -> None:
    world = _world(cell)
    cell.step(f"readlink /proc/{world.pid}/cwd")
    cell.expect(world.cwd == identity(cell.rootfs), cell.rootfs, world.cwd_path)


def unreachable(cell: Cell) -> None:
    up = "../" * (cell.depth + 1)
    name = cell.secret_file
    for path, what in ((name, "its path"), (up + name[1:], "\"..\""), ("/absolute-link", "an absolute symbolic link"),
                       ("/relative-link", "a symbolic link with \"..\"")):
        ended = _run(cell, "/bin/cat", path)
        cell.expect(cell.secret not in ended.out, f"nothing outside is reached by {what}",
                    f"cat {path} inside printed the file outside: {ended.out.strip()}")
        cell.expect(ended.status == 1, f"cat {path} inside: No such file", f"{ended}")


def errors(cell: Cell) -> None:
    cell.step("CAP_SYS_CHROOT is taken away, so chroot(2) gives EPERM")
    ended = _run(cell, "/bin/echo", RAN, without=kernel.CAP_SYS_CHROOT)
    cell.expect(RAN not in ended.out, "the command never runs", f"the command ran, in the root outside; {ended}")
    cell.expect(ended.status == 125 and "not permitted" in ended.err,
                "exit status 125 and a line that says which call failed: Operation not permitted", f"{ended}")


def escape(cell: Cell) -> None:
    cell.step("the stage's own program starts yours in the new root")
    ended = _run(cell, "/escape", program="reference")
    cell.expect(cell.flag in ended.out, f"it prints {cell.flag}",
                f"it printed \"{ended.out.strip()[:200]}\" and ended with {ended}")
