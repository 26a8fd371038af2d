"""What myofed's packages share: every type that crosses a process or the hospital's wall."""
