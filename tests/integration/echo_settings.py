"""A settings file for commands: one good model, which repeats what it is asked."""

ECHO = """
[store]
url = "sqlite:///state.db"
[[providers]]
id = "echo"
kind = "fake"
[[models]]
id = "strong"
provider = "echo"
quality = 0.9
"""
