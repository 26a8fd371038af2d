"""What a series is, from its headers and the site's overrides."""
