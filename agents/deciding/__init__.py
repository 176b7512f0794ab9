"""From facts to a sworn decision: the path of nodes, agents and auditors."""
