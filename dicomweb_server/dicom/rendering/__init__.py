"""From cells to a picture or a text a person can look at (PS3.18 8.3.5, PS3.4 N.2)."""
