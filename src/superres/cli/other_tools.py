"""Options, models and habits of other upscalers, and what to use for them here."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Collection, Sequence

_GPU = "use --device: gpu:0 is the first GPU, cpu none"
_NOISE = "noise is removed by the model: -n real repairs pictures, -n default leaves them"
_FACES = "there is no model for faces; -n real repairs whole pictures"
_SEAMS = "it is not needed: tiles overlap by all that a network sees"
_MODEL = "use -n with the name of a model or the path of its file (.pth, .safetensors, .param)"

# Of Real-ESRGAN and its ncnn port, waifu2x and Real-CUGAN, FFmpeg and ImageMagick; hyphens stand
# for underscores too. A hint is given only by verbs that have all the options which it names.
_OPTIONS = {
    "-g": _GPU,
    "--gpu": _GPU,
    "--gpu-id": _GPU,
    "--cpu": "use --device cpu",
    "-j": "it is not needed: reading, running and writing overlap; --threads limits the CPU's",
    "--num-process": "it is not needed: one process keeps the device busy",
    "-q": "--quality sets that of lossy formats; for less output redirect stderr: 2> log.txt",
    "--quiet": "redirect stderr: 2> log.txt",
    "-v": "nothing is hidden: notes go to stderr, and --json reports all",
    "--verbose": "nothing is hidden: notes go to stderr, and --json reports all",
    "-dn": _NOISE,
    "--denoise-strength": _NOISE,
    "--noise": _NOISE,
    "--noise-level": _NOISE,
    "--face-enhance": _FACES,
    "-m": _MODEL,
    "--model-path": _MODEL,
    "--model-name": _MODEL,
    "--tta": "use --ensemble (-x)",
    "--fp32": "use --precision fp32",
    "--half": "use --precision fp16 or bf16; auto takes the device's own",
    "--fp16": "use --precision fp16; auto takes the device's own",
    "--ext": "use --format (-f)",
    "--alpha-upsampler": "use --alpha network or --alpha resize",
    "--tile-pad": _SEAMS,
    "--pre-pad": _SEAMS,
    "--upscale": "use --scale (-s)",
    "--width": "use --size, such as --size 1920x: the height follows",
    "--height": "use --size, such as --size x1080: the width follows",
    "-w": "use --size, such as --size 1920x: the height follows",
    "-y": "use --overwrite",
    "--force": "use --overwrite",
    "--out-dir": "use --output (-o) with a folder",
    "--output-dir": "use --output (-o) with a folder",
}
_NO_SUCH_MODEL = "weights made elsewhere are named by their file: -n model.pth, or ncnn's .param"
_MODELS = (  # first match
    (r"animevideo", "use -n real, or superres video -n video for clean clips"),
    (r"esrgan|realesr|bsrgan|gfpgan|codeformer", "the nearest is -n real"),
    (r"waifu2x|cugan|cunet|upconv|anime", "there is none for drawings; the nearest is -n real"),
    (r"swinir|hat|edsr|rcan|dat", "the nearest is -n default"),
)
_FILE = re.compile(r"-[^-].*\.[A-Za-z]{3,4}")


def option_hint(written: str, unknown: str, known: Collection[str]) -> str | None:
    """Return what to use for an option that there is not, or None if no other tool has it.

    Args:
        written: The whole argument, such as `-dn`.
        unknown: The part of it that is not known, such as `-d`.
        known: The verb's options.
    """
    if _FILE.fullmatch(written):
        return _dash_hint(written)
    for name in (written.partition("=")[0], unknown):
        hint = _OPTIONS.get(name.lower().replace("_", "-"))
        if hint and set(re.findall(r"(?<!\S)\(?(--?[a-z][a-z-]*)", hint)) <= set(known):
            return hint
    return None


def model_hint(name: str) -> str | None:
    """Return the nearest of our models for one of another tool, or None if it is none of those."""
    if name.removeprefix("-").isdecimal():  # waifu2x's strength of denoising
        return f"-n names a model here; {_NOISE}"
    found = (hint for pattern, hint in _MODELS if re.search(pattern, name.lower()))
    nearest = next(found, None)
    return f"{nearest}; {_NO_SUCH_MODEL}" if nearest else None


def file_taken_for_options(arguments: Sequence[str]) -> tuple[str, str] | None:
    """Return message and hint for a file whose name would be read as options, such as `-dash.png`.

    Args:
        arguments: A command line. What follows an option may be its value, and is not looked at.
    """
    for before, argument in itertools.pairwise(arguments):
        if argument == "--":
            break
        if _FILE.fullmatch(argument) and before[:1] != "-" and os.path.isfile(argument):
            return f"{argument} would be read as options", _dash_hint(argument)
    return None


def _dash_hint(name: str) -> str:
    return f"name a file that begins with a dash as ./{name}, or after --"
