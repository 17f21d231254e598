"""What goes over the wire: the guard at the door, the table of operations, one module a dialect."""
