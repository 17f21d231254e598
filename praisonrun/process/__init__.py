"""From an order to a process and its end."""
