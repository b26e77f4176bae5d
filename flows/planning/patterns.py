"""Which of the files below a folder are meant: by extension, by gitignore's patterns, and not the hidden ones."""

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from pathspec import GitIgnoreSpec

from flows.state.ledger import FOLDER
from tasks.storage import urls

AUDIO_EXTENSIONS = frozenset(
    """
    .3gp .aac .ac3 .aif .aifc .aiff .amr .ape .asf .au .avi .caf .dts .flac .flv .gsm .m2ts .m4a .m4b .m4v .mka .mkv
    .mov .mp2 .mp3 .mp4 .mpeg .mpg .mts .mxf .oga .ogg .ogv .opus .ra .rm .snd .spx .tta .ts .vob .voc .w64 .wav .webm
    .wma .wmv .wv
    """.split()
)
"""What a folder is searched for. A file that is named itself may have any extension."""


@dataclass(frozen=True)
class Patterns:
    """Which of the files below a folder are meant, by gitignore's patterns."""

    include: tuple[str, ...] = ()
    """None: files with an extension of audio or video."""
    exclude: tuple[str, ...] = ()

    def chosen(self, names: Iterable[str]) -> Iterator[str]:
        """Yield those of these paths, relative to the folder that is searched, that are meant."""
        include, hidden, exclude = map(GitIgnoreSpec.from_lines, (self.include, self._for_hidden(), self.exclude))
        for name in names:
            if is_hidden(name):
                meant = hidden.match_file(name) and FOLDER not in name.split("/")
            else:
                meant = include.match_file(name) if self.include else _is_media(name)
            if meant and not exclude.match_file(name):
                yield name

    def enters(self, folder: str) -> bool:
        """Return whether a folder of this name can hold files that are meant."""
        return folder != FOLDER and (not is_hidden(folder) or any(map(names_hidden, self.include)))

    def not_excluded(self, files: list[str]) -> list[str]:
        """Return those of these files that `exclude` leaves in."""
        exclude = GitIgnoreSpec.from_lines(self.exclude)
        return [each for each in files if not exclude.match_file(urls.path_in(each).lstrip("/"))]

    def _for_hidden(self) -> tuple[str, ...]:
        """Return the patterns that count for hidden files: `*.mp3` does not mean those in a trash folder."""
        return tuple(each for each in self.include if each.startswith("!") or names_hidden(each))


MEDIA = Patterns()
"""Every file of audio or video that is not hidden."""


def is_hidden(path: str) -> bool:
    """Return whether the name of the file, or of a folder in its relative path, begins with a dot."""
    return any(part.startswith(".") for part in path.split("/"))


def names_hidden(pattern: str) -> bool:
    """Return whether a pattern asks for hidden files or folders: only a dot that is written matches their dot."""
    return is_hidden(pattern)


def _is_media(name: str) -> bool:
    return os.path.splitext(name)[1].lower() in AUDIO_EXTENSIONS
