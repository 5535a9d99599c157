"""What the other side of a channel posts to us. No token opens these addresses: each request proves its origin by itself."""
