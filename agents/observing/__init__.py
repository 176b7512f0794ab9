"""Who is told of an agent's runs: logs, metrics, status."""
