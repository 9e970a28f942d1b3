"""Commands about networks: what is shipped, what one predicts, and how a run takes its size."""
