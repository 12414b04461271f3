"""Training losses. Each maps (restored, truth), both (B, C, H, W), to a scalar."""
