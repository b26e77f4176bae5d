"""The number of the check's rules, by which verdicts of earlier runs are found again or made anew."""

import hashlib
import tokenize
from collections.abc import Iterator
from pathlib import Path

import tasks.check
import tasks.parts
import tasks.quality
from tasks.quality.options import RULES, CheckOptions

CODE_OF = 3, "d172ae56a310e234"
"""The number of the rules, and the digest of their code."""
NO_RULES = {"__init__.py", "assessment.py"}
BEFORE_STATEMENTS = {tokenize.ENCODING, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}
LAYOUT = {*BEFORE_STATEMENTS, tokenize.COMMENT, tokenize.NL}


def words_of(path: Path) -> Iterator[str]:
    """Yield the code of a module without comments, docstrings and line breaks."""
    with path.open("rb") as file:
        first = True
        for token in tokenize.tokenize(file.readline):
            if token.type not in LAYOUT:
                if not (first and token.type == tokenize.STRING):
                    yield token.string
                first = False
            elif token.type in BEFORE_STATEMENTS:
                first = True


def test_verdicts_are_made_anew_when_the_rules_change() -> None:
    """If this fails, the rules' code has changed.

    Raise RULES in tasks/quality/options.py if they find something else in the same file; then put the new digest here.
    """
    folders = [Path(each.__path__[0]) for each in (tasks.quality, tasks.parts)]
    modules = [path for folder in folders for path in folder.glob("*.py") if path.name not in NO_RULES]
    digest = hashlib.sha256()
    for path in (*sorted(modules), Path(tasks.check.__file__)):
        digest.update("\0".join(words_of(path)).encode())
    assert (RULES, digest.hexdigest()[:16]) == CODE_OF


def test_the_number_is_in_the_key_of_a_verdict() -> None:
    """With every limit."""
    assert CheckOptions().key_inputs().items() >= {"rules": RULES, **CheckOptions().model_dump()}.items()
