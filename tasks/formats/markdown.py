"""Markdown: the same as the document, as plain text."""

import re

from tasks.formats.direction import embedded
from tasks.formats.paragraphs import language_line, paragraphs
from tasks.formats.writers import Result

MARKUP = re.compile(r"[\\`*\[\]<#~|]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
"""What Markdown would take for its own inside a line; an underscore inside a word it would not."""


def markdown(result: Result, title: str) -> bytes:
    """Return a title, the language, and the paragraphs."""
    blocks = [f"# {_plain(title)}", language_line(result["language"])]
    blocks += [f"**{_plain(each.heading)}** {embedded(_plain(each.text))}" for each in paragraphs(result)]
    return ("\n\n".join(blocks) + "\n").encode()


def _plain(text: str) -> str:
    return MARKUP.sub(r"\\\g<0>", " ".join(text.split()))
