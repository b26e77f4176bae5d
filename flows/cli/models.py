"""The command `whisperx-batch-models`: fetches the models that a run needs into a folder, and checks them."""

import os
import sys
import warnings
from typing import TYPE_CHECKING, NoReturn

from flows.cli.arguments import Parser
from flows.cli.parsing import read_options, usage_errors
from flows.host.private_folder import NoPrivateFolder
from flows.host.surroundings import prepare_surroundings

if TYPE_CHECKING:
    from flows.cli.options import ModelsCommand

PROGRAM = "whisperx-batch-models"
SHOWN = {
    *("model", "language", "languages", "task", "align_model", "no_align", "diarize", "diarize_model"),
    *("second_pass", "second_model"),
    *("model_dir", "offline", "hf_token", "help"),
}


def main() -> NoReturn:
    """Run the command line. Exit status: 0 all models are there, 1 some are not, 2 the command is wrong."""
    if not sys.stderr.isatty():
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    warnings.filterwarnings("ignore")
    try:
        prepare_surroundings()
    except NoPrivateFolder as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
        sys.exit(2)
    command = _parse(sys.argv[1:])

    from pydantic import ValidationError

    from flows.model_store.hub import HubUnreachable
    from tasks.errors import InvalidInput

    if command.hf_token:
        os.environ["HF_TOKEN"] = command.hf_token.get_secret_value()
    try:
        sys.exit(_run(command))
    except ValidationError as error:
        sys.stderr.write(usage_errors(error, PROGRAM))
    except HubUnreachable as error:
        where = "run this where there is a network, or with --offline to check what is here"
        sys.stderr.write(f"{PROGRAM}: cannot reach the Hub ({error}): {where}\n")
    except (InvalidInput, OSError) as error:
        sys.stderr.write(f"{PROGRAM}: {error}\n")
    except KeyboardInterrupt:
        sys.exit(130)
    sys.exit(2)


def _parse(arguments: list[str]) -> "ModelsCommand":
    parser = Parser(
        prog=PROGRAM,
        usage=f"{PROGRAM} --model_dir FOLDER [options]",
        description="Fetch every model that a run of whisperx-batch with these options needs into one folder, note the "
        "revision and the checksum of each in its models.json, and check what is there; with --offline, only check. "
        "The other options of whisperx-batch, its environment variables and its settings file are taken too, and "
        "change nothing here.",
    )
    from flows.cli.options import ModelsCommand

    return read_options(parser, ModelsCommand, arguments, shown=SHOWN)[0]


def _run(command: "ModelsCommand") -> int:
    from flows.model_store.fetch import ModelUnavailable, ensure_models
    from flows.planning.flow_parameters import as_parameters
    from flows.preflight.models import check_names
    from tasks.errors import InvalidInput
    from tasks.models.options import go_offline
    from tasks.models.registry import default_aligners
    from tasks.transcribe import TranscribeOptions

    if command.offline:
        go_offline()
    batch = as_parameters(command.batch([]))
    if not batch.models.model_dir:
        raise InvalidInput("--model_dir: name the folder that the models are to be in")
    check_names(batch)
    languages = [str(TranscribeOptions(language=language).language) for language in command.languages]
    failed = False
    for told in ensure_models(batch, languages):
        failed |= isinstance(told, ModelUnavailable)
        sys.stdout.write(f"failed   {told}\n" if isinstance(told, ModelUnavailable) else f"{told}\n")
        sys.stdout.flush()
    for language in sorted({*languages, *filter(None, [batch.transcribe.language])} - set(default_aligners())):
        sys.stdout.write(f"none     WhisperX has no aligner for {language!r}; --align_model names one\n")
    return int(failed)
