"""How good a model is on sets of pictures. Needs no torch; this file imports nothing."""
