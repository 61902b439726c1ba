"""Chat Completions ↔ Messages, both ways: requests, answers, errors and streams.

Used only where the chosen model speaks the other dialect than the client; all else is relayed byte
by byte. Everything here is pure: plain JSON values in, plain JSON values or bytes out.

What cannot be said in the other dialect raises ``InvalidInputError`` naming the field. The only
exceptions are hints whose loss does not change what an answer means; ``hints`` lists them.
"""
