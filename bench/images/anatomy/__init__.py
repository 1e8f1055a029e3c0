"""An image taken apart: layers, files, packages, GPU code, and what could be left out."""
