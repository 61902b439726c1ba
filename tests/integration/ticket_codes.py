"""What the scripted models of the loop's tests say and are asked."""

HANDBOOK = """\
## Ticket codes

A ticket code is always the queue's prefix, a dash and the floor number.

- Example: billing on floor 3 -> `BIL-3`
- Example: network on floor 12 -> `NET-12`
"""
QUESTION = "Which ticket code has billing on floor 7?"
