"""Federated planning: what sites are asked before a study is written, what they answered, and the draft that follows."""
