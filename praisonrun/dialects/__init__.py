"""What goes over the wire: a package for each dialect, and what they share."""
