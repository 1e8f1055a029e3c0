"""nimbench: NVIDIA NIM or a container of your own, settled by repeated, paired launches."""

__version__ = "0.1.0"
