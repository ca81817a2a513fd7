"""A hub that was made by hand: read as data, carried over, never changed."""
