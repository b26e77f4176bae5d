"""Where models come from, how their weights are identified, and keeping them loaded."""
