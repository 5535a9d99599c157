"""What the gateway for SMS posts to us. No token opens these addresses: each request proves its origin by a signature."""
