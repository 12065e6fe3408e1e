"""The Flask extension, through its own test client unless a page says otherwise."""
