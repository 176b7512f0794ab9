"""What survives `kill -9`: journal, checkpoints, operator's requests, lock."""
