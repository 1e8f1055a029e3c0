"""The run folder: facts on disk, written so that a kill at any instant leaves it readable."""
