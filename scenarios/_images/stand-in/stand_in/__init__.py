"""The verbs of a NIM 2.x around an engine that is already in the image. A stand-in, not NVIDIA NIM."""

NOTICE = "stand-in, not NVIDIA NIM"
VERSION = "1"  # of the stand-in
