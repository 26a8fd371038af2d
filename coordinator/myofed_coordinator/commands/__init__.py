"""The commands of `myofed-coordinator`, one module a noun: parse, call one use case, print."""
