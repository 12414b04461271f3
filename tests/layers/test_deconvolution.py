import pytest
import torch

from superres.layers.deconvolution import deconvolution


@pytest.mark.parametrize(
    ("kernel", "factor"),
    [(1, 1), (3, 1), (2, 2), (3, 2), (4, 2), (3, 3), (6, 3), (9, 3), (5, 4), (8, 4), (16, 8)],
)
def test_deconvolutions_enlarge_by_exactly_their_factor_and_are_centred(kernel, factor):
    layer = deconvolution(1, 1, kernel=kernel, factor=factor)
    torch.nn.init.ones_(layer.weight)
    assert layer.bias is not None
    torch.nn.init.zeros_(layer.bias)
    small = torch.zeros(1, 1, 21, 21)
    small[..., 10, 10] = 1
    with torch.inference_mode():
        large = layer(small)
    assert large.shape == (1, 1, 21 * factor, 21 * factor)
    lit = large[0, 0].any(1).nonzero().flatten() + 0.5
    assert len(lit) == kernel
    assert abs(float(lit.mean()) - 10.5 * factor) <= 0.5  # an odd kernel cannot do better
