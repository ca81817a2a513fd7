"""The figures that the README quotes, and how to get them again: `make bench`."""
