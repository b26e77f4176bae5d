"""What is wrong with a batch as a whole."""


class BadInput(ValueError):
    """The inputs as a whole are wrong: nothing is run."""


def one_line(text: str) -> str:
    """Return the text on one line, with what a terminal would act on, or cannot show, written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
