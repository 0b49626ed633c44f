"""Who is let in, and what may they do."""
