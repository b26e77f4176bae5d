"""Text files as editors, Excel and Windows save them."""

import codecs

UTF_16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def as_utf8(content: bytes) -> bytes:
    """Return the content of a text file in UTF-8 and without a byte order mark.

    UTF-16 is recognized by its byte order mark. Anything else is returned as it is, since paths need not be UTF-8.
    Raises UnicodeDecodeError for UTF-16 that is damaged.
    """
    if content.startswith(UTF_16_MARKS):
        return content.decode("utf-16").encode()
    return content.removeprefix(codecs.BOM_UTF8)


def decoded(content: bytes) -> str:
    """Return the text of a file in UTF-8 or UTF-16. Raises ValueError for text in any other encoding."""
    try:
        return as_utf8(content).decode()
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise ValueError(
            f"line {line} is not {error.encoding.upper()} (byte {error.start}): "
            "save the file as UTF-8, which Excel calls 'CSV UTF-8', or as UTF-16"
        ) from None
