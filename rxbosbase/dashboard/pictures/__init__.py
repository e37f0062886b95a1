"""What the panes show: each a `Picture`, made of HTML and SVG, and of no Panel."""
