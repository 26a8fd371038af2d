"""Steps from one version of the tables to the next; version 1 is the first and needs none (`database.SCHEMA_VERSION`)."""
