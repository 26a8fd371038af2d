"""A whole coordinator in one sealed file, and back: database, keys, audit chain, models, runs, settings."""
