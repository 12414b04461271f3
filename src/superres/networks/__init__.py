"""Networks, one file per architecture. This file imports nothing.

Tensors end in their axes: B batch, C channels, F features, H height, W width; sH and sW are the
upscaled sizes. Every network maps (B, C, H, W) in [0, 1] to (B, C, scale*H, scale*W), unclamped.
"""
