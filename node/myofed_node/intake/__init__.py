"""How images come in: an instance is acknowledged when it is safely on disk, and each lies there exactly once."""
