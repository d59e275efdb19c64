"""Markdown of a lesson to HTML, once, when the course is loaded; safe by construction.

`blocks` reads the text into a tree, `inline` and `code` turn its leaves into HTML that `clean` lets
through, `svg` does the same for drawings, and `page` puts our own templates around them.
"""
