"""Numbers with their nouns."""


def counted(count: float, noun: str) -> str:
    """Return `1 file` or `1,200 files`."""
    return f"{count:,.0f} {noun}{'' if count == 1 else 's'}"
