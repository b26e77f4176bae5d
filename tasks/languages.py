"""Languages by Whisper's codes and names."""


def language_code(language: str) -> str:
    """Return the code of a language that is given as a code or a name. Raises ValueError."""
    from whisperx.utils import LANGUAGES, TO_LANGUAGE_CODE

    code: str = TO_LANGUAGE_CODE.get(language.lower(), language.lower())
    if code not in LANGUAGES:
        raise ValueError(f"Whisper knows no language {language!r}; give a code such as 'en' or a name")
    return code


def by_language(models: str | None) -> dict[str, str]:
    """Read `MODEL`, whose key is '', or `LANGUAGE=MODEL,LANGUAGE=MODEL`. Raises ValueError.

    A folder with = in its name needs a / before it, such as ./a=b.
    """
    if not models:
        return {}
    if "=" not in models or "/" in models.partition("=")[0]:
        return {"": models}
    found: dict[str, str] = {}
    for pair in models.split(","):
        language, equals, model = (part.strip() for part in pair.partition("="))
        if not (language and equals and model):
            raise ValueError(f"{pair.strip()!r} is not LANGUAGE=MODEL, as in de=NAME,ja=FOLDER")
        code = language_code(language)
        if code in found:
            raise ValueError(f"two models for the language {code!r}: {found[code]} and {model}")
        found[code] = model
    return found
