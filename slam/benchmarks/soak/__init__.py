"""Hours of camera, with losses, blackouts and restarts, and what they cost."""
