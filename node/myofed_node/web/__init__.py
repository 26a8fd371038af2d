"""The site's own page: on 127.0.0.1, behind the token in `keys/web.token`, read only."""
