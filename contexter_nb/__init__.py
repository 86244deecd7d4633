"""Documentation search for notebooks."""
