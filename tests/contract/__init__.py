"""One suite for each promise of store/ and stream/, on the embedded parts and on the real ones."""
