"""Containers: where the files of each format hold blocks of metadata. This file imports nothing."""
