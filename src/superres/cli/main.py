"""The command `superres`: verbs, exit codes, and the two lines of every error."""

from __future__ import annotations

import difflib
import os
import signal
import sys
from typing import Annotated, Any

import typer

from superres.cli.options import with_values
from superres.cli.other_tools import file_taken_for_options, model_hint, option_hint
from superres.cli.output import print_error, print_exception, survive_any_text
from superres.errors import ArgumentError, SuperresError, UnknownNameError
from superres.verbs.blend import blend
from superres.verbs.burst import burst
from superres.verbs.degrade import degrade
from superres.verbs.doctor import doctor
from superres.verbs.evaluate import evaluate
from superres.verbs.export import export
from superres.verbs.models import models
from superres.verbs.pack import pack
from superres.verbs.runs import runs
from superres.verbs.train import train
from superres.verbs.upscale import upscale
from superres.verbs.video import video

DONE, FAILED, WRONG_USAGE, INTERRUPTED = 0, 1, 2, 130

# Every typer exports BadParameter; its parent, the class of all usage errors, is in click or typer,
# depending on the release.
_UsageError: type[Exception] = typer.BadParameter.__mro__[1]

app = typer.Typer(
    name="superres",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # rich's help takes 0.1 s more to start
    context_settings={"help_option_names": ["-h", "--help"]},
)
for verb in (upscale, burst, video, doctor, evaluate, train, pack, degrade, export, blend, runs):
    app.command()(verb)
app.add_typer(models)


def _show_version(wanted: bool) -> None:
    if wanted:
        from superres import __version__

        print(f"superres {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def superres(
    context: typer.Context,
    version: Annotated[  # its callback does the work
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Upscale pictures, bursts and videos with deep networks.

    \b
    Example:
      superres upscale photo.jpg
      superres upscale holiday/ -o larger/ --recursive -s 2
    """  # noqa: D301 - \b separates the example's lines, and must be this one character
    if context.invoked_subcommand is None:
        print(context.get_help())


def main(arguments: list[str]) -> int:
    """Run one command line.

    Args:
        arguments: The arguments after `superres`.

    Returns:
        The exit code: 0 all done, 1 some inputs failed, 2 wrong usage, 130 interrupted.
    """
    if taken := file_taken_for_options(arguments):
        print_error(*taken)
        return WRONG_USAGE
    try:
        words = with_values(arguments)
        code = typer.main.get_command(app).main(words, "superres", standalone_mode=False)
        sys.stdout.flush()
    except UnknownNameError as error:
        hint = model_hint(error.name) if error.kind == "model" else None
        print_error(error.message, hint or error.hint)
        return WRONG_USAGE
    except ArgumentError as error:
        print_exception(error)
        return WRONG_USAGE
    except SuperresError as error:
        print_exception(error)
        return FAILED
    except _UsageError as error:
        print_error(*_wrong_usage(error, arguments))
        return WRONG_USAGE
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED  # some releases of typer raise, others return it
    except BrokenPipeError:  # the reader closed the pipe, which is fine
        _drop_stdout()
        return FAILED
    except OSError as error:
        if error.filename is None:  # stdout could not be written
            _drop_stdout()
        where = error.filename or "the output"
        print_error(
            f"{where}: {error.strerror}", "check the path, its permissions and the free space"
        )
        return FAILED
    if code == INTERRUPTED:
        print_error(
            "interrupted",
            "finished results are kept; upscale --skip-existing, train --resume and video resume",
        )
    return code if isinstance(code, int) else DONE


def run() -> None:
    """Run the command line of this process and end it; the entry point of `superres`."""
    survive_any_text()
    # SIGTERM must leave no partial output either.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main(sys.argv[1:]))


def _drop_stdout() -> None:
    """Discard unflushed output, which Python would otherwise report at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _wrong_usage(error: Exception, arguments: list[str]) -> tuple[str, str]:
    """Return message and hint for an error raised by typer."""
    # Any: these attributes are the same in all releases of typer, their classes are not.
    context: Any = getattr(error, "ctx", None)
    path = context.command_path if context else "superres"
    if context and hasattr(error, "possibilities"):
        unknown = str(getattr(error, "option_name", ""))
        written = next((one for one in arguments if one.startswith(unknown)), unknown)
        known = [option for parameter in context.command.params for option in parameter.opts]
        hint = option_hint(written, unknown, known)
        # A letter says nothing of what was meant: another one would do something else.
        near = [] if len(unknown) == 2 else _near(unknown, [*known, "--help"])
        guess = f"did you mean {near[0]}?" if near else f"{path} --help lists the options"
        name = written.partition("=")[0] if hint else unknown
        return f"there is no option {name}", hint or guess
    message = str(getattr(error, "format_message", error.__str__)())
    message, _, suggestion = message.partition(" Did you mean ")
    hint = f"did you mean {suggestion}" if suggestion else f"{path} --help shows its usage"
    return message[:1].lower() + message[1:].rstrip("."), hint


def _near(unknown: str, known: list[str]) -> list[str]:
    return difflib.get_close_matches(unknown, known, n=1, cutoff=0.6)
