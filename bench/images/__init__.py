"""Container images: what a registry says of them, how they come here, and how they are built."""
