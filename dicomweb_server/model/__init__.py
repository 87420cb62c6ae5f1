"""Floor 0: what everything is called. Standard library only."""
