"""Tests of the browser: index, pages, marks, comparison, and the pages in Chromium (`browser/test_browse_pages.py`)."""
