"""evaluate: find and embed the faces of generated images, assign them to people, and let every metric score them."""
