"""The page and tables of a study: the paper's Tables 1 and 2, Figures 2 and 3, and its findings."""
