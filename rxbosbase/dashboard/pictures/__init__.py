"""The contents of the panes: each is a `Picture` of HTML and SVG, without Panel."""
