"""The node's side of the wall: the egress proxy, approvals, the executor. Flower here, no torch."""
