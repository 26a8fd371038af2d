"""The commands of `myofed-node`: each parses, calls one use case and reports; heavy imports wait until they are needed."""
