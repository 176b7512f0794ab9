"""An agent's configuration file, its class, and whether all it names is there."""
