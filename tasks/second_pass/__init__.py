"""The second pass: stretches that the check doubts are decoded again, and the better text is taken."""
