"""Woven chapters become a site. VitePress is pinned in book/site/package-lock.json and comes from npm."""
import os
import re
import shutil
import subprocess

from . import chapters

OUTSIDE = re.compile(rb"""(?:src|href)=["']?https?://|@import +["']?https?://|url\(["']?https?://""")


def render(root):
    if shutil.which("npm") is None:
        raise chapters.BookError("npm is not installed: apt-get install npm; the woven chapters are plain Markdown all the same")
    work = root / "build" / "book" / "vitepress"
    work.mkdir(parents=True, exist_ok=True)
    copy_site(chapters.book_folder(root) / "site", work)
    shutil.rmtree(work / "pages", ignore_errors=True)
    shutil.copytree(chapters.woven_folder(root), work / "pages")
    for language in chapters.LANGUAGES:
        shutil.copy(chapters.book_folder(root) / language / "index.md", work / "pages" / language / "index.md")
    shutil.copy(work / "index.md", work / "pages" / "index.md")
    # Not npm ci: some npm versions leave other platforms' optional packages out of the lock and then refuse it.
    run(["npm", "install", "--no-save", "--no-audit", "--no-fund", "--loglevel=error"], work)
    run(["npx", "--no-install", "vitepress", "build"], work)
    site = root / "build" / "book" / "site"
    shutil.rmtree(site, ignore_errors=True)
    shutil.copytree(work / ".vitepress" / "dist", site)
    refuse_outside_addresses(site)
    return f"rendered {len(list(site.rglob('*.html')))} pages into {site.relative_to(root)}"


def copy_site(source, work):
    shutil.copytree(source, work, dirs_exist_ok=True, ignore=shutil.ignore_patterns("node_modules", "cache", "dist"))


def run(command, folder):
    done = subprocess.run(command, cwd=folder, env={**os.environ, "CI": "true"}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise chapters.BookError(f"{' '.join(command)}:\n{done.stdout[-4000:]}")


def refuse_outside_addresses(site):
    """A reader without a network sees the whole book: no page or style sheet loads anything from elsewhere. (Scripts are
    the theme's own; they name addresses only in what we do not use.)"""
    for path in site.rglob("*"):
        if path.suffix in (".html", ".css") and OUTSIDE.search(strip_links(path.read_bytes())):
            raise chapters.BookError(f"{path.relative_to(site)} loads something from outside")


def strip_links(text):
    # A link that a reader may follow loads nothing.
    return re.sub(rb"""<a [^>]*>""", b"", text)
