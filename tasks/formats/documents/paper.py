"""The paper of the reader's country."""

import os
import re

A4_MM, LETTER_MM = (210.0, 297.0), (215.9, 279.4)
LETTER_COUNTRIES = frozenset("BZ CA CL CO CR GT MX NI PA PH PR SV US VE".split())
"""Countries with US Letter; all others have A4 (Unicode CLDR, supplemental measurement data, `paperSize`)."""


def paper_mm() -> tuple[float, float]:
    """Return width and height of the paper, in millimetres, that the environment's locale names."""
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_PAPER", "LANG"))
    country = re.match(r"[a-z]+_([A-Z]{2})", next(filter(None, names), ""))
    return LETTER_MM if country and country[1] in LETTER_COUNTRIES else A4_MM
