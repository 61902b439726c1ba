"""One module a page: its address, its title, and what puts it together."""
