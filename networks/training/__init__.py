"""Training of networks of any family: configuration, data, steps, state, log and averaging."""
