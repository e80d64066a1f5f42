"""What the faces cost, and how fast they answer."""
