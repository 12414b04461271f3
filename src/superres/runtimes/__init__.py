"""Runtimes, which execute networks: OpenVINO, torch, ONNX Runtime. This file imports nothing."""
