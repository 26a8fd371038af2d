"""HTTP adapters: the people's port and the sites' part of the sites' port."""
