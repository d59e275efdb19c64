"""Markdown of a lesson to HTML, once, when the course is loaded; safe by construction.

`blocks` reads the text into a tree, `inline` and `code` turn its leaves into HTML that `clean` lets
through, `svg` does the same for drawings; `scribe` and `directives` put our own templates around them, `page`
puts all in order. `passages` are what search finds of it.
"""
