"""The metadata catalog: dataset cards as the sites published them, and queries over them."""
