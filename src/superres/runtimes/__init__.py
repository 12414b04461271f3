"""Runtimes that execute a network: OpenVINO, torch, ONNX Runtime. This file imports nothing."""
