"""evaluate: find, embed and measure faces of generated images, assign them to people, let every metric score."""
