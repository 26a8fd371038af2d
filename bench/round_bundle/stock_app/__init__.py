"""A packed model through stock Flower."""
