"""What is made of a trained pipeline: a model card, a smaller pipeline."""
