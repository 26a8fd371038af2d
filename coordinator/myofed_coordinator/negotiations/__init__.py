"""Negotiation: a study lead asks a site for participation from one of its cards, and the site's people answer."""
