"""The hospital's node: intake, conversion, validation, learning and the wall towards the coordinator."""
