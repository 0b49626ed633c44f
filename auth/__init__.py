"""Who is this, and what may they do. Imports nothing of gateway."""
