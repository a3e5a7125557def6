__title__ = "spacy-dualner"
__version__ = "0.1.0"
