"""What the papers of the networks reported, beside which our scores stand."""

from __future__ import annotations

# Luma PSNR in dB on Set5 / Set14 / BSD100, bicubic reduction, border = scale, from the tables of
# CARN (Ahn et al. 2018), SwinIR (Liang et al. 2021), SAFMN (Sun et al. 2023) and the papers.
PAPER_PSNR: dict[tuple[str, int], str] = {
    ("srcnn", 4): "30.48 / 27.49 / 26.90",
    ("espcn", 4): "30.52 / 27.42 / 26.87",
    ("fsrcnn", 4): "30.71 / 27.59 / 26.98",
    ("vdsr", 4): "31.35 / 28.01 / 27.29",
    ("drcn", 4): "31.53 / 28.02 / 27.23",
    ("lapsrn", 4): "31.54 / 28.19 / 27.32",
    ("drrn", 4): "31.68 / 28.21 / 27.38",
    ("srdensenet", 4): "32.02 / 28.50 / 27.53",
    ("srresnet", 4): "32.05 / 28.49 / 27.58",
    ("edsr", 4): "32.09 / 28.58 / 27.57",
    ("span", 4): "32.20 / 28.66 / 27.62",
    ("swinir", 4): "32.44 / 28.77 / 27.69",
    ("rcan", 4): "32.63 / 28.87 / 27.77",
    ("rrdb", 4): "32.73 / 28.99 / 27.85",
    ("srcnn", 2): "36.66 / 32.42 / 31.36",
    ("fsrcnn", 2): "37.00 / 32.63 / 31.53",
    ("vdsr", 2): "37.53 / 33.03 / 31.90",
    ("drrn", 2): "37.74 / 33.23 / 32.05",
    ("edsr", 2): "37.99 / 33.57 / 32.16",
    ("rcan", 2): "38.27 / 34.12 / 32.41",
    ("srcnn", 3): "32.75 / 29.28 / 28.41",
    ("fsrcnn", 3): "33.16 / 29.43 / 28.53",
    ("vdsr", 3): "33.66 / 29.77 / 28.82",
    ("drrn", 3): "34.03 / 29.96 / 28.95",
    ("edsr", 3): "34.37 / 30.28 / 29.09",
    ("rcan", 3): "34.74 / 30.65 / 29.32",
}
