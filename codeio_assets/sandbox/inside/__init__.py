"""The programs that run inside the sandbox: standard library only, loaded by path, never with the host's state.

What lives here: the zygote that forks one leaf per request (`zygote`), the leaf that runs the untrusted program
(`leaf`), and what both need (`wire`, `values`, `surroundings`, `kernel`). The host imports `wire` for the shared
frame layouts and nothing else. What does not: anything that decides an outcome (`codeio_assets.sandbox.outcomes`).
"""
