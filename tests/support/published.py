"""The published networks, written down from their releases: weights by name in, picture out.

Each `*_weights` draws a state dict under the release's names; the function beside it is the
release's forward pass over those names. They share no code with `superres.models`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

Weights = dict[str, Tensor]
MEAN = torch.tensor((0.4488, 0.4371, 0.4040)).view(1, 3, 1, 1)


def draw(shapes: dict[str, tuple[int, ...]], *, seed: int = 0, gain: float = 1.0) -> Weights:
    """Draw weights whose layers keep the size of what goes through, and small biases."""
    generator = torch.Generator().manual_seed(seed)
    drawn = {}
    for name, shape in shapes.items():
        seen = max(1, int(torch.tensor(shape[1:]).prod())) if len(shape) > 1 else 100
        drawn[name] = torch.randn(shape, generator=generator) * gain / seen**0.5
    return drawn


def layer(name: str, out: int, seen: int, kernel: int = 3) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (out, seen, kernel, kernel), f"{name}.bias": (out,)}


def like(w: Weights, x: Tensor) -> Weights:
    """Return weights in a tensor's number format."""
    return {name: value.to(x.dtype) for name, value in w.items()}


def conv(w: Weights, name: str, x: Tensor) -> Tensor:
    weight = w[f"{name}.weight"]
    return functional.conv2d(x, weight, w.get(f"{name}.bias"), padding=weight.shape[-1] // 2)


def rrdb_weights(
    *, features=8, growth=4, blocks=2, ups=2, fold=1, channels=3, plus=False
) -> Weights:
    shapes = layer("conv_first", features, channels * fold**2)
    for block in range(blocks):
        for dense in (1, 2, 3):
            for n in range(1, 6):
                out = features if n == 5 else growth
                name = f"body.{block}.rdb{dense}.conv{n}"
                shapes |= layer(name, out, features + (n - 1) * growth)
            if plus:  # ESRGAN+
                shapes[f"body.{block}.rdb{dense}.conv1x1.weight"] = (growth, features, 1, 1)
    names = ["conv_body", *(f"conv_up{n}" for n in range(1, ups + 1)), "conv_hr"]
    for name in names:
        shapes |= layer(name, features, features)
    return draw({**shapes, **layer("conv_last", channels, features)})


def rrdb(w: Weights, x: Tensor, *, blocks=2, ups=2, fold=1) -> Tensor:
    w = like(w, x)

    def act(t: Tensor) -> Tensor:
        return functional.leaky_relu(t, 0.2)

    first = conv(w, "conv_first", functional.pixel_unshuffle(x, fold))
    f = first
    for block in range(blocks):
        into = f
        for dense in (1, 2, 3):
            parts = [f]
            for n in range(1, 5):
                grown = act(conv(w, f"body.{block}.rdb{dense}.conv{n}", torch.cat(parts, 1)))
                if f"body.{block}.rdb{dense}.conv1x1.weight" in w:
                    if n == 2:
                        grown = grown + conv(w, f"body.{block}.rdb{dense}.conv1x1", f)
                    if n == 4:
                        grown = grown + parts[2]
                parts.append(grown)
            f = conv(w, f"body.{block}.rdb{dense}.conv5", torch.cat(parts, 1)) * 0.2 + f
        f = f * 0.2 + into
    f = first + conv(w, "conv_body", f)
    for n in range(1, ups + 1):
        f = act(conv(w, f"conv_up{n}", functional.interpolate(f, scale_factor=2)))
    return conv(w, "conv_last", act(conv(w, "conv_hr", f)))


def rrdb_in_esrgan_names(w: Weights, *, blocks=2, ups=2) -> Weights:
    """Return RRDBNet's weights under ESRGAN's first names: positions in nested sequences."""
    places = {"conv_first": "model.0", "conv_body": f"model.1.sub.{blocks}"}
    places |= {f"conv_up{n}": f"model.{3 * n}" for n in range(1, ups + 1)}
    places |= {"conv_hr": f"model.{3 * ups + 2}", "conv_last": f"model.{3 * ups + 4}"}
    named = {}
    for name, value in w.items():
        module, part = name.rsplit(".", 1)
        if module.startswith("body."):
            _, block, dense, n = module.split(".")
            module = f"model.1.sub.{block}.{dense.upper()}.{n}" + ("" if "x" in n else ".0")
        else:
            module = places[module]
        named[f"{module}.{part}"] = value
    return named


def rrdb_in_bsrgan_names(w: Weights) -> Weights:
    named = {}
    for name, value in w.items():
        new = name.replace("body.", "RRDB_trunk.", 1) if name.startswith("body.") else name
        for old, other in (
            ("rdb", "RDB"),
            ("conv_body", "trunk_conv"),
            ("conv_up", "upconv"),
            ("conv_hr", "HRconv"),
        ):
            new = new.replace(old, other)
        named[new] = value
    return named


def compact_weights(*, features=8, convolutions=3, scale=4, channels=3) -> Weights:
    shapes = {}
    for n in range(convolutions + 1):
        shapes |= layer(f"body.{2 * n}", features, features if n else channels)
        shapes[f"body.{2 * n + 1}.weight"] = (features,)
    return draw({**shapes, **layer(f"body.{2 * n + 2}", channels * scale**2, features)})


def compact(w: Weights, x: Tensor, *, convolutions=3, scale=4) -> Tensor:
    w = like(w, x)
    f = x
    for n in range(convolutions + 1):
        f = functional.prelu(conv(w, f"body.{2 * n}", f), w[f"body.{2 * n + 1}.weight"])
    f = functional.pixel_shuffle(conv(w, f"body.{2 * convolutions + 2}", f), scale)
    return f + functional.interpolate(x, scale_factor=float(scale))


SPAN_BLOCKS = [f"block_{b}.c{c}_r" for b in range(1, 7) for c in (1, 2, 3)]


def span_weights(*, features=8, scale=2, widened=True) -> Weights:
    shapes: dict[str, tuple[int, ...]] = {}
    for name in ("conv_1", *SPAN_BLOCKS, "conv_2"):
        seen = 3 if name == "conv_1" else features
        if widened:
            shapes |= layer(f"{name}.sk", features, seen, 1)
            shapes |= layer(f"{name}.conv.0", 2 * seen, seen, 1)
            shapes |= layer(f"{name}.conv.1", 2 * features, 2 * seen)
            shapes |= layer(f"{name}.conv.2", features, 2 * features, 1)
        shapes |= layer(f"{name}.eval_conv", features, seen)
    shapes |= layer("conv_cat", features, 4 * features, 1)
    return draw({**shapes, **layer("upsampler.0", 3 * scale**2, features)})


def span(w: Weights, x: Tensor, *, scale=2, centred=True) -> Tensor:
    w = like(w, x)

    def mix(name: str, f: Tensor) -> Tensor:
        if f"{name}.sk.weight" not in w:
            return conv(w, f"{name}.eval_conv", f)
        wide = conv(w, f"{name}.conv.0", functional.pad(f, (1, 1, 1, 1)))
        wide = functional.conv2d(wide, w[f"{name}.conv.1.weight"], w[f"{name}.conv.1.bias"])
        return conv(w, f"{name}.conv.2", wide) + conv(w, f"{name}.sk", f)

    f = first = mix("conv_1", (x - MEAN) * 255.0 if centred else x)
    kept = []
    for block in range(1, 7):
        early = functional.silu(mix(f"block_{block}.c1_r", f))
        late = mix(f"block_{block}.c3_r", functional.silu(mix(f"block_{block}.c2_r", early)))
        f = (late + f) * (torch.sigmoid(late) - 0.5)
        kept.append(f)
    joined = torch.cat((first, mix("conv_2", f), kept[0], early), 1)
    return functional.pixel_shuffle(conv(w, "upsampler.0", conv(w, "conv_cat", joined)), scale)


def edsr_weights(*, features=8, blocks=2, factors=(2, 2)) -> Weights:
    """EDSR in BasicSR's names."""
    shapes = layer("conv_first", features, 3)
    for block in range(blocks):
        shapes |= layer(f"body.{block}.conv1", features, features)
        shapes |= layer(f"body.{block}.conv2", features, features)
    shapes |= layer("conv_after_body", features, features)
    for n, factor in enumerate(factors):
        shapes |= layer(f"upsample.{2 * n}", features * factor**2, features)
    return draw({**shapes, **layer("conv_last", 3, features)})


def edsr(
    w: Weights, x: Tensor, *, blocks=2, factors=(2, 2), residual_scale=1.0, white=255.0
) -> Tensor:
    w = like(w, x)
    f = first = conv(w, "conv_first", (x - MEAN) * white)
    for block in range(blocks):
        inside = functional.relu(conv(w, f"body.{block}.conv1", f))
        f = f + conv(w, f"body.{block}.conv2", inside) * residual_scale
    f = first + conv(w, "conv_after_body", f)
    for n, factor in enumerate(factors):
        f = functional.pixel_shuffle(conv(w, f"upsample.{2 * n}", f), factor)
    return conv(w, "conv_last", f) / white + MEAN


def edsr_in_its_authors_names(w: Weights, *, blocks=2) -> Weights:
    named = {}
    for name, value in w.items():
        new = name.replace("conv_first", "head.0").replace("conv_last", "tail.1")
        new = new.replace("upsample", "tail.0").replace("conv_after_body", f"body.{blocks}")
        named[new.replace("conv1", "body.0").replace("conv2", "body.2")] = value
    return {**mean_layers(), **named}


def mean_layers(white=255.0) -> Weights:
    """The mean colour as the authors of EDSR and RCAN store it: two convolutions by 1x1."""
    one = torch.eye(3).view(3, 3, 1, 1)
    mean = white * MEAN.flatten()
    return {
        "sub_mean.weight": one,
        "sub_mean.bias": -mean,
        "add_mean.weight": one,
        "add_mean.bias": mean,
    }


def rcan_weights(
    *, features=8, groups=2, blocks=2, reduction=4, factors=(2,), channels=3, fold=1
) -> Weights:
    """RCAN in BasicSR's names."""
    shapes = layer("conv_first", features, channels * fold**2)
    for group in range(groups):
        for block in range(blocks):
            name = f"body.{group}.residual_group.{block}.rcab"
            shapes |= layer(f"{name}.0", features, features)
            shapes |= layer(f"{name}.2", features, features)
            shapes |= layer(f"{name}.3.attention.1", features // reduction, features, 1)
            shapes |= layer(f"{name}.3.attention.3", features, features // reduction, 1)
        shapes |= layer(f"body.{group}.conv", features, features)
    shapes |= layer("conv_after_body", features, features)
    for n, factor in enumerate(factors):
        shapes |= layer(f"upsample.{2 * n}", features * factor**2, features)
    return draw({**shapes, **layer("conv_last", channels, features)}, gain=0.7)


def rcan(
    w: Weights,
    x: Tensor,
    *,
    groups=2,
    blocks=2,
    factors=(2,),
    white=255.0,
    mean: Tensor | float = MEAN,
    fold=1,
) -> Tensor:
    w = like(w, x)
    f = first = conv(w, "conv_first", functional.pixel_unshuffle((x - mean) * white, fold))
    for group in range(groups):
        into = f
        for block in range(blocks):
            name = f"body.{group}.residual_group.{block}.rcab"
            inside = conv(w, f"{name}.2", functional.relu(conv(w, f"{name}.0", f)))
            pooled = functional.adaptive_avg_pool2d(inside, 1)
            narrow = functional.relu(conv(w, f"{name}.3.attention.1", pooled))
            f = f + inside * torch.sigmoid(conv(w, f"{name}.3.attention.3", narrow))
        f = into + conv(w, f"body.{group}.conv", f)
    f = first + conv(w, "conv_after_body", f)
    for n, factor in enumerate(factors):
        f = functional.pixel_shuffle(conv(w, f"upsample.{2 * n}", f), factor)
    return conv(w, "conv_last", f) / white + mean


def rcan_in_its_authors_names(w: Weights, *, groups=2, blocks=2, head=0) -> Weights:
    named = {}
    for name, value in w.items():
        new = name.replace("conv_first", f"head.{head}").replace("conv_last", "tail.1")
        new = new.replace("upsample", "tail.0").replace("conv_after_body", f"body.{groups}")
        new = new.replace("residual_group", "body").replace("rcab", "body")
        new = new.replace("attention.1", "conv_du.0").replace("attention.3", "conv_du.2")
        named[new.replace(".conv.", f".body.{blocks}.")] = value
    return {**mean_layers(), **named}


def msrresnet_weights(*, features=8, blocks=2, factors=(2, 2)) -> Weights:
    shapes = layer("conv_first", features, 3)
    for block in range(blocks):
        shapes |= layer(f"body.{block}.conv1", features, features)
        shapes |= layer(f"body.{block}.conv2", features, features)
    for n, factor in enumerate(factors, 1):
        shapes |= layer(f"upconv{n}", features * factor**2, features)
    shapes |= layer("conv_hr", features, features)
    return draw({**shapes, **layer("conv_last", 3, features)})


def msrresnet(w: Weights, x: Tensor, *, blocks=2, factors=(2, 2)) -> Tensor:
    w = like(w, x)

    def act(t: Tensor) -> Tensor:
        return functional.leaky_relu(t, 0.1)

    f = act(conv(w, "conv_first", x))
    for block in range(blocks):
        inside = functional.relu(conv(w, f"body.{block}.conv1", f))
        f = f + conv(w, f"body.{block}.conv2", inside)
    large = x
    for n, factor in enumerate(factors, 1):
        f = act(functional.pixel_shuffle(conv(w, f"upconv{n}", f), factor))
    scale = int(torch.tensor(factors).prod())
    large = functional.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
    return conv(w, "conv_last", act(conv(w, "conv_hr", f))) + large


def srresnet_weights(*, features=8, blocks=2, stages=2) -> Weights:
    """SRResNet in the names of SRGAN-PyTorch."""

    def norm(name: str) -> dict[str, tuple[int, ...]]:
        parts = ("weight", "bias", "running_mean", "running_var")
        return {f"{name}.{part}": (features,) for part in parts}

    def bare(name: str) -> dict[str, tuple[int, ...]]:
        return {f"{name}.weight": (features, features, 3, 3)}

    shapes = {**layer("conv_block1.0", features, 3, 9), "conv_block1.1.weight": (1,)}
    for block in range(blocks):
        name = f"trunk.{block}.rcb"
        shapes |= {**bare(f"{name}.0"), **norm(f"{name}.1"), f"{name}.2.weight": (1,)}
        shapes |= {**bare(f"{name}.3"), **norm(f"{name}.4")}
    shapes |= {**bare("conv_block2.0"), **norm("conv_block2.1")}
    for n in range(stages):
        shapes |= layer(f"upsampling.{n}.upsample_block.0", 4 * features, features)
        shapes[f"upsampling.{n}.upsample_block.2.weight"] = (1,)
    drawn = draw({**shapes, **layer("conv_block3", 3, features, 9)})
    for name in list(drawn):
        if name.endswith("running_var"):
            drawn[name] = 0.5 + drawn[name].abs()
            drawn[name.replace("running_var", "num_batches_tracked")] = torch.tensor(7)
    return drawn


def srresnet(w: Weights, x: Tensor, *, blocks=2, stages=2) -> Tensor:
    w = like(w, x)

    def norm(name: str, f: Tensor) -> Tensor:
        mean, variance = w[f"{name}.running_mean"], w[f"{name}.running_var"]
        return functional.batch_norm(f, mean, variance, w[f"{name}.weight"], w[f"{name}.bias"])

    f = first = functional.prelu(conv(w, "conv_block1.0", x), w["conv_block1.1.weight"])
    for block in range(blocks):
        name = f"trunk.{block}.rcb"
        inside = functional.prelu(norm(f"{name}.1", conv(w, f"{name}.0", f)), w[f"{name}.2.weight"])
        f = f + norm(f"{name}.4", conv(w, f"{name}.3", inside))
    f = first + norm("conv_block2.1", conv(w, "conv_block2.0", f))
    for n in range(stages):
        name = f"upsampling.{n}.upsample_block"
        f = functional.pixel_shuffle(conv(w, f"{name}.0", f), 2)
        f = functional.prelu(f, w[f"{name}.2.weight"])
    return conv(w, "conv_block3", f)


def smfanet_weights(*, features=8, blocks=2, scale=4) -> Weights:
    wide = 2 * features
    shapes = layer("to_feat", features, 3)
    for block in range(blocks):
        smfa, pcfn = f"feats.{block}.smfa", f"feats.{block}.pcfn"
        shapes |= {f"{smfa}.{name}": (1, features, 1, 1) for name in ("alpha", "belt")}
        shapes |= layer(f"{smfa}.linear_0", wide, features, 1)
        shapes |= layer(f"{smfa}.linear_1", features, features, 1)
        shapes |= layer(f"{smfa}.linear_2", features, features, 1)
        shapes |= layer(f"{smfa}.lde.conv_0.0", wide, 1)
        shapes |= layer(f"{smfa}.lde.conv_0.1", wide, wide, 1)
        shapes |= layer(f"{smfa}.lde.conv_1", features, wide, 1)
        shapes |= layer(f"{smfa}.dw_conv", features, 1)
        shapes |= layer(f"{pcfn}.conv_0", wide, features, 1)
        shapes |= layer(f"{pcfn}.conv_1", wide // 4, wide // 4)
        shapes |= layer(f"{pcfn}.conv_2", features, wide, 1)
    # Strong enough for every part to count: features are normalised, and belt begins near 0.
    drawn = draw({**shapes, **layer("to_img.0", 3 * scale**2, features)}, gain=2.0)
    return {
        name: value + 1 if name.endswith((".alpha", ".belt")) else value
        for name, value in drawn.items()
    }


def smfanet(w: Weights, x: Tensor, *, blocks=2, scale=4) -> Tensor:
    w = like(w, x)

    def alone(name: str, t: Tensor) -> Tensor:
        weight, bias = w[f"{name}.weight"], w[f"{name}.bias"]
        return functional.conv2d(t, weight, bias, padding=1, groups=t.shape[1])

    f = head = conv(w, "to_feat", x)
    for block in range(blocks):
        smfa, pcfn = f"feats.{block}.smfa", f"feats.{block}.pcfn"
        y, far = conv(w, f"{smfa}.linear_0", functional.normalize(f, dim=1)).chunk(2, 1)
        height, width = far.shape[2:]
        around = functional.adaptive_max_pool2d(far, (height // 8, width // 8))
        around = alone(f"{smfa}.dw_conv", around) * w[f"{smfa}.alpha"]
        spread = torch.var(far, dim=(2, 3), keepdim=True) * w[f"{smfa}.belt"]
        weight = functional.gelu(conv(w, f"{smfa}.linear_1", around + spread))
        far = far * functional.interpolate(weight, size=(height, width), mode="nearest")
        y = conv(w, f"{smfa}.lde.conv_0.1", alone(f"{smfa}.lde.conv_0.0", y))
        y = conv(w, f"{smfa}.lde.conv_1", functional.gelu(y))
        f = f + conv(w, f"{smfa}.linear_2", far + y)
        t = functional.gelu(conv(w, f"{pcfn}.conv_0", functional.normalize(f, dim=1)))
        mixed = t.shape[1] // 4
        near = functional.gelu(conv(w, f"{pcfn}.conv_1", t[:, :mixed]))
        f = f + conv(w, f"{pcfn}.conv_2", torch.cat((near, t[:, mixed:]), 1))
    return functional.pixel_shuffle(conv(w, "to_img.0", f + head), scale)
