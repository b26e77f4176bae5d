"""Markdown: the same as the document, as plain text."""

import json
import re

from tasks.formats.direction import embedded
from tasks.formats.documents.paragraphs import language_line, paragraphs
from tasks.formats.provenance import Provenance
from tasks.formats.writers import Layout, Result

MARKUP = re.compile(r"[\\`*\[\]<#~|]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)")
"""What Markdown would take for its own inside a line; an underscore inside a word it would not."""


def markdown(result: Result, layout: Layout, title: str, provenance: Provenance) -> bytes:
    """Return a title, the language, and the paragraphs; before them the provenance, as front matter in YAML."""
    blocks = [_front_matter(provenance)] if "provenance" in layout else []
    blocks += [f"# {_plain(title)}", language_line(result["language"])]
    blocks += [f"**{_plain(each.heading)}** {embedded(_plain(each.text))}" for each in paragraphs(result)]
    return ("\n\n".join(blocks) + "\n").encode()


def _front_matter(provenance: Provenance) -> str:
    # A string in JSON is one in YAML too.
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in provenance.items().items()]
    return "\n".join(["---", *lines, "---"])


def _plain(text: str) -> str:
    return MARKUP.sub(r"\\\g<0>", " ".join(text.split()))
