"""Feature networks that losses share: each picture passes once, and the losses stay the same."""

import pytest
import torch

from superres.losses.lpips import Lpips
from superres.losses.perceptual import Perceptual
from superres.losses.trunks import SharedTrunks
from superres.networks.features import FeatureNetwork

CPU = torch.device("cpu")


def losses():
    torch.manual_seed(0)
    perceptual, lpips = Perceptual({"conv2_2": 1.0, "conv3_3": 0.5}), Lpips("vgg16")
    theirs = lpips.features.state_dict()  # the deeper trunk
    perceptual.features.load_state_dict(
        {name: theirs[name] for name in perceptual.features.state_dict()}
    )
    for weigh in lpips.lpips.parameters():
        weigh.data.abs_()
    return [one.requires_grad_(False).eval() for one in (perceptual, lpips)]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_losses_look_at_each_picture_once_and_give_what_they_gave_alone(order, monkeypatch):
    truth = torch.rand(1, 3, 32, 32)
    restored = (truth + 0.1 * torch.randn_like(truth)).requires_grad_()
    alone = [loss(restored, truth).sum() for loss in losses()]
    gradients = [torch.autograd.grad(value, restored)[0] for value in alone]

    looks = []
    plain = FeatureNetwork.forward
    monkeypatch.setattr(
        FeatureNetwork, "forward", lambda self, x: (looks.append(x), plain(self, x))[1]
    )
    trunks, shared = SharedTrunks(CPU, None), losses()
    for index in order:
        trunks.share(shared[index])
    values = [loss(restored, truth).sum() for loss in shared]
    assert [one is truth for one in looks] == [True, False]
    for value, expected, gradient in zip(values, alone, gradients, strict=True):
        torch.testing.assert_close(value, expected)
        found = torch.autograd.grad(value, restored, retain_graph=True)[0]
        torch.testing.assert_close(found, gradient, atol=1e-6, rtol=1e-3)


def test_what_was_forgotten_is_looked_at_again():
    trunks, (perceptual, _) = SharedTrunks(CPU, None), losses()
    trunks.share(perceptual)
    truth, restored = torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16)
    before = perceptual(restored, truth)
    restored.copy_(truth)  # the same tensor, in the next step
    assert perceptual(restored, truth) == before
    trunks.forget()
    assert perceptual(restored, truth) == 0


def test_in_bf16_weights_are_converted_once_and_the_gradient_points_the_same_way():
    torch.manual_seed(3)
    truth = torch.rand(2, 3, 48, 48)
    restored = (truth + 0.05 * torch.randn_like(truth)).requires_grad_()
    (plain, _), (half, _) = losses(), losses()
    SharedTrunks(CPU, torch.bfloat16).share(half)
    assert next(half.features.parameters()).dtype == torch.bfloat16
    (one,) = torch.autograd.grad(plain(restored, truth), restored)
    (other,) = torch.autograd.grad(half(restored, truth), restored)
    assert half(restored, truth).dtype == torch.float32
    assert torch.nn.functional.cosine_similarity(one.flatten(), other.flatten(), dim=0) > 0.98
