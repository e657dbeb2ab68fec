#!/usr/bin/env python3
"""Tests of the tools: each rule of check-regions and check-copies has an input that breaks it."""
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import unittest

TOOLS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(TOOLS))
import regions  # noqa: E402
from bookmaking import console  # noqa: E402

GOOD = """\
int a() {
    return 1;
}
// [region: one]
int b() {
    return 2;
}
// [/region]
"""


class Tree(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.root = pathlib.Path(self.directory.name)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))

    def tool(self, name, *arguments):
        done = subprocess.run([sys.executable, TOOLS / name, "--root", self.root, *arguments], capture_output=True, text=True)
        return done.returncode, done.stdout + done.stderr

    def fails(self, name, expected, *arguments):
        status, text = self.tool(name, *arguments)
        self.assertEqual(status, 1, text)
        self.assertIn(expected, text)


class Regions(Tree):
    def test_find_gives_text_and_place(self):
        self.write("stages/01-x/src/a.cpp", GOOD)
        region = regions.find(self.root / "stages/01-x/src/a.cpp", "one")
        self.assertEqual((region.first, region.last), (5, 7))
        self.assertEqual(region.text, "int b() {\n    return 2;\n}\n")

    def test_with_bodies_replaces_the_body_alone(self):
        text = regions.with_bodies(GOOD, {"one": "int b();\n"})
        self.assertIn("// [region: one]\nint b();\n// [/region]\n", text)
        self.assertIn("int a()", text)

    def test_an_unknown_name_lists_the_known_ones(self):
        with self.assertRaisesRegex(regions.RegionError, "no region \"two\"; it has: one"):
            regions.find("a.cpp", "two", GOOD)


class CheckRegions(Tree):
    def test_a_good_tree_passes_and_warns_of_the_unused(self):
        self.write("stages/01-x/src/a.cpp", GOOD)
        status, text = self.tool("check-regions")
        self.assertEqual(status, 0, text)
        self.assertIn("a.cpp:4: region \"one\" is used by neither", text)

    def test_strict_makes_an_unused_region_an_error(self):
        self.write("stages/01-x/src/a.cpp", GOOD)
        self.fails("check-regions", "used by neither", "--strict")

    def test_use_by_book_and_lab_counts(self):
        self.write("stages/01-x/src/a.cpp", GOOD + GOOD.replace("one", "two"))
        self.write("book/en/03.md", "{{code stages/01-x/src/a.cpp#one}}\n")
        self.write("labs/01/lab.toml", '[[hole]]\nfile = "stages/01-x/src/a.cpp"\nregion = "two"\n')
        status, text = self.tool("check-regions", "--strict")
        self.assertEqual(status, 0, text)

    def test_hash_comments_in_scripts(self):
        self.write("tools/x.sh", "# [region: a]\necho\n# [/region]\n")
        self.assertIn("1 regions", self.tool("check-regions")[1])

    def test_errors(self):
        tag, end = "// [region: one]\n", "// [/region]\n"
        for text, expected in [
            (tag + "int a;\n", "a.cpp:1: region \"one\" has no [/region]"),
            ("int a;\n" + end, "a.cpp:2: [/region] ends nothing"),
            (tag + "// [region: two]\nint a;\n" + end, "a.cpp:2: region \"two\" begins inside \"one\" (line 1)"),
            ((tag + "int a;\n" + end) * 2, "a.cpp:4: second region \"one\""),
            ("// [region one]\n", "is no region tag"),
            ("// [endregion]\n", "is no region tag"),
            (tag + "int a;\n" * 41 + end, "has 41 lines, at most 40"),
            (tag + "int " + "a" * 97 + ";\n" + end, "102 columns"),
            (tag + end, "is empty"),
        ]:
            with self.subTest(expected):
                self.write("stages/01-x/src/a.cpp", text)
                self.fails("check-regions", expected)

    def test_a_reference_to_nothing(self):
        self.write("stages/01-x/src/a.cpp", GOOD)
        self.write("book/en/03.md", "\n{{code stages/01-x/src/a.cpp#tow}}\n")
        self.fails("check-regions", "03.md:2: no region stages/01-x/src/a.cpp#tow; that file has: one")

    def test_a_line_too_wide_for_print_is_a_warning(self):
        self.write("stages/01-x/src/a.cpp", "// [region: one]\nint " + "a" * 90 + ";\n// [/region]\n")
        self.write("book/zh/03.md", "{{code stages/01-x/src/a.cpp#one}}\n")
        status, text = self.tool("check-regions")
        self.assertEqual(status, 0, text)
        self.assertIn("a.cpp:2: 95 columns in a listing", text)


class CheckCopies(Tree):
    BODY = "".join(f"    call_{i}();  // for stage A\n" for i in range(8))

    def test_eight_lines_are_a_copy_whatever_indentation_and_comments(self):
        self.write("stages/01-x/src/a.cpp", "void a() {\n" + self.BODY + "}\n")
        self.write("stages/02-y/src/b.cpp", "int b() {\n" + self.BODY.replace("    ", "\t").replace("stage A", "B") + "}\n")
        self.fails("check-copies", "stages/02-y/src/b.cpp:2: 8 lines as in stages/01-x/src/a.cpp:2")

    def test_a_longer_copy_is_reported_once(self):
        for stage in ("01-x", "02-y"):
            self.write(f"stages/{stage}/src/a.cpp", self.BODY + "    last();\n")
        status, text = self.tool("check-copies")
        self.assertEqual(status, 1)
        self.assertEqual(text.count("error:"), 1, text)
        self.assertIn("9 lines", text)

    def test_seven_lines_the_same_stage_and_run_cpp_are_none(self):
        seven = "".join(self.BODY.splitlines(True)[:7])
        self.write("stages/01-x/src/a.cpp", seven)
        self.write("stages/02-y/src/b.cpp", seven)
        for file in ("c", "d"):
            self.write(f"stages/03-z/src/{file}.cpp", self.BODY)
        for stage in ("01-x", "02-y"):
            self.write(f"stages/{stage}/src/run.cpp", self.BODY)
        status, text = self.tool("check-copies")
        self.assertEqual(status, 0, text)


class BookSession(unittest.TestCase):
    def setUp(self):
        self.session = console.Session(TOOLS.parent)
        self.addCleanup(self.session.close)

    def test_lines_and_status(self):
        self.assertEqual(self.session.run("printf 'a\\nb'; (exit 3)"), (["a", "b"], 3))
        self.assertEqual(self.session.run("true"), ([], 0))

    def test_a_command_that_never_ends_is_told_with_what_it_printed(self):
        with self.assertRaisesRegex(TimeoutError, "sleep 1000\n  did not end within 0.5 seconds.*\n    begun"):
            self.session.run("echo begun; sleep 1000", longest=0.5)

    @unittest.skipUnless(os.geteuid() == 0, "the session has namespaces of its own only when root makes it")
    def test_what_it_leaves_running_ends_with_it_even_when_the_program_is_killed(self):
        script = "import sys; sys.path.insert(0, sys.argv[1]); from bookmaking import console; import pathlib\n" \
                 "session = console.Session(pathlib.Path(sys.argv[1]).parent)\n" \
                 "print(session.folder, flush=True); session.run('sleep 1000')"
        program = subprocess.Popen([sys.executable, "-c", script, TOOLS], stdout=subprocess.PIPE, text=True)
        folder = program.stdout.readline().strip()
        program.send_signal(signal.SIGKILL)
        program.wait()
        program.stdout.close()
        deadline = time.monotonic() + 10
        while self.processes_in(folder) and time.monotonic() < deadline:
            time.sleep(0.05)
        self.assertEqual(self.processes_in(folder), [])
        pathlib.Path(folder).rmdir()

    @staticmethod
    def processes_in(folder):
        found = []
        for process in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if (process / "cwd").readlink() == pathlib.Path(folder):
                    found.append(process.name)
            except OSError:
                pass  # it has ended
        return found


class StageDiff(unittest.TestCase):
    def test_a_stage_that_is_none(self):
        done = subprocess.run([sys.executable, TOOLS / "stage-diff", "9"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 2)
        self.assertIn("expected 01 to 07", done.stderr)

    def test_stage_01_names_its_steps_headers_and_flags(self):
        done = subprocess.run([sys.executable, TOOLS / "stage-diff", "01"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn('+ {"chroot",', done.stdout)
        self.assertIn("01-chroot/chroot.hpp", done.stdout)


if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=1).result
    bad = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - bad} passed, {bad} failed")
    sys.exit(1 if bad else 0)
