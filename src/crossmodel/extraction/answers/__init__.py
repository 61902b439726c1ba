"""The final answer: what an answer comes down to, and where it says so."""

from crossmodel.extraction.answers.final import final_answer, stated_answers

__all__ = ["final_answer", "stated_answers"]
