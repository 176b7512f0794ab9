"""What a backtest found, as a page with pictures; and the audit of what it left."""
