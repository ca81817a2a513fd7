"""The build tool: from locked sources to packages, a channel, locks and one self-installing file."""
