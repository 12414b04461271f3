"""The verb `runs`: list, comparison and curves of training runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from superres.atomic import atomic_write_bytes, check_target
from superres.cli.output import print_exception, print_json, print_result, print_table
from superres.errors import ArgumentError, SuperresError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from superres.runs.listing import Run

_DEFAULT = Path("runs")
_LONGEST = 48  # characters of a recipe's value in a table


def runs(
    places: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="DIR",
            help="Folders of runs, or runs. [runs]",
            show_default=False,
            readable=False,
        ),
    ] = None,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A B", help="Two run folders to compare, recipes and scores."),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page with all curves.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing page.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List training runs, compare two, or draw their curves.

    \b
    Examples:
      superres runs
      superres runs --compare runs/one runs/two
      superres runs runs/ elsewhere/ --html runs.html
    """  # noqa: D301 - \b separates the examples' lines, and must be this one character
    if compare and places:
        raise ArgumentError("--compare and other folders are both given", "use one of them")

    from superres.runs import listing as room
    from superres.runs.page import render_page

    folders, faults = (list(compare), []) if compare else room.find_runs(places or [_DEFAULT])
    for fault in faults:
        print_exception(fault)
    if html:
        check_target(
            html, _files_of(folders), overwrite=overwrite, shorter="name a shorter page with --html"
        )
    found: list[Run] = []
    for folder in folders:
        try:
            found.append(room.read_run(folder))
        except SuperresError as error:
            print_exception(error)
    failed = len(folders) - len(found) + len(faults)
    if not found or (compare and failed):
        raise typer.Exit(1)
    if html:
        atomic_write_bytes(html, render_page(found).encode())
    if as_json:
        listed = [room.to_json(run) for run in found]
        print_json({"differences": room.differences(found), "runs": listed} if compare else listed)
    elif html:
        print_result(str(html))
    elif compare:
        _show_comparison(found)
    else:
        _show_list(found)
    if failed:
        raise typer.Exit(1)


def _files_of(folders: Sequence[Path]) -> Iterator[Path]:
    """Yield the files of runs, without the page that may lie among them."""
    for folder in filter(Path.is_dir, folders):
        yield from (path for path in folder.iterdir() if path.suffix != ".html")


def _show_list(found: Sequence[Run]) -> None:
    from superres.runs.listing import as_text, minutes_text, names_of, score_text, title_of

    scores = [name for name in names_of(found, "score") if name.startswith("psnr_")]
    header = ("run", "name", "network", "steps", "minutes", *map(title_of, scores), "loss", "state")
    rows = [
        (
            str(run.folder),
            run.name,
            run.architecture,
            f"{run.steps:,}",
            minutes_text(run),
            *(score_text(run, name) for name in scores),
            ", ".join(
                f"{title_of(name)} {as_text(name, run.last(name))}"
                for name in names_of([run], "loss")
            ),
            run.state,
        )
        for run in found
    ]
    print_table(header, rows, right="   rr" + "r" * len(scores))


def _show_comparison(found: Sequence[Run]) -> None:
    from superres.runs.listing import (
        as_text,
        differences,
        minutes_text,
        names_of,
        score_text,
        title_of,
    )

    folders = [str(run.folder) for run in found]
    keys = differences(found)
    if keys:
        rows = [(key, *map(_value, values)) for key, values in keys.items()]
        print_table(("recipe", *folders), rows)
    else:
        print_result("the recipes are the same")
    print_result("")
    rows = [
        ("state", *(run.state for run in found)),
        ("steps", *(f"{run.steps:,}" for run in found)),
        ("minutes", *(minutes_text(run) for run in found)),
    ]
    rows += [
        (title_of(name), *(as_text(name, run.last(name)) for run in found))
        for name in names_of(found, "loss")
    ]
    rows += [
        (title_of(name), *(score_text(run, name) for run in found))
        for name in names_of(found, "score")
    ]
    print_table(("last (best)", *folders), rows, right=" rr")


def _value(value: object) -> str:
    """Return a recipe's value in one line; a dash if absent."""
    text = "–" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
