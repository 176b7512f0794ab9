"""One run after another: steps, their order, approval and recovery."""
