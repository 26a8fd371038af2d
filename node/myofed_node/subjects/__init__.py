"""Subject facts: read from CSV or FHIR, kept by pseudonym on this node only."""
