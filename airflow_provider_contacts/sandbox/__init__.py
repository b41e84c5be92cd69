"""The four vendors on this machine, for demos and tests. It shares no code with the client."""
