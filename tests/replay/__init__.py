"""Who reads the past, apart from what is decided in core."""
