"""A whole federation on one machine, with synthetic patients."""
