"""Known people of an output folder: samples of voices, grouping, the table and page for their names; knows no run."""
