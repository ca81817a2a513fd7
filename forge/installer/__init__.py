"""The installer file: a shell header, a static helper, and the packages as they are in the channel."""
