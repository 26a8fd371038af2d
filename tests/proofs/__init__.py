"""Long proofs at full size; `make test` runs a small seeded sample of each so that they do not rot."""
