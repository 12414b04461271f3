"""The verb `blend`: the weighted mean of two trained networks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from superres.atomic import check_target
from superres.cli.needs import needs
from superres.cli.output import print_json, print_result, print_status
from superres.errors import ModelError, OutputError


def blend(
    first: Annotated[str, typer.Argument(metavar="A", help="A model's name, or a weight file.")],
    second: Annotated[
        str, typer.Argument(metavar="B", help="Another of the same architecture and config.")
    ],
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="A .safetensors file.")
    ],
    alpha: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Weight of B: 0 is all A, 1 is all B.")
    ] = 0.5,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Report to stdout as JSON.")] = False,
) -> None:
    """Blend the weights of two networks, such as a faithful and a sharp one.

    \b
    Examples:
      superres blend runs/psnr/model.safetensors runs/gan/model.safetensors -o between.safetensors
      superres blend RRDB_PSNR_x4.pth RRDB_ESRGAN_x4.pth --alpha 0.8 -o sharper.safetensors
    """  # noqa: D301 - \b separates the examples' lines, and must be this one character
    if output.suffix != ".safetensors":
        raise OutputError(
            f"{output} does not end in .safetensors", "name a file such as blend.safetensors"
        )
    one, two = _weights(first), _weights(second)
    check_target(output, (one, two), overwrite=overwrite)
    with needs("blend", "torch"):
        from superres.modelfiles.blend import blend as mix
        from superres.modelfiles.checkpoint import save_network

    network, card, kin = mix(one, two, alpha=alpha, name=output.stem)
    card = save_network(network, card, output)
    if as_json:
        print_json({"model": output, "alpha": alpha, "card": card.model_dump(mode="json")})
    else:
        print_result(str(output))
    print_status(card.training.started_from)
    if not kin:
        print_status(
            "note: the cards do not show that one network was fine-tuned from the other; "
            "the mean of independently trained networks is worse than either"
        )


def _weights(name: str) -> Path:
    from superres.zoo import resolve

    weights = resolve(name).weights
    if weights is None:
        raise ModelError(
            f"{name} has no weight file to blend",
            "download it with superres models pull, or name a weight file",
        )
    return weights
