"""How fast rows and mail get into MySQL."""
