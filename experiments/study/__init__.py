"""Studies: methods x seeds x backbones on one corpus, as the paper's tables and figures are."""
