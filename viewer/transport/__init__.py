"""What goes over the line: messages, and the points of a map in pieces."""
