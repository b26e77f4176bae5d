"""tasks/storage/urls.py: what a path or URL means, and what of it may be shown."""

from tasks.storage.urls import absolute, shown


def test_secrets_in_a_url_are_not_shown() -> None:
    """Two signed URLs of one object stay two."""
    assert shown("https://me:secret@host/a.mp3") == "https://host/a.mp3"
    one, two = (shown(f"https://host/a.mp3?sig={secret}") for secret in ("geheim", "anders"))
    assert one.startswith("https://host/a.mp3?")
    assert one != two
    assert "geheim" not in one
    assert shown("/in/a?b=c.mp3") == "/in/a?b=c.mp3"


def test_a_file_url_is_a_path() -> None:
    """Whose characters are escaped."""
    assert absolute("file:///in/a%20b.mp3") == "/in/a b.mp3"
    assert absolute("s3://bucket/../a") == "s3://bucket/../a"
