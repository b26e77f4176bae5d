"""Web pages for the disk: one file each, with style and script inside, that loads nothing from the network."""
