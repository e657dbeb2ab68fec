"""What is printed about a grade, in English or Chinese, and grade.json."""
from __future__ import annotations

import os
import pathlib
import textwrap

from . import grade

SCHEMA = "drydock-grade/1"

WORDS = {
    "en": {"lab": "Lab", "pass": "pass", "fail": "FAIL", "todo": "to do", "cannot-run": "cannot run", "skipped": "skipped",
           "first": "The first failure: {check}, in mode {mode}", "rule": "rule", "expected": "expected",
           "observed": "observed", "steps": "so far", "like": "looks like", "or": "or", "read": "read", "again": "again",
           "points": "{points} of {max} points", "cannot": "mode {mode} cannot run here: {why}",
           "host": "The host is not as it was before (so there are no points):", "host-same":
           "The host is as it was before: mounts, cgroups, network interfaces, hostname, processes.",
           "compile": "Your file does not compile:", "seed": "seed", "todo-hint":
           "Nothing is lost: what is not written yet is \"to do\". A hint: ./dev lab hint {id}"},
    "zh": {"lab": "实验", "pass": "通过", "fail": "失败", "todo": "待写", "cannot-run": "无法运行", "skipped": "跳过",
           "first": "第一个失败：{check}，模式 {mode}", "rule": "规则", "expected": "应为", "observed": "实为",
           "steps": "此前的步骤", "like": "像是", "or": "或者", "read": "阅读", "again": "重跑",
           "points": "{points} / {max} 分", "cannot": "模式 {mode} 在这里无法运行：{why}",
           "host": "宿主机与之前不同（因此没有分数）：", "host-same": "宿主机与之前完全一样：挂载、cgroup、网络接口、主机名、进程。",
           "compile": "你的文件编译不过：", "seed": "种子", "todo-hint": "没有扣分：还没写的是“待写”。提示：./dev lab hint {id}"},
}


def document(result: grade.Grade, lang: str = "en") -> dict:
    """grade.json"""
    titles = {c.id: c.title[lang] for c in result.lab.checks}
    modes = [m.mode for m in result.ran] or [m.mode for m in result.modes]
    return {
        "schema": SCHEMA,
        "id": result.lab.id,
        "mode": "both" if len(modes) > 1 else "".join(modes),
        "seed": result.seed,
        "kernel": grade.kernel_name(),
        "executor": "host",
        "status": result.status,
        "points": result.points,
        "max": result.max,
        "cannot_run": [{"mode": m.mode, "reason": m.cannot_run} for m in result.modes if m.cannot_run],
        "host_changes": [line for m in result.modes for line in m.host_changes],
        "checks": [{
            "id": c.id, "title": titles[c.id], "status": "fail" if c.status == "skipped" else c.status, "points": c.points,
            "max": c.max, "observed": c.observed, "expected": c.expected, "message_id": c.message_id, "mutant": c.mutant,
            "book": result.lab.book, "ms": c.ms} for c in result.merged()],
    }


def text(result: grade.Grade, lang: str = "en") -> str:
    words, lab = WORDS[lang], result.lab
    lines = [f"{words['lab']} {lab.id}: {lab.title[lang]}   ({words['seed']} {result.seed}, {grade.kernel_name()})", ""]
    merged = result.merged()
    for check, c in zip(lab.checks, merged, strict=True):
        lines.append(f"  {_pad(words[c.status], 10)} {c.points}/{c.max}  {_pad(check.id, 12)} {check.title[lang]}")
    lines += [f"  {words['cannot'].format(mode=m.mode, why=m.cannot_run)}" for m in result.modes if m.cannot_run]
    if result.compile_error:
        lines += ["", words["compile"], *textwrap.indent(result.compile_error, "  ").splitlines()[:40]]
    else:
        lines += _first_failure(result, lang)
    changes = [line for m in result.modes for line in m.host_changes]
    if changes:
        lines += ["", words["host"], *("  " + line for line in changes)]
    elif result.ran:
        lines += ["", words["host-same"]]
    if result.status == "todo":
        lines.append(words["todo-hint"].format(id=lab.id))
    lines += ["", words["points"].format(points=result.points, max=result.max) + f"  ({words[result.status]})"]
    return "\n".join(lines)


def _first_failure(result: grade.Grade, lang: str) -> list[str]:
    words, lab = WORDS[lang], result.lab
    for number, check in enumerate(lab.checks):
        for mode in result.ran:
            c = mode.checks[number]
            if c.status != "fail":
                continue
            rows = [("rule", [check.rule[lang]]), ("expected", [c.expected]), ("observed", [c.observed]),
                    ("steps", [f"{i}. {step}" for i, step in enumerate(c.steps, 1)]),
                    ("like", _causes(result, c.mutant, lang)), ("read", [lab.book]),
                    ("again", [f"./dev lab grade {lab.id} --mode {mode.mode} --seed {result.seed}"])]
            lines = ["", words["first"].format(check=check.id, mode=mode.mode)]
            for word, values in rows:
                for i, value in enumerate(values):
                    lines.append(f"  {_pad(words[word] if i == 0 else '', 10)} {value}")
            return lines
    return []


def _causes(result: grade.Grade, mutants: str, lang: str) -> list[str]:
    known = {m.id: m for m in result.lab.mutants()}
    return [f"{known[m].says[lang]} ({m})" if i == 0 else f"{WORDS[lang]['or']} {known[m].says[lang]} ({m})"
            for i, m in enumerate(mutants.split())]


def _pad(value: str, width: int) -> str:
    from regions import columns  # a Chinese character takes two columns
    return value + " " * max(width - columns(value), 0)


def give_to_caller(path: pathlib.Path) -> None:
    """After sudo what we write belongs to who called sudo, so that they can edit it."""
    if os.geteuid() == 0 and "SUDO_UID" in os.environ:
        for entry in (path, *path.rglob("*")) if path.is_dir() else (path,):
            os.chown(entry, int(os.environ["SUDO_UID"]), int(os.environ["SUDO_GID"]), follow_symlinks=False)
