"""One module for each generated page, and what they share."""
