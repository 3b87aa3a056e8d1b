"""The colours of figures and pictures."""

INK = "#1d2126"
MUTED = "#5d6670"
GRID = "#e3e6e9"
PAPER = "white"
BLUE = "#0072b2"
VERMILLION = "#d55e00"
"""Colours of series are Okabe and Ito's (2008), which the colour-blind can tell apart."""
