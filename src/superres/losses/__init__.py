"""What training minimises. Each loss maps (restored, truth), both (B, C, H, W), to a scalar."""
