#!/usr/bin/env python3
"""What bench/ promises: rows are paired, a row that fails says why, every goal has what its verdict needs."""
import json
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
BENCH = Path(os.environ["DRYDOCK_BIN"]).parent / "bench"
TRUE = str(BENCH / "drydock-bench-true")


def pairs(**request):
    done = subprocess.run([BENCH / "drydock-bench-pairs"], input=json.dumps(request), capture_output=True, text=True)
    return json.loads(done.stdout) if done.returncode == 0 else done.stderr


class Pairs(unittest.TestCase):
    def test_every_row_has_a_sample_of_every_round(self):
        result = pairs(rounds=7, rows=[{"id": "a", "argv": [TRUE]}, {"id": "b", "argv": ["/bin/sleep", "0.02"]}])
        for row in result["rows"]:
            self.assertEqual(len(row["wall_us"]), 7)
            self.assertGreater(row["peak_rss_kib"], 0)
        self.assertGreater(min(result["rows"][1]["wall_us"]), 20000)
        for key in ("kernel", "processor", "processors", "memory", "load", "cgroups", "taken_at"):
            self.assertIn(key, result["machine"])

    def test_idling_is_not_measured(self):
        result = pairs(rounds=3, idle_ms=50, rows=[{"id": "a", "argv": [TRUE]}])
        self.assertLess(min(result["rows"][0]["wall_us"]), 50000)

    def test_a_row_that_fails_says_why_and_the_others_go_on(self):
        result = pairs(rounds=2, rows=[{"id": "a", "argv": ["/bin/sh", "-c", "echo first >&2; echo no luck >&2; exit 3"]},
                                       {"id": "b", "argv": ["/nowhere"]}, {"id": "c", "argv": [TRUE]}])
        rows = {row["id"]: row for row in result["rows"]}
        self.assertEqual(rows["a"]["failure"], "no luck")
        self.assertIn("posix_spawn(/nowhere): No such file", rows["b"]["failure"])
        self.assertEqual(len(rows["c"]["wall_us"]), 2)

    def test_a_row_is_prepared_once_and_may_be_several_commands(self):
        with tempfile.TemporaryDirectory() as directory:
            log = Path(directory) / "log"
            write = lambda word: ["/bin/sh", "-c", f"echo {word} >> {log}"]
            pairs(rounds=2, rows=[{"id": "a", "before": [write("before")], "argv": write("run"), "then": [write("then")],
                                   "after": [write("after")]}])
            self.assertEqual(log.read_text().split(), ["before"] + ["run", "then"] * 3 + ["after"])

    def test_many_at_once_have_numbers_and_one_that_fails_is_the_rows_failure(self):
        with tempfile.TemporaryDirectory() as directory:
            result = pairs(rounds=1, rows=[{"id": "a", "count": 20, "at_once": 8, "argv": ["/bin/touch", directory + "/%n"]},
                                           {"id": "b", "count": 9, "at_once": 4, "argv": ["/bin/sh", "-c", "test %n -ne 5"]}])
            self.assertEqual({int(name) for name in os.listdir(directory)}, set(range(20)))
            self.assertIn("failure", result["rows"][1])

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_more_mounts_are_the_rows_own(self):
        before = len(Path("/proc/self/mountinfo").read_text().splitlines())
        with tempfile.NamedTemporaryFile() as out:
            row = {"id": "a", "more_mounts": 50, "argv": ["/bin/sh", "-c", f"wc -l < /proc/self/mountinfo > {out.name}"]}
            self.assertNotIn("failure", pairs(rounds=1, rows=[row])["rows"][0])
            self.assertEqual(int(Path(out.name).read_text()), before + 50)
        self.assertEqual(len(Path("/proc/self/mountinfo").read_text().splitlines()), before)

    def test_a_request_that_is_none_is_one_line(self):
        self.assertTrue(pairs(rounds=1).startswith("drydock-bench-pairs: "))


class Goals(unittest.TestCase):
    def test_every_goal_is_a_line_with_all_its_members(self):
        lines = (HERE / "goals.json").read_text().splitlines()[1:-1]
        goals = [json.loads(line.rstrip(",")) for line in lines]
        self.assertEqual(goals, json.loads((HERE / "goals.json").read_text()))
        self.assertEqual(len({goal["id"] for goal in goals}), len(goals))
        for goal in goals:
            self.assertTrue({"id", "measure", "ours", "reach", "issue"} <= set(goal), goal)
            self.assertIn(goal.get("mode", "idle"), ("idle", "back-to-back"))

    def test_a_wrong_flag_is_an_error(self):
        for flags in (["--nonsense"], ["--rounds", "0"], ["--rounds", "x"]):
            done = subprocess.run([HERE / "run", *flags], capture_output=True, text=True)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn("usage", done.stderr)

    @unittest.skipUnless(os.geteuid() == 0, "needs root")
    def test_the_demo_prints_a_row_a_stage(self):
        done = subprocess.run([HERE / "run", "--demo"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        for name in ("plain process", "drydock-01", "drydock-02", "drydock-03"):
            self.assertIn(name, done.stdout)


if __name__ == "__main__":
    unittest.main()
