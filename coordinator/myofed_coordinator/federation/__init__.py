"""The coordinator's side of the wall: the engine, the sites' port, the rounds."""
