"""What goes over the wire: the protocols' dialects, their events, and what those say of an answer.

Pure: bytes in, facts out. The gateway reads it as it passes by; who keeps an answer reads its text.
"""
