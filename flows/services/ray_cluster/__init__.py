"""The Ray that a run uses: its start and end, its machines, its object store, and what Ray records of them."""
