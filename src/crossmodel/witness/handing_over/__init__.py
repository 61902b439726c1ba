"""Records handed over to a writer process through a spool of files, off the request path.

``handover`` and ``spool`` are the side of whoever hands over, ``drain`` and ``writer`` the other;
``frames`` is what lies between. It needs locks that not every system has: nothing loads by itself.
"""
