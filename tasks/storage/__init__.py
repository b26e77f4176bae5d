"""Files and object stores: reading, atomic writing, stage results, write-ahead notes."""
