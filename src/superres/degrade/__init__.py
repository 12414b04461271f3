"""How large pictures become small ones for training. Needs torch; this file imports nothing."""
