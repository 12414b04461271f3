"""The verb `models`: available models, their cards and their files."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Annotated, Any

import typer

from superres.cli.output import print_json, print_result, print_table
from superres.cli.progress import BatchProgress

if TYPE_CHECKING:
    from superres.modelfiles.card import Card
    from superres.modelfiles.files import ModelFile

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

models = typer.Typer(
    name="models",
    help="""List models, show a model's card, or download one ahead of use.

    \b
    Examples:
      superres models
      superres models info default-x4
      superres models info runs/mine/model.safetensors --json
      superres models info RealESRGAN_x4plus.pth
      superres models pull vgg16
    """,
    rich_markup_mode=None,
)


@models.callback(invoke_without_command=True)
def _all(context: typer.Context, as_json: AsJson = False) -> None:
    if context.invoked_subcommand is None:
        list_models(as_json)


@models.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List the models that can be used by name, and the recipes that train others."""
    from superres.zoo import embedded_models, on_hub

    embedded, fetched = embedded_models(), on_hub()
    sources = [(model.card, "package") for model in embedded] + [(card, "hub") for card in fetched]
    recipes = _recipes_beside({card.name for card, _ in sources})
    if as_json:
        print_json(
            {
                "models": [_as_json(model) for model in embedded],
                "hub": [card.model_dump(mode="json") for card in fetched],
                "recipes": recipes,
            }
        )
        return
    rows = [
        (
            card.name,
            f"×{card.scale}",
            card.architecture,
            f"{card.parameters:,}",
            _scores(card),
            card.licence,
            source,
        )
        for card, source in sources
    ]
    print_table(
        ("name", "scale", "network", "parameters", "PSNR in dB", "licence", "from"),
        rows,
        right=" r r",
    )
    print_result("")
    print_table(
        ("to train: superres train …", "scale", "network"),
        [(one["name"], f"×{one['scale']}", one["architecture"]) for one in recipes],
        right=" r",
    )


@models.command("info")
def show_model(
    name: Annotated[str, typer.Argument(metavar="NAME|FILE", help="A model's name or file.")],
    as_json: AsJson = False,
) -> None:
    """Show a model's card: requirements, training, data, licence and scores."""
    from superres.zoo import lookup

    model = lookup(name)
    if as_json:
        print_json(_as_json(model))
        return
    for key, value in _facts(model):
        print_result(f"{key:<14}{value}")


@models.command("pull")
def pull_model(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A model, or a network of a loss.")],
    as_json: AsJson = False,
) -> None:
    """Download a model into the cache, and print its path."""
    from superres.zoo import download

    with BatchProgress(1) as bar:
        paths = download(name, watch=bar.watch(name))
    if as_json:
        print_json({"name": name, "files": [str(path) for path in paths]})
        return
    for path in paths:
        print_result(str(path))


def _recipes_beside(names: Collection[str]) -> list[dict[str, Any]]:  # Any: JSON values
    """Return name, network and scale of the built-in recipes without a model of their name."""
    from superres.train.recipe_file import built_in_recipes, load_recipe

    networks = {name: load_recipe(name).network for name in built_in_recipes() if name not in names}
    return [
        {
            "name": name,
            "architecture": network.architecture,
            "scale": network.config.get("scale"),
        }
        for name, network in networks.items()
    ]


_NOT_HERE = "not downloaded; downloaded at first use, or by superres models pull"
_RUN_BY = {
    "image": "",
    "burst": "any number: superres burst runs it",
    "video": "one after another: superres video runs it",
}


def _facts(model: ModelFile) -> list[tuple[str, str]]:
    """Return the card as pairs of a name and its value."""
    card, training = model.card, model.card.training
    config = ", ".join(f"{key} {value}" for key, value in card.config.items())
    facts = [
        ("name", card.name),
        ("scale", f"×{card.scale}"),
        ("network", f"{card.architecture} ({config})"),
        ("parameters", f"{card.parameters:,}"),
        ("channels", str(card.channels)),
        ("frames", _RUN_BY[card.input]),
        ("halo", f"{card.halo} input px"),
        ("smallest", f"{card.minimum} × {card.minimum} px, multiples of {card.multiple_of}"),
        ("licence", card.licence or "not stated"),
        (
            "trained",
            f"{training.steps:,} steps, {training.minutes:g} min" if training.steps else "",
        ),
        ("started from", training.started_from),
        ("degradation", training.degradation),
        *(("data", f"{source.name} ({source.licence})") for source in training.data),
        *(
            (
                "score",
                f"{score.set}: {score.psnr_db:.2f} dB, SSIM {score.ssim:.4f}; {score.protocol}",
            )
            for score in card.scores
        ),
        ("weights", card.weights_sha256),
        *(("precision", line) for line in (*_half_precision(model), *_int8(model))),
        ("made by", f"superres {card.superres_version}" if card.superres_version else ""),
        *(("file", file) for file in _files(model).values() or (_NOT_HERE,)),
    ]
    return [(key, value) for key, value in facts if value]


def _half_precision(model: ModelFile) -> list[str]:
    """Return what is known of the model's answers in half precision, a line a number format."""
    from superres.hub import cache_folder
    from superres.runtimes.half_precision import Memory, known_errors

    return [
        f"{where} differs by {error}" + ("" if error.acceptable else ": runs in fp32")
        for where, error in known_errors(model, Memory(cache_folder())).items()
    ]


def _int8(model: ModelFile) -> list[str]:
    """Return what a model's int8 form costs, in a line; none without one."""
    from superres.modelfiles.files import int8_losses
    from superres.runtimes.half_precision import int8_acceptable

    if model.int8 is None:
        return []
    losses = (f"{one:.3f} dB on {name}" for name, one in int8_losses(model).items())
    where = "" if int8_acceptable(model) else ": runs only on request"
    return [f"int8 costs {', '.join(losses) or 'an unknown part of its score'}{where}"]


def _scores(card: Card) -> str:
    scores = ", ".join(f"{score.set} {score.psnr_db:.2f}" for score in card.scores)
    return scores or {"image": "", "burst": "for bursts", "video": "for videos"}[card.input]


def _as_json(model: ModelFile) -> dict[str, Any]:  # Any: JSON values
    return {**model.card.model_dump(mode="json"), "files": _files(model)}


def _files(model: ModelFile) -> dict[str, str]:
    """Return the paths of the existing files, by kind."""
    files = {
        "onnx": model.onnx,
        "safetensors": model.safetensors,
        "foreign": model.foreign,
        "int8": model.int8,
    }
    return {kind: str(path) for kind, path in files.items() if path}
