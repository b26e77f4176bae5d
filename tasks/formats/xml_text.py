"""XML: elements, and text that it can hold."""

import re
from xml.etree import ElementTree as ET


def valid(text: str) -> str:
    """Return the text without the control characters that XML cannot hold."""
    return re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "\N{REPLACEMENT CHARACTER}", text)


def add(parent: ET.Element, name: str, text: str | None = None, **attributes: str) -> ET.Element:
    """Add an element; in names of attributes a double underscore stands for the colon after a prefix."""
    named = {key.replace("__", ":"): valid(value) for key, value in attributes.items()}
    element = ET.SubElement(parent, name, named)
    element.text = None if text is None else valid(text)
    return element


def document(root: ET.Element) -> bytes:
    """Return the document with its declaration."""
    text: str = ET.tostring(root, "unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'.encode()
