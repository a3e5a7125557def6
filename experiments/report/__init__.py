"""The page, tables and figures of a study: the paper's Tables 1 and 2, Figures 2 and 3."""
