"""Planted rules: what a model cannot know, told once in a long answer, and asked of another model.

``tasks`` is what a row looks like, ``families`` invents rows, ``prose`` hides their rules in messy
answers, ``stores`` turns answers into stores, ``arms`` says what each arm hands over, ``run`` asks,
``figures`` adds up.
"""
