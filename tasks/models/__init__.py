"""Where models come from, what their weights are known by, and keeping them loaded."""
