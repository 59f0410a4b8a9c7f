"""What the readers of other programs' circuits share: lines, nodes, smoothing, groups."""
