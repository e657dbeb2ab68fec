"""Chapters and their weaving: directives in double braces become listings cut out of the real sources."""
import pathlib
import re
import shutil

import regions

LANGUAGES = ("en", "zh")
DIRECTIVE = re.compile(r"^\{\{(\w+) ([^}]*)\}\}$")
FENCE = re.compile(r"^```(\S*) *(?:\{(.*)\})?$")
CAPTION = {"en": "{path}, region {name}", "zh": "{path}，区域 {name}"}
KIND_OF_SUFFIX = {".cpp": "cpp", ".hpp": "cpp", ".py": "python", ".cmake": "cmake", ".sh": "bash"}


class BookError(Exception):
    """What is wrong with the book, with the file and line of it."""


def book_folder(root):
    return root / "book"


def woven_folder(root):
    return root / "build" / "book" / "woven"


def chapter_files(root, language):
    return sorted((book_folder(root) / language).glob("[0-9][0-9]-*.md"))


def weave_all(root):
    """Weaves every chapter of every language. Returns the files written, relative to the woven folder."""
    target = woven_folder(root)
    shutil.rmtree(target, ignore_errors=True)
    written = []
    for language in LANGUAGES:
        for source in chapter_files(root, language):
            woven = target / language / source.name
            woven.parent.mkdir(parents=True, exist_ok=True)
            woven.write_text(weave(root, source, language), encoding="utf-8")
            written.append(woven.relative_to(target))
    return written


def weave(root, source, language):
    lines, fenced = [], False
    for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), 1):
        directive = DIRECTIVE.match(line)
        where = f"{source.relative_to(root)}:{number}"
        fence = FENCE.match(line)
        if fence:
            fenced = not fenced
            lines.append(f"```{fence.group(1)}")  # the renderer need not know our tags
        elif directive and not fenced:
            lines += expand(root, source, language, directive.group(1), directive.group(2), where)
        elif "{{" in line and "}}" in line and not fenced:
            raise BookError(f"{where}: a directive stands alone on its line, as {{{{code PATH#REGION}}}}")
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def expand(root, source, language, name, argument, where):
    if name == "code":
        return listing(root, language, argument, where)
    if name == "diff":
        return steps_diff(root, argument, where)
    if name == "block":
        return shared_block(root, source, argument, where)
    raise BookError(f"{where}: unknown directive {name}; expected code, diff or block")


def region_text(root, argument, where):
    path, _, name = argument.partition("#")
    if not name:
        raise BookError(f"{where}: expected PATH#REGION, got {argument}")
    try:
        found = regions.find(root / path, name)
    except (OSError, regions.RegionError) as error:
        raise BookError(f"{where}: {error}") from None
    return found.lines


def listing(root, language, argument, where):
    path, _, name = argument.partition("#")
    text = region_text(root, argument, where)
    kind = KIND_OF_SUFFIX.get(pathlib.PurePath(path).suffix, "text")
    caption = CAPTION[language].format(path=f"`{path}`", name=f"`{name}`")
    return [f"```{kind}", *text, "```", "", f"*{caption}*"]


def steps_diff(root, argument, where):
    """{{diff 01 02}}: how the table of steps grew from one stage to the next."""
    import difflib

    numbers = argument.split()
    if len(numbers) != 2:
        raise BookError(f"{where}: expected two stages, as in diff 01 02")
    tables = []
    for number in numbers:
        found = sorted((root / "stages").glob(f"{number}-*/src/run.cpp"))
        if not found:
            raise BookError(f"{where}: there is no stage {number} with a src/run.cpp")
        tables.append(region_text(root, f"{found[0].relative_to(root)}#steps", where))
    # A row is told by its name and its side: that the columns are wider in the next stage is no news.
    rows = [[row_label(line) for line in table if line.lstrip().startswith("{\"")] for table in tables]
    changes = [line for line in difflib.ndiff(rows[0], rows[1]) if not line.startswith("?")]
    return ["```diff", *changes, "```"]


def row_label(line):
    name, side = re.match(r'\s*\{"([^"]+)",\s*Side::(\w+)', line).groups()
    see = re.search(r'"([^"]*)"\},?\s*$', line)
    return f"{name:<18} {side.lower():<6} {see.group(1) if see else ''}".rstrip()


def shared_block(root, source, argument, where):
    """{{block ID}}: the console block of that id in the English chapter of the same name."""
    english = book_folder(root) / "en" / source.name
    for block in blocks_of(english):
        if block.tags.get("id") == argument:
            return ["```console", *block.lines, "```"]
    raise BookError(f"{where}: {english.relative_to(root)} has no console block with id={argument}")


class Block:
    """A fenced console block: its tags, its lines, and where it stands."""

    def __init__(self, tags, number):
        self.tags = tags
        self.number = number
        self.lines = []


def blocks_of(path):
    """The console blocks of a chapter. A block without a tag is an error: it would never be run."""
    blocks, block, inside = [], None, False
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not inside:
            fence = FENCE.match(line)
            if fence:
                inside = True
                if fence.group(1) == "console":
                    if not fence.group(2):
                        raise BookError(f"{path}:{number}: a console block needs a tag: {{in=host}} or {{static: why}}")
                    block = Block(tags_of(fence.group(2)), number)
        elif line == "```":
            inside = False
            if block:
                blocks.append(block)
                block = None
        elif block:
            block.lines.append(line)
    if inside:
        raise BookError(f"{path}: the last fenced block has no end")
    return blocks


def tags_of(text):
    if text.startswith("static:"):
        return {"static": text.removeprefix("static:").strip()}
    return dict(part.split("=", 1) if "=" in part else (part, "") for part in text.split())
