"""Published weight layouts, in order of detection.

The names are those of the networks' own releases and of BasicSR, which most of the community
trains with. Hyper-parameters are read from shapes; a comment marks each that has to be assumed.
The idea of such a list is spandrel's.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from superres.errors import ModelError
from superres.interop.pixel_range import (
    OF_BASICSR,
    PixelRange,
    in_unit_range,
    stored_range,
    without_means,
)
from superres.interop.weight_names import (
    Weights,
    convolution,
    count,
    edge,
    matrix,
    renamed,
    shuffled_scale,
)
from superres.networks.edsr import EDSR_LARGE

Values = dict[str, bool | int | float | str | tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Recognised:
    """A recognised network, under our names.

    Attributes:
        architecture: A key of `networks.catalog`.
        config: Values of its config.
        weights: Its state dict under our names.
    """

    architecture: str
    config: Values
    weights: Weights


@dataclass(frozen=True, slots=True)
class Layout:
    """One published way of naming a network's weights.

    Attributes:
        name: The network, and the origin of the names.
        markers: Weights that no other layout has together.
        read: Converts the weights into a recognised network; it may raise ModelError.
    """

    name: str
    markers: tuple[str, ...]
    read: Callable[[Weights], Recognised]


def recognise(weights: Weights) -> Recognised | None:
    """Return the network that weights belong to; None if the layout is unknown.

    Raises:
        ModelError: The layout is known, but a weight that determines the network's size is missing
            or has an unexpected shape. The caller checks all other weights.
    """
    layout = next((one for one in LAYOUTS if all(m in weights for m in one.markers)), None)
    return layout.read(weights) if layout else None


def _rrdb(weights: Weights) -> Recognised:
    features, seen = convolution(weights, "conv_first.weight")
    channels, _ = convolution(weights, "conv_last.weight")
    doublings = count(weights, "conv_up{}.weight", first=1)
    fold = edge(seen, channels, "conv_first.weight")
    config: Values = {
        "scale": max(1, 2**doublings // fold),
        "channels": channels,
        "features": features,
        "growth": convolution(weights, "body.0.rdb1.conv1.weight")[0],
        "blocks": count(weights, "body.{}.rdb1.conv1.weight"),
        "doublings": doublings,
        "plus": "body.0.rdb1.conv1x1.weight" in weights,
    }
    return Recognised("rrdb", config, weights)


def _rrdb_of_bsrgan(weights: Weights) -> Recognised:
    rules = (
        (r"RRDB_trunk\.(\d+)\.RDB(\d)\.", r"body.\1.rdb\2."),
        (r"trunk_conv\.", "conv_body."),
        (r"upconv(\d)\.", r"conv_up\1."),
        (r"HRconv\.", "conv_hr."),
    )
    return _rrdb(renamed(weights, rules))


def _rrdb_of_esrgan(weights: Weights) -> Recognised:
    """Read names by position: model.0, model.1 (the body), and then only convolutions."""
    blocks = count(weights, "model.1.sub.{}.RDB1.conv1.0.weight")
    numbers = {
        int(found[1]) for name in weights if (found := re.match(r"model\.(\d{1,4})\.w", name))
    }
    after = sorted(numbers - {0})
    ups = {number: f"conv_up{n}." for n, number in enumerate(after[:-2], 1)}
    final = dict(zip(after[-2:], ("conv_hr.", "conv_last."), strict=False))
    rules = (
        (r"model\.0\.", "conv_first."),
        (r"model\.1\.sub\.(\d+)\.RDB(\d)\.conv(\d)\.0\.", r"body.\1.rdb\2.conv\3."),
        (r"model\.1\.sub\.(\d+)\.RDB(\d)\.conv1x1\.", r"body.\1.rdb\2.conv1x1."),  # ESRGAN+
        (rf"model\.1\.sub\.{blocks}\.", "conv_body."),
        *((rf"model\.{number}\.", new) for number, new in {**ups, **final}.items()),
    )
    return _rrdb(renamed(weights, rules))


def _compact(weights: Weights) -> Recognised:
    features, channels = convolution(weights, "body.0.weight")
    convolutions = count(weights, "body.{}.weight", step=2) - 2
    out, _ = convolution(weights, f"body.{2 * convolutions + 2}.weight")
    config: Values = {
        "scale": edge(out, channels, f"body.{2 * convolutions + 2}.weight"),
        "channels": channels,
        "features": features,
        "convolutions": convolutions,
    }
    return Recognised("compact", config, weights)


def _span(weights: Weights) -> Recognised:
    """Read the trained form if present: the merged `eval_conv` may be of an earlier step.

    The mean colour and the pixel range are not stored; they are assumed to be the authors'.
    """
    fused = "conv_1.sk.weight" not in weights
    dropped = r"no_norm" if fused else r"no_norm|.*\.eval_conv\."
    kept = {name: value for name, value in weights.items() if not re.match(dropped, name)}
    kept = {name.replace(".eval_conv.", "."): value for name, value in kept.items()}
    features, channels = convolution(kept, "conv_1.weight" if fused else "conv_1.sk.weight")
    out, _ = convolution(kept, "upsampler.0.weight")
    config: Values = {
        "scale": edge(out, channels, "upsampler.0.weight"),
        "channels": channels,
        "features": features,
        "centred": "no_norm" not in weights,
        "fused": fused,
    }
    return Recognised("span", config, kept)


def _smfanet(weights: Weights) -> Recognised:
    """Read the authors' names, which are ours."""
    features, channels = convolution(weights, "to_feat.weight")
    out, _ = convolution(weights, "to_img.0.weight")
    config: Values = {
        "scale": edge(out, channels, "to_img.0.weight"),
        "channels": channels,
        "features": features,
        "blocks": count(weights, "feats.{}.smfa.alpha"),
    }
    return Recognised("smfanet", config, weights)


def _edsr(weights: Weights, stages: int, pixels: PixelRange) -> Recognised:
    """Read our own names, with the given pixel range; `stages` counts the upsampling steps."""
    features, channels = convolution(weights, "head.weight")
    config: Values = {
        "scale": shuffled_scale(weights, [f"tail.{n}.expand.weight" for n in range(stages)]),
        "channels": channels,
        "features": features,
        "blocks": count(weights, "body.{}.body.0.weight"),
        # Not stored: BasicSR's and the authors' large networks have 0.1, all others 1.
        "residual_scale": EDSR_LARGE["residual_scale"]
        if features >= EDSR_LARGE["features"]
        else 1.0,
        "centred": pixels.centred,
    }
    named = in_unit_range(weights, pixels.white, "head", f"tail.{stages}")
    return Recognised("edsr", config, named)


def _edsr_of_its_authors(weights: Weights) -> Recognised:
    stages = count(weights, "tail.0.{}.weight", step=2)
    rules = (
        (r"head\.0\.", "head."),
        *((rf"tail\.0\.{2 * n}\.", f"tail.{n}.expand.") for n in range(stages)),
        (r"tail\.1\.", f"tail.{stages}."),
    )
    return _edsr(renamed(without_means(weights), rules), stages, stored_range(weights))


def _edsr_of_basicsr(weights: Weights) -> Recognised:
    stages = count(weights, "upsample.{}.weight", step=2)
    blocks = count(weights, "body.{}.conv1.weight")
    rules = (
        (r"conv_first\.", "head."),
        (r"body\.(\d+)\.conv1\.", r"body.\1.body.0."),
        (r"body\.(\d+)\.conv2\.", r"body.\1.body.2."),
        (r"conv_after_body\.", f"body.{blocks}."),
        *((rf"upsample\.{2 * n}\.", f"tail.{n}.expand.") for n in range(stages)),
        (r"conv_last\.", f"tail.{stages}."),
    )
    return _edsr(renamed(weights, rules), stages, OF_BASICSR)


def _rcan_of_its_authors(weights: Weights) -> Recognised:
    """Read the authors' names, which are ours, and those of the community's folded form."""
    return _rcan(without_means(weights), stored_range(weights))


def _rcan(weights: Weights, pixels: PixelRange) -> Recognised:
    """Read our own names, with the given pixel range."""
    head = "head.0" if "head.0.weight" in weights else "head.1"  # after a pixel unshuffle
    features, seen = convolution(weights, f"{head}.weight")
    channels, _ = convolution(weights, "tail.1.weight")
    fold = edge(seen, channels, f"{head}.weight")
    narrow, _ = convolution(weights, "body.0.body.0.body.3.conv_du.0.weight")
    stages = count(weights, "tail.0.{}.weight", step=2)
    factor = shuffled_scale(weights, [f"tail.0.{2 * n}.weight" for n in range(stages)])
    if factor % fold:
        raise ModelError(
            f"its input is folded by {fold} and its output unfolded by {factor}: scale "
            f"{factor / fold:.3g}",
            "only whole scales are supported",
        )
    config: Values = {
        "scale": factor // fold,
        "channels": channels,
        "features": features,
        "groups": count(weights, "body.{}.body.0.body.0.weight"),
        "blocks": count(weights, "body.0.body.{}.body.0.weight"),
        "reduction": features // narrow,
        "centred": pixels.centred,
        "fold": fold,
    }
    return Recognised("rcan", config, in_unit_range(weights, pixels.white, head, "tail.1"))


def _rcan_of_basicsr(weights: Weights) -> Recognised:
    groups = count(weights, "body.{}.conv.weight")
    blocks = count(weights, "body.0.residual_group.{}.rcab.0.weight")
    rules = (
        (r"conv_first\.", "head.0."),
        (r"body\.(\d+)\.conv\.", rf"body.\1.body.{blocks}."),
        (r"body\.(\d+)\.residual_group\.(\d+)\.rcab\.(0|2)\.", r"body.\1.body.\2.body.\3."),
        *(
            (
                rf"body\.(\d+)\.residual_group\.(\d+)\.rcab\.3\.attention\.{theirs}\.",
                rf"body.\1.body.\2.body.3.conv_du.{ours}.",
            )
            for theirs, ours in ((1, 0), (3, 2))
        ),
        (r"conv_after_body\.", f"body.{groups}."),
        (r"upsample\.", "tail.0."),
        (r"conv_last\.", "tail.1."),
    )
    return _rcan(renamed(weights, rules), OF_BASICSR)


def _swinir(weights: Weights) -> Recognised:
    """Read the authors' names, which are ours except for computed tables."""
    kept = {k: v for k, v in weights.items() if not k.endswith((".attn_mask", "_position_index"))}
    features, channels = convolution(kept, "conv_first.weight")
    first = "layers.0.residual_group.blocks.0"
    block = "layers.{}.residual_group.blocks.{}.norm1.weight"
    groups = count(kept, block.format("{}", 0))
    places, heads = matrix(kept, f"{first}.attn.relative_position_bias_table")
    upsampler, scale = _upsampler_of_swinir(kept, channels)
    bottleneck = "conv_after_body.0.weight" in kept
    config: Values = {
        "scale": scale,
        "channels": channels,
        "features": features,
        "depths": tuple(count(kept, block.format(group, "{}")) for group in range(groups)),
        "heads": heads,
        "window": (math.isqrt(places) + 1) // 2,
        "widening": matrix(kept, f"{first}.mlp.fc1.weight")[0] // features,
        "upsampler": upsampler,
        "residual": "3conv" if bottleneck else "1conv",
    }
    return Recognised("swinir", config, kept)


def _upsampler_of_swinir(weights: Weights, channels: int) -> tuple[str, int]:
    """Return the upsampler and its scale, as its weights show."""
    if "conv_last.weight" not in weights:
        name = "upsample.0.weight"
        return "pixelshuffledirect", edge(convolution(weights, name)[0], channels, name)
    if "conv_hr.weight" in weights:
        return "nearest+conv", 2 ** count(weights, "conv_up{}.weight", first=1)
    steps = count(weights, "upsample.{}.weight", step=2)
    return "pixelshuffle", shuffled_scale(
        weights, [f"upsample.{2 * n}.weight" for n in range(steps)]
    )


def _msrresnet(weights: Weights) -> Recognised:
    features, channels = convolution(weights, "conv_first.weight")
    stages = count(weights, "upconv{}.weight", first=1)
    config: Values = {
        "scale": shuffled_scale(weights, [f"upconv{n}.weight" for n in range(1, stages + 1)]),
        "channels": channels,
        "features": features,
        "blocks": count(weights, "body.{}.conv1.weight"),
    }
    return Recognised("msrresnet", config, weights)


def _msrresnet_of_mmsr(weights: Weights) -> Recognised:
    return _msrresnet(renamed(weights, ((r"recon_trunk\.", "body."), (r"HRconv\.", "conv_hr."))))


def _srresnet(weights: Weights) -> Recognised:
    """Read the names of SRGAN-PyTorch, in either of its two generations."""
    blocks = count(weights, "trunk.{}.rcb.0.weight")
    stages = count(weights, "upsampling.{}.upsample_block.0.weight")
    rules = (
        (r"conv(?:_block)?1\.", "head."),
        (r"trunk\.(\d+)\.rcb\.", r"body.\1.body."),
        (r"conv(?:_block)?2\.0\.", f"body.{blocks}."),
        (r"conv(?:_block)?2\.1\.", f"body.{blocks + 1}."),
        *(
            (rf"upsampling\.{n}\.upsample_block\.{layer}\.", f"tail.{3 * n + layer}.")
            for n in range(stages)
            for layer in (0, 2)
        ),
        (r"conv(?:_block)?3\.", f"tail.{3 * stages}."),
    )
    named = renamed(weights, rules)
    features, channels = convolution(named, "head.0.weight")
    config: Values = {
        "scale": shuffled_scale(named, [f"tail.{3 * n}.weight" for n in range(stages)]),
        "channels": channels,
        "features": features,
        "blocks": blocks,
    }
    # Their PReLUs share one slope, ours have one for each channel.
    slopes = {k: v.expand(features) for k, v in named.items() if v.shape == (1,)}
    return Recognised("srresnet", config, {**named, **slopes})


LAYOUTS: tuple[Layout, ...] = (
    Layout("RRDBNet (Real-ESRGAN)", ("conv_first.weight", "body.0.rdb1.conv1.weight"), _rrdb),
    Layout("RRDBNet (BSRGAN)", ("RRDB_trunk.0.RDB1.conv1.weight",), _rrdb_of_bsrgan),
    Layout("RRDBNet (ESRGAN, ESRGAN+)", ("model.1.sub.0.RDB1.conv1.0.weight",), _rrdb_of_esrgan),
    Layout("SPAN", ("conv_cat.weight", "upsampler.0.weight"), _span),
    Layout("SMFANet", ("to_feat.weight", "feats.0.smfa.alpha"), _smfanet),
    Layout(
        "RCAN", ("tail.1.weight", "body.0.body.0.body.3.conv_du.0.weight"), _rcan_of_its_authors
    ),
    Layout("RCAN (BasicSR)", ("body.0.residual_group.0.rcab.0.weight",), _rcan_of_basicsr),
    Layout("SwinIR", ("layers.0.residual_group.blocks.0.norm1.weight",), _swinir),
    Layout(
        "EDSR", ("head.0.weight", "body.0.body.0.weight", "tail.1.weight"), _edsr_of_its_authors
    ),
    Layout("EDSR (BasicSR)", ("body.0.conv1.weight", "conv_after_body.weight"), _edsr_of_basicsr),
    Layout("MSRResNet", ("body.0.conv1.weight", "conv_hr.weight"), _msrresnet),
    Layout("MSRResNet (MMSR)", ("recon_trunk.0.conv1.weight",), _msrresnet_of_mmsr),
    Layout("SRResNet (SRGAN-PyTorch)", ("trunk.0.rcb.0.weight", "trunk.0.rcb.1.weight"), _srresnet),
    Layout("SRVGGNetCompact", ("body.0.weight", "body.1.weight", "body.2.weight"), _compact),
)
