"""A method's weights as files: checkpoints, cards, published layouts, and checks before they are used."""
