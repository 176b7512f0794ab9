"""Programs and what runs them: `VerifiedAgent`, decide, the graph, the journal."""
