"""A whole federation on one machine, for research: the same manifest, the same rounds, virtual sites."""
