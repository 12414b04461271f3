"""Containers: the blocks of metadata in the files of each format. This file imports nothing."""
