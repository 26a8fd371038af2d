"""What machines ask of a coordinator: does it live, is it ready, and its numbers; on loopback alone."""
