"""Both languages side by side: the same chapters, the same section ids, and which Chinese sections are older."""
import hashlib
import re

from . import chapters

HEADING = re.compile(r"^(#+) .*\{#([\w-]+)\}$")
STAMP = re.compile(r"^<!-- en: ([0-9a-f]{8}) -->$")


def sections_of(path):
    """Maps the id of each section to its text, its heading left out."""
    sections, current = {}, None
    for line in path.read_text(encoding="utf-8").splitlines():
        heading = HEADING.match(line)
        if heading:
            current = heading.group(2)
            sections[current] = []
        elif line.startswith("#") and not line.startswith("#!") and current is None:
            raise chapters.BookError(f"{path}: the heading \"{line}\" has no id; write {{#id}} behind it")
        elif current:
            sections[current].append(line)
    return {name: "\n".join(lines).strip() for name, lines in sections.items()}


def hash_of(text):
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def stamp_of(text):
    first = text.splitlines()[0] if text else ""
    found = STAMP.match(first)
    return found.group(1) if found else None


def check(root):
    """Prints which sections are stale; fails when a Chinese chapter lacks a section or has one of its own."""
    stale = 0
    for path in chapters.chapter_files(root, "zh"):
        english = chapters.book_folder(root) / "en" / path.name
        if not english.exists():
            raise chapters.BookError(f"{path.relative_to(root)}: there is no English chapter of that name")
        en, zh = sections_of(english), sections_of(path)
        if list(en) != list(zh):
            raise chapters.BookError(f"{path.relative_to(root)}: sections {list(zh)} are not those of the English chapter, {list(en)}")
        for name, text in en.items():
            if stamp_of(zh[name]) != hash_of(text):
                stale += 1
                print(f"stale: {path.relative_to(root)}#{name}: the English section is now {hash_of(text)}")
    print(f"book: {stale} Chinese sections are older than the English ones")
