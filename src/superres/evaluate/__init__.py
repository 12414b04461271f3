"""Evaluation of models on sets of pictures. This file imports nothing."""
