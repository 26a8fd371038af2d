"""The model registry: weights as safetensors under their SHA-256, each with a signed record."""
