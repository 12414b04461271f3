from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from superres.degrade.apply import degrade_batch
from superres.degrade.config import DegradationConfig
from superres.degrade.downscale import downscale_uint8, resize_batch
from superres.degrade.jpeg import jpeg_batch
from superres.degrade.load import built_in_degradations, load_degradation
from superres.errors import ArgumentError
from superres.media import open_picture, read_pixels

EXAMPLES = Path(__file__).parents[2] / "examples"
CHAINS = sorted(built_in_degradations())
DEGRADING = ["bsrgan", "real"]
SHAPES = [((5, 3, 48, 36), 4), ((2, 1, 45, 30), 3), ((3, 3, 8, 8), 4)]


def photograph(edge: int = 96) -> torch.Tensor:
    pixels = read_pixels(open_picture(EXAMPLES / "coffee.png"))[40 : 40 + edge, 60 : 60 + edge, :3]
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None] / 255.0


def chain(**steps) -> DegradationConfig:
    return DegradationConfig.model_validate({"steps": {**steps, "small": {"kind": "small"}}})


def without(name: str, *kinds: str, **values) -> DegradationConfig:
    """A built-in degradation without some kinds of steps and without clean samples."""
    steps = load_degradation(name).steps
    quiet = {one: {"chance": 0.0} for one, step in steps.items() if step.kind in kinds}
    return load_degradation(name, {"clean": 0.0, "steps": quiet, **values})


def waves(edge: int) -> torch.Tensor:
    """A picture (1, 3, edge, edge) of waves too long for aliasing or blur."""
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:edge, :edge] / edge * 2 * np.pi
    picture = np.full((edge, edge), 0.5)
    for frequency in rng.uniform(-4, 4, (12, 2)):
        picture += 0.03 * np.cos(frequency[0] * rows + frequency[1] * columns + rng.uniform(0, 6))
    return torch.from_numpy(picture).float().expand(1, 3, edge, edge)


def shift_of(moved_BCHW: torch.Tensor, fixed_BCHW: torch.Tensor) -> np.ndarray:
    """Return the shifts of samples, in pixels down and right, (B, 2).

    By least squares on gradients (Lucas and Kanade 1981), away from the border.
    """
    shifts = []
    for moved, fixed in zip(moved_BCHW.mean(1).numpy(), fixed_BCHW.mean(1).numpy(), strict=True):
        down, right = (slope[4:-4, 4:-4].ravel() for slope in np.gradient(fixed))
        known = np.stack([down, right, fixed[4:-4, 4:-4].ravel(), np.ones(len(down))], 1)
        change = (fixed - moved)[4:-4, 4:-4].ravel()
        shifts.append(np.linalg.lstsq(known, change, rcond=None)[0][:2])
    return np.array(shifts)


def test_the_chain_bicubic_is_the_small_picture_of_the_literature():
    large_BCHW = photograph()
    small_BCHW = degrade_batch(large_BCHW, load_degradation("bicubic"), scale=4, seed=(0,))
    expected = downscale_uint8((large_BCHW[0] * 255).byte().permute(1, 2, 0), 4)
    assert torch.equal((small_BCHW[0] * 255).round().byte().permute(1, 2, 0), expected)


@pytest.mark.parametrize("name", CHAINS)
@pytest.mark.parametrize(("shape", "scale"), SHAPES)
def test_a_chain_gives_8_bit_pictures_of_the_small_size(name, shape, scale):
    large_BCHW = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    for seed in range(4):
        small_BCHW = degrade_batch(large_BCHW, load_degradation(name), scale=scale, seed=(seed,))
        assert small_BCHW.shape == (*shape[:2], shape[2] // scale, shape[3] // scale)
        assert small_BCHW.dtype == torch.float32
        levels = small_BCHW * 255
        torch.testing.assert_close(levels, levels.round().clamp(0, 255), atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", DEGRADING)
def test_the_result_depends_on_pixels_chain_scale_and_seed_alone(name):
    large_BCHW = photograph(64).repeat(6, 1, 1, 1)
    config = load_degradation(name)
    torch.manual_seed(1)
    first = degrade_batch(large_BCHW, config, scale=4, seed=(3, 7))
    torch.manual_seed(2)
    assert torch.equal(first, degrade_batch(large_BCHW, config, scale=4, seed=(3, 7)))
    assert not torch.equal(first, degrade_batch(large_BCHW, config, scale=4, seed=(3, 8)))
    assert len({sample.numpy().tobytes() for sample in first}) >= 5  # two may be clean


def test_memory_layout_and_autocast_do_not_change_the_result():
    large_BCHW = photograph(64).repeat(4, 1, 1, 1)
    config = load_degradation("real")
    expected = degrade_batch(large_BCHW, config, scale=4, seed=(0,))
    last = large_BCHW.contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(expected, degrade_batch(last, config, scale=4, seed=(0,)))


@pytest.mark.parametrize("name", DEGRADING)
def test_blurs_and_resizes_do_not_shift_the_picture(name):
    large_BCHW = waves(192).repeat(24, 1, 1, 1)
    config = without(name, "noise", "compress", "sensor", share=1)
    small_BCHW = degrade_batch(large_BCHW, config, scale=4, seed=(0,))
    shifts = shift_of(small_BCHW, resize_batch(large_BCHW, scale=0.25))
    assert np.abs(shifts).max() < 0.1  # small pixels


def test_compression_and_sensors_do_not_shift_the_picture():
    large_BCHW = waves(96).repeat(8, 1, 1, 1)
    quiet = {"kind": "sensor", "shot": [1e-6, 1e-6], "read": [0, 0]}
    config = chain(jpeg={"kind": "compress", "quality": [60, 95]}, sensor=quiet)
    small_BCHW = degrade_batch(large_BCHW, config, scale=1, seed=(0,))
    assert np.abs(shift_of(small_BCHW, large_BCHW)).max() < 0.1


def test_a_shift_would_be_seen_by_the_tests_above():
    large_BCHW = waves(192)
    moved_BCHW = large_BCHW.roll((1, 2), (2, 3))  # a quarter and a half of a small pixel
    small, fixed = (resize_batch(x, scale=0.25) for x in (moved_BCHW, large_BCHW))
    np.testing.assert_allclose(shift_of(small, fixed), [(0.25, 0.5)], atol=0.03)


@pytest.mark.parametrize("name", DEGRADING)
def test_a_flat_colour_gets_no_tint_and_no_border(name):
    large_BCHW = torch.tensor([51, 102, 204]).view(1, 3, 1, 1).expand(12, 3, 64, 64) / 255.0
    config = without(name, "noise", "compress", "sensor", share=1)
    small_BCHW = degrade_batch(large_BCHW, config, scale=4, seed=(0,))
    assert torch.equal((small_BCHW * 255).round(), (large_BCHW[..., :16, :16] * 255).round())


@pytest.mark.parametrize("name", DEGRADING)
def test_brightness_and_colour_stay_on_average(name):
    large_BCHW = (0.3 + 0.4 * photograph(96)).repeat(32, 1, 1, 1)  # away from black and white
    small_BCHW = degrade_batch(large_BCHW, load_degradation(name), scale=4, seed=(0,))
    off_C = (small_BCHW.mean((0, 2, 3)) - large_BCHW.mean((0, 2, 3))) * 255
    assert float(off_C.abs().max()) < 2.0


def test_clean_samples_are_bicubic_and_as_many_as_asked():
    large_BCHW = photograph(32).repeat(400, 1, 1, 1)
    clean_CHW = degrade_batch(large_BCHW[:1], load_degradation("bicubic"), scale=4, seed=(0,))[0]
    config = without("real", clean=0.25, share=64)
    small_BCHW = degrade_batch(large_BCHW, config, scale=4, seed=(0,))
    assert 70 <= int((small_BCHW == clean_CHW).all((1, 2, 3)).sum()) <= 130


@pytest.mark.parametrize(
    "step",
    [
        {"kind": "blur", "sigma": [1.0, 3.0]},  # narrower ones may change no level
        {"kind": "noise"},
        {"kind": "compress"},
        {"kind": "compress", "codecs": {"webp": 1}},
        {"kind": "sensor"},
    ],
)
def test_a_steps_chance_is_the_part_of_samples_that_it_changes(step):
    large_BCHW = photograph(16).repeat(60, 1, 1, 1)
    plain_CHW = degrade_batch(large_BCHW[:1], chain(), scale=1, seed=(0,))[0]
    for chance, low, high in ((0.0, 0, 0), (0.5, 15, 45), (1.0, 60, 60)):
        config = chain(one={**step, "chance": chance})
        small_BCHW = degrade_batch(large_BCHW, config, scale=1, seed=(0,))
        changed = int((small_BCHW != plain_CHW).any(3).any(2).any(1).sum())
        assert low <= changed <= high, (step, chance)


def test_a_resize_on_the_way_takes_detail_away_and_its_size_is_shared():
    large_BCHW = photograph(64).repeat(8, 1, 1, 1)
    resize = {"kind": "resize", "ways": {"down": 1}, "factor": [0.2, 1]}
    config = DegradationConfig.model_validate({**chain(way=resize).model_dump(), "share": 4})
    small_BCHW = degrade_batch(large_BCHW, config, scale=1, seed=(0,))
    kinds = {sample.numpy().tobytes() for sample in small_BCHW}
    assert len(kinds) == 2
    assert not torch.equal(small_BCHW[0], large_BCHW[0])


@pytest.mark.parametrize("name", DEGRADING)
def test_shuffled_steps_come_in_many_orders_and_resizes_in_their_own(name):
    config = load_degradation(name)
    rng = np.random.default_rng(0)
    orders = {tuple(config.order(rng)) for _ in range(300)}
    assert len(orders) == 2 if name == "real" else len(orders) > 200
    for order in orders:
        assert set(order) == set(config.steps)
        resizes = [one for one in order if config.steps[one].kind in ("resize", "small")]
        assert resizes == [s for s in config.steps if config.steps[s].kind in ("resize", "small")]


def test_the_two_ends_of_the_real_chain_are_those_of_the_paper():
    config = load_degradation("real")
    ends = {tuple(config.order(np.random.default_rng(seed)))[-3:] for seed in range(20)}
    assert ends == {("small", "ring", "jpeg-again"), ("jpeg-again", "small", "ring")}


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"steps": {}}, "one step of the kind small"),
        ({"steps": {"a": {"kind": "small"}, "b": {"kind": "small"}}}, "one step of the kind small"),
        (
            {
                "steps": {
                    "a": {"kind": "small"},
                    "b": {"kind": "resize", "ways": {"up": 1}, "factor": [1, 2]},
                }
            },
            "no resize after it",
        ),
        ({"steps": {"a": {"kind": "small"}}, "shuffle": [["b"]]}, "'b', which is not a step"),
        ({"steps": {"a": {"kind": "small"}}, "shuffle": [["a"], ["a"]]}, "each step once"),
        ({"steps": {"a": {"kind": "blur", "size": [7, 8]}}}, "two odd numbers"),
        ({"steps": {"a": {"kind": "blur", "shapes": {}}}}, "at least one weight"),
        ({"steps": {"a": {"kind": "blur", "sigma": [2, 1]}}}, r"\[low, high\]"),
        ({"steps": {"a": {"kind": "compress", "quality": [0, 90]}}}, "from 1 to 100"),
        ({"steps": {"a": {"kind": "resize", "ways": {"up": 1}, "factor": [1, 9]}}}, "factor is"),
    ],
)
def test_chains_that_cannot_be_are_refused_in_words(table, words):
    with pytest.raises(ValidationError, match=words):
        DegradationConfig.model_validate(table)


def test_batches_that_cannot_be_degraded_are_refused():
    config = load_degradation("bicubic")
    for batch, words in (
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "uint8"),
        (torch.zeros(3, 8, 8), r"\(3, 8, 8\)"),
        (torch.zeros(1, 4, 8, 8), r"\(1, 4, 8, 8\)"),
        (torch.zeros(1, 3, 9, 8), "9×8"),
    ):
        with pytest.raises(ArgumentError, match=words):
            degrade_batch(batch, config, scale=4, seed=(0,))


@pytest.mark.parametrize("name", DEGRADING)
def test_a_batch_is_degraded_as_strongly_as_its_pictures_one_by_one(name):
    """The distribution of losses of a batch whose samples share nothing, and of batches of one."""
    large_BCHW = photograph(48).repeat(160, 1, 1, 1)
    config = load_degradation(name, {"share": 1, "clean": 0.0})
    bicubic = degrade_batch(large_BCHW[:1], load_degradation("bicubic"), scale=2, seed=(0,))
    alone = [
        degrade_batch(large_BCHW[:1], config, scale=2, seed=(1, index)) for index in range(160)
    ]
    # Orders of steps are drawn for a batch, so several of them are.
    parts = zip(large_BCHW.split(20), range(8), strict=True)
    together = [degrade_batch(part, config, scale=2, seed=(2, index)) for part, index in parts]
    for measure in (
        lambda x: (x - bicubic).abs().mean((1, 2, 3)),
        lambda x: x.diff(dim=3).abs().mean((1, 2, 3)),  # sharpness, noise
        lambda x: x.mean((1, 2, 3)),
    ):
        one, other = (np.sort(measure(torch.cat(parts)).numpy()) for parts in (alone, together))
        # Kolmogorov and Smirnov: 0.215 is exceeded once in a thousand by equal distributions.
        both = np.concatenate((one, other))
        far = np.abs(np.searchsorted(one, both, "right") - np.searchsorted(other, both, "right"))
        assert far.max() / 160 < 0.215


def test_clean_samples_can_be_given_instead_of_made():
    large_BCHW = photograph(64).repeat(12, 1, 1, 1)
    config = load_degradation("real", {"clean": 0.5})
    given_BCHW = torch.full((12, 3, 16, 16), 51 / 255)
    made = degrade_batch(large_BCHW, config, scale=4, seed=(0,))
    found = degrade_batch(large_BCHW, config, scale=4, seed=(0,), bicubic_BCHW=given_BCHW)
    is_given = (found == given_BCHW).all(3).all(2).all(1)
    assert 2 <= int(is_given.sum()) <= 10
    assert torch.equal(found[~is_given], made[~is_given])
    assert torch.equal(given_BCHW, torch.full_like(given_BCHW, 51 / 255))


def operations(large_BCHW: torch.Tensor, config: DegradationConfig, seed: int) -> list[str]:
    """Return the operations that torch dispatches for a batch, those within others included."""
    bicubic_BCHW = large_BCHW[..., ::4, ::4].contiguous()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        degrade_batch(large_BCHW, config, scale=4, seed=(seed,), bicubic_BCHW=bicubic_BCHW)
    return [event.name for event in profile.events() or () if event.name.startswith("aten::")]


@pytest.mark.parametrize("name", DEGRADING)
def test_no_operation_waits_for_a_number_from_the_device(name):
    waiting = {"item", "_local_scalar_dense", "is_nonzero", "nonzero", "masked_select", "equal"}
    large_BCHW = photograph(96).repeat(12, 1, 1, 1)
    for seed in range(4):
        found = operations(large_BCHW, load_degradation(name), seed)
        assert len(found) > 100
        assert not waiting & {one.removeprefix("aten::") for one in found}


def test_a_batch_costs_few_operations_however_many_samples_it_has():
    few_BCHW, many_BCHW = (photograph(96).repeat(count, 1, 1, 1) for count in (12, 48))
    config = load_degradation("real", {"share": 16})
    degrade_batch(few_BCHW, config, scale=4, seed=(0,))  # constants are made once
    counts = [len(operations(many_BCHW, config, seed)) for seed in range(1, 9)]
    assert max(counts) <= 900, counts
    # Only resizes are run for each group, so three groups of 16 cost what three of 4 do: what
    # differs is the steps that some samples skip.
    config = load_degradation("real", {"share": 4, "clean": 0.0})
    few = [len(operations(few_BCHW, config, seed)) for seed in range(1, 9)]
    assert np.mean(counts) < 1.15 * np.mean(few), (counts, few)


@pytest.mark.gpu
def test_a_gpu_does_the_same_to_a_picture_apart_from_noise():
    """Both devices blur and resize alike; where that lies between two levels, they may differ.

    What can differ on a GPU, and why it does not show here or is allowed for:

    - Draws: all parameters are drawn by numpy, the same for both; only noise is drawn on the
      device, and is left out.
    - Matrix products (areas, JPEG) are in double precision on a GPU, as TF32 may be allowed by
      whatever ran before in the process, and mosaics are sums, no convolution, which cuDNN computes
      in TF32 by default.
    - Spectra, interpolation and sums come in another order: some 1e-6 of white. Each pixel is
      rounded once, at the end, so such a difference is one level where a value lies on the edge
      between two levels, one pixel in a few thousand, and never more than one level.
    - Through JPEG, which rounds twice more, one level may become a coefficient's step, so it is
      compared on its own, from the same pixels, and by how many pixels differ.
    """
    large_BCHW = photograph(96).repeat(8, 1, 1, 1)
    config = without("real", "noise", "compress")
    torch.backends.cuda.matmul.allow_tf32 = True
    try:
        on_cpu = degrade_batch(large_BCHW, config, scale=4, seed=(0,))
        on_gpu = degrade_batch(large_BCHW.cuda(), config, scale=4, seed=(0,)).cpu()
        qualities = np.linspace(30, 95, 8).astype(int)
        coded = [jpeg_batch(x, qualities).cpu() for x in (large_BCHW, large_BCHW.cuda())]
    finally:
        torch.backends.cuda.matmul.allow_tf32 = False
    off = (on_cpu - on_gpu).abs() * 255
    assert float(off.max()) <= 1.01
    assert float((off > 0.5).float().mean()) < 0.002
    assert float(((coded[0] - coded[1]).abs() * 255 > 0.5).float().mean()) < 0.01


@pytest.mark.gpu
def test_a_gpu_repeats_itself_with_noise_and_all():
    large_BCHW = photograph(96).repeat(8, 1, 1, 1).cuda()
    config = load_degradation("real")
    first, again = (degrade_batch(large_BCHW, config, scale=4, seed=(0,)) for _ in range(2))
    assert torch.equal(first, again)
