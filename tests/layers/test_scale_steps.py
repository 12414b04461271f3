import math

from superres.layers.scale_steps import scale_steps


def test_stages_multiply_to_the_scale_and_cannot_be_divided_further():
    for scale in range(1, 17):
        assert math.prod(scale_steps(scale)) == scale
    assert {factor for scale in range(1, 17) for factor in scale_steps(scale)} == {
        2,
        3,
        5,
        7,
        11,
        13,
    }
