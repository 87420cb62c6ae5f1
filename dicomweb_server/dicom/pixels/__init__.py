"""From the stored bytes of one frame to an array of cells, and back: every transfer syntax, no I/O."""
