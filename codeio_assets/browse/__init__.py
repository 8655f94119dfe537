"""The browser: every file, function, pair, task and answer of a project as pages, for people to read, compare and mark.

More modules than a room usually has: one per page, beside what the pages share.
`codeio browse` serves it on 127.0.0.1, offline. It reads the live warehouse and writes nothing but marks.
"""
