"""Everything that needs Ray: bulk work on Ray Data, and the gateway on Ray Serve.

Nothing else imports ``ray``; this is loaded when somebody asks for it by name.
"""
