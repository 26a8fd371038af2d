"""The names that Flower looks up."""
